//! The client's errors as faults.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use rustls::CertificateError;
use tokio_postgres::Error;

use crate::database::failure::Fault;

/// What an error of the client means.
pub fn fault(error: &Error) -> Fault {
    if let Some(answer) = error.as_db_error() {
        return Fault::Answer {
            code: answer.code().code().to_owned(),
            message: answer.message().to_owned(),
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
    Fault::Other(format!("{error}: {source}"))
}

fn of_system(error: &io::Error) -> Fault {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return match tls {
            rustls::Error::InvalidCertificate(why) => Fault::Certificate(of_certificate(why)),
            other => Fault::Tls(other.to_string()),
        };
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

fn of_certificate(why: &CertificateError) -> String {
    match why {
        // Another authority of the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "it is signed by none of the authorities given".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host name".to_owned()
        }
        other => other.to_string(),
    }
}
