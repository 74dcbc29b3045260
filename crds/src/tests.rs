//! What the definition promises to tools and people, whatever fields come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::condition::{ConditionType, Reason};
use crate::reference::api_reference;
use crate::schema::{custom_resource_definition_json, custom_resource_definition_yaml};
use crate::spec::{
    AccessMode, DatabaseCredentials, DatabaseKey, DatabaseProvider, DeletionPolicy, IssuerKind, Protocol, PullPolicy,
    RolloutStrategy, TolerationEffect, TolerationOperator,
};
use crate::{Phase, RecruitmentDrive, sentences};

/// Every schema in the definition with its path, parents first.
fn schemas() -> Vec<(String, Value)> {
    fn walk(path: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
        found.push((path.to_owned(), schema.clone()));
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), field, found);
        }
        for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
            if schema.get(key).is_some() {
                walk(&format!("{path}{mark}"), &schema[key], found);
            }
        }
    }
    let definition = custom_resource_definition_json().unwrap();
    let mut found = Vec::new();
    walk(
        "",
        &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
        &mut found,
    );
    found
}

fn rules() -> Vec<(String, Value)> {
    let of = |(path, schema): (String, Value)| {
        schema["x-kubernetes-validations"]
            .as_array()
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .map(move |rule| (path.clone(), rule))
    };
    schemas().into_iter().flat_map(of).collect()
}

#[test]
fn every_field_has_a_description_in_whole_sentences() {
    for (path, schema) in schemas() {
        let is_field = !path.ends_with("[]") && !path.ends_with("{}");
        let Some(description) = schema["description"].as_str() else {
            assert!(!is_field, "{path} has no description");
            continue;
        };
        for paragraph in description.split("\n\n") {
            assert!(
                paragraph.ends_with('.'),
                "{path}: {paragraph:?} does not end a sentence"
            );
            let is_list = paragraph.lines().all(|line| line.starts_with("- `"));
            assert!(
                is_list || !paragraph.contains('\n'),
                "{path}: {paragraph:?} breaks a line"
            );
            assert!(
                !paragraph.contains("[`") && !paragraph.contains("::"),
                "{path}: {paragraph:?} speaks Rust"
            );
        }
    }
}

#[test]
fn no_field_has_a_default_that_gitops_would_see_as_drift() {
    for (path, schema) in schemas() {
        assert!(schema.get("default").is_none(), "{path} has a default");
    }
}

#[test]
fn a_field_is_absent_and_never_null() {
    for (path, schema) in schemas() {
        assert!(schema.get("nullable").is_none(), "{path} may be null");
    }
}

#[test]
fn every_object_that_may_be_empty_is_atomic_so_that_server_side_apply_can_empty_it() {
    let mut atomic = BTreeSet::new();
    for (path, schema) in schemas() {
        let may_be_empty = schema["type"] == "object"
            && schema["required"].as_array().is_none_or(Vec::is_empty)
            && schema["minProperties"].as_u64().is_none_or(|least| least == 0);
        // People apply the spec; the operator alone writes the status, and never with server-side apply.
        let expected = may_be_empty && path.starts_with(".spec");
        assert_eq!(
            schema["x-kubernetes-map-type"] == "atomic",
            expected,
            "{path}: {schema}"
        );
        if expected {
            atomic.insert(path);
        }
    }
    for path in [
        ".spec.cache",
        ".spec.exposure.annotations",
        ".spec.monitoring.alerts",
        ".spec.services[].resources.limits",
        ".spec.services[].scheduling.nodeSelector",
        ".spec.services[].uses",
        ".spec.services[].volumes[].scratch",
    ] {
        assert!(atomic.contains(path), "{path}");
    }
}

#[test]
fn every_list_map_and_text_of_the_spec_has_a_bound() {
    for (path, schema) in schemas()
        .into_iter()
        .filter(|(path, _)| path.starts_with(".spec") || path.starts_with(".status.conditions"))
    {
        let bound = match schema["type"].as_str() {
            Some("array") => schema["maxItems"].is_u64(),
            Some("string") => {
                schema["maxLength"].is_u64() || schema["enum"].is_array() || schema["format"] == "date-time"
            }
            Some("object") => schema["properties"].is_object() || schema["maxProperties"].is_u64(),
            Some("integer") => schema["maximum"].is_i64() || path.ends_with(".observedGeneration"),
            Some("boolean") => true,
            _ => schema["x-kubernetes-int-or-string"] == true && schema["maxLength"].is_u64(),
        };
        assert!(bound, "{path} has no bound: {schema}");
    }
}

