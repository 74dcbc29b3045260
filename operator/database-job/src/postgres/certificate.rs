//! Decides which server certificates are trusted. The reference is libpq with OpenSSL, because applications connect with it: it
//! accepts trusted self-signed certificates, X.509 version 1 and names in the common name, and requires a chain that ends in a
//! self-signed certificate. Pure.
//!
//! See `fe-secure-common.c` of PostgreSQL for names, and `x509_vfy.c` and `v3_purp.c` of OpenSSL for chains.

use std::fmt;
use std::net::IpAddr;

use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm};

use super::x509::{Certificate, GeneralName, NameConstraints};

/// The longest chain, and the most certificates of a server that are read: a hostile server could send any number.
const LONGEST_CHAIN: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untrusted {
    Malformed,
    /// Not signed by a trusted certificate.
    UnknownAuthority,
    /// Self-signed and not trusted.
    SelfSigned,
    /// Its issuer is trusted but not self-signed, and the issuer's own issuer is missing.
    IncompleteChain(String),
    /// An unsupported or invalid signature in the chain.
    Signature(String),
    Expired(String),
    NotYetValid(String),
    /// Its key, or that of an issuer, is not meant for servers.
    NotForServers(String),
    /// Its issuer may not sign certificates.
    NotAnAuthority(String),
    /// Longer than the path length of a CA permits.
    ChainTooLong,
    /// An unsupported critical extension.
    CriticalExtension(String),
    /// A CA may not sign certificates for this name.
    NameConstraints(String),
    OtherName {
        host: String,
        names: Vec<String>,
    },
}

impl std::error::Error for Untrusted {}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("it cannot be decoded as an X.509 certificate"),
            Self::UnknownAuthority => f.write_str("it is signed by none of the authorities (CA certificates) in `ca`"),
            Self::SelfSigned => {
                f.write_str("it is self-signed, and neither it nor its signer is among the authorities in `ca`")
            }
            Self::IncompleteChain(name) => write!(
                f,
                "`ca` has the intermediate certificate {name:?} and not the root that signed it: add the certificates up to \
                 the self-signed root"
            ),
            Self::Signature(name) => write!(
                f,
                "the signature of the certificate {name:?} uses an algorithm or key size that is not accepted, such as SHA-1 \
                 or a short RSA key"
            ),
            Self::Expired(name) => write!(f, "the certificate {name:?} has expired"),
            Self::NotYetValid(name) => write!(f, "the certificate {name:?} is not valid yet"),
            Self::NotForServers(name) => write!(
                f,
                "the key usage of the certificate {name:?} does not permit a TLS server (serverAuth)"
            ),
            Self::NotAnAuthority(name) => write!(
                f,
                "the certificate {name:?} that signed it is not a CA (basicConstraints, keyUsage)"
            ),
            Self::ChainTooLong => {
                f.write_str("more CA certificates sign each other than one of them permits (pathlen)")
            }
            Self::CriticalExtension(name) => write!(
                f,
                "the certificate {name:?} has a critical extension that is not supported"
            ),
            Self::NameConstraints(name) => write!(f, "the CA {name:?} may not sign certificates for its names"),
            Self::OtherName { host, names } if names.is_empty() => {
                write!(f, "it has no host name, and {host} is connected to")
            }
            Self::OtherName { host, names } => {
                write!(f, "it is for another host name: for {}, not {host}", names.join(", "))
            }
        }
    }
}

