//! Converts the client's errors.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use rustls::CertificateError;
use tokio_postgres::Error;

use super::certificate::Untrusted;
use super::guard::Refused;
use crate::failure::Fault;
use ras_core::plain_text::plain_line;

/// Longest message of a server that is kept, in characters.
const LONGEST: usize = 600;

pub fn fault(error: &Error) -> Fault {
    if let Some(answer) = error.as_db_error() {
        return Fault::Answer {
            code: plain_line(answer.code().code(), 5),
            message: plain_line(answer.message(), LONGEST),
        };
    }
    if error.is_closed() {
        return Fault::Closed;
    }
    let Some(source) = error.source() else {
        return Fault::Other(error.to_string());
    };
    if let Some(io) = source.downcast_ref::<io::Error>() {
        return of_system(io);
    }
    // The client has no type for it.
    if source.to_string().contains("server does not support TLS") {
        return Fault::TlsUnsupported;
    }
    Fault::Other(plain_line(&format!("{error}: {source}"), LONGEST))
}

pub fn of_system(error: &io::Error) -> Fault {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return match tls {
            rustls::Error::InvalidCertificate(why) => Fault::Certificate(of_certificate(why)),
            other => Fault::Tls(of_tls(other)),
        };
    }
    if let Some(why) = error.get_ref().and_then(|inner| inner.downcast_ref::<Refused>()) {
        return Fault::Unsafe(why.to_string());
    }
    match error.kind() {
        ErrorKind::TimedOut => Fault::TimedOut,
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::BrokenPipe
        | ErrorKind::ConnectionAborted => Fault::Closed,
        _ => Fault::NoConnection(error.to_string()),
    }
}

/// rustls' messages are names of its types, which do not help a user.
fn of_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::AlertReceived(alert) => {
            format!(
                "the server ended the TLS handshake with the alert {}",
                words(&format!("{alert:?}"))
            )
        }
        rustls::Error::PeerIncompatible(_) => {
            "the server accepts no TLS version, cipher or signature that is accepted here: TLS 1.2 or later is needed"
                .to_owned()
        }
        rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. } => {
            "the server's answer is not valid TLS".to_owned()
        }
        rustls::Error::PeerMisbehaved(_) | rustls::Error::DecryptError | rustls::Error::PeerSentOversizedRecord => {
            "the server does not follow the TLS protocol".to_owned()
        }
        rustls::Error::NoCertificatesPresented => "the server sent no certificate".to_owned(),
        _ => "the TLS handshake failed".to_owned(),
    }
}

/// `HandshakeFailure` as `handshake failure`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

fn of_certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::Other(why) => why
            .0
            .downcast_ref::<Untrusted>()
            .map_or_else(|| "it is not valid".to_owned(), Untrusted::to_string),
        CertificateError::BadSignature => "the server does not have its key".to_owned(),
        _ => "it is not valid, or its key is too short".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, PeerIncompatible};

    use super::*;

    #[test]
    fn faults_of_tls_are_words_and_not_names_of_types() {
        let alert = of_tls(&rustls::Error::AlertReceived(AlertDescription::HandshakeFailure));
        assert!(alert.ends_with("the alert handshake failure"), "{alert}");
        let other = of_tls(&rustls::Error::PeerIncompatible(
            PeerIncompatible::NoCipherSuitesInCommon,
        ));
        assert!(!other.contains("NoCipher") && other.contains("TLS 1.2"), "{other}");
    }
}
