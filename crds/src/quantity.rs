//! Kubernetes quantities such as `20Gi`, `250m` and `2`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The form of a quantity, as Kubernetes describes it. The API server itself checks it with `isQuantity`.
pub(crate) const QUANTITY: &str = "^(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?[0-9]+))?$";

/// An amount of CPU, memory or storage in Kubernetes' form. `cpu: 1` and `cpu: "1"` mean the same.
///
/// A type of our own because `k8s-openapi`'s adds a 2.4 kB description at each place it stands and refuses numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quantity(String);

impl Quantity {
    /// Takes a text as it is; [`Quantity::millis`] tells whether it can be read.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Amount in thousandths (of a core, of a byte), rounded up, or nothing when the text is no quantity or does not fit.
    ///
    /// Follows the grammar of `k8s.io/apimachinery/pkg/api/resource`.
    pub fn millis(&self) -> Option<i128> {
        let text = self.0.trim_start_matches('+');
        let end = text
            .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at_checked(end)?;
        let (multiplier, divisor) = scale(suffix)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
            return None;
        }
        let negative = whole.starts_with('-');
        let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
        let value: i128 = digits.parse().ok()?;
        let divisor = divisor.checked_mul(10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
        let scaled = value.checked_mul(multiplier)?.checked_mul(1000)?;
        let rounded = scaled.checked_add(divisor - 1)? / divisor;
        Some(if negative { -rounded } else { rounded })
    }
}

/// Multiplier and divisor of a suffix.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let binary = |power: u32| 1024_i128.checked_pow(power).map(|m| (m, 1));
    let decimal = |power: u32| 1000_i128.checked_pow(power).map(|m| (m, 1));
    match suffix {
        "" => Some((1, 1)),
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1_000)),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => exponent(suffix),
    }
}

/// `e3`, `E+3`, `e-3`.
fn exponent(suffix: &str) -> Option<(i128, i128)> {
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let magnitude = 10_i128.checked_pow(power.unsigned_abs())?;
    Some(if power < 0 { (1, magnitude) } else { (magnitude, 1) })
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(serde_json::Number),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Text(text) => Self(text),
            Written::Number(number) => Self(number.to_string()),
        })
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "maxLength": 32,
            "pattern": QUANTITY,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, millis) in [
            ("1", 1_000),
            ("250m", 250),
            ("0.5", 500),
            (".5", 500),
            ("1.", 1_000),
            ("1k", 1_000_000),
            ("1Ki", 1_024_000),
            ("20Gi", 21_474_836_480_000),
            ("1e3", 1_000_000),
            ("1E-3", 1),
            ("1n", 1),
        ] {
            assert_eq!(Quantity::new(text).millis(), Some(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "Gi", "1GB", "one", "1.2.3", "1 Gi"] {
            assert_eq!(Quantity::new(text).millis(), None, "{text}");
        }
    }

    #[test]
    fn numbers_and_texts_mean_the_same() {
        let number: Quantity = serde_json::from_str("2").unwrap();
        let text: Quantity = serde_json::from_str("\"2\"").unwrap();
        assert_eq!(number, text);
    }
}
