//! A client for one S3 service, made of the platform's settings. No request is sent here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    AppName, BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedCredentialsProvider, SharedHttpClient,
};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore};
use thiserror::Error;

use crate::rate_limiter::{Counter, RateLimiter};
use crate::s3::S3Store;
use crate::s3::credentials::{DefaultChain, Directory};
use crate::s3::web_page::NoWebPage;
use ras_core::platform::ObjectStoreConfig;

/// Time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// Time for an answer to begin.
const READ: Duration = Duration::from_secs(10);
/// Time for a request and its whole answer.
const ATTEMPT: Duration = Duration::from_secs(15);

/// The platform's settings do not make a client.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The file with certificate authorities cannot be read.
    #[error("objectStore.caFile {path} cannot be read ({source}): mount it into the operator's pod")]
    CaFile {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file with certificate authorities holds none.
    #[error("objectStore.caFile {path} holds no certificate: it has to be PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// No client for TLS can be made.
    #[error("the object store's TLS cannot be set up ({0}): look into objectStore.caFile")]
    Tls(String),
}

impl S3Store {
    /// A client for the service that `config` names. Every request waits for `rate_limiter` and is counted by `counter`.
    ///
    /// Nothing is sent, and no credentials are asked for, before the first request.
    pub fn connect(
        config: &ObjectStoreConfig,
        rate_limiter: Arc<RateLimiter>,
        counter: Arc<dyn Counter>,
    ) -> Result<Self, ConnectError> {
        let http = http_client(config)?;
        let region = Region::new(config.region.clone());
        let mut builder = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region.clone())
            .force_path_style(config.is_path_style())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            // Servers other than AWS often do not know the checksums that the SDK would add of its own accord.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .interceptor(NoWebPage)
            .credentials_provider(credentials(config, region, &http))
            .http_client(http);
        builder.set_endpoint_url(config.endpoint.clone());
        // The SDK lets no '/' into it.
        builder.set_app_name(AppName::new(concat!("ras-operator-", env!("CARGO_PKG_VERSION"))).ok());
        Ok(Self {
            client: Client::from_conf(builder.build()),
            region: config.region.clone(),
            rate_limiter,
            counter,
        })
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(READ)
        .operation_attempt_timeout(ATTEMPT)
        .build()
}

fn http_client(config: &ObjectStoreConfig) -> Result<SharedHttpClient, ConnectError> {
    let mut trusted = TrustStore::default();
    if let Some(path) = &config.ca_file {
        let pem = fs::read(path).map_err(|source| ConnectError::CaFile {
            path: path.clone(),
            source,
        })?;
        // The SDK panics at the first request over TLS when a file holds something else.
        if !is_certificates(&pem) {
            return Err(ConnectError::NoCertificate { path: path.clone() });
        }
        trusted = trusted.with_pem_certificate(pem);
    }
    let context = TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .map_err(|error| ConnectError::Tls(error.to_string()))?;
    Ok(Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
        .tls_context(context)
        .build_https())
}

/// Whether a file holds one certificate or more, each of which can be read and trusted.
fn is_certificates(pem: &[u8]) -> bool {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.is_ok_and(|all| !all.is_empty() && all.into_iter().all(|one| roots.add(one).is_ok()))
}

fn credentials(config: &ObjectStoreConfig, region: Region, http: &SharedHttpClient) -> SharedCredentialsProvider {
    match &config.credentials_directory {
        Some(directory) => SharedCredentialsProvider::new(Directory::new(directory.clone())),
        None => SharedCredentialsProvider::new(DefaultChain::new(region, http.clone())),
    }
}
