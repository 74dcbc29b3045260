//! Buckets: on every object store that runs here, the same promises.

mod bad_input;
mod cost;
mod direct;
mod documented;
mod emptying;
mod existing;
mod faults;
pub mod look;
mod lost;
mod rights;
mod suite;
mod usage;

use std::{collections::BTreeMap, fs, net::SocketAddr, time::Duration};

use aws_sdk_s3::Client;
use ras_crds::{BucketState, BucketStatus, RecruitmentDriveStatus};
use ras_tests::{
    Error, FaultProxy, OperatorOptions, ROLES, Shared, TENANCY, TestEnv, cluster, eventually,
    object_store::{ObjectStore, StoreKind, shared},
};

/// How long something in an object store may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A test environment whose platform has an object store.
pub struct Storage {
    /// The test environment.
    pub test_env: TestEnv,
    /// The store.
    pub store: &'static ObjectStore,
    /// Looks at it from outside the operator.
    pub client: Client,
    /// How the operator runs.
    pub options: OperatorOptions,
    /// The platform's settings and the operator's keys.
    pub folder: tempfile::TempDir,
}

impl Storage {
    /// A test environment with the shared store of this kind. `settings` are more lines of `objectStore`, in one line of YAML such
    /// as `checkEvery: 2s`.
    pub async fn start(kind: StoreKind, prefix: &str, settings: &str) -> Result<Self, Error> {
        let store = shared(kind).await?;
        Self::at(store, store.endpoint(), prefix, settings).await
    }

    /// The same on a control plane of its own.
    pub async fn on(cluster: Shared, kind: StoreKind, prefix: &str, settings: &str) -> Result<Self, Error> {
        let store = shared(kind).await?;
        Self::with(cluster, store, store.endpoint(), prefix, settings).await
    }

    /// The same, where the operator reaches the store at another address.
    pub async fn at(store: &'static ObjectStore, endpoint: &str, prefix: &str, settings: &str) -> Result<Self, Error> {
        Self::with(Shared::All(cluster().await?), store, endpoint, prefix, settings).await
    }

    async fn with(
        cluster: Shared,
        store: &'static ObjectStore,
        endpoint: &str,
        prefix: &str,
        settings: &str,
    ) -> Result<Self, Error> {
        let more = if settings.is_empty() {
            String::new()
        } else {
            format!(", {settings}")
        };
        let (folder, options) = platform(store, endpoint, &format!("programs: {{secretName: s3}}{more}"));
        let test_env = TestEnv::with(cluster, prefix, &options).await?;
        test_env
            .apply(
                "apiVersion: v1\nkind: Secret\nmetadata: {name: s3}\nstringData: {AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key}\n",
            )
            .await?;
        Ok(Self {
            test_env,
            store,
            client: store.client(),
            options,
            folder,
        })
    }

