//! Random values for generated credentials.

use aws_lc_rs::rand;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The system's random numbers could not be had.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

/// A text of `length` letters and digits. Any program takes them unquoted, in YAML, a URL or a shell.
pub fn text(length: usize) -> Result<String, NoRandomness> {
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while text.len() < length {
        rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
        text.extend(
            bytes
                .iter()
                // 248 is the largest multiple of 62 in a byte: the rest would favour the first letters.
                .filter(|byte| **byte < 248)
                .filter_map(|byte| ALPHABET.get(usize::from(byte % 62)))
                .map(|byte| char::from(*byte))
                .take(length - text.len()),
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_length_and_never_repeat() {
        for length in [16, 32, 63, 64, 65, 1024] {
            let (one, two) = (text(length).unwrap(), text(length).unwrap());
            assert_eq!(one.len(), length);
            assert_ne!(one, two);
            assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }
}
