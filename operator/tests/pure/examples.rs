//! The examples, and every object they become, letter by letter.

use crate::planned::{build, validate};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ras_core::build::labels;
use ras_core::platform;
use ras_crds::ConditionType;
use ras_crds::spec::DeletionPolicy;
use serde_json::Value;

use crate::drives::{facts_for, read};
use crate::manifest::to_yaml;

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn examples() -> Vec<(String, String)> {
    let mut all: Vec<_> = fs::read_dir(folder("../examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    all.sort();
    assert!(all.len() >= 4, "the examples are gone");
    all
}

/// A change of a golden file is a change of what runs: one in a Deployment's `template` restarts every
/// portal when the operator is upgraded.
#[test]
fn examples_become_the_golden_manifests() {
    let platform = platform::parse(&fs::read_to_string(folder("tests/golden/platform.yaml")).unwrap()).unwrap();
    let mut stale = Vec::new();
    for (name, text) in examples() {
        let drive = read(&text);
        let valid =
            validate(&drive, &facts_for(&drive), &platform).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        let desired = build(&valid);
        // What nobody ever migrated is to be migrated first.
        let held = desired.blocked.values();
        let held: Vec<_> = held
            .filter(|one| one.condition != ConditionType::MigrationsReady)
            .collect();
        assert!(held.is_empty(), "{name}: {held:?}");
        let documents: Vec<_> = desired
            .manifests()
            .unwrap()
            .iter()
            .map(|object| to_yaml(object).unwrap())
            .collect();
        let manifests = documents.join("---\n");
        let golden = folder("tests/golden").join(format!("{name}.yaml"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &manifests).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != manifests {
            stale.push(name);
        }
    }
    assert!(
        stale.is_empty(),
        "the manifests of {stale:?} differ from operator/tests/golden. If that is meant, run \
         `UPDATE_GOLDEN=1 cargo test -p ras-operator --test pure` and review the difference: what changes in a pod template \
         restarts every portal at the next upgrade"
    );
}

/// Fields that the contract does not know would be dropped by the API server without a word.
#[test]
fn examples_say_nothing_that_the_contract_drops() {
    for (name, text) in examples() {
        let written: Value = serde_yaml::from_str(&text).unwrap();
        let understood = serde_json::to_value(read(&text)).unwrap();
        for part in ["metadata", "spec"] {
            assert_eq!(
                without_defaults(&written[part], part == "metadata"),
                without_defaults(&understood[part], part == "metadata"),
                "{name}: {part}"
            );
        }
    }
}

/// The UID is what `read` adds; amounts are texts once they are read.
pub(crate) fn without_defaults(value: &Value, metadata: bool) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !(metadata && *key == "uid"))
            .map(|(key, value)| (key.clone(), without_defaults(value, false)))
            .collect(),
        Value::Array(list) => list.iter().map(|value| without_defaults(value, false)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Argo CD with label tracking (the default before 3.0) prunes what has no owner, is not in Git, and has the name of its
/// Application in this label; an Application is easily named like its drive.
#[test]
fn no_gitops_tool_takes_what_a_drive_keeps_for_its_own() {
    let clusters = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring, namespace: spo}
spec:
  services: [{name: web, image: 'registry.example.com/web:1'}]
  suspend: true
  database:
    managed: {provider: CloudNativePG, version: 17, size: 20Gi}
    databases: [{name: application}]
";
    let platform = platform::parse(&fs::read_to_string(folder("tests/golden/platform.yaml")).unwrap()).unwrap();
    let mut kinds = BTreeSet::new();
    for (name, text) in examples()
        .into_iter()
        .chain([("clusters".to_owned(), clusters.to_owned())])
    {
        let drive = read(&text);
        for policy in [None, Some(DeletionPolicy::Delete)] {
            let mut drive = drive.clone();
            let managed = drive
                .spec
                .database
                .as_mut()
                .filter(|database| database.managed.is_some());
            if let (Some(policy), Some(database)) = (policy, managed) {
                database.deletion_policy = Some(policy);
            }
            let valid = validate(&drive, &facts_for(&drive), &platform).unwrap();
            for object in build(&valid).manifests().unwrap() {
                let metadata = &object["metadata"];
                let kind = object["kind"].as_str().unwrap();
                let holds_data = matches!(kind, "PersistentVolumeClaim" | "Secret" | "Cluster");
                let has_no_owner = metadata["ownerReferences"].is_null();
                if !holds_data && !has_no_owner {
                    assert_eq!(
                        metadata["labels"][labels::INSTANCE],
                        drive.metadata.name.clone().unwrap()
                    );
                    continue;
                }
                kinds.insert(kind.to_owned());
                let what = format!("{name}: {kind}/{}: {metadata}", metadata["name"]);
                assert!(metadata["labels"][labels::INSTANCE].is_null(), "{what}");
                let annotation = |name: &str| metadata["annotations"][name].as_str();
                let argo_cd = annotation("argocd.argoproj.io/sync-options");
                assert_eq!(argo_cd, Some("Prune=false,Delete=false"), "{what}");
                assert_eq!(
                    annotation("kustomize.toolkit.fluxcd.io/prune"),
                    Some("disabled"),
                    "{what}"
                );
                let hibernates = (kind == "Cluster").then_some("on");
                assert_eq!(annotation("cnpg.io/hibernation"), hibernates, "{what}");
            }
        }
    }
    let seen: Vec<&str> = kinds.iter().map(String::as_str).collect();
    assert_eq!(seen, ["Cluster", "PersistentVolumeClaim", "Secret"]);
}
