//! Random values for generated credentials.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use ras_core::valid::{RsaSize, ValueFormat};

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Line length of PEM (RFC 7468).
const PEM_LINE: usize = 64;

#[derive(Debug, thiserror::Error)]
#[error("the system's random number generator failed")]
pub struct NoRandomness;

impl From<aws_lc_rs::error::Unspecified> for NoRandomness {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self
    }
}

/// New values for one key of the spec, in the order of [`ValueFormat::made_for`].
pub fn generate(value_format: ValueFormat) -> Result<Vec<String>, NoRandomness> {
    Ok(match value_format {
        ValueFormat::Alphanumeric(length) => vec![text(length)?],
        ValueFormat::Base64(count) => vec![STANDARD.encode(bytes(count)?)],
        ValueFormat::Hex(count) => vec![hex(&bytes(count)?)],
        ValueFormat::Uuid => vec![uuid()?],
        ValueFormat::RsaKeyPair(size) => {
            let pair = rsa::KeyPair::generate(match size {
                RsaSize::Bits2048 => KeySize::Rsa2048,
                RsaSize::Bits3072 => KeySize::Rsa3072,
                RsaSize::Bits4096 => KeySize::Rsa4096,
            })?;
            let private: Pkcs8V1Der<'_> = pair.as_der()?;
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
            key_pair(private.as_ref(), public.as_ref())
        }
        ValueFormat::Ed25519KeyPair => {
            // PKCS #8 version 1: OpenSSL before 3.5 reads no later version.
            let private = Ed25519KeyPair::generate_pkcs8v1(&rand::SystemRandom::new())?;
            let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).map_err(|_| NoRandomness)?;
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
            key_pair(private.as_ref(), public.as_ref())
        }
    })
}

/// `length` letters and digits, which need no quotes in YAML, URLs and shells.
fn text(length: usize) -> Result<String, NoRandomness> {
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while text.len() < length {
        rand::fill(&mut bytes)?;
        text.extend(
            bytes
                .iter()
                // 248 is the largest multiple of 62 that fits in a byte; larger values would make some letters more
                // likely.
                .filter(|byte| **byte < 248)
                .filter_map(|byte| ALPHABET.get(usize::from(byte % 62)))
                .map(|byte| char::from(*byte))
                .take(length - text.len()),
        );
    }
    Ok(text)
}

fn bytes(count: usize) -> Result<Vec<u8>, NoRandomness> {
    let mut bytes = vec![0_u8; count];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|nibble| char::from_digit(u32::from(nibble), 16))
        .collect()
}

/// A UUID of version 4 (RFC 9562): random except for six bits.
fn uuid() -> Result<String, NoRandomness> {
    let mut bytes = [0_u8; 16];
    rand::fill(&mut bytes)?;
    let marked = (u128::from_be_bytes(bytes) & !(0xf000_u128 << 64) & !(0xc000_u128 << 48))
        | (0x4000_u128 << 64)
        | (0x8000_u128 << 48);
    let digits = format!("{marked:032x}");
    let part = |range| digits.get(range).unwrap_or_default();
    Ok(format!(
        "{}-{}-{}-{}-{}",
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32)
    ))
}

fn key_pair(private: &[u8], public: &[u8]) -> Vec<String> {
    vec![pem("PRIVATE KEY", private), pem("PUBLIC KEY", public)]
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for (index, c) in STANDARD.encode(der).chars().enumerate() {
        if index > 0 && index % PEM_LINE == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    text + &format!("\n-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};

    #[test]
    fn values_have_their_length_and_never_repeat() {
        for length in [16, 32, 63, 64, 65, 1024] {
            let (one, two) = (text(length).unwrap(), text(length).unwrap());
            assert_eq!(one.len(), length);
            assert_ne!(one, two);
            assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn bytes_have_the_requested_encoding_and_length() {
        for count in [16, 32, 1024] {
            let base64 = generate(ValueFormat::Base64(count)).unwrap().remove(0);
            assert_eq!(STANDARD.decode(&base64).unwrap().len(), count);
            let hex = generate(ValueFormat::Hex(count)).unwrap().remove(0);
            assert_eq!(hex.len(), 2 * count);
            assert!(hex.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')), "{hex}");
            assert_ne!(generate(ValueFormat::Hex(count)).unwrap()[0], hex);
        }
    }

    #[test]
    fn a_uuid_has_version_4() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let uuid = generate(ValueFormat::Uuid).unwrap().remove(0);
            let parts: Vec<&str> = uuid.split('-').collect();
            assert_eq!(
                parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
                [8, 4, 4, 4, 12],
                "{uuid}"
            );
            assert!(
                parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']),
                "{uuid}"
            );
            assert!(seen.insert(uuid));
        }
    }

    /// The content between the first and the last line.
    fn der(pem: &str, label: &str) -> Vec<u8> {
        let inner = pem
            .strip_prefix(&format!("-----BEGIN {label}-----\n"))
            .and_then(|rest| rest.strip_suffix(&format!("\n-----END {label}-----\n")))
            .unwrap();
        assert!(inner.lines().all(|line| line.len() <= PEM_LINE));
        STANDARD.decode(inner.replace('\n', "")).unwrap()
    }

    #[test]
    fn the_public_key_of_a_pair_verifies_a_signature_of_its_private_key() {
        let pair = generate(ValueFormat::Ed25519KeyPair).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(&der(&pair[0], "PRIVATE KEY")).unwrap();
        let signed = key.sign(b"link");
        // The last 32 bytes are the key itself (RFC 8410).
        let public = der(&pair[1], "PUBLIC KEY");
        let public = public.last_chunk::<32>().unwrap();
        UnparsedPublicKey::new(&ED25519, public)
            .verify(b"link", signed.as_ref())
            .unwrap();

        for (size, bits) in [(RsaSize::Bits2048, 2048), (RsaSize::Bits3072, 3072)] {
            let pair = generate(ValueFormat::RsaKeyPair(size)).unwrap();
            let key = rsa::KeyPair::from_pkcs8(&der(&pair[0], "PRIVATE KEY")).unwrap();
            assert_eq!(key.public_modulus_len() * 8, bits);
            let mut signed = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), b"link", &mut signed)
                .unwrap();
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der(&pair[1], "PUBLIC KEY"))
                .verify(b"link", &signed)
                .unwrap();
        }
    }
}
