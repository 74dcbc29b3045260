//! Ingress: one host, whose paths lead to the services' ports.

use std::cmp::Reverse;

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};
use ras_crds::spec::IssuerKind;

use super::metadata;
use crate::build::lists::unless_empty;
use crate::names;
use crate::valid::{ValidDrive, ValidExposure, ValidTls};

pub(super) fn build(drive: &ValidDrive) -> Option<Ingress> {
    let exposure = drive.exposure.as_ref()?;
    let mut metadata = metadata::of_drive(drive, names::of_drive(&drive.name));
    metadata.annotations = unless_empty(annotations(exposure)).map(|annotations| annotations.into_iter().collect());
    Some(Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: exposure.class_name.clone(),
            rules: Some(vec![IngressRule {
                host: Some(exposure.host.clone()),
                http: Some(HTTPIngressRuleValue { paths: paths(drive) }),
            }]),
            tls: exposure.tls.as_ref().map(|tls| {
                vec![IngressTLS {
                    hosts: Some(vec![exposure.host.clone()]),
                    secret_name: Some(tls.secret_name().to_owned()),
                }]
            }),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    })
}

/// Longest path first: controllers agree that the longest prefix wins, and those that do not take the first.
fn paths(drive: &ValidDrive) -> Vec<HTTPIngressPath> {
    let mut routes: Vec<_> = drive
        .services
        .iter()
        .flat_map(|service| {
            service
                .ports()
                .filter_map(move |port| Some((port.path.as_deref()?, service, port)))
        })
        .collect();
    routes.sort_by_key(|(path, _, _)| (Reverse(path.len()), *path));
    routes
        .into_iter()
        .map(|(path, service, port)| HTTPIngressPath {
            path: Some(path.to_owned()),
            path_type: "Prefix".to_owned(),
            backend: IngressBackend {
                service: Some(IngressServiceBackend {
                    name: service.child.clone(),
                    port: Some(ServiceBackendPort {
                        name: Some(port.name.clone()),
                        number: None,
                    }),
                }),
                resource: None,
            },
        })
        .collect()
}

fn annotations(exposure: &ValidExposure) -> Vec<(String, String)> {
    let mut annotations = exposure.annotations.clone();
    if let Some(ValidTls::Issued { issuer, kind, .. }) = &exposure.tls {
        let key = match kind {
            IssuerKind::ClusterIssuer => "cert-manager.io/cluster-issuer",
            IssuerKind::Issuer => "cert-manager.io/issuer",
        };
        annotations.insert(key.to_owned(), issuer.clone());
    }
    annotations.into_iter().collect()
}
