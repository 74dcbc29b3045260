//! The examples, and every object they become, letter by letter.

use std::fs;
use std::path::{Path, PathBuf};

use ras_crds::ConditionType;
use ras_operator::drive::build::build;
use ras_operator::drive::validate::validate;
use ras_operator::manifest::to_yaml;
use ras_operator::platform;
use serde_json::Value;

use crate::drives::{facts_for, read};

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
        let held = desired.held.values();
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
fn without_defaults(value: &Value, metadata: bool) -> Value {
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
