//! Files put into a program's file system.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::bounds;

/// A file that is in place before the program starts.
///
/// It is written inside the pod, into memory, so that secrets in it are seen by the pod alone, and mounted
/// as a single file: what the image has beside it stays. A change of it restarts this service and no other.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Absolute path of the file in the container, for instance `/app/secret.yml`.
    #[schemars(
        length(min = 2, max = 512),
        regex(pattern = bounds::MOUNT_PATH)
    )]
    #[x_kube(validation = Rule::new("!self.matches('^/(proc|sys)(/|$)') && self != '/dev'")
        .message("files[].path may not be /dev, nor in /proc or /sys, for these belong to the system: choose another one"))]
    #[x_kube(validation = Rule::new("!(self + '/').startsWith('/ras/')")
        .message("files[].path may not be below /ras, where the operator mounts its own files: choose another one"))]
    pub path: String,

    /// Content of the file. `$(VAR)` is replaced by a variable of this service's environment, as in
    /// Kubernetes' own args: `$$(VAR)` stays as `$(VAR)`, and a name that is not a variable stays as it is.
    /// `$(VAR)` inserts the value as it is, so that a quote in it can end a string of the file. `$(VAR:yaml)` and
    /// `$(VAR:json)` insert a double-quoted string with its quotes, `$(VAR:shell)` a word in single quotes, and
    /// `$(VAR:url)` the percent-encoded value.
    /// Never write a secret here: put it under `spec.secrets`, give it a name in `env`, and refer to that.
    #[schemars(length(max = 65536))]
    pub content: String,
}
