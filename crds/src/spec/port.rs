//! Ports: what a service listens on, and what it may connect to.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One port a program listens on.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.path) || !has(self.protocol) || self.protocol == 'TCP'")
    .message("ports[].path goes with protocol TCP, for HTTP runs on that: remove path, or change protocol")
    .field_path(".path"))]
pub struct Port {
    /// Name of the port, unique in the service: at most 15 of a-z, 0-9 and '-', with at least one letter.
    #[schemars(
        length(min = 1, max = 15),
        regex(pattern = r"^[a-z0-9]*([a-z0-9]-)*[a-z0-9]*[a-z]([a-z0-9]*(-[a-z0-9])*)*$")
    )]
    pub name: String,

    /// Number of the port, the same inside the pod and on the Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,

    /// Protocol of the port. Absent: TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,

    /// Path prefix under the drive's host that leads to this port, without a slash at its end; the longest one
    /// wins. It is passed on unchanged. Absent: the port is reached from inside the drive only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        regex(pattern = r"^(/|(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+)$")
    )]
    pub path: Option<String>,
}

/// Transport protocol of a port.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// TCP, which HTTP and gRPC run on.
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP.
    #[serde(rename = "UDP")]
    Udp,
}

impl Protocol {
    /// The name Kubernetes uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// An address outside the drive that pods may open connections to.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EgressRule {
    /// Address range in CIDR form, for instance `203.0.113.0/24`. Kubernetes' network policies know no host names.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("isCIDR(self)").message("cidr must be an address range such as 203.0.113.0/24: correct it"))]
    pub cidr: String,

    /// Port at that address. Absent: every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,

    /// Protocol. Absent: TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}
