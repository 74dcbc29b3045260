//! Shortens a message of the API server to the field and the reason, without the Go structures that it prints. Pure.

use kube::core::Status;
use ras_core::plain_text::plain;

/// Longest text that is shown of one refusal, in characters.
const LONGEST: usize = 600;
/// Longest value that is shown, in characters. Longer ones are structures.
const LONGEST_VALUE: usize = 80;

/// The message of a refusal.
pub fn status(status: &Status) -> String {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let fields: Vec<String> = causes
        .filter(|cause| !cause.field.is_empty() && status.code == 422)
        .map(|cause| field(&cause.field, &cause.message))
        .collect();
    // A policy names no field of the object that it refuses, and its own words say more.
    let shown = if fields.is_empty() || fields.iter().all(|one| one.contains("denied request")) {
        sentence(&status.message)
    } else {
        fields.join("; ")
    };
    cut(plain(&shown, 4 * LONGEST))
}

/// `spec.template: field is immutable`.
fn field(field: &str, said: &str) -> String {
    let reason = sentence(said);
    // The kinds of errors of `k8s.io/apimachinery/pkg/util/validation/field`.
    let short = ["Forbidden: ", "Required value: ", "Too long: ", "Unsupported value: "]
        .iter()
        .find_map(|kind| reason.strip_prefix(kind));
    let own = short.map_or_else(|| reason.clone(), str::to_owned);
    if own.is_empty() {
        return format!("{field}: {}", reason.trim_end_matches(": "));
    }
    format!("{field}: {own}")
}

/// The first line, without a structure that it shows as a value.
fn sentence(said: &str) -> String {
    let line = said.lines().next().unwrap_or_default().trim();
    let Some((before, after)) = line.split_once("Invalid value: ") else {
        return line.to_owned();
    };
    let Some((value, reason)) = split_value(after) else {
        return line.to_owned();
    };
    // Values of the drive, such as an amount or a name, help to find the field; a structure does not.
    if value.chars().count() > LONGEST_VALUE || value.contains('{') {
        format!("{before}{reason}")
    } else {
        line.to_owned()
    }
}

/// The value, and what is said of it: after the quoted text, or after the last brace, or after the word.
fn split_value(text: &str) -> Option<(&str, &str)> {
    let quoted = text.strip_prefix('"').and_then(|inner| {
        let mut escaped = false;
        let end = inner.char_indices().find(|(_, character)| {
            let ends = *character == '"' && !escaped;
            escaped = *character == '\\' && !escaped;
            ends
        })?;
        text.get(end.0 + 2..)
    });
    if let Some(rest) = quoted {
        let value = text.get(..text.len() - rest.len())?;
        return Some((value, rest.trim_start_matches(": ")));
    }
    if text.contains('{') {
        return text.rsplit_once("}: ");
    }
    text.split_once(": ")
}

fn cut(text: String) -> String {
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain("…".chars()).collect()
}
