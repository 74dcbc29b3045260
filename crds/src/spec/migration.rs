//! What runs once before a new version of a program starts.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{EnvVar, Resources, Uses, bounds};
use crate::Duration;

/// What prepares the program's data for a version of it, most often its database's tables: a Job of the service's image, or
/// of one of its own, that has to succeed before the Deployment gets this image.
///
/// It has the service's environment, files, pull policy, scheduling, pod security and egress, and those of its volumes
/// that more than one pod may write. It runs once for what it does (image, command, args, environment and files): going
/// back to a version whose migration succeeded runs none. A failed one stays as evidence; it runs again when the spec
/// changes something of it, when its Job is deleted, or when the annotation `ras.dev/run-migration` names the service.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.command) && self.command.size() > 0) || (has(self.args) && self.args.size() > 0) || has(self.image)")
    .message("migrate needs image, command or args, or its Job would run the program itself and never end: say what migrates"))]
pub struct Migrate {
    /// Image to run, where the migration is a program of its own. Absent: the service's. A new version of either runs the
    /// migration again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = bounds::IMAGE))]
    pub image: Option<String>,

    /// Replaces the image's entry point. `$(VAR)` is expanded from the migration's environment. Absent: the image's own
    /// entry point, with `args`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::MOST_WORDS), inner(length(max = bounds::LONGEST_WORD)))]
    pub command: Vec<String>,

    /// Arguments. `$(VAR)` is expanded from the migration's environment. Absent: none besides the image's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::MOST_WORDS), inner(length(max = bounds::LONGEST_WORD)))]
    pub args: Vec<String>,

    /// Directory in which it starts. Default: the service's `workingDir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = bounds::LONGEST_DIRECTORY))]
    #[x_kube(validation = Rule::new(bounds::IS_DIRECTORY)
        .message("migrate.workingDir must be an absolute path without '..': write it like /var/lib/ras"))]
    pub working_dir: Option<String>,

    /// What the migration's environment has besides, or other than, the service's: here it gets the credentials of the
    /// role that owns the tables while the program runs with lesser ones. A variable that the service has, too, is
    /// replaced in its place, so that what refers to it below refers to this one; others come after the service's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,

    /// What of the drive it uses under default names. Absent: what the service uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<Uses>,

    /// How long it may take, at most 7d. It is stopped then, and has failed. Absent: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('[1-9]')")
        .message("migrate.timeout must be longer than nothing: set 30m, for instance, or remove it"))]
    #[x_kube(validation = Rule::new("!self.matches('^([0-9]{1,4}d)?([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$') || (self.contains('d') ? int(self.substring(0, self.indexOf('d'))) * 86400 : 0) + duration(self.contains('d') ? self.substring(self.indexOf('d') + 1) + '0s' : self).getSeconds() <= 604800")
        .message("migrate.timeout may be 7d at most: set 1h, for instance, or remove it"))]
    pub timeout: Option<Duration>,

    /// How often it is tried again by itself after it failed. Absent: 0, for a migration that stopped half-way should
    /// be looked at before it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub retries: Option<i32>,

    /// CPU and memory of its pod. Absent: those of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}
