//! The operator's own credentials: from a mounted Secret, or from the AWS SDK's default chain.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result, future};
use aws_sdk_s3::config::{Region, SharedHttpClient};
use tokio::sync::OnceCell;

/// After this time the files are read again. The kubelet writes a changed Secret within a minute or two.
const VALID_FOR: Duration = Duration::from_secs(60);

/// A mounted Secret: one file a key.
#[derive(Clone, Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    async fn read(&self) -> Result {
        let key = required(&self.0.join("AWS_ACCESS_KEY_ID")).await?;
        let secret = required(&self.0.join("AWS_SECRET_ACCESS_KEY")).await?;
        let token = text(&self.0.join("AWS_SESSION_TOKEN")).await.ok();
        let until = SystemTime::now() + VALID_FOR;
        Ok(Credentials::new(
            key,
            secret,
            token.filter(|token| !token.is_empty()),
            Some(until),
            "MountedSecret",
        ))
    }
}

impl ProvideCredentials for Directory {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.read())
    }
}

/// Workload identity and the other sources in the AWS SDK's order. Nothing is read before the first request.
#[derive(Debug)]
pub(super) struct DefaultChain {
    region: Region,
    http: SharedHttpClient,
    chain: OnceCell<DefaultCredentialsChain>,
}

impl DefaultChain {
    pub(super) fn new(region: Region, http: SharedHttpClient) -> Self {
        Self {
            region,
            http,
            chain: OnceCell::new(),
        }
    }

    async fn chain(&self) -> &DefaultCredentialsChain {
        let make = || async {
            let config = ProviderConfig::without_region()
                .with_region(Some(self.region.clone()))
                .with_http_client(self.http.clone());
            DefaultCredentialsChain::builder()
                .configure(config)
                .region(self.region.clone())
                .build()
                .await
        };
        self.chain.get_or_init(make).await
    }
}

impl ProvideCredentials for DefaultChain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.chain().await.provide_credentials().await })
    }
}

async fn required(path: &Path) -> std::result::Result<String, CredentialsError> {
    let unusable = |problem: String| CredentialsError::not_loaded(format!("{} {problem}", path.display()));
    match text(path).await {
        Ok(text) if text.is_empty() => Err(unusable("is empty".to_owned())),
        Ok(text) => Ok(text),
        Err(error) => Err(unusable(format!("cannot be read: {error}"))),
    }
}

/// Trimmed, because Secrets written by `echo` end with a newline.
async fn text(path: &Path) -> std::io::Result<String> {
    Ok(tokio::fs::read_to_string(path).await?.trim().to_owned())
}