    /// The same, where the operator reaches the shared store of this kind through a proxy.
    pub async fn through(kind: StoreKind, prefix: &str, settings: &str) -> Result<(FaultProxy, Self), Error> {
        let store = shared(kind).await?;
        let proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], store.port()))).await?;
        let storage = Self::at(store, &proxy.endpoint(), prefix, settings).await?;
        Ok((proxy, storage))
    }

    /// Applies the drive `d` with these buckets (items of a YAML list, in one line).
    pub async fn drive(&self, buckets: &str) -> Result<(), Error> {
        self.test_env.apply(&manifest(buckets)).await
    }

    /// The drive's status.
    pub async fn status(&self) -> Result<RecruitmentDriveStatus, Error> {
        let drive = self.test_env.drives().get("d").await.map_err(|error| Error::Api {
            what: "looking at drive d".to_owned(),
            message: error.to_string(),
        })?;
        Ok(drive.status.unwrap_or_default())
    }

    /// Waits until a bucket's line in status is as asked, and returns it.
    pub async fn line(&self, name: &str, state: BucketState) -> Result<BucketStatus, Error> {
        self.line_that(name, &format!("{state:?}"), |line| line.state == state)
            .await
    }

    /// Waits until a bucket's line in status fulfils something, and returns it.
    pub async fn line_that(
        &self,
        name: &str,
        what: &str,
        is_so: impl Fn(&BucketStatus) -> bool,
    ) -> Result<BucketStatus, Error> {
        eventually(PATIENCE, &format!("bucket {name} to be {what}"), async || {
            let status = self.status().await?;
            match status.buckets.into_iter().find(|line| line.name == name) {
                Some(line) if is_so(&line) => Ok(line),
                Some(line) => Err(format!("{line:?}").into()),
                None => Err("not in status".into()),
            }
        })
        .await
        .map_err(|error| error.with_log(&self.test_env.operator.log()))
    }

    /// The name in the store of a bucket that is ready.
    pub async fn ready(&self, name: &str) -> Result<String, Error> {
        Ok(self.line(name, BucketState::Ready).await?.bucket)
    }

    /// Waits until the drive is no longer there.
    pub async fn gone(&self) -> Result<(), Error> {
        self.gone_within(PATIENCE).await
    }

    /// The same, with a limit of one's own.
    pub async fn gone_within(&self, limit: Duration) -> Result<(), Error> {
        eventually(limit, "drive d to be gone", async || {
            match self.test_env.drives().get_opt("d").await? {
                None => Ok(()),
                Some(drive) => Err(format!("{:?} {:?}", drive.metadata.finalizers, drive.status).into()),
            }
        })
        .await
        .map_err(|error| error.with_log(&self.test_env.operator.log()))
    }

    /// Asks Kubernetes to delete the drive.
    pub async fn delete(&self) -> Result<(), Error> {
        let deleted = self
            .test_env
            .drives()
            .delete("d", &kube::api::DeleteParams::default())
            .await;
        deleted.map(drop).map_err(|error| Error::Api {
            what: "deleting drive d".to_owned(),
            message: error.to_string(),
        })
    }

    /// Requests that the operator has sent to the store since it started, by operation and outcome.
    pub async fn requests(&mut self) -> Result<BTreeMap<(String, String), u64>, Error> {
        let (_, text) = self.test_env.operator.get("/metrics").await?;
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("ras_object_store_requests_total{"));
        let counts = lines.filter_map(|line| {
            let (labels, count) = line.split_once("} ")?;
            let label = |name: &str| {
                let (_, rest) = labels.split_once(&format!("{name}=\""))?;
                rest.split_once('"').map(|(value, _)| value.to_owned())
            };
            Some(((label("operation")?, label("outcome")?), count.parse().ok()?))
        });
        Ok(counts.collect())
    }

    /// Sets an annotation of the drive; `None` takes it away.
    pub async fn annotate(&self, key: &str, value: Option<&str>) -> Result<(), Error> {
        let said = value.map_or_else(|| format!("{key}-"), |value| format!("{key}={value}"));
        crate::seen::kubectl(&self.test_env, &["annotate", "drive", "d", "--overwrite", &said])
            .await
            .map(drop)
    }
}

/// How an operator runs whose platform has this store, with the folder that holds its settings and credentials.
pub fn platform(store: &ObjectStore, endpoint: &str, settings: &str) -> (tempfile::TempDir, OperatorOptions) {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("AWS_ACCESS_KEY_ID"), store.access_key());
    write(&folder.path().join("AWS_SECRET_ACCESS_KEY"), store.secret_key());
    let platform = format!(
        "{TENANCY}objectStore: {{endpoint: '{endpoint}', region: {}, credentialsDirectory: '{}', requestsPerSecond: 1000, {settings}}}\n",
        store.region(),
        folder.path().display()
    );
    let config = folder.path().join("platform.yaml");
    write(&config, &platform);
    let options = OperatorOptions::with_roles(ROLES)
        .argument("--platform-config")
        .argument(config.display().to_string());
    (folder, options)
}

/// A drive `d` with one service and these buckets.
pub fn manifest(buckets: &str) -> String {
    manifest_of("d", buckets)
}

/// A drive of this name with one service and these buckets.
pub fn manifest_of(drive: &str, buckets: &str) -> String {
    format!(
        "apiVersion: ras.dev/v1alpha1\nkind: RecruitmentDrive\nmetadata: {{name: {drive}}}\n\
         spec:\n  services: [{{name: portal, image: 'portal:1', ports: [{{name: http, port: 8080}}]}}]\n  buckets: [{buckets}]\n"
    )
}

/// Writes a file of a platform's.
pub fn write(path: &std::path::Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Prints a figure, which people read and nothing depends on.
pub fn print_figure(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}
