//! TLS for connections to PostgreSQL, by rustls. Certificates are trusted like in libpq and not like in browsers: see
//! [`super::certificate`].

use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, PeerMisbehaved, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use super::certificate::{Untrusted, check_chain, check_name};
use super::guard::Guard;
use super::x509::Certificate;
use crate::inputs::Admin;
use ras_core::database::report::{Cause, Problem};
use ras_core::database::request::SslMode;

#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    host: ServerName<'static>,
    /// Only a server whose certificate was verified for its name may ask for the password in any way.
    is_proven: bool,
}

impl Tls {
    /// With CA certificates, one that none of them signed is never trusted.
    pub fn new(admin: &Admin) -> Result<Self, Problem> {
        let unusable = |message: String| Problem {
            cause: Cause::BadValue,
            database: None,
            role: None,
            message,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let is_verified = matches!(admin.sslmode, SslMode::VerifyCa | SslMode::VerifyFull);
        let trusted = match &admin.ca {
            // libpq does not read it either.
            _ if admin.sslmode == SslMode::Disable => None,
            Some(pem) => Some(parse(pem).map_err(|why| {
                unusable(format!(
                    "the value of the key `ca` of the administrator's Secret cannot be used ({why}): put the CA certificate \
                     there, as PEM"
                ))
            })?),
            None if is_verified => {
                let known = systems();
                if known.is_empty() {
                    return Err(unusable(
                        "sslmode asks for a verified certificate and there is no CA certificate to verify it with: put the CA \
                         certificate into the key `ca` of the administrator's Secret"
                            .to_owned(),
                    ));
                }
                Some(known)
            }
            None => None,
        };
        let verifier = Verifier {
            trusted,
            host: (admin.sslmode == SslMode::VerifyFull).then(|| admin.host.clone()),
            provider: Arc::clone(&provider),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| unusable(format!("TLS cannot be used: {why}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        // Only for SNI, which addresses do not have: the verifier has the name to check.
        let host = ServerName::try_from(admin.host.clone()).unwrap_or(ServerName::from(Ipv4Addr::LOCALHOST));
        Ok(Self {
            config: Arc::new(config),
            host,
            is_proven: admin.sslmode == SslMode::VerifyFull || admin.is_own_server,
        })
    }
}

fn parse(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut all = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "it is not valid PEM".to_owned())?;
        if Certificate::parse(&certificate).is_none() {
            return Err(format!(
                "its certificate number {} cannot be decoded as an X.509 certificate",
                all.len() + 1
            ));
        }
        all.push(certificate);
    }
    if all.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    Ok(all)
}

/// The CA certificates of the image.
fn systems() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// Trusts certificates according to `sslmode`.
#[derive(Debug)]
struct Verifier {
    /// Absent: any certificate is accepted.
    trusted: Option<Vec<CertificateDer<'static>>>,
    /// The name that must be in the certificate. Absent: any name is accepted.
    host: Option<String>,
    provider: Arc<CryptoProvider>,
}

fn untrusted(why: Untrusted) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(why))))
}

/// The server's key, decoded here because rustls' rules for certificates are stricter than libpq's.
fn key_of(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    let certificate = Certificate::parse(certificate).ok_or_else(|| untrusted(Untrusted::Malformed))?;
    Ok(SubjectPublicKeyInfoDer::from(certificate.key.to_vec()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = &self.trusted else {
            return Ok(ServerCertVerified::assertion());
        };
        let algorithms = self.provider.signature_verification_algorithms.all;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        check_chain(end_entity, intermediates, trusted, algorithms, now).map_err(untrusted)?;
        if let Some(host) = &self.host {
            check_name(end_entity, host).map_err(untrusted)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let refused = || Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme);
        let certificate = Certificate::parse(cert).ok_or_else(|| untrusted(Untrusted::Malformed))?;
        let known = self.provider.signature_verification_algorithms.mapping.iter();
        // In TLS 1.2 the key determines the curve, not the scheme.
        let algorithm = known
            .filter(|(scheme, _)| *scheme == dss.scheme)
            .flat_map(|(_, algorithms)| algorithms.iter())
            .find(|algorithm| algorithm.public_key_alg_id().as_ref() == certificate.key_algorithm)
            .ok_or_else(refused)?;
        algorithm
            .verify_signature(certificate.public_key, message, dss.signature())
            .map_err(|_| CertificateError::BadSignature)?;
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &key_of(cert)?, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl<S> MakeTlsConnect<S> for Tls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type TlsConnect = Self;
    type Error = io::Error;

    fn make_tls_connect(&mut self, _: &str) -> Result<Self, io::Error> {
        Ok(self.clone())
    }
}

impl<S> TlsConnect<S> for Tls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let stream = TlsConnector::from(self.config).connect(self.host, stream).await?;
            Ok(Stream(if self.is_proven {
                Guard::free(stream)
            } else {
                Guard::watching(stream, false)
            }))
        })
    }
}

pub struct Stream<S>(Guard<tokio_rustls::client::TlsStream<S>>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
