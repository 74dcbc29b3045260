//! Durations such as `30d`, `90s` and `1h30m`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The form of a duration: the order and, within about 45 years, the size that Prometheus' own durations have.
pub(crate) const DURATION: &str = "^([0-9]{1,4}d)?([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$";

/// A length of time in the form of Go's and Prometheus' durations, with days: `30d`, `1h30m`, `90s`.
///
/// It is kept as it was written, so that what a person reads back is what they wrote.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(transparent)]
pub struct Duration(String);

impl Duration {
    /// Takes a text as it is; [`Duration::seconds`] tells whether it can be read.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Length in seconds, or nothing when the text is no duration or does not fit.
    pub fn seconds(&self) -> Option<u64> {
        let mut total: u64 = 0;
        let mut number: Option<u64> = None;
        for c in self.0.chars() {
            if let Some(digit) = c.to_digit(10) {
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit))?);
                continue;
            }
            let unit = match c {
                'd' => 86_400,
                'h' => 3_600,
                'm' => 60,
                's' => 1,
                _ => return None,
            };
            total = total.checked_add(number.take()?.checked_mul(unit)?)?;
        }
        if number.is_some() || self.0.is_empty() {
            None
        } else {
            Some(total)
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 2,
            "maxLength": 32,
            "pattern": DURATION,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_seconds() {
        for (text, seconds) in [("30d", 2_592_000), ("1h30m", 5_400), ("90s", 90), ("0s", 0)] {
            assert_eq!(Duration::new(text).seconds(), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "5", "m", "5x", "1h30", "-5m", "99999999999999999999d"] {
            assert_eq!(Duration::new(text).seconds(), None, "{text}");
        }
    }
}