/// A status that the API server refuses hides what it would say, and data that it has no room for is not missed when it is gone.
#[test]
fn status_has_room_for_the_largest_spec() {
    let all: BTreeMap<String, Value> = schemas().into_iter().collect();
    let most = |path: &str| {
        let schema = &all[path];
        let sentence = schema["x-kubernetes-validations"][0]["rule"]
            .as_str()
            .unwrap_or_default();
        let of_rule = sentence
            .strip_prefix(sentences::LENGTH)
            .and_then(|text| text.parse().ok());
        of_rule.or_else(|| schema["maxItems"].as_u64()).unwrap()
    };
    let services = most(".spec.services");
    // The cache is one more.
    assert!(most(".status.services") > services);
    let volumes = services * most(".spec.services[].volumes") + most(".spec.volumes");
    // Two logins of an owner and of a user each, the server's volume or Cluster, and its administrator.
    let databases = 4 * most(".spec.database.databases") + 2;
    assert!(most(".status.data") >= volumes + most(".spec.secrets") + databases);
}

#[test]
fn every_rule_says_a_sentence_of_its_own_and_what_to_do() {
    let mut seen = BTreeSet::new();
    let mut places = BTreeSet::new();
    for (path, rule) in rules() {
        let message = rule["message"].as_str().unwrap();
        assert!(message.contains(": "), "{path}: {message:?} names no next step");
        assert!(message.len() <= 250, "{path}: {message:?} is longer than anybody reads");
        // Resources, variables, times of rotation and so on stand in several places, with their rules.
        let is_repeated = path.contains(".sidecars[].")
            || path.contains(".initContainers[].")
            || path.contains(".migrate.env")
            || path.contains(".migrate.uses")
            || path.ends_with(".migrate.resources")
            || path.ends_with(".database.managed.resources")
            || path.contains(".database.rotate")
            || sentences::is_shared(message);
        if !is_repeated {
            assert!(seen.insert(message.to_owned()), "two rules say {message:?}");
        }
        places.insert(path);
    }
    assert!(places.len() > 10, "{places:?}");
}

#[test]
fn no_field_answers_with_a_regular_expression_or_a_number_alone() {
    let (mut patterns, mut lengths) = (0, 0);
    for (path, schema) in schemas().into_iter().filter(|(path, _)| path.starts_with(".spec")) {
        assert!(
            schema.get("pattern").is_none(),
            "{path} has a pattern: give it a sentence"
        );
        let rules = schema["x-kubernetes-validations"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        patterns += rules
            .iter()
            .filter(|rule| sentences::of_patterns().any(|sentence| rule["message"] == sentence))
            .count();
        for bound in ["maxItems", "maxProperties"] {
            let Some(most) = schema[bound].as_u64() else { continue };
            // A set of an enum's values cannot be longer.
            if schema["items"]["enum"].is_array() {
                continue;
            }
            let sentence = rules.iter().find_map(|rule| {
                let length = rule["rule"].as_str()?.strip_prefix(sentences::LENGTH)?;
                Some((length.parse::<u64>().ok()?, rule["message"].as_str()?))
            });
            let (allowed, sentence) = sentence.unwrap_or_else(|| panic!("{path} has no sentence about its length"));
            assert!(
                allowed < most && sentence.contains(&allowed.to_string()),
                "{path}: {allowed} of {most}: {sentence}"
            );
            lengths += 1;
        }
    }
    assert!(
        patterns >= 87 && lengths >= 50,
        "{patterns} patterns, {lengths} lengths"
    );
}

#[test]
fn the_field_a_rule_names_exists() {
    let paths: BTreeSet<String> = schemas().into_iter().map(|(path, _)| path).collect();
    for (path, rule) in rules() {
        if let Some(field) = rule["fieldPath"].as_str() {
            assert!(paths.contains(&format!("{path}{field}")), "{path}: there is no {field}");
        }
    }
}

#[test]
fn the_definition_fits_into_the_annotation_of_client_side_apply() {
    // Kubernetes refuses annotations of more than 256 KiB together; this leaves room to grow.
    let size = custom_resource_definition_json().unwrap().to_string().len();
    assert!(size < 200 * 1024, "{size} bytes");
}

#[test]
fn the_generated_files_are_those_of_the_types() {
    let yaml = include_str!("../recruitmentdrives.yaml");
    assert!(
        yaml.ends_with(&custom_resource_definition_yaml().unwrap()),
        "crds/recruitmentdrives.yaml is stale: run `make generate`"
    );
    assert!(
        include_str!("../../docs/api.md") == api_reference().unwrap(),
        "docs/api.md is stale: run `make generate`"
    );
}

#[test]
fn the_reference_has_every_rule_and_every_word() {
    let page = api_reference().unwrap();
    for (path, rule) in rules() {
        let message = rule["message"].as_str().unwrap().replace('<', "\\<");
        assert!(page.contains(&message), "{path}: {message}");
    }
    for word in ConditionType::ALL
        .iter()
        .map(ToString::to_string)
        .chain(Reason::ALL.iter().map(ToString::to_string))
    {
        assert!(page.contains(&format!("| `{word}` |")), "{word}");
    }
}

#[test]
fn condition_types_and_reasons_are_unique_and_explained() {
    let types = ConditionType::ALL
        .iter()
        .map(|word| ("type", word.as_str(), word.meaning()));
    let reasons = Reason::ALL.iter().map(|word| ("reason", word.as_str(), word.meaning()));
    let (mut names, mut meanings) = (BTreeSet::new(), BTreeSet::new());
    for (list, name, meaning) in types.chain(reasons) {
        // A condition and its reason may have one name.
        assert!(names.insert((list, name)), "{name} is there twice");
        assert!(meanings.insert(meaning), "{name} says what another word says");
        assert!(meaning.ends_with('.'), "{name}: {meaning:?}");
        // The form that metav1.Condition demands of a reason, and that scripts can match.
        assert!(
            name.chars().all(|c| c.is_ascii_alphanumeric()) && name.starts_with(|c: char| c.is_ascii_uppercase()),
            "{name}"
        );
    }
}

/// Each value of the schema reads as a value of the type and is written as it was.
fn round_trips<T: JsonSchema + Serialize + DeserializeOwned + Debug>() {
    let schema = schemars::schema_for!(T).to_value();
    let values: Vec<Value> = schema["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| choice["const"].clone())
        .collect();
    assert!(values.len() > 1, "{schema}");
    for value in values {
        let read: T = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), value);
    }
}

