//! Decodes X.509 certificates, as far as the trust in a server's depends on them. Pure.
//!
//! Other decoders are either stricter than OpenSSL (webpki refuses version 1) or bring many crates. For the structures see RFC
//! 5280.

use std::str;

/// A field that cannot be decoded fails the whole certificate.
#[derive(Clone, Debug, Default)]
pub struct Certificate<'a> {
    pub whole: &'a [u8],
    /// The part that is signed.
    pub signed: &'a [u8],
    /// Without the sequence around it.
    pub signature_algorithm: &'a [u8],
    pub signature: &'a [u8],
    /// 1, 2 or 3.
    pub version: u8,
    pub serial: &'a [u8],
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// With its algorithm.
    pub key: &'a [u8],
    /// Without the sequence around it.
    pub key_algorithm: &'a [u8],
    /// Without its algorithm.
    pub public_key: &'a [u8],
    pub key_identifier: Option<&'a [u8]>,
    pub issuers_key_identifier: Option<&'a [u8]>,
    pub issuers_serial: Option<&'a [u8]>,
    pub key_usage: Option<KeyUsage>,
    pub basic_constraints: Option<BasicConstraints>,
    pub name_constraints: Option<NameConstraints<'a>>,
    /// TLS servers may use it. Absent: its uses are not restricted.
    pub is_for_servers: Option<bool>,
    /// It has an unsupported critical extension.
    pub has_unknown_critical_extension: bool,
    alternative_names: Vec<GeneralName<'a>>,
}

/// Bits of the extension, the first one in the highest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage(u8);

impl KeyUsage {
    /// `keyCertSign`.
    pub fn signs_certificates(self) -> bool {
        self.0 & 0b0000_0100 != 0
    }

    /// `digitalSignature`, `keyEncipherment` or `keyAgreement`.
    pub fn is_for_tls(self) -> bool {
        self.0 & 0b1010_1000 != 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicConstraints {
    pub is_authority: bool,
    /// The number of CAs allowed between it and a server's certificate.
    pub path_length: Option<usize>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameConstraints<'a> {
    /// Of each kind in the list, only these.
    pub permitted: Vec<GeneralName<'a>>,
    pub excluded: Vec<GeneralName<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeneralName<'a> {
    Dns(&'a str),
    /// In constraints, followed by a mask.
    Address(&'a [u8]),
    Directory,
    /// A kind that is not used to connect to a server.
    Other,
}

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Tags of context-specific elements, primitive and constructed.
const CONTEXT: u8 = 0x80;
const CONTEXT_WITH: u8 = 0xa0;

/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
/// 1.3.6.1.5.5.7.3.1
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
/// 2.16.840.1.113730.1.1
const NETSCAPE_TYPE: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 1, 1];

/// The rest of a DER value.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

struct Element<'a> {
    tag: u8,
    whole: &'a [u8],
    contents: &'a [u8],
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<Element<'a>> {
        let all = self.0;
        let (&tag, rest) = all.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            let (bytes, rest) = rest.split_at_checked(count).filter(|_| (1..=4).contains(&count))?;
            let length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            (length, rest)
        };
        let (contents, left) = rest.split_at_checked(length)?;
        self.0 = left;
        Some(Element {
            tag,
            whole: all.get(..all.len() - left.len())?,
            contents,
        })
    }

    fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        self.next().filter(|element| element.tag == tag)
    }

    fn take_if(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.0.first() == Some(&tag) {
            self.next()
        } else {
            None
        }
    }

    /// All remaining elements, which have the same tag.
    fn all(mut self, tag: u8) -> Option<Vec<Element<'a>>> {
        let mut all = Vec::new();
        while !self.0.is_empty() {
            all.push(self.take(tag)?);
        }
        Some(all)
    }
}

