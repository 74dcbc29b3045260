//! How a variable's value is written into a file: `$(VAR)` inserts it as it is, `$(VAR:FORMAT)` quotes it.

use std::fmt::Write;

/// A way to quote a value, so that no character of it can end the string it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A double-quoted string that JSON, YAML and TOML read the same.
    Quoted,
    /// One word of a POSIX shell, in single quotes.
    Shell,
    /// Percent-encoded, for any part of a URL.
    Url,
}

/// A variable's name and the format after the last `:` in it, if that is one.
pub fn split(reference: &str) -> Option<(&str, Format)> {
    let (name, format) = reference.rsplit_once(':')?;
    let format = match format {
        "json" | "yaml" => Format::Quoted,
        "shell" => Format::Shell,
        "url" => Format::Url,
        _ => return None,
    };
    Some((name, format))
}

impl Format {
    /// The value in this format, with the quotes that belong to it.
    pub fn write(self, value: &str) -> String {
        match self {
            Self::Quoted => quoted(value),
            Self::Shell => format!("'{}'", value.replace('\'', r"'\''")),
            Self::Url => percent_encoded(value),
        }
    }
}

/// `\uXXXX` is the one escape that all three languages have for a character that has no short one. It is used for everything
/// that one of them does not take as it is: control characters, DEL and C1 (TOML, YAML), the line separators (YAML 1.1), and
/// the byte order mark and non-characters (YAML).
fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text.push('"');
    text
}

/// All but RFC 3986's unreserved characters: what is left has no meaning in any part of a URL.
fn percent_encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
