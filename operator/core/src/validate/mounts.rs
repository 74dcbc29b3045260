//! Where volumes and files stand in a container: no two in one place, none in the way of another.

use ras_crds::spec::Service;

use super::field_errors::FieldErrors;

/// Where every program finds space that it may write to.
pub(super) const SCRATCH: &str = "/tmp";

pub(super) fn check(field: &str, service: &Service, found: &mut FieldErrors) {
    let volumes: Vec<_> = service
        .volumes
        .iter()
        .enumerate()
        .map(|(index, volume)| (format!("{field}.volumes[{index}].path"), parts(&volume.path)))
        .collect();
    let files: Vec<_> = service
        .files
        .iter()
        .enumerate()
        .map(|(index, file)| (format!("{field}.files[{index}].path"), parts(&file.path)))
        .collect();

    for (path_field, path) in volumes.iter().chain(&files) {
        legal(path_field, path, found);
    }
    for (index, (path_field, path)) in volumes.iter().enumerate() {
        if volumes.iter().take(index).any(|(_, other)| other == path) {
            found.invalid(
                path_field.clone(),
                format!("another volume is mounted at {} already", written(path)),
            );
        }
    }
    for (index, (path_field, path)) in files.iter().enumerate() {
        if parts(SCRATCH) == *path {
            found.invalid(
                path_field.clone(),
                format!("{SCRATCH} is a folder: choose a path inside or outside of it"),
            );
        }
        if files.iter().take(index).any(|(_, other)| other == path) {
            found.invalid(
                path_field.clone(),
                format!("another file has the path {} already", written(path)),
            );
        }
        // A file inside a volume is fine: it is mounted over what the volume has there.
        let in_the_way = volumes.iter().any(|(_, volume)| volume.starts_with(path))
            || files
                .iter()
                .any(|(_, other)| other.len() > path.len() && other.starts_with(path));
        if in_the_way {
            found.invalid(
                path_field.clone(),
                format!(
                    "{} cannot be a file: a volume or another file is at or below it",
                    written(path)
                ),
            );
        }
    }
}

fn legal(field: &str, path: &[&str], found: &mut FieldErrors) {
    let whole = written(path);
    match path {
        [] => found.invalid(
            field,
            "needs a path below '/': mounting over '/' would hide the program",
        ),
        ["ras", ..] => found.invalid(
            field,
            format!("{whole} is where the operator mounts its own files: choose a path outside of /ras"),
        ),
        ["proc" | "sys", ..] | ["dev"] => {
            found.invalid(field, format!("{whole} belongs to the system: choose another path"));
        }
        _ if path
            .iter()
            .any(|part| matches!(*part, "." | "..") || part.contains(':')) =>
        {
            found.invalid(
                field,
                format!("{whole} may hold neither '.' nor '..' as a folder, nor ':'"),
            );
        }
        _ => {}
    }
}

/// A folder within a volume.
pub(super) fn sub_path(field: &str, asked: Option<&str>, found: &mut FieldErrors) -> Option<String> {
    let asked = asked?;
    if asked.is_empty() || asked.starts_with('/') || asked.contains('\0') || asked.split('/').any(|part| part == "..") {
        found.invalid(
            format!("{field}.subPath"),
            format!(
                "{asked:?} must be a path within the volume, without '..' and without '/' at the beginning: write it like \
                 uploads/logos"
            ),
        );
    }
    Some(asked.to_owned())
}

/// Whether a path is another one or below it.
pub(super) fn is_within(path: &str, folder: &str) -> bool {
    parts(path).starts_with(&parts(folder))
}

/// The folders of an absolute path.
fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

fn written(path: &[&str]) -> String {
    format!("/{}", path.join("/"))
}
