//! Takes changes of the platform's settings over while the operator runs.
//!
//! The file is a ConfigMap's: kubelet replaces it about a minute after the ConfigMap changed. It is read every few seconds and
//! used when it was the same twice, so that one that is being written by hand is not read by half. Settings that cannot be used
//! change nothing: those in force stay, and the log and a metric say so.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use ras_core::platform::{PlatformConfig, PlatformError, parse};

/// Time between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Longest wait for a file that is not there when the operator starts: a volume may be mounted late.
const MOUNTED_WITHIN: Duration = Duration::from_secs(10);

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}", path = .path.display())]
    Unread { path: PathBuf, source: std::io::Error },
    /// The file has invalid settings.
    #[error("{path}: {source}", path = .path.display())]
    Unusable { path: PathBuf, source: PlatformError },
}

/// The settings in force, shared by all who use them.
#[derive(Clone, Debug)]
pub struct InForce(Arc<RwLock<Arc<PlatformConfig>>>);

impl InForce {
    /// These, to begin with.
    pub fn new(config: PlatformConfig) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(config))))
    }

    /// The current settings. A caller that needs them for more than one step keeps the result.
    pub fn now(&self) -> Arc<PlatformConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, config: PlatformConfig) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}

/// Reads the file when the operator starts, and waits a moment for one that is not there yet.
///
/// # Errors
/// When it is not there after that, or cannot be used.
pub async fn read(path: &Path) -> Result<PlatformConfig, FileError> {
    let until = Instant::now() + MOUNTED_WITHIN;
    let mut said = false;
    let text = loop {
        match tokio::fs::read_to_string(path).await {
            Ok(text) => break text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && Instant::now() < until => {
                if !said {
                    tracing::info!(path = %path.display(), "waits for the platform's settings to be mounted");
                    said = true;
                }
                sleep(Duration::from_millis(500)).await;
            }
            Err(source) => {
                let path = path.to_owned();
                return Err(FileError::Unread { path, source });
            }
        }
    };
    used(path, &text)
}

fn used(path: &Path, text: &str) -> Result<PlatformConfig, FileError> {
    parse(text).map_err(|source| FileError::Unusable {
        path: path.to_owned(),
        source,
    })
}

#[derive(Debug)]
pub enum Change {
    /// It is in force.
    Taken,
    /// All of it but `objectStore` is in force: connections to the object store are made when the operator starts.
    WithoutObjectStore,
    /// It cannot be used, and what was in force before still is.
    Refused(FileError),
}

/// Follows the file until it is dropped, and says what became of each change.
pub async fn follow(path: &Path, in_force: &InForce, said: impl FnMut(&Change)) {
    follow_every(LOOK_EVERY, path, in_force, said).await;
}

async fn follow_every(pause: Duration, path: &Path, in_force: &InForce, mut said: impl FnMut(&Change)) {
    // The store that was connected to when the operator started.
    let object_store = in_force.now().object_store.clone();
    let mut judged: Option<Result<String, std::io::ErrorKind>> = None;
    let mut before: Option<Result<String, std::io::ErrorKind>> = None;
    loop {
        let read = tokio::fs::read_to_string(path).await;
        let (seen, failed) = match read {
            Ok(text) => (Ok(text), None),
            Err(error) => (Err(error.kind()), Some(error)),
        };
        let is_steady = before.as_ref() == Some(&seen);
        if is_steady && judged.as_ref() != Some(&seen) {
            let change = match (&seen, failed) {
                (Ok(text), _) => used(path, text),
                (Err(kind), failed) => Err(FileError::Unread {
                    path: path.to_owned(),
                    source: failed.unwrap_or_else(|| (*kind).into()),
                }),
            };
            let change = match change {
                Ok(config) => take(config, object_store.as_ref(), in_force, judged.is_none()),
                Err(error) => Some(Change::Refused(error)),
            };
            judged = Some(seen.clone());
            if let Some(change) = change {
                said(&change);
            }
        }
        before = Some(seen);
        sleep(pause).await;
    }
}

/// Puts settings in force. The settings at the start are not reported as a change.
fn take(
    mut config: PlatformConfig,
    object_store: Option<&ras_core::platform::ObjectStoreConfig>,
    in_force: &InForce,
    is_first: bool,
) -> Option<Change> {
    let is_connected = config.object_store.as_ref() == object_store;
    config.object_store = object_store.cloned();
    if is_first && is_connected && *in_force.now() == config {
        return None;
    }
    in_force.set(config);
    Some(if is_connected {
        Change::Taken
    } else {
        Change::WithoutObjectStore
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const PAUSE: Duration = Duration::from_millis(10);

    /// Follows a file that says `first`, and returns what is in force and what was said once each text was written.
    async fn follows(first: &str, texts: &[&str]) -> (Vec<Arc<PlatformConfig>>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("platform.yaml");
        std::fs::write(&path, first).unwrap();
        let in_force = InForce::new(read(&path).await.unwrap());
        let said = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn({
            let (path, in_force, said) = (path.clone(), in_force.clone(), Arc::clone(&said));
            async move {
                follow_every(PAUSE, &path, &in_force, |change| {
                    said.lock().unwrap().push(format!("{change:?}"));
                })
                .await;
            }
        });
        sleep(20 * PAUSE).await;
        assert!(said.lock().unwrap().is_empty(), "what it starts with is no news");
        let mut configs = Vec::new();
        for (text, number) in texts.iter().zip(1..) {
            // As kubelet does it: another file in its place.
            let next = folder.path().join("next");
            std::fs::write(&next, text).unwrap();
            std::fs::rename(&next, &path).unwrap();
            for _ in 0..500 {
                if said.lock().unwrap().len() >= number {
                    break;
                }
                sleep(PAUSE).await;
            }
            configs.push(in_force.now());
        }
        task.abort();
        let said = said.lock().unwrap().clone();
        (configs, said)
    }

    #[tokio::test]
    async fn a_change_is_in_force_and_one_that_cannot_be_used_leaves_the_former() {
        let (configs, said) = follows(
            "storage: {className: one}",
            &[
                "storage: {className: two}",
                "storage: [three]",
                "storage: {className: four}",
            ],
        )
        .await;
        let classes: Vec<_> = configs
            .iter()
            .map(|config| config.storage.class_name.clone().unwrap())
            .collect();
        assert_eq!(classes, ["two", "two", "four"]);
        assert!(
            said[0] == "Taken" && said[1].contains("Refused") && said[2] == "Taken",
            "{said:?}"
        );
    }

    #[tokio::test]
    async fn another_object_store_waits_for_a_restart_and_the_rest_does_not() {
        let (configs, said) = follows(
            "objectStore: {region: eu-west-1}",
            &["{objectStore: {region: us-east-1}, storage: {className: fast}}"],
        )
        .await;
        assert_eq!(configs[0].object_store.as_ref().unwrap().region, "eu-west-1");
        assert_eq!(configs[0].storage.class_name.as_deref(), Some("fast"));
        assert_eq!(said, ["WithoutObjectStore"]);
    }

    #[tokio::test]
    async fn a_file_that_is_mounted_a_moment_late_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("platform.yaml");
        let late = path.clone();
        tokio::spawn(async move {
            sleep(20 * PAUSE).await;
            std::fs::write(late, "storage: {className: late}").unwrap();
        });
        assert_eq!(read(&path).await.unwrap().storage.class_name.as_deref(), Some("late"));
    }
}
