//! `ConfigMap`: the templates of a service's files, from which a step in the pod makes the files.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::metadata;
use crate::names;
use crate::valid::{ValidDrive, ValidService};

pub(super) fn build(drive: &ValidDrive, service: &ValidService) -> Option<ConfigMap> {
    of(metadata::of_service(drive, service), service)
}

/// The templates of a service's files under another name.
pub(super) fn of(metadata: ObjectMeta, service: &ValidService) -> Option<ConfigMap> {
    let templates: BTreeMap<_, _> = service
        .templates()
        .map(|(file, content)| (names::file_key(&file.path), content.to_owned()))
        .collect();
    if templates.is_empty() {
        return None;
    }
    Some(ConfigMap {
        metadata,
        data: Some(templates),
        ..ConfigMap::default()
    })
}

/// Changes when a file does.
pub(super) fn files_hash(service: &ValidService) -> Option<String> {
    // The order in the spec does not matter to the pod.
    let mut parts: Vec<_> = service
        .templates()
        .map(|(file, content)| [file.path.as_str(), content])
        .collect();
    if parts.is_empty() {
        return None;
    }
    parts.sort_unstable();
    Some(names::hash(&parts.concat(), 16))
}