/// Checks that a server's certificate has a chain to one of `trusted`. `sent` are the other certificates that the server sent,
/// and `now` is in seconds since 1970.
pub fn check_chain(
    end_entity: &[u8],
    sent: &[CertificateDer<'_>],
    trusted: &[CertificateDer<'_>],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    now: i64,
) -> Result<(), Untrusted> {
    let end_entity = Seen::parse(end_entity, trusted).ok_or(Untrusted::Malformed)?;
    let others: Vec<Seen<'_>> = trusted
        .iter()
        .chain(sent.iter().take(LONGEST_CHAIN))
        .filter_map(|der| Seen::parse(der, trusted))
        .collect();
    let mut search = Search {
        others: &others,
        algorithms,
        checks_left: 200,
    };
    let mut chain = vec![&end_entity];
    search.complete(&mut chain)?;
    check_each(&chain, now)
}

/// Checks that a certificate is for `host`, like libpq: by the alternative names, and by the common name if there is no
/// alternative name of the host's kind.
pub fn check_name(end_entity: &[u8], host: &str) -> Result<(), Untrusted> {
    let certificate = Certificate::parse(end_entity).ok_or(Untrusted::Malformed)?;
    let address: Option<IpAddr> = host.parse().ok();
    let mut names: Vec<String> = Vec::new();
    let mut may_use_common_name = true;
    for name in certificate.alternative_names() {
        match name {
            GeneralName::Dns(name) => {
                may_use_common_name &= address.is_some();
                if matches_name(name, host) {
                    return Ok(());
                }
                names.push((*name).to_owned());
            }
            GeneralName::Address(bytes) => {
                may_use_common_name &= address.is_none();
                let theirs = address_of(bytes);
                if theirs.is_some() && theirs == address {
                    return Ok(());
                }
                names.extend(theirs.map(|address| address.to_string()));
            }
            GeneralName::Directory | GeneralName::Other => {}
        }
    }
    if let Some(name) = certificate.common_names().next()
        && may_use_common_name
    {
        if matches_name(name, host) {
            return Ok(());
        }
        names.push(name.to_owned());
    }
    names.truncate(8);
    Err(Untrusted::OtherName {
        host: host.to_owned(),
        names,
    })
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(bytes.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// The same name, or `*.` in place of one label.
fn matches_name(pattern: &str, host: &str) -> bool {
    if pattern.contains('\0') {
        return false;
    }
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(suffix) = pattern.strip_prefix("*.") else {
        return false;
    };
    match host.split_once('.') {
        Some((label, rest)) => !suffix.is_empty() && !label.is_empty() && rest.eq_ignore_ascii_case(suffix),
        None => false,
    }
}

struct Seen<'a> {
    certificate: Certificate<'a>,
    is_trusted: bool,
}

impl<'a> Seen<'a> {
    fn parse(der: &'a [u8], trusted: &[CertificateDer<'_>]) -> Option<Self> {
        Some(Self {
            certificate: Certificate::parse(der)?,
            is_trusted: trusted.iter().any(|one| one.as_ref() == der),
        })
    }

    fn name(&self) -> String {
        self.certificate.name()
    }

    fn is_named_as_issuer_of(&self, other: &Seen<'_>) -> bool {
        self.certificate.subject == other.certificate.issuer && self.has_identifier_of(other)
    }

    /// This is the issuer's key that `other` names, or `other` names none.
    fn has_identifier_of(&self, other: &Seen<'_>) -> bool {
        let asked = &other.certificate;
        let same_key = match (asked.issuers_key_identifier, self.certificate.key_identifier) {
            (Some(asked), Some(own)) => asked == own,
            _ => true,
        };
        let same_serial = asked
            .issuers_serial
            .is_none_or(|serial| serial == self.certificate.serial);
        same_key && same_serial
    }

    fn is_self_issued(&self) -> bool {
        self.certificate.subject == self.certificate.issuer
    }

    fn is_self_signed(&self) -> bool {
        self.is_named_as_issuer_of(self)
    }

    /// It is a CA. Without `basicConstraints` it is one if its key usage includes signing certificates, or if it is a
    /// self-signed certificate of version 1, which has no extensions.
    fn is_authority(&self, is_last: bool) -> bool {
        let may_sign = self
            .certificate
            .key_usage
            .map(super::x509::KeyUsage::signs_certificates);
        if may_sign == Some(false) {
            return false;
        }
        match self.certificate.basic_constraints {
            Some(constraints) => constraints.is_authority,
            None => is_last && (may_sign.is_some() || self.certificate.version == 1 && self.is_self_issued()),
        }
    }

    /// A server may use it or, for a CA, it may sign certificates of servers.
    fn is_for_servers(&self, is_authority: bool) -> bool {
        let of = &self.certificate;
        of.is_for_servers != Some(false) && (is_authority || of.key_usage.is_none_or(super::x509::KeyUsage::is_for_tls))
    }

    /// `issuer` signed it. `None`: no algorithm matches.
    fn is_signed_by(&self, issuer: &Seen<'_>, algorithms: &[&dyn SignatureVerificationAlgorithm]) -> Option<bool> {
        let (signed, key) = (&self.certificate, &issuer.certificate);
        let mut fits = algorithms
            .iter()
            .filter(|algorithm| {
                algorithm.public_key_alg_id().as_ref() == key.key_algorithm
                    && algorithm.signature_alg_id().as_ref() == signed.signature_algorithm
            })
            .peekable();
        fits.peek()?;
        Some(fits.any(|algorithm| {
            algorithm
                .verify_signature(key.public_key, signed.signed, signed.signature)
                .is_ok()
        }))
    }
}

struct Search<'c, 'a> {
    /// Trusted certificates, then those that the server sent.
    others: &'c [Seen<'a>],
    algorithms: &'c [&'c dyn SignatureVerificationAlgorithm],
    /// Bounds the checks of signatures, because certificates that sign each other form many chains.
    checks_left: usize,
}

