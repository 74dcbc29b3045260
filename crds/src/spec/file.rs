//! Files put into a program's file system.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretKeyRef, bounds};

/// A file that is in place before the program starts.
///
/// It is written inside the pod, into memory, so that secrets in it are seen by the pod alone, and mounted
/// as a single file: what the image has beside it stays. A change of it restarts this service and no other.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.content) != has(self.secret)")
    .message("files[] has exactly one of content and secret: set one of them"))]
pub struct File {
    /// Absolute path of the file in the container, for instance `/app/secret.yml`.
    #[schemars(
        length(min = 2, max = 512),
        regex(pattern = bounds::MOUNT_PATH)
    )]
    pub path: String,

    /// Content of the file. `$(VAR)` is replaced by a variable of this service's environment, as in
    /// Kubernetes' own args: `$$(VAR)` stays as `$(VAR)`, and a name that is not a variable stays as it is.
    /// `$(VAR)` inserts the value as it is, so that a quote in it can end a string of the file. `$(VAR:yaml)` and
    /// `$(VAR:json)` insert a double-quoted string with its quotes, `$(VAR:shell)` a word in single quotes, and
    /// `$(VAR:url)` the percent-encoded value.
    /// Never write a secret here: put it under `spec.secrets`, give it a name in `env`, and refer to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub content: Option<String>,

    /// Takes the file from a key of one of the drive's secrets, byte by byte, such as a keystore or a certificate. A new
    /// value of the key restarts the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretKeyRef>,

    /// Whether the file can be executed. Absent: `ReadOnly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,

    /// Names of the containers that see the file: the service's own name, and those of its sidecars and init containers. What
    /// `$(VAR)` stands for is always the service's environment. Absent: the program alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 40)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub containers: Vec<String>,
}

/// What may be done with a file.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileMode {
    /// It is read (mode 0444).
    #[default]
    ReadOnly,
    /// It is read and executed (mode 0555), as scripts are.
    Executable,
}
