//! Ports: what a service listens on, and what it may connect to.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds;

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
        regex(pattern = bounds::PORT_NAME)
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
        regex(pattern = bounds::ROUTE_PATH)
    )]
    #[x_kube(validation = Rule::new("!self.matches('/[.][.]?(/|$)|%2[fF]')")
        .message("ports[].path may have neither '.' nor '..' between slashes, nor %2F, because an Ingress does not accept them: write the path without them"))]
    pub path: Option<String>,

    /// Makes the port reachable from outside the cluster by a load balancer, for what is not HTTP. `{}` is the same number
    /// there. The platform says which ports and source ranges are allowed (`publicPorts`). Absent: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<PublicPort>,
}

/// How a port is reached from outside the cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PublicPort {
    /// Number of the port at the load balancer. Absent: the port's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
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
    #[x_kube(validation = Rule::new("!isCIDR(self) || cidr(self) == cidr(self).masked()")
        .message("cidr has address bits after its prefix length, which a NetworkPolicy may not have: instead of 10.20.0.5/24, for instance, write 10.20.0.0/24 or 10.20.0.5/32"))]
    pub cidr: String,

    /// Port at that address. Absent: every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,

    /// Protocol. Absent: TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}
