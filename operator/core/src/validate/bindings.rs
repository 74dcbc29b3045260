//! Backing services that other operators keep: which Secrets say how to reach them, and under which names programs see that.

use std::collections::BTreeSet;

use ras_crds::spec::{Binding, OnChange, Uses};

use super::field_errors::FieldErrors;
use super::labels;
use super::sources::Sources;
use super::{mounts, secrets};
use crate::valid::{EnvSource, SecretOrigin, UsedSecret, ValidBinding, ValidEnv};

/// Folder of all bindings; each has one in it (Service Binding Specification, "Workload Projection").
pub const ROOT: &str = "/bindings";
/// Tells programs of that folder.
const ROOT_VARIABLE: &str = "SERVICE_BINDING_ROOT";
/// Longest name of a binding and of a value: both together name an annotation of the pod.
const LONGEST_NAME: usize = 30;
/// See [`LONGEST_NAME`].
const LONGEST_VALUE_NAME: usize = 32;

/// Reads `uses.bindings`.
pub(super) fn read(
    field: &str,
    uses: Option<&Uses>,
    sources: &Sources<'_>,
    found: &mut FieldErrors,
) -> Vec<ValidBinding> {
    let bindings = uses.map_or(&[][..], |uses| &uses.bindings);
    let field = format!("{field}.uses.bindings");
    labels::twice(&field, bindings.iter().map(|binding| binding.name.as_str()), found);
    let read = |(index, binding)| one(&format!("{field}[{index}]"), binding, sources, found);
    bindings.iter().enumerate().filter_map(read).collect()
}

fn one(field: &str, binding: &Binding, sources: &Sources<'_>, found: &mut FieldErrors) -> Option<ValidBinding> {
    labels::label(&format!("{field}.name"), &binding.name, found);
    if binding.name.len() > LONGEST_NAME {
        found.invalid(
            format!("{field}.name"),
            format!(
                "{:?} is longer than {LONGEST_NAME} characters: choose a shorter name",
                binding.name
            ),
        );
    }
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let keys = binding.keys.iter().map(|key| ("keys", &key.name, Some(&key.from)));
    let values = binding.values.iter().map(|value| ("values", &value.name, None));
    for (list, name, from) in keys.chain(values) {
        if !secrets::is_key(name) || from.is_some_and(|from| !secrets::is_key(from)) {
            found.invalid(
                format!("{field}.{list}"),
                format!("{name:?} and what it is from hold only letters, digits, '-', '_' and '.'"),
            );
        }
        if list == "values" && name.len() > LONGEST_VALUE_NAME {
            found.invalid(
                format!("{field}.{list}"),
                format!("{name:?} is longer than {LONGEST_VALUE_NAME} characters: choose a shorter name"),
            );
        }
        if !seen.insert(name) {
            found.invalid(
                format!("{field}.{list}"),
                format!("{name:?} is there twice: remove one of them"),
            );
        }
    }
    let secret = if let Some(secret_name) = &binding.secret_name {
        UsedSecret {
            name: binding.name.clone(),
            secret_name: secret_name.clone(),
            origin: SecretOrigin::Binding,
        }
    } else {
        let secret = sources.secrets.find(&format!("{field}.name"), &binding.name, found)?;
        for (index, key) in binding.keys.iter().enumerate() {
            let field = format!("{field}.keys[{index}].from");
            sources.secrets.check_key(&field, &binding.name, &key.from, found);
        }
        secret
    };
    Some(ValidBinding {
        name: binding.name.clone(),
        secret,
        keys: binding
            .keys
            .iter()
            .map(|key| (key.name.clone(), key.from.clone()))
            .collect(),
        values: binding
            .values
            .iter()
            .map(|value| (value.name.clone(), value.value.clone()))
            .collect(),
        reload: binding.on_change == Some(OnChange::Reload),
    })
}

/// Complains about what else is to stand where the bindings do.
pub(super) fn places(
    field: &str,
    service: &ras_crds::spec::Service,
    bindings: &[ValidBinding],
    found: &mut FieldErrors,
) {
    if bindings.is_empty() {
        return;
    }
    let volumes = service.volumes.iter().map(|volume| &volume.path);
    if volumes
        .chain(service.files.iter().map(|file| &file.path))
        .any(|path| mounts::is_within(path, ROOT))
    {
        found.invalid(
            format!("{field}.uses.bindings"),
            format!("a volume or a file is at or below {ROOT}, where the bindings are: choose another path for it"),
        );
    }
}

/// The variable that comes before a program's own, which may not set it, too.
pub(super) fn defaults(
    field: &str,
    bindings: &[ValidBinding],
    is_set: impl Fn(&str) -> bool,
    found: &mut FieldErrors,
) -> Option<ValidEnv> {
    if bindings.is_empty() {
        return None;
    }
    if is_set(ROOT_VARIABLE) {
        found.invalid(
            format!("{field}.env"),
            format!("{ROOT_VARIABLE} is set by uses.bindings: remove the variable"),
        );
        return None;
    }
    Some(ValidEnv::new(ROOT_VARIABLE, EnvSource::Value(ROOT.to_owned())))
}

/// Where a variable's value comes from that asks for `key` of the binding `name`.
pub(super) fn variable(
    field: &str,
    bindings: &[ValidBinding],
    name: &str,
    key: &str,
    sources: &Sources<'_>,
    found: &mut FieldErrors,
) -> Option<EnvSource> {
    let Some(binding) = bindings.iter().find(|binding| binding.name == name) else {
        found.invalid(
            format!("{field}.binding.name"),
            format!("{name:?} is no entry of this service's uses.bindings: add one, or correct the name"),
        );
        return None;
    };
    if let Some((_, value)) = binding.values.iter().find(|(known, _)| known == key) {
        // It was written as it is meant, and a `$` in it refers to nothing.
        return Some(EnvSource::Value(value.replace('$', "$$")));
    }
    let from = match binding.keys.iter().find(|(known, _)| known == key) {
        Some((_, from)) => from,
        None if binding.keys.is_empty() => {
            secrets::legal_key(&format!("{field}.binding.key"), key, found);
            key
        }
        None => {
            found.invalid(
                format!("{field}.binding.key"),
                format!("the binding {name:?} has no key {key:?}: add it to its keys or values, or correct the key"),
            );
            return None;
        }
    };
    if binding.secret.origin != SecretOrigin::Binding {
        sources
            .secrets
            .check_key(&format!("{field}.binding.key"), &binding.secret.name, from, found);
    }
    Some(EnvSource::Secret {
        secret: binding.secret.clone(),
        key: from.to_owned(),
    })
}
