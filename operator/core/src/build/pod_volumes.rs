//! Volumes of a pod and where its containers see them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource, SecretVolumeSource,
    Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::bindings;
use crate::names;
use crate::valid::{CA_FILE, FileSource, UsedSecret, ValidClaim, ValidFile, ValidService, ValidVolume, VolumeSource};

/// Where every program finds space to write to; its image is read-only.
const SCRATCH_PATH: &str = "/tmp";
/// The same limit as a scratch volume has when it says nothing: a program that runs away is evicted before
/// it fills its node's disk.
const SCRATCH_LIMIT: &str = "1Gi";
/// Templates come from a `ConfigMap` of less than 1 MiB; this leaves room for what variables add.
const FILES_LIMIT: &str = "16Mi";

/// Modes of files that are taken from a Secret, the same as those of rendered files.
const READ_ONLY: i32 = 0o444;
const EXECUTABLE: i32 = 0o555;

/// Names of the pod's own volumes. Volumes of the spec get a prefix, so that the two never meet.
const SCRATCH: &str = "tmp";
const TEMPLATES: &str = "templates";
const FILES: &str = "files";
const DATABASE: &str = "database";

/// Where the render step finds templates.
pub(super) const TEMPLATES_PATH: &str = "/ras/templates";
/// Where the render step puts files.
pub(super) const FILES_PATH: &str = "/ras/files";

/// Where the step that fills a volume from the image finds the volume: at its own place it would hide what the image has.
pub(super) const FILL_PATH: &str = "/ras/fill";

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
    volumes.extend(secret_files(service));
    if service.templates().next().is_some() {
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
        .map(|volume| VolumeMount {
            read_only: volume.read_only.then_some(true),
            sub_path: volume.sub_path.clone(),
            ..mount(&pod_volume(volume), &volume.path)
        })
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

/// The files that a container sees, one by one: a mount of a folder would hide what the image has in it, the program itself
/// included. The program's container is meant by the service's name, in a migration, too.
pub(super) fn file_mounts(service: &ValidService, container: &str) -> Vec<VolumeMount> {
    // Two paths that differ in slashes alone would be one mount.
    let files: BTreeMap<_, _> = service
        .files
        .iter()
        .filter(|file| file.containers.iter().any(|name| name == container))
        .map(|file| match &file.source {
            FileSource::Template(_) => (file.path.as_str(), (FILES.to_owned(), names::file_key(&file.path))),
            FileSource::Secret { secret, key } => (file.path.as_str(), (secret_volume(secret), file_of(file, key))),
        })
        .collect();
    files
        .into_iter()
        .map(|(path, (volume, file))| VolumeMount {
            read_only: Some(true),
            sub_path: Some(file),
            ..mount(&volume, path)
        })
        .collect()
}

/// A volume for each Secret that files are taken from, with these keys alone.
fn secret_files(service: &ValidService) -> Vec<Volume> {
    let mut items: BTreeMap<&str, (String, BTreeMap<String, KeyToPath>)> = BTreeMap::new();
    for (file, secret, key) in service.secret_files() {
        let item = KeyToPath {
            key: key.to_owned(),
            path: file_of(file, key),
            mode: Some(if file.executable { EXECUTABLE } else { READ_ONLY }),
        };
        let (_, items) = items
            .entry(&secret.secret_name)
            .or_insert_with(|| (secret_volume(secret), BTreeMap::new()));
        items.insert(item.path.clone(), item);
    }
    let volumes = items.into_iter().map(|(secret_name, (name, items))| Volume {
        name,
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret_name.to_owned()),
            items: Some(items.into_values().collect()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    });
    volumes.collect()
}

/// A key may be one file that is executed and another that is not.
fn file_of(file: &ValidFile, key: &str) -> String {
    let folder = if file.executable { "executable" } else { "plain" };
    format!("{folder}/{key}")
}

fn secret_volume(secret: &UsedSecret) -> String {
    format!("secret-{}", secret.name)
}

/// What the step sees that fills a volume from the image.
pub(super) fn fill_mount(volume: &ValidVolume) -> VolumeMount {
    VolumeMount {
        sub_path: volume.sub_path.clone(),
        ..mount(&pod_volume(volume), FILL_PATH)
    }
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
        VolumeSource::Claim(ValidClaim { claim, .. })
        | VolumeSource::Shared { claim, .. }
        | VolumeSource::Existing { claim } => Volume {
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