impl<'a> Certificate<'a> {
    pub fn parse(der: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(der);
        let whole = outer.take(SEQUENCE).filter(|_| outer.0.is_empty())?;
        let mut parts = Reader(whole.contents);
        let signed = parts.take(SEQUENCE)?;
        let signature_algorithm = parts.take(SEQUENCE)?.contents;
        let signature = bits(parts.take(BIT_STRING)?.contents)?;

        let mut fields = Reader(signed.contents);
        let version = match fields.take_if(CONTEXT_WITH) {
            None => 1,
            Some(explicit) => match Reader(explicit.contents).take(INTEGER)?.contents {
                [number @ 0..=2] => number + 1,
                _ => return None,
            },
        };
        let serial = fields.take(INTEGER)?.contents;
        fields.take(SEQUENCE)?;
        let issuer = fields.take(SEQUENCE)?.whole;
        let mut validity = Reader(fields.take(SEQUENCE)?.contents);
        let (not_before, not_after) = (time(&validity.next()?)?, time(&validity.next()?)?);
        let subject = fields.take(SEQUENCE)?.whole;
        let key = fields.take(SEQUENCE)?;
        let mut of_key = Reader(key.contents);
        let mut certificate = Self {
            whole: der,
            signed: signed.whole,
            signature_algorithm,
            signature,
            version,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            key: key.whole,
            key_algorithm: of_key.take(SEQUENCE)?.contents,
            public_key: bits(of_key.take(BIT_STRING)?.contents)?,
            ..Self::default()
        };
        // Unique identifiers, which are unused.
        let _ = fields.take_if(CONTEXT | 1);
        let _ = fields.take_if(CONTEXT | 2);
        if let Some(explicit) = fields.take_if(CONTEXT_WITH | 3) {
            let list = Reader(explicit.contents).take(SEQUENCE)?;
            for extension in Reader(list.contents).all(SEQUENCE)? {
                certificate.add(extension.contents)?;
            }
        }
        Some(certificate)
    }

    fn add(&mut self, extension: &'a [u8]) -> Option<()> {
        let mut parts = Reader(extension);
        let identifier = parts.take(OBJECT_IDENTIFIER)?.contents;
        let is_critical = parts.take_if(BOOLEAN).is_some_and(|element| element.contents != [0]);
        let value = parts.take(OCTET_STRING)?.contents;
        let mut value = Reader(value);
        match identifier {
            // Numbers below 2.5.29.
            [0x55, 29, 14] => self.key_identifier = Some(value.take(OCTET_STRING)?.contents),
            [0x55, 29, 15] => {
                let usage = bits_with_rest(value.take(BIT_STRING)?.contents)?;
                self.key_usage = Some(KeyUsage(usage.first().copied().unwrap_or_default()));
            }
            [0x55, 29, 17] => self.alternative_names = general_names(value.take(SEQUENCE)?.contents)?,
            [0x55, 29, 19] => {
                let mut constraints = Reader(value.take(SEQUENCE)?.contents);
                let is_authority = constraints
                    .take_if(BOOLEAN)
                    .is_some_and(|element| element.contents != [0]);
                let path_length = match constraints.take_if(INTEGER) {
                    None => None,
                    Some(number) => Some(small(number.contents)?),
                };
                self.basic_constraints = Some(BasicConstraints {
                    is_authority,
                    path_length,
                });
            }
            [0x55, 29, 30] => {
                let mut constraints = Reader(value.take(SEQUENCE)?.contents);
                let permitted = constraints.take_if(CONTEXT_WITH);
                let excluded = constraints.take_if(CONTEXT_WITH | 1);
                let trees = |of: Option<Element<'a>>| of.map_or(Some(Vec::new()), |of| subtrees(of.contents));
                self.name_constraints = Some(NameConstraints {
                    permitted: trees(permitted)?,
                    excluded: trees(excluded)?,
                });
            }
            [0x55, 29, 35] => {
                let mut of = Reader(value.take(SEQUENCE)?.contents);
                self.issuers_key_identifier = of.take_if(CONTEXT).map(|element| element.contents);
                let _ = of.take_if(CONTEXT_WITH | 1);
                self.issuers_serial = of.take_if(CONTEXT | 2).map(|element| element.contents);
            }
            [0x55, 29, 37] => {
                let uses = Reader(value.take(SEQUENCE)?.contents).all(OBJECT_IDENTIFIER)?;
                let is_for_servers = uses.iter().any(|one| one.contents == SERVER_AUTH);
                self.is_for_servers = Some(is_for_servers && self.is_for_servers != Some(false));
            }
            NETSCAPE_TYPE => {
                let uses = bits_with_rest(value.take(BIT_STRING)?.contents)?;
                // The second bit is for servers, and the last ones are for CAs.
                let is_for_servers = uses.first().is_some_and(|bits| bits & 0b0100_0111 != 0);
                self.is_for_servers = Some(is_for_servers && self.is_for_servers != Some(false));
            }
            // Policies and revocation lists, which libpq ignores by default.
            [0x55, 29, 31..=33 | 36 | 54] => {}
            _ => self.has_unknown_critical_extension |= is_critical,
        }
        Some(())
    }

    pub fn alternative_names(&self) -> &[GeneralName<'a>] {
        &self.alternative_names
    }

