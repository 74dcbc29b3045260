//! How people reach the portal.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds;

/// How people reach the portal: one host, whose paths lead to the services' ports.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Exposure {
    /// Host name people type, for instance `placement.example.edu`.
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::HOST)
    )]
    #[x_kube(validation = Rule::new("self.split('.').all(l, l.size() <= 63)")
        .message("host may have at most 63 characters between two dots, as DNS has it: correct it"))]
    #[x_kube(validation = Rule::new("!self.matches('(^|[.])[0-9]+$')")
        .message("host must be a DNS name and not an IP address: write it like jobs.example.edu"))]
    pub host: String,

    /// Certificate of the host. Absent: plain HTTP, or TLS that something in front of the cluster ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// Ingress class. Absent: the platform's, or the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::OBJECT_NAME)
    )]
    pub ingress_class_name: Option<String>,

    /// Annotations for the ingress controller, added to the platform's, which win over them. Allowed are those that change nothing
    /// but the drive's own route, such as timeouts and sizes, and those that the platform lists (`tenancy.ingressAnnotations`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    #[x_kube(validation = Rule::new("self.all(k, !k.contains('snippet'))")
        .message("annotations whose name contains snippet are refused, for they let a drive take over the ingress controller: remove them"))]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('cert-manager.io/'))")
        .message("annotations that begin with cert-manager.io/ would make a second certificate: remove them and set exposure.tls.issuer instead"))]
    #[x_kube(validation = Rule::new("self.all(k, !format.qualifiedName().validate(k).hasValue())")
        .message("annotations must have names such as example.com/name: correct the name"))]
    pub annotations: BTreeMap<String, String>,
}

/// Certificate of the host: issued by cert-manager, or a Secret that is there.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.issuer) != has(self.secretName)")
    .message("tls has exactly one of issuer and secretName: set one of them"))]
#[x_kube(validation = Rule::new("!has(self.issuerKind) || has(self.issuer)")
    .message("tls.issuerKind goes with tls.issuer: set issuer, or remove issuerKind")
    .field_path(".issuerKind"))]
pub struct Tls {
    /// Name of the cert-manager issuer that makes and renews the certificate, into the Secret `<drive>-tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::OBJECT_NAME)
    )]
    pub issuer: Option<String>,

    /// Kind of that issuer. Absent: the platform's, or `ClusterIssuer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_kind: Option<IssuerKind>,

    /// A Secret of type `kubernetes.io/tls` in the drive's namespace that somebody else keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::OBJECT_NAME)
    )]
    pub secret_name: Option<String>,
}

/// Kind of a cert-manager issuer.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IssuerKind {
    /// For the whole cluster.
    #[default]
    ClusterIssuer,
    /// Of the drive's namespace.
    Issuer,
}
