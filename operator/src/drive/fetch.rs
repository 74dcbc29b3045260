//! Room 1, `fetch`: gathers what exists and must be kept. Reads the informers' memory; sends no request.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::RecruitmentDrive;

use crate::cluster::kind::Kind;
use crate::cluster::record::{ChildKey, DeploymentState, Detail};
use crate::cluster::store::DriveKey;
use crate::drive::build::names;
use crate::drive::context::Context;
use crate::drive::fetched::{DeploymentFacts, Fetched};
use crate::drive::report::Observed;

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
