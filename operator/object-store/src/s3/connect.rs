//! Creates the client of an S3 service from the platform's settings. Sends no request.

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
use crate::s3::answer_limit::AnswerLimit;
use crate::s3::credentials::{DefaultChain, Directory};
use crate::s3::web_page::NoWebPage;
use ras_core::platform::ObjectStoreConfig;

const CONNECT: Duration = Duration::from_secs(3);
/// Until an answer begins.
const READ: Duration = Duration::from_secs(10);
/// For a request with its whole answer.
const ATTEMPT: Duration = Duration::from_secs(15);

/// Unusable settings of the platform.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error("objectStore.caFile {path} cannot be read ({source}): mount it into the operator's pod")]
    CaFile { path: PathBuf, source: io::Error },
    #[error("objectStore.caFile {path} holds no certificate: it has to be PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate { path: PathBuf },
    #[error("the object store's TLS cannot be set up ({0}): check objectStore.caFile")]
    Tls(String),
}

impl S3Store {
    /// Every request waits for `rate_limiter` and is counted by `counter`. No credentials are requested before the first request.
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
            // Many servers do not support the checksums that the SDK adds by default.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .interceptor(AnswerLimit)
            .interceptor(NoWebPage)
            .credentials_provider(credentials(config, region, &http))
            .http_client(http);
        builder.set_endpoint_url(config.endpoint.clone());
        // The SDK does not allow '/' in it.
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
        // The SDK panics at the first TLS request if the file contains anything else.
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

/// One certificate or more, and each can be decoded and trusted.
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
