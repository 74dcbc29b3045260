//! Room 1, `fetch`: gathers what exists and must be kept. Reads the informers' memory; sends no request.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::RecruitmentDrive;

use crate::cluster::kind::Kind;
use crate::cluster::record::{ChildKey, DeploymentState, Detail};
use crate::cluster::store::DriveKey;
use crate::drive::build::names;
use crate::drive::context::Context;
use crate::drive::report::Observed;

/// What exists around one drive, as far as the later rooms decide by it. Metadata only where Secrets are
/// concerned: no value ever gets here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Secrets that the drive uses or makes, by their name in Kubernetes. One that is not here does not exist.
    pub secrets: BTreeMap<String, SecretFacts>,
    /// The drive's Deployments as they are, by their name in Kubernetes.
    pub deployments: BTreeMap<String, DeploymentFacts>,
    /// Names that older drives of the same namespace give to their children.
    pub elders: Vec<Elder>,
    /// Which optional APIs the cluster serves.
    pub apis: Apis,
}

/// What metadata tells of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretFacts {
    /// Each key with a stamp that changes when its value is written. `None`: the metadata does not tell the
    /// keys (no `managedFields`); `version` then stands for all of them.
    pub keys: Option<BTreeMap<String, String>>,
    /// Stamp of the whole object, for where `keys` cannot tell.
    pub version: String,
}

/// What the later rooms need to know of a live Deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeploymentFacts {
    /// `spec.replicas` as it is now.
    pub replicas: i32,
    /// Replicas it had before the drive was suspended, when it is suspended.
    pub replicas_before_suspend: Option<i32>,
}

/// An older drive of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elder {
    /// Its name.
    pub name: String,
    /// Names of its children, as `Kind/name`.
    pub children: BTreeSet<String>,
}

/// Which optional APIs the cluster serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Apis {
    /// `monitoring.coreos.com/v1` ServiceMonitor.
    pub service_monitors: bool,
    /// `monitoring.coreos.com/v1` PrometheusRule.
    pub prometheus_rules: bool,
    /// `cert-manager.io/v1` Certificate.
    pub certificates: bool,
}

/// Names of the Secrets that a drive makes or uses.
pub fn secrets_of(drive: &RecruitmentDrive) -> BTreeSet<String> {
    let name = drive.metadata.name.as_deref().unwrap_or_default();
    let mut secrets: BTreeSet<String> = drive
        .spec
        .secrets
        .iter()
        .map(|secret| match &secret.existing {
            Some(existing) => existing.secret_name.clone(),
            None => names::secret(name, &secret.name),
        })
        .collect();
    if let Some(tls) = drive.spec.exposure.as_ref().and_then(|exposure| exposure.tls.as_ref()) {
        secrets.insert(tls.secret_name.clone().unwrap_or_else(|| names::tls_secret(name)));
    }
    secrets
}

/// Gathers what exists around a drive.
pub fn fetch(key: &DriveKey, drive: &RecruitmentDrive, context: &Context) -> (Fetched, Observed) {
    let store = &context.hands.store;
    let secrets = secrets_of(drive)
        .into_iter()
        .filter_map(|name| store.secret(&key.namespace, &name).map(|facts| (name, facts)))
        .collect();
    let states: BTreeMap<String, DeploymentState> = drive
        .spec
        .services
        .iter()
        .map(|service| names::of_service(&key.name, &service.name))
        .filter_map(|name| {
            let record = store.get(&ChildKey::new(Kind::Deployment, &key.namespace, &name))?;
            match record.detail {
                Detail::Deployment(state) => Some((name, state)),
                Detail::None | Detail::Secret(_) => None,
            }
        })
        .collect();
    let deployments = states
        .iter()
        .map(|(name, state)| {
            let facts = DeploymentFacts {
                replicas: state.replicas,
                replicas_before_suspend: state.replicas_before_suspend,
            };
            (name.clone(), facts)
        })
        .collect();
    let apis = context.apis.borrow().unwrap_or_default();
    let fetched = Fetched {
        secrets,
        deployments,
        elders: context.claims.elders(key),
        apis,
    };
    (
        fetched,
        Observed {
            deployments: states,
            troubles: store.troubles(key),
        },
    )
}
