//! Manifests as YAML that every reader takes for the same.
//!
//! kubectl, Argo CD and Flux read YAML by the rules of version 1.1, where `on`, `NO`, `y`, `1_000`,
//! `12:30:45`, `=` and `<<` without quotes are something else than texts. The emitter that Rust offers
//! follows version 1.2 and leaves them bare, so this is one of our own: a text stands bare only when it is
//! beyond doubt.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

/// Longest bare or quoted key; YAML forbids longer ones than 1024 characters before a ':'.
const MAX_KEY: usize = 1_000;

/// Words that version 1.1 takes for booleans, numbers or nothing, whatever their case.
const WORDS: [&str; 12] = [
    "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity",
];

/// Writes one document, with a line feed at its end. Fields are sorted, as in JSON.
///
/// # Errors
/// When the value cannot be written as JSON.
pub fn to_yaml(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut yaml = String::new();
    block(&serde_json::to_value(value)?, 0, &mut yaml);
    yaml.push('\n');
    Ok(yaml)
}

/// Writes a value whose first line begins where the text ends, and all others at `indent`.
fn block(value: &Value, indent: usize, yaml: &mut String) {
    match value {
        Value::Null => yaml.push_str("null"),
        Value::Bool(value) => yaml.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => yaml.push_str(&number.to_string()),
        Value::String(text) => yaml.push_str(&scalar(text)),
        Value::Array(list) if list.is_empty() => yaml.push_str("[]"),
        Value::Object(map) if map.is_empty() => yaml.push_str("{}"),
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                line_break(index > 0, indent, yaml);
                yaml.push_str("- ");
                field(item, indent, indent + 2, yaml);
            }
        }
        Value::Object(map) => {
            for (index, (key, value)) in map.iter().enumerate() {
                line_break(index > 0, indent, yaml);
                let key = scalar(key);
                if key.len() > MAX_KEY {
                    yaml.push_str("? ");
                }
                yaml.push_str(&key);
                line_break(key.len() > MAX_KEY, indent, yaml);
                yaml.push(':');
                match value {
                    Value::Object(map) if !map.is_empty() => line_break(true, indent + 2, yaml),
                    // Lists stand below their key, not further in, as kubectl writes them.
                    Value::Array(list) if !list.is_empty() => line_break(true, indent, yaml),
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Array(_)
                    | Value::Object(_) => yaml.push(' '),
                }
                let inside = if value.is_array() { indent } else { indent + 2 };
                field(value, indent, inside, yaml);
            }
        }
    }
}

/// Writes what follows a key or a dash at `outside`: a text of many lines as such, all else as a block.
fn field(value: &Value, outside: usize, inside: usize, yaml: &mut String) {
    match value {
        Value::String(text) if is_literal(text) => {
            yaml.push_str(if text.ends_with('\n') { "|" } else { "|-" });
            for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
                line_break(true, if line.is_empty() { 0 } else { outside + 2 }, yaml);
                yaml.push_str(line);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            block(value, inside, yaml);
        }
    }
}

fn line_break(wanted: bool, indent: usize, yaml: &mut String) {
    if wanted {
        yaml.push('\n');
        yaml.extend(std::iter::repeat_n(' ', indent));
    }
}

/// Whether a text can be shown line by line. Blanks at its beginning would be taken for indentation, and
/// more than one line feed at its end is easily lost.
fn is_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with(['\n', ' ', '\t'])
        && !text.ends_with("\n\n")
        && text.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
}

/// One text on one line.
fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if is_printable(c) => quoted.push(c),
            // Writing to a String cannot fail.
            c => drop(write!(quoted, "\\U{:08X}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether a text is an amount such as `20Gi`, `250m` or `25%`, which no version takes for a number.
fn is_amount(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    !digits.is_empty()
        && digits.chars().all(|c| c.is_ascii_digit())
        && text
            .strip_prefix(digits)
            .is_some_and(|unit| matches!(unit, "m" | "%" | "Ki" | "Mi" | "Gi" | "Ti"))
}

/// Whether a text is one beyond doubt: it is an amount, or begins with a letter or '/', holds nothing that
/// has a meaning in YAML, and is none of [`WORDS`].
fn is_plain(text: &str) -> bool {
    let ordinary = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '.' | '/' | '@' | '+' | '(' | ')' | ';' | '$' | '-' | ':')
    };
    if is_amount(text) {
        return true;
    }
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(ordinary)
        && !text.contains(": ")
        && !text.ends_with([' ', ':'])
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a character is seen as it is by every reader. Some that are not ASCII end lines or are dropped.
fn is_printable(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic() || (!c.is_ascii() && c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

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
}
