//! The host name of a drive, and its certificate. Pure.

use std::collections::BTreeMap;

use ras_crds::spec::IssuerKind;

/// How people reach a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidExposure {
    pub host: String,
    pub tls: Option<ValidTls>,
    /// Ingress class; absent: the cluster's default.
    pub class_name: Option<String>,
    /// The drive's annotations with the platform's over them.
    pub annotations: BTreeMap<String, String>,
    /// Namespace of the ingress controller; absent: unknown.
    pub controller_namespace: Option<String>,
}

impl ValidExposure {
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.host)
    }
}

/// Certificate of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValidTls {
    /// Issued by cert-manager.
    Issued {
        /// Name of the issuer.
        issuer: String,
        kind: IssuerKind,
        /// Secret that cert-manager fills.
        secret_name: String,
    },
    /// In an existing Secret.
    Existing { secret_name: String },
}

impl ValidTls {
    /// Secret that holds the certificate.
    pub fn secret_name(&self) -> &str {
        match self {
            Self::Issued { secret_name, .. } | Self::Existing { secret_name } => secret_name,
        }
    }
}