    pub fn common_names(&self) -> impl Iterator<Item = &'a str> {
        attributes(self.subject)
            .into_iter()
            .filter(|(identifier, _)| *identifier == COMMON_NAME)
            .map(|(_, text)| text)
    }

    /// For messages.
    pub fn name(&self) -> String {
        let texts: Vec<&str> = attributes(self.subject).into_iter().map(|(_, text)| text).collect();
        match self.common_names().last() {
            Some(name) => name.to_owned(),
            None if texts.is_empty() => "without a name".to_owned(),
            None => texts.join(", "),
        }
    }
}

/// The attributes of a name, each with its OID.
fn attributes(name: &[u8]) -> Vec<(&[u8], &str)> {
    let mut found = Vec::new();
    let sets = Reader(name)
        .take(SEQUENCE)
        .and_then(|name| Reader(name.contents).all(SET));
    for set in sets.unwrap_or_default() {
        for pair in Reader(set.contents).all(SEQUENCE).unwrap_or_default() {
            let mut pair = Reader(pair.contents);
            let identifier = pair.take(OBJECT_IDENTIFIER);
            if let (Some(identifier), Some(text)) = (identifier, pair.next())
                // UTF8String, PrintableString, T61String and IA5String.
                && matches!(text.tag, 0x0c | 0x13 | 0x14 | 0x16)
                && let Ok(text) = str::from_utf8(text.contents)
            {
                found.push((identifier.contents, text));
            }
        }
    }
    found
}

fn general_names(mut list: &[u8]) -> Option<Vec<GeneralName<'_>>> {
    let mut names = Vec::new();
    while !list.is_empty() {
        let mut reader = Reader(list);
        names.push(general_name(&reader.next()?));
        list = reader.0;
    }
    Some(names)
}

fn general_name<'a>(element: &Element<'a>) -> GeneralName<'a> {
    match element.tag {
        0x82 => str::from_utf8(element.contents).map_or(GeneralName::Other, GeneralName::Dns),
        0x87 => GeneralName::Address(element.contents),
        0xa4 => GeneralName::Directory,
        _ => GeneralName::Other,
    }
}

fn subtrees(list: &[u8]) -> Option<Vec<GeneralName<'_>>> {
    let trees = Reader(list).all(SEQUENCE)?;
    trees
        .iter()
        .map(|tree| Some(general_name(&Reader(tree.contents).next()?)))
        .collect()
}

/// A bit string of whole bytes.
fn bits(contents: &[u8]) -> Option<&[u8]> {
    match contents.split_first()? {
        (0, bytes) => Some(bytes),
        _ => None,
    }
}

/// A bit string whose last bits may be unused.
fn bits_with_rest(contents: &[u8]) -> Option<&[u8]> {
    contents.split_first().map(|(_, bytes)| bytes)
}

fn small(number: &[u8]) -> Option<usize> {
    (number.len() <= 4 && number.first()? & 0x80 == 0)
        .then(|| number.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// Seconds since 1970 of `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`.
fn time(element: &Element<'_>) -> Option<i64> {
    let text = str::from_utf8(element.contents).ok()?.strip_suffix('Z')?;
    let (year, rest) = match element.tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days from 1970 of the proleptic Gregorian calendar, whose years begin in March here.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let days = era * 146_097 + year * 365 + year / 4 - year / 100 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + part(4)?) * 60 + part(6)?) * 60 + part(8)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn elements_are_read_one_by_one_and_what_is_cut_off_is_none() {
        let mut reader = Reader(&[0x30, 2, 1, 2, 0x04, 0x81, 1, 7]);
        assert_eq!(reader.next().map(|element| element.contents), Some(&[1, 2][..]));
        assert_eq!(reader.next().map(|element| element.contents), Some(&[7][..]));
        assert!(reader.next().is_none());
        for short in [
            &[][..],
            &[0x30],
            &[0x30, 2, 1],
            &[0x30, 0x82, 1],
            &[0x30, 0xff, 1],
            &[0x30, 0x80],
        ] {
            assert!(Reader(short).next().is_none(), "{short:?}");
        }
    }

    #[test]
    fn times_are_seconds_since_1970() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229123456Z", Some(951_827_696)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "20501301000000Z", None),
            (GENERALIZED_TIME, "2050010100000Z", None),
            (UTC_TIME, "700101000000+0100", None),
            (INTEGER, "700101000000Z", None),
        ] {
            let element = Element {
                tag,
                whole: &[],
                contents: text.as_bytes(),
            };
            assert_eq!(time(&element), seconds, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Certificate::parse(&bytes).is_none());
        }
    }
}
