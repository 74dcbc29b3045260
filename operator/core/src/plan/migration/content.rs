//! The hashes of a migration: of what it does, and of how it runs. Pure.

use ras_crds::spec::EgressRule;

use crate::names;
use crate::valid::{EnvSource, ValidClaim, ValidContainer, ValidDrive, ValidMigration, ValidService, VolumeSource};

/// Hash of what a migration does. Parts are preceded by their number and kind, so that no two of them read the same.
pub fn content(service: &ValidService, migration: &ValidMigration) -> String {
    let ValidContainer {
        name: _,
        image,
        image_pull_policy: _,
        command,
        args,
        working_dir,
        env,
        env_from,
        ports: _,
        resources: _, // How it runs, not what it does.
        probe: _,
    } = &migration.container;
    let mut parts = vec!["image".to_owned(), image.clone()];
    list("command", command, &mut parts);
    list("args", args, &mut parts);
    // Only where it is set, so that what ran before this field existed keeps its identity.
    if let Some(directory) = working_dir {
        parts.extend(["workingDir".to_owned(), directory.clone()]);
    }
    parts.push(format!("env {}", env.len()));
    for variable in env {
        parts.push(variable.name.clone());
        match &variable.source {
            EnvSource::Value(value) => parts.extend(["value".to_owned(), value.clone()]),
            EnvSource::Secret { secret, key } => {
                parts.extend(["secret".to_owned(), secret.secret_name.clone(), key.clone()]);
            }
        }
    }
    parts.push(format!("envFrom {}", env_from.len()));
    for source in env_from {
        let prefix = source.prefix.clone().unwrap_or_default();
        parts.extend([source.secret.secret_name.clone(), prefix]);
    }
    let mut files: Vec<_> = service
        .templates()
        .map(|(file, content)| [file.path.clone(), content.to_owned()])
        .collect();
    files.sort();
    parts.push(format!("files {}", files.len()));
    parts.extend(files.into_iter().flatten());
    // Only where there are some, so that what ran before this field existed keeps its identity.
    for (file, secret, key) in service.secret_files() {
        parts.extend(["secret file", &file.path, &secret.secret_name, key].map(str::to_owned));
    }
    for binding in &migration.bindings {
        parts.extend([
            "binding".to_owned(),
            binding.name.clone(),
            binding.secret.secret_name.clone(),
        ]);
        for (name, said) in binding.keys.iter().chain(&binding.values) {
            parts.extend([name.clone(), said.clone()]);
        }
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    names::hash(&parts, 16)
}

/// How it runs: what a person may change for a failed one to succeed.
pub fn way(drive: &ValidDrive, service: &ValidService, migration: &ValidMigration, parts: &mut Vec<String>) {
    let amounts = &migration.container.resources;
    for (name, amount) in amounts.requests.iter().chain(&amounts.limits) {
        parts.extend([name.clone(), amount.clone()]);
    }
    parts.push(format!("{} {}", migration.timeout_seconds, migration.retries));
    list("imagePullSecrets", &drive.image_pull_secrets, parts);
    let policy = migration.container.image_pull_policy;
    parts.push(policy.map(|policy| policy.as_str().to_owned()).unwrap_or_default());
    // These are the contract's own types: they read the same for as long as the contract does.
    parts.push(serde_json::to_string(&service.pod_security).unwrap_or_default());
    parts.push(serde_json::to_string(&service.scheduling).unwrap_or_default());
    let egress: Option<&Vec<EgressRule>> = migration.egress.as_ref();
    parts.push(serde_json::to_string(&egress).unwrap_or_default());
    for volume in shared_volumes(service) {
        parts.extend([volume.name.clone(), volume.path.clone()]);
        parts.extend(match &volume.source {
            VolumeSource::Claim(ValidClaim { claim, .. })
            | VolumeSource::Shared { claim, .. }
            | VolumeSource::Existing { claim } => vec![claim.clone()],
            VolumeSource::Scratch { size_limit, memory } => vec![size_limit.clone(), memory.to_string()],
        });
    }
}

/// The volumes that a migration sees: one that a single pod may write belongs to the pod that serves.
pub fn shared_volumes(service: &ValidService) -> impl Iterator<Item = &crate::valid::ValidVolume> {
    service
        .volumes
        .iter()
        .filter(|volume| !volume.source.is_single_writer())
}

fn list(name: &str, items: &[String], parts: &mut Vec<String>) {
    parts.push(format!("{name} {}", items.len()));
    parts.extend(items.iter().cloned());
}
