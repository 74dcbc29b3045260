use std::process::Stdio;

use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{ObjectStore, StoreKind, programs::MINIO_KEY, secret};
use crate::Error;

impl ObjectStore {
    /// Creates a user with only the permissions of an IAM policy (JSON), and returns its access key and secret key. For
    /// `MinIO`, and for moto when it enforces; moto checks no request while the user is created.
    pub async fn restricted_user(&self, policy: &str) -> Result<(String, String), Error> {
        let _alone = self.making_users.lock().await;
        match self.kind() {
            StoreKind::Minio => self.minio_user(policy).await,
            StoreKind::Moto if self.site.options.enforcing => self.moto_user(policy).await,
            StoreKind::Moto => Err(self.error("it checks no policies unless it was started with `enforcing`")),
            StoreKind::Versitygw | StoreKind::Garage => Err(self.error("it has no IAM policies: choose another kind")),
        }
    }

    /// A key to encrypt objects under: the ARN of a new one in moto, the name of the only one in `MinIO`.
    pub async fn kms_key(&self) -> Result<String, Error> {
        let _alone = self.making_users.lock().await;
        match self.kind() {
            StoreKind::Moto => self.moto_kms_key().await,
            StoreKind::Minio if self.site.options.kms => Ok(MINIO_KEY.to_owned()),
            StoreKind::Minio => Err(self.error("it has no keys unless it was started with `kms`")),
            StoreKind::Versitygw | StoreKind::Garage => Err(self.error("it has no keys: choose another kind")),
        }
    }

    async fn minio_user(&self, policy: &str) -> Result<(String, String), Error> {
        let (access_key, secret_key) = secret::credentials()?;
        let (scheme, address) = self.endpoint().split_once("://").unwrap_or_default();
        let admin = format!("{scheme}://{}:{}@{address}", self.access_key(), self.secret_key());
        let mut command = Command::new(self.tools().path("minio-user")?);
        command.args([&access_key, &secret_key]).env("MINIO_ADMIN", admin);
        if let Some(authority) = self.ca_file() {
            command.env("SSL_CERT_FILE", authority);
        }
        let failed = |error| Error::io("running `minio-user`")(error);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(policy.as_bytes()).await.map_err(failed)?;
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        if output.status.success() {
            Ok((access_key, secret_key))
        } else {
            Err(self.error(String::from_utf8_lossy(&output.stderr).trim()))
        }
    }
}
