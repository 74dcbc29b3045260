//! What goes wrong with a store is told with the bucket, the store's own word and the next step, is tried again with growing
//! pauses, deletes nothing, and keeps nobody else waiting.

mod answers;
mod credentials;
mod deleting;
mod isolation;
mod reaching;
mod settings;

use std::{fs, time::Duration};

use ras_crds::{Condition, ConditionType, Reason};
use ras_tests::{
    Error, FaultProxy, OperatorOptions, ProxiedRequest, ROLES, Shared, TestEnv, cluster, object_store::ObjectStore,
};

use super::{manifest_of, write};
use crate::seen::because_with;

/// A platform whose settings a test writes itself.
struct Platform {
    folder: tempfile::TempDir,
}

impl Platform {
    /// With the credentials that have all rights in a store.
    fn of(store: &ObjectStore) -> Self {
        let this = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        this.write("AWS_ACCESS_KEY_ID", store.access_key());
        this.write("AWS_SECRET_ACCESS_KEY", store.secret_key());
        this
    }

    fn write(&self, file: &str, text: &str) {
        write(&self.folder.path().join(file), text);
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.folder.path().join(file)).expect("a file to remove");
    }

    /// A test environment on it, where these are the settings of `objectStore` besides the credentials' folder.
    async fn test_env(&self, prefix: &str, settings: &str) -> Result<TestEnv, Error> {
        let folder = self.folder.path().display();
        self.write(
            "platform.yaml",
            &format!("objectStore: {{credentialsDirectory: '{folder}', {settings}}}\n"),
        );
        let options = OperatorOptions::with_roles(ROLES)
            .argument("--platform-config")
            .argument(format!("{folder}/platform.yaml"));
        TestEnv::with(Shared::All(cluster().await?), prefix, &options).await
    }
}

/// Waits until `StorageReady` of a drive is `False` with this reason and a message that has its bucket `one` and all of these words.
async fn storage_not_ready(
    test_env: &TestEnv,
    drive: &str,
    reason: Reason,
    words: &[&str],
) -> Result<Condition, Error> {
    let bucket = format!("bucket `{}-{drive}-one-", test_env.namespace.name());
    let words: Vec<&str> = words.iter().copied().chain([bucket.as_str()]).collect();
    let condition = because_with(test_env, drive, ConditionType::StorageReady, reason, &words).await?;
    assert_eq!(condition.status, "False");
    Ok(condition)
}

/// Applies a drive with one bucket `one`.
async fn apply(test_env: &TestEnv, drive: &str, settings: &str) -> Result<(), Error> {
    test_env
        .apply(&manifest_of(drive, &format!("{{name: one, {settings}}}")))
        .await
}

/// Requests for the bucket `one` of a drive.
fn requests(proxy: &FaultProxy, test_env: &TestEnv, drive: &str) -> Vec<ProxiedRequest> {
    let path = format!("/{}-{drive}-one-", test_env.namespace.name());
    let mut all = proxy.requests();
    all.retain(|request| request.target.starts_with(&path));
    all
}

/// How often something may have been tried in this time, with pauses that begin with half a second and double.
fn attempts_in(time: Duration) -> usize {
    let mut pause = Duration::from_millis(500);
    let mut passed = Duration::ZERO;
    let mut attempts = 1;
    while passed + pause <= time {
        passed += pause;
        pause *= 2;
        attempts += 1;
    }
    attempts
}
