use std::time::Duration;

use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::{
    Builder,
    tls::{self, TlsContext, TrustStore},
};

use super::ObjectStore;
use crate::Error;

impl ObjectStore {
    /// A client with all rights, for a test's own look at what is there: nothing is tried again and nothing is added to
    /// requests. Make one in each test: its connections belong to the tokio runtime that made it.
    pub fn client(&self) -> Client {
        self.client_as(self.access_key(), self.secret_key())
    }

    /// A client with other credentials, such as those of a restricted user.
    pub fn client_as(&self, access_key: &str, secret_key: &str) -> Client {
        self.client_at(self.endpoint(), access_key, secret_key)
    }

    /// A client that asks at another address, such as that of a [`FaultProxy`](crate::FaultProxy) before this store.
    pub fn client_at(&self, endpoint: &str, access_key: &str, secret_key: &str) -> Client {
        let http = match self.trust() {
            Some(trust) => Builder::new()
                .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
                .tls_context(trust.clone())
                .build_https(),
            None => Builder::new().build_http(),
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_timeout(Duration::from_secs(30))
            .build();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .endpoint_url(endpoint)
            .region(Region::new(self.region().to_owned()))
            .credentials_provider(Credentials::new(access_key, secret_key, None, None, "ras-tests"))
            .force_path_style(true)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // Garage and older servers refuse the checksums that the SDK adds by default.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Client::from_conf(config)
    }
}

/// Trust in one authority and no other.
pub(super) fn trust_only(pem: Vec<u8>) -> Result<TlsContext, Error> {
    TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(pem))
        .build()
        .map_err(|error| Error::Unreadable {
            what: "the authority's certificate".to_owned(),
            message: error.to_string(),
        })
}
