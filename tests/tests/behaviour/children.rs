//! Children of every kind as plain objects: what a drive has, and somebody who meddles with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use kube::{
    Api, ResourceExt as _,
    api::{DynamicObject, ListParams, PostParams},
};
use ras_core::kind::Kind;
use ras_tests::{Error, ForeignProject, Operator, PATIENCE, TestEnv, cluster, eventually};
use serde_json::Value;

/// A drive `test_env` with every kind of child.
pub const EVERY_CHILD: &str = include_str!("every-child.yaml");

/// How long nothing may change for all to be at rest: longer than the autoscaler's period and any first back-off.
const QUIET: Duration = Duration::from_secs(3);

/// Every object whose labels name a drive, by `Kind/name`.
pub type Children = BTreeMap<String, DynamicObject>;

/// A test environment with the drive of [`EVERY_CHILD`], Ready and at rest.
pub async fn env_with_every_child(prefix: &str) -> Result<TestEnv, Error> {
    // Before the operator starts, so that no test waits until it notices.
    cluster().await?.install(ForeignProject::PrometheusOperator).await?;
    cluster().await?.install(ForeignProject::ExternalSecrets).await?;
    let test_env = TestEnv::start(prefix).await?;
    make_every_child(&test_env).await?;
    Ok(test_env)
}

/// Applies [`EVERY_CHILD`] and waits until all of it is there and at rest.
pub async fn make_every_child(test_env: &TestEnv) -> Result<(), Error> {
    make(test_env, "season", EVERY_CHILD).await
}

/// Applies a drive that has every kind of child, and waits until all of it is there and at rest.
pub async fn make(test_env: &TestEnv, drive: &str, text: &str) -> Result<(), Error> {
    test_env.apply(text).await?;
    test_env.ready(drive).await?;
    eventually(PATIENCE, "a child of every kind", async || {
        let found: BTreeSet<Kind> = children(test_env, drive).await?.values().filter_map(kind).collect();
        let lacking: Vec<_> = kinds().filter(|kind| !found.contains(kind)).collect();
        if lacking.is_empty() {
            Ok(())
        } else {
            Err(format!("no {lacking:?}").into())
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    at_rest(test_env, drive).await.map(drop)
}

/// Every kind of child that one drive can have in one cluster: none serves both versions of External Secrets, and a drive
/// whose database server is a `StatefulSet` of ours has no `Cluster` and no backups.
pub fn kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL
        .iter()
        .copied()
        .filter(|kind| !matches!(kind, Kind::ExternalSecretBeta | Kind::Cluster | Kind::ScheduledBackup))
}

/// One kind's objects in the test namespace.
pub fn api(test_env: &TestEnv, kind: Kind) -> Api<DynamicObject> {
    Api::namespaced_with(test_env.namespace.client(), test_env.namespace.name(), &kind.resource())
}

fn kind(object: &DynamicObject) -> Option<Kind> {
    let types = object.types.as_ref()?;
    Kind::ALL.iter().copied().find(|kind| kind.as_str() == types.kind)
}

/// An error of the client, while doing `what`.
pub fn failed(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Error {
    let what = what.into();
    move |error| Error::Api {
        what,
        message: error.to_string(),
    }
}

/// Every object whose labels name this drive.
pub async fn children(test_env: &TestEnv, drive: &str) -> Result<Children, Error> {
    let of_drive = ListParams::default().labels(&format!("ras.dev/drive={drive}"));
    let mut found = Children::new();
    for kind in kinds() {
        match api(test_env, kind).list(&of_drive).await {
            Ok(list) => found.extend(list.items.into_iter().map(|mut object| {
                // The items of a list do not tell their kind.
                object.types = Some(kube::core::TypeMeta {
                    api_version: kind.resource().api_version,
                    kind: kind.to_string(),
                });
                (format!("{kind}/{}", object.name_any()), object)
            })),
            Err(kube::Error::Api(status)) if status.code == 404 && kind.is_optional() => {}
            Err(error) => return Err(failed(format!("listing {kind}"))(error)),
        }
    }
    Ok(found)
}

/// UIDs of a drive's children, by `Kind/name`.
pub async fn uids(test_env: &TestEnv, drive: &str) -> Result<BTreeMap<String, String>, Error> {
    let children = children(test_env, drive).await?;
    Ok(children
        .into_iter()
        .map(|(name, object)| (name, object.uid().unwrap_or_default()))
        .collect())
}

/// The resourceVersions of a drive and of all its children.
pub async fn versions(test_env: &TestEnv, drive: &str) -> Result<BTreeMap<String, String>, Error> {
    let mut versions: BTreeMap<String, String> = children(test_env, drive)
        .await?
        .into_iter()
        .map(|(name, object)| (name, object.resource_version().unwrap_or_default()))
        .collect();
    let drives = test_env.drives();
    if let Some(found) = drives.get_opt(drive).await.map_err(failed("looking at the drive"))? {
        versions.insert(
            "RecruitmentDrive".to_owned(),
            found.resource_version().unwrap_or_default(),
        );
    }
    Ok(versions)
}

/// Waits until nothing has changed for a while, neither by the operator nor by Kubernetes' controllers, and returns
/// the resourceVersions of the drive and all its children.
pub async fn at_rest(test_env: &TestEnv, drive: &str) -> Result<BTreeMap<String, String>, Error> {
    let started = Instant::now();
    let (mut seen, mut since) = (versions(test_env, drive).await?, Instant::now());
    while since.elapsed() < QUIET {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = versions(test_env, drive).await?;
        if now != seen {
            if started.elapsed() > PATIENCE {
                let changed: Vec<_> = now
                    .iter()
                    .filter(|(name, version)| seen.get(*name) != Some(version))
                    .collect();
                let what = "nothing to change any more".to_owned();
                let error = Error::Waited {
                    what,
                    waited: started.elapsed(),
                    last_seen: format!("{changed:?} changed"),
                };
                return Err(error.with_log(&test_env.operator.log()));
            }
            (seen, since) = (now, Instant::now());
        }
    }
    Ok(seen)
}

/// Changes an object as somebody who is not the operator, and returns it as it is then.
pub async fn meddle(api: &Api<DynamicObject>, name: &str, change: impl Fn(&mut Value)) -> Result<DynamicObject, Error> {
    let somebody = PostParams {
        field_manager: Some("somebody".to_owned()),
        ..PostParams::default()
    };
    // A controller may write it between our look and our write.
    eventually(PATIENCE, &format!("{name} to be meddled with"), async || {
        let mut object = serde_json::to_value(api.get(name).await?)?;
        change(&mut object);
        Ok(api.replace(name, &somebody, &serde_json::from_value(object)?).await?)
    })
    .await
}

/// How many reconciles the operator has counted.
pub async fn reconciles(operator: &mut Operator) -> Result<u64, Error> {
    let (_, metrics) = operator.get("/metrics").await?;
    let counts = metrics.lines().filter(|line| line.starts_with("ras_reconciles_total{"));
    Ok(counts
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum())
}

/// Waits until the operator has counted more reconciles than `before`.
pub async fn counts_past(operator: &mut Operator, before: u64) -> Result<(), Error> {
    let started = Instant::now();
    while reconciles(operator).await? <= before {
        if started.elapsed() > PATIENCE {
            let (what, last_seen) = ("a reconcile".to_owned(), format!("{before} as before"));
            let error = Error::Waited {
                what,
                waited: started.elapsed(),
                last_seen,
            };
            return Err(error.with_log(&operator.log()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
