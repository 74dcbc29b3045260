//! What is there, compared with what should be.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt as _};
use ras_crds::RecruitmentDrive;
use ras_tests::{Error, child_kinds};

use super::population::{Planned, code};
use super::shape;

/// Objects by `Kind/name`.
pub type Objects = BTreeMap<String, DynamicObject>;

/// Numbers that a minute's line shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub drives_wanted: usize,
    pub drives: usize,
    pub ready: usize,
    pub deployments_wanted: usize,
    pub deployments: usize,
}

/// Counts drives and Deployments.
pub async fn count(client: &Client, namespaces: &[String], plan: &[Planned]) -> Result<Counts, Error> {
    let there = || plan.iter().filter(|drive| drive.there);
    let mut counts = Counts {
        drives_wanted: there().count(),
        deployments_wanted: there()
            .map(|drive| shape::names(drive.shape, &drive.settings).len())
            .sum(),
        ..Counts::default()
    };
    for namespace in namespaces {
        for drive in drives(client, namespace).await? {
            counts.drives += 1;
            counts.ready += usize::from(unready(&drive).is_none());
        }
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        let found = deployments
            .list_metadata(&ListParams::default().labels("ras.dev/drive"))
            .await;
        counts.deployments += found.map_err(Error::api("counting Deployments"))?.items.len();
    }
    Ok(counts)
}

/// All drives of a namespace.
pub async fn drives(client: &Client, namespace: &str) -> Result<Vec<RecruitmentDrive>, Error> {
    let api: Api<RecruitmentDrive> = Api::namespaced(client.clone(), namespace);
    let list = api
        .list(&ListParams::default())
        .await
        .map_err(Error::api("listing drives"))?;
    Ok(list.items)
}

/// Why a drive is not Ready as it is now asked for.
pub fn unready(drive: &RecruitmentDrive) -> Option<String> {
    let status = drive.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    match ready {
        Some(ready) if ready.status == "True" && ready.observed_generation == drive.metadata.generation => None,
        Some(ready) => Some(format!(
            "{}/{}: {} of generation {:?} (it is at {:?}): {}: {}",
            drive.namespace().unwrap_or_default(),
            drive.name_any(),
            ready.status,
            ready.observed_generation,
            drive.metadata.generation,
            ready.reason,
            ready.message
        )),
        None => Some(format!(
            "{}/{}: no status",
            drive.namespace().unwrap_or_default(),
            drive.name_any()
        )),
    }
}

/// Everything in a namespace whose labels name a drive, by drive.
pub async fn children(client: &Client, namespace: &str) -> Result<BTreeMap<String, Objects>, Error> {
    let mut found: BTreeMap<String, Objects> = BTreeMap::new();
    for kind in child_kinds() {
        let of_drives = ListParams::default().labels("ras.dev/drive");
        let listed = match Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &kind)
            .list(&of_drives)
            .await
        {
            Ok(listed) => listed,
            Err(error) if code(&error) == 404 => continue,
            Err(error) => return Err(Error::api(format!("listing {}", kind.kind))(error)),
        };
        for object in listed {
            let drive = object.labels().get("ras.dev/drive").cloned().unwrap_or_default();
            let name = format!("{}/{}", kind.kind, object.name_any());
            found.entry(drive).or_default().insert(name, object);
        }
    }
    Ok(found)
}

/// UIDs of what holds data and has to stay, by `namespace/Kind/name`.
pub async fn kept(client: &Client, plan: &[Planned]) -> Result<BTreeMap<String, String>, Error> {
    let mut kept = BTreeMap::new();
    let keeps = |namespace: &str, name: &str| {
        plan.iter()
            .any(|drive| drive.keeps && drive.namespace == namespace && drive.name == name)
    };
    let mut namespaces: Vec<&str> = plan.iter().map(|drive| drive.namespace.as_str()).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    for namespace in namespaces {
        for kind in child_kinds().filter(|kind| holds_data(&kind.kind)) {
            let of_drives = ListParams::default().labels("ras.dev/drive");
            let listed = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &kind)
                .list_metadata(&of_drives)
                .await;
            for object in listed.map_err(Error::api(format!("listing {}", kind.kind)))? {
                let drive = object.labels().get("ras.dev/drive").cloned().unwrap_or_default();
                if keeps(namespace, &drive) {
                    let name = format!("{namespace}/{}/{}", kind.kind, object.name_any());
                    kept.insert(name, object.uid().unwrap_or_default());
                }
            }
        }
    }
    Ok(kept)
}

/// True if objects of this kind may outlive their drive.
pub fn holds_data(kind: &str) -> bool {
    matches!(kind, "Secret" | "PersistentVolumeClaim")
}

/// Whatever is left over: of drives that are not there, or of a drive that was there before under the same name.
pub async fn left_over(client: &Client, namespace: &str, plan: &[Planned]) -> Result<Vec<String>, Error> {
    let uids: BTreeMap<String, String> = drives(client, namespace)
        .await?
        .iter()
        .map(|drive| (drive.name_any(), drive.uid().unwrap_or_default()))
        .collect();
    let mut left = Vec::new();
    for (name, objects) in children(client, namespace).await? {
        let planned = plan
            .iter()
            .find(|drive| drive.namespace == namespace && drive.name == name);
        for (object, found) in objects {
            let kind = object.split('/').next().unwrap_or_default();
            let what = match uids.get(&name) {
                None if planned.is_some_and(|drive| drive.keeps) && holds_data(kind) => continue,
                None => "its drive is gone",
                Some(uid) if found.labels().get("ras.dev/drive-uid") != Some(uid) => {
                    "it speaks of a drive that is gone"
                }
                Some(_) if found.metadata.deletion_timestamp.is_some() => "it is on its way out",
                Some(_) => continue,
            };
            left.push(format!("{namespace}/{object}: {what}"));
        }
    }
    Ok(left)
}
