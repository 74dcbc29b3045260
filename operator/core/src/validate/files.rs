//! Files of a service: where their content is from, and which containers see them.

use ras_crds::spec::{File, FileMode, Service};

use super::field_errors::FieldErrors;
use super::sources::Sources;
use crate::valid::{FileSource, ValidFile};

pub(super) fn read(field: &str, service: &Service, sources: &Sources<'_>, found: &mut FieldErrors) -> Vec<ValidFile> {
    service
        .files
        .iter()
        .enumerate()
        .filter_map(|(index, file)| {
            let field = format!("{field}.files[{index}]");
            containers(&field, service, file, found);
            Some(ValidFile {
                path: file.path.clone(),
                source: source(&field, file, sources, found)?,
                executable: file.mode == Some(FileMode::Executable),
                containers: match file.containers.as_slice() {
                    [] => vec![service.name.clone()],
                    names => names.to_vec(),
                },
            })
        })
        .collect()
}

fn source(field: &str, file: &File, sources: &Sources<'_>, found: &mut FieldErrors) -> Option<FileSource> {
    match (&file.content, &file.secret) {
        (Some(content), None) => Some(FileSource::Template(content.clone())),
        (None, Some(reference)) => {
            let secrets = sources.secrets;
            let secret = secrets.find(&format!("{field}.secret.name"), &reference.name, found)?;
            secrets.check_key(&format!("{field}.secret.key"), &reference.name, &reference.key, found);
            Some(FileSource::Secret {
                secret,
                key: reference.key.clone(),
            })
        }
        (Some(_), Some(_)) | (None, None) => {
            found.invalid(
                field,
                format!("the file {:?} needs exactly one of content and secret", file.path),
            );
            None
        }
    }
}

fn containers(field: &str, service: &Service, file: &File, found: &mut FieldErrors) {
    let sidecars = service.sidecars.iter().map(|sidecar| &sidecar.name);
    let init_containers = service.init_containers.iter().map(|container| &container.name);
    let known: Vec<&String> = std::iter::once(&service.name)
        .chain(sidecars)
        .chain(init_containers)
        .collect();
    for (index, name) in file.containers.iter().enumerate() {
        if !known.contains(&name) {
            let names: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
            found.invalid(
                format!("{field}.containers[{index}]"),
                format!(
                    "{name:?} is no container of this service, which has {}: name one of them",
                    names.join(", ")
                ),
            );
        }
    }
}
