//! Writes the golden files: Kubernetes objects as YAML that readers of YAML 1.1 and 1.2 read alike.
//!
//! kubectl, Argo CD and Flux read YAML by the rules of version 1.1, where `on`, `NO`, `y`, `1_000`, `12:30:45`, `=` and `<<`
//! without quotes are not strings. `serde_yaml` follows version 1.2 and leaves them unquoted. It also quotes with `'` where the
//! golden files have `"`, so this writer stays with the tests: the files keep every byte. The behaviour tests include this file, too,
//! and read what it writes with Go's parser.

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

/// True if a text can be a YAML block. Blanks at its beginning would count as indentation, and more than one line feed
/// at its end is easily lost.
fn is_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with(['\n', ' ', '\t'])
        && !text.ends_with("\n\n")
        && text.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
}

/// One text on one line.
pub fn scalar(text: &str) -> String {
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

/// True for an amount such as `20Gi`, `250m` or `25%`, which no YAML version reads as a number.
fn is_amount(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    !digits.is_empty()
        && digits.chars().all(|c| c.is_ascii_digit())
        && text
            .strip_prefix(digits)
            .is_some_and(|unit| matches!(unit, "m" | "%" | "Ki" | "Mi" | "Gi" | "Ti"))
}

/// True if a text needs no quotes: it is an amount, or begins with a letter or '/', has no character with a meaning in
/// YAML, and is none of [`WORDS`].
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

/// True if every YAML reader keeps the character. Some characters that are not ASCII end lines or are dropped.
fn is_printable(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic() || (!c.is_ascii() && c.is_alphanumeric())
}