impl<'c, 'a> Search<'c, 'a> {
    /// Extends a chain until it ends in a trusted self-signed certificate.
    fn complete(&mut self, chain: &mut Vec<&'c Seen<'a>>) -> Result<(), Untrusted> {
        let Some(last) = chain.last().copied() else {
            return Err(Untrusted::Malformed);
        };
        if last.is_self_signed() {
            return match (last.is_trusted, chain.len()) {
                (true, _) => Ok(()),
                (false, 1) => Err(Untrusted::SelfSigned),
                (false, _) => Err(Untrusted::UnknownAuthority),
            };
        }
        let mut why = if last.is_trusted {
            Untrusted::IncompleteChain(last.name())
        } else {
            Untrusted::UnknownAuthority
        };
        if chain.len() >= LONGEST_CHAIN {
            return Err(Untrusted::ChainTooLong);
        }
        let others: &'c [Seen<'a>] = self.others;
        for issuer in others.iter().filter(|other| other.is_named_as_issuer_of(last)) {
            if chain
                .iter()
                .any(|known| known.certificate.whole == issuer.certificate.whole)
            {
                continue;
            }
            let Some(left) = self.checks_left.checked_sub(1) else {
                return Err(why);
            };
            self.checks_left = left;
            match last.is_signed_by(issuer, self.algorithms) {
                Some(true) => {}
                // Another CA with the same name.
                Some(false) => continue,
                None => {
                    why = Untrusted::Signature(last.name());
                    continue;
                }
            }
            chain.push(issuer);
            match self.complete(chain) {
                Ok(()) => return Ok(()),
                Err(further) => why = further,
            }
            chain.pop();
        }
        Err(why)
    }
}

/// Checks every certificate of a complete chain.
fn check_each(chain: &[&Seen<'_>], now: i64) -> Result<(), Untrusted> {
    // CAs between this certificate and the server's, without self-signed ones.
    let mut between = 0;
    for (depth, seen) in chain.iter().enumerate() {
        let is_last = depth + 1 == chain.len();
        if seen.certificate.not_after < now {
            return Err(Untrusted::Expired(seen.name()));
        }
        if seen.certificate.not_before > now {
            return Err(Untrusted::NotYetValid(seen.name()));
        }
        if seen.certificate.has_unknown_critical_extension {
            return Err(Untrusted::CriticalExtension(seen.name()));
        }
        if depth > 0 && !seen.is_authority(is_last) {
            return Err(Untrusted::NotAnAuthority(seen.name()));
        }
        if !seen.is_for_servers(depth > 0) {
            return Err(Untrusted::NotForServers(seen.name()));
        }
        let most = seen
            .certificate
            .basic_constraints
            .and_then(|constraints| constraints.path_length);
        if depth > 1 && most.is_some_and(|most| between > most) {
            return Err(Untrusted::ChainTooLong);
        }
        if let Some(constraints) = &seen.certificate.name_constraints {
            let below = chain.iter().take(depth).enumerate();
            let mut named = below.filter(|(at, one)| *at == 0 || !one.is_self_issued());
            if named.any(|(_, one)| !permits(constraints, &one.certificate)) {
                return Err(Untrusted::NameConstraints(seen.name()));
            }
        }
        if depth > 0 && !seen.is_self_issued() {
            between += 1;
        }
    }
    Ok(())
}

/// The name constraints of a CA permit the names of a certificate. Constraints on directory names permit nothing, because
/// comparing those is not worth the code.
fn permits(constraints: &NameConstraints<'_>, certificate: &Certificate<'_>) -> bool {
    let NameConstraints { permitted, excluded } = constraints;
    if permitted
        .iter()
        .chain(excluded)
        .any(|tree| *tree == GeneralName::Directory)
    {
        return false;
    }
    let mut names = certificate.alternative_names().to_vec();
    if !names.iter().any(|name| matches!(name, GeneralName::Dns(_))) {
        let host_names = certificate
            .common_names()
            .filter(|name| name.contains('.') && !name.contains(' '));
        names.extend(host_names.map(GeneralName::Dns));
    }
    names.iter().all(|name| {
        let of_kind = |tree: &GeneralName<'_>| std::mem::discriminant(tree) == std::mem::discriminant(name);
        let mut bounds = permitted.iter().filter(|tree| of_kind(tree)).peekable();
        (bounds.peek().is_none() || bounds.any(|tree| is_within(name, tree)))
            && !excluded.iter().any(|tree| is_within(name, tree))
    })
}

fn is_within(name: &GeneralName<'_>, tree: &GeneralName<'_>) -> bool {
    match (name, tree) {
        (GeneralName::Dns(name), GeneralName::Dns(tree)) => {
            let (name, tree) = (name.to_ascii_lowercase(), tree.to_ascii_lowercase());
            match name.strip_suffix(tree.as_str()) {
                Some("") => true,
                Some(before) => tree.is_empty() || tree.starts_with('.') || before.ends_with('.'),
                None => false,
            }
        }
        (GeneralName::Address(name), GeneralName::Address(tree)) => {
            let (address, mask) = tree.split_at(tree.len() / 2);
            name.len() == address.len()
                && name
                    .iter()
                    .zip(address)
                    .zip(mask)
                    .all(|((name, address), mask)| name & mask == address & mask)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_libpq_matches_them() {
        for (pattern, host, is_match) in [
            ("db.example.edu", "DB.example.edu", true),
            ("*.example.edu", "db.example.edu", true),
            ("*.example.edu", "a.db.example.edu", false),
            ("*.example.edu", "example.edu", false),
            ("*.example.edu", ".example.edu", false),
            ("*", "db", false),
            ("*.", "db.", false),
            ("d*.example.edu", "db.example.edu", false),
            ("127.0.0.1", "127.0.0.1", true),
        ] {
            assert_eq!(matches_name(pattern, host), is_match, "{pattern} {host}");
        }
    }
}
