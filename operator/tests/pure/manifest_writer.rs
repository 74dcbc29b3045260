//! Every reader of YAML reads the golden files alike.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::manifest::{scalar, to_yaml};

fn of(value: &Value) -> String {
    to_yaml(value).unwrap()
}

#[test]
fn texts_that_look_like_something_else_are_quoted() {
    for text in [
        "on",
        "Off",
        "yes",
        "NO",
        "n",
        "Y",
        "true",
        "~",
        "null",
        "NULL",
        "",
        "1_000",
        "12:30:45",
        "0o7",
        "07",
        "0x1F",
        "1e3",
        "+1",
        ".5",
        ".inf",
        "=",
        "<<",
        "2026-07-01",
        "- a",
        "a: b",
        "a:",
        "a #b",
        "#a",
        "&a",
        "*a",
        "!a",
        "%a",
        "@a",
        "[a",
        "{a",
        "'a",
        "|a",
        " a",
        "a ",
        "-",
        "---",
        "a\tb",
    ] {
        assert_eq!(of(&json!({"a": text})), format!("a: {}\n", scalar(text)));
        assert!(scalar(text).starts_with('"'), "{text}");
    }
}

#[test]
fn ordinary_texts_stay_bare() {
    for text in [
        "registry.example.com/ras-backend:2026.07",
        "/api/auth",
        "ReadWriteOnce",
        "ras.dev/drive",
        "a-b",
        "letsencrypt",
        "20Gi",
        "25%",
    ] {
        assert_eq!(scalar(text), text);
    }
}

#[test]
fn manifests_look_as_kubectl_writes_them() {
    let yaml = of(
        &json!({"kind": "X", "list": [{"a": 1, "b": ["x", []]}, "y"], "text": "one:\n  two\n", "map": {"empty": {}, "no": null}}),
    );
    assert_eq!(
        yaml,
        "kind: X\nlist:\n- a: 1\n  b:\n  - x\n  - []\n- \"y\"\nmap:\n  empty: {}\n  \"no\": null\ntext: |\n  one:\n    two\n"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        "[ -~\n\t]{0,30}",
        "[yYnNoOeEsS0-9_:.+~=<-]{0,6}",
        "(a|b| |\n){0,12}"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..5)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in any_json()) {
        let yaml = of(&value);
        let back: Value = serde_yaml::from_str(&yaml).map_err(|error| TestCaseError::fail(format!("{error}\n{yaml}")))?;
        prop_assert_eq!(back, value, "{}", yaml);
    }
}
