//! Names by which the pods of a drive find one another.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::bounds;

/// A name that leads to a service of the drive, or to an address, in the drive's own pods and nowhere else: many programs expect
/// their database under a name such as `db`. It becomes a line of `/etc/hosts` (`hostAliases`).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.service) != has(self.address)")
    .message("hosts[] has exactly one of service and address: set one of them"))]
pub struct HostAlias {
    /// The name, for instance `db` or `smtp.example.edu`.
    #[schemars(length(min = 1, max = 253), regex(pattern = bounds::HOST))]
    #[x_kube(validation = Rule::new("!self.matches('^localhost$|[.]localhost$|^kubernetes|(^|[.])svc([.]|$)|[.]cluster[.]local$')")
        .message("hosts[].name may be neither localhost, nor a name that the cluster's DNS answers (kubernetes…, *.svc, *.cluster.local): choose another name"))]
    pub name: String,

    /// A service of this drive with ports, `cache`, or `database` where the drive has a server of its own (provider
    /// Standalone).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40))]
    pub service: Option<String>,

    /// An IP address outside the drive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 45))]
    #[x_kube(validation = Rule::new("isIP(self)").message("hosts[].address must be an IP address such as 10.20.0.5: correct it"))]
    pub address: Option<String>,
}