#[test]
fn enums_are_read_and_written_by_the_same_words() {
    round_trips::<AccessMode>();
    round_trips::<DatabaseCredentials>();
    round_trips::<DatabaseKey>();
    round_trips::<DatabaseProvider>();
    round_trips::<DeletionPolicy>();
    round_trips::<IssuerKind>();
    round_trips::<Phase>();
    round_trips::<Protocol>();
    round_trips::<PullPolicy>();
    round_trips::<RolloutStrategy>();
    round_trips::<TolerationEffect>();
    round_trips::<TolerationOperator>();
    for (value, word) in [
        (PullPolicy::Always, "Always"),
        (PullPolicy::IfNotPresent, "IfNotPresent"),
        (PullPolicy::Never, "Never"),
    ] {
        assert_eq!(
            (value.as_str(), serde_json::to_value(value).unwrap()),
            (word, json!(word))
        );
    }
    for (value, word) in [(Protocol::Tcp, "TCP"), (Protocol::Udp, "UDP")] {
        assert_eq!(
            (value.as_str(), serde_json::to_value(value).unwrap()),
            (word, json!(word))
        );
    }
    for value in [DatabaseProvider::Standalone, DatabaseProvider::CloudNativePG] {
        assert_eq!(serde_json::to_value(value).unwrap(), json!(value.as_str()));
    }
    for value in [
        AccessMode::ReadWriteOnce,
        AccessMode::ReadWriteOncePod,
        AccessMode::ReadWriteMany,
    ] {
        assert_eq!(serde_json::to_value(value).unwrap(), json!(value.as_str()));
    }
}

#[test]
fn a_drive_is_written_as_it_was_read() {
    let drive = json!({
        "apiVersion": "ras.dev/v1alpha1",
        "kind": "RecruitmentDrive",
        "metadata": {"name": "placements-2026"},
        "spec": {
            "services": [{
                "name": "web",
                "image": "registry.example.com/web:1",
                "ports": [{"name": "http", "port": 80, "path": "/"}],
                "autoscaling": {"maxReplicas": 3, "targetCPUUtilization": 70, "targetMemoryUtilization": 80},
                "egress": [],
                "volumes": [{"name": "data", "path": "/data", "scratch": {}}],
                "podSecurity": {"runAsUser": 1000, "writableRootFilesystem": true},
            }],
            "exposure": {"host": "placement.example.edu", "tls": {"issuer": "letsencrypt"}},
        },
    });
    let read: RecruitmentDrive = serde_json::from_value(drive.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), drive);
}
