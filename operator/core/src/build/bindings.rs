//! Where a program finds its bindings: a folder of files for each, of which those that hold secrets come from a Secret, and the
//! others from annotations of the pod, so that they need no object of their own and a change of them is a change of the pod.

use k8s_openapi::api::core::v1::{
    DownwardAPIProjection, DownwardAPIVolumeFile, KeyToPath, ObjectFieldSelector, ProjectedVolumeSource,
    SecretProjection, Volume, VolumeMount, VolumeProjection,
};

use crate::build::lists::unless_empty;
use crate::valid::{ValidBinding, ValidService};
use crate::validate::bindings::ROOT;

/// The volumes, one for each binding.
pub(super) fn volumes(service: &ValidService) -> impl Iterator<Item = Volume> {
    service.bindings.iter().map(|binding| Volume {
        name: volume(binding),
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources(binding)),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    })
}

/// Where the program sees them. Helpers have no business with them.
pub(super) fn mounts(service: &ValidService) -> impl Iterator<Item = VolumeMount> {
    service.bindings.iter().map(|binding| VolumeMount {
        name: volume(binding),
        mount_path: format!("{ROOT}/{}", binding.name),
        read_only: Some(true),
        ..VolumeMount::default()
    })
}

/// What is no secret.
pub(super) fn annotations(service: &ValidService) -> impl Iterator<Item = (String, String)> {
    service.bindings.iter().flat_map(|binding| {
        binding
            .values
            .iter()
            .map(|(name, value)| (annotation(binding, name), value.clone()))
    })
}

fn sources(binding: &ValidBinding) -> Vec<VolumeProjection> {
    let items = binding.keys.iter().map(|(name, from)| KeyToPath {
        key: from.clone(),
        path: name.clone(),
        mode: None,
    });
    let mut sources = vec![VolumeProjection {
        secret: Some(SecretProjection {
            name: binding.secret.secret_name.clone(),
            items: unless_empty(items),
            optional: None,
        }),
        ..VolumeProjection::default()
    }];
    let values = binding.values.iter().map(|(name, _)| DownwardAPIVolumeFile {
        path: name.clone(),
        field_ref: Some(ObjectFieldSelector {
            api_version: None,
            field_path: format!("metadata.annotations['{}']", annotation(binding, name)),
        }),
        ..DownwardAPIVolumeFile::default()
    });
    if let Some(items) = unless_empty(values) {
        sources.push(VolumeProjection {
            downward_api: Some(DownwardAPIProjection { items: Some(items) }),
            ..VolumeProjection::default()
        });
    }
    sources
}

fn volume(binding: &ValidBinding) -> String {
    format!("binding-{}", binding.name)
}

fn annotation(binding: &ValidBinding, value: &str) -> String {
    format!("bindings.ras.dev/{}.{value}", binding.name)
}
