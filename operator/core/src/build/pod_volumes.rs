//! Volumes of a pod and where its containers see them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource, SecretVolumeSource,
    Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::bindings;
use crate::names;
use crate::valid::CA_FILE;
use crate::valid::{ValidService, ValidVolume, VolumeSource};

/// Where every program finds space to write to; its image is read-only.
const SCRATCH_PATH: &str = "/tmp";
/// The same limit as a scratch volume has when it says nothing: a program that runs away is evicted before
/// it fills its node's disk.
const SCRATCH_LIMIT: &str = "1Gi";
/// Templates come from a `ConfigMap` of less than 1 MiB; this leaves room for what variables add.
const FILES_LIMIT: &str = "16Mi";

/// Names of the pod's own volumes. Volumes of the spec get a prefix, so that the two never meet.
const SCRATCH: &str = "tmp";
const TEMPLATES: &str = "templates";
const FILES: &str = "files";
const DATABASE: &str = "database";

/// Where the render step finds templates.
pub(super) const TEMPLATES_PATH: &str = "/ras/templates";
/// Where the render step puts files.
pub(super) const FILES_PATH: &str = "/ras/files";

/// Every volume of a pod.
pub(super) fn volumes(service: &ValidService) -> Vec<Volume> {
    let mut volumes: Vec<_> = service.volumes.iter().map(of_spec).collect();
    if needs_scratch(service) {
        volumes.push(empty_dir(SCRATCH, SCRATCH_LIMIT, false));
    }
    if let Some(authority) = &service.database_authority {
        volumes.push(Volume {
            name: DATABASE.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(authority.secret_name.clone()),
                // The certificates alone: the administrator's password and the authority's key are none of a program's
                // business.
                items: Some(vec![KeyToPath {
                    key: authority.key.clone(),
                    path: CA_FILE.rsplit('/').next().unwrap_or_default().to_owned(),
                    mode: None,
                }]),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        });
    }
    volumes.extend(bindings::volumes(service));
    if !service.files.is_empty() {
        volumes.push(Volume {
            name: TEMPLATES.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: service.child.clone(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        });
        // In memory: the files may hold secrets, which have no business on a node's disk.
        volumes.push(empty_dir(FILES, FILES_LIMIT, true));
    }
    volumes
}

/// What every container of the pod sees.
pub(super) fn shared_mounts(service: &ValidService) -> Vec<VolumeMount> {
    let mut mounts: Vec<_> = service
        .volumes
        .iter()
        .map(|volume| mount(&pod_volume(volume), &volume.path))
        .collect();
    if needs_scratch(service) {
        mounts.push(mount(SCRATCH, SCRATCH_PATH));
    }
    if service.database_authority.is_some() {
        mounts.push(VolumeMount {
            read_only: Some(true),
            ..mount(DATABASE, CA_FILE.rsplit_once('/').unwrap_or_default().0)
        });
    }
    mounts
}

/// The files, which the program alone sees: one by one, because a mount of a folder would hide what the
/// image has in it, the program itself included.
pub(super) fn file_mounts(service: &ValidService) -> Vec<VolumeMount> {
    // Two paths that differ in slashes alone would be one mount.
    let files: BTreeMap<_, _> = service
        .files
        .iter()
        .map(|file| (file.path.as_str(), names::file_key(&file.path)))
        .collect();
    files
        .into_iter()
        .map(|(path, key)| VolumeMount {
            read_only: Some(true),
            sub_path: Some(key),
            ..mount(FILES, path)
        })
        .collect()
}

/// What the render step sees.
pub(super) fn render_mounts() -> Vec<VolumeMount> {
    vec![
        VolumeMount {
            read_only: Some(true),
            ..mount(TEMPLATES, TEMPLATES_PATH)
        },
        mount(FILES, FILES_PATH),
    ]
}

fn needs_scratch(service: &ValidService) -> bool {
    service
        .volumes
        .iter()
        .all(|volume| volume.path.trim_end_matches('/') != SCRATCH_PATH)
}

fn of_spec(volume: &ValidVolume) -> Volume {
    let name = pod_volume(volume);
    match &volume.source {
        VolumeSource::Claim { claim, .. } | VolumeSource::Existing { claim } => Volume {
            name,
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim.clone(),
                read_only: None,
            }),
            ..Volume::default()
        },
        VolumeSource::Scratch { size_limit, memory } => empty_dir(&name, size_limit, *memory),
    }
}

fn pod_volume(volume: &ValidVolume) -> String {
    format!("volume-{}", volume.name)
}

fn empty_dir(name: &str, limit: &str, memory: bool) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: memory.then(|| "Memory".to_owned()),
            size_limit: Some(Quantity(limit.to_owned())),
        }),
        ..Volume::default()
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}
