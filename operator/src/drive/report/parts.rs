//! What is told about the route and monitoring.

use ras_crds::{ConditionType, Reason};

use super::Finding;
use crate::drive::apply::Blocked;
use crate::drive::valid::{ValidDrive, ValidTls};

/// ExposureReady, where the drive is exposed.
pub fn exposure(valid: &ValidDrive) -> Option<Finding> {
    let exposure = valid.exposure.as_ref()?;
    let finding =
        |status, reason, message: String| Some(Finding::new(ConditionType::ExposureReady, status, reason, message));
    let there = |name: &str| valid.secrets.contains_key(name);
    match &exposure.tls {
        Some(ValidTls::Existing { secret_name }) if !there(secret_name) => finding(
            false,
            Reason::SecretMissing,
            format!(
                "Secret {secret_name} with the certificate of {} is not there: make it in namespace {} (type kubernetes.io/tls)",
                exposure.host, valid.namespace
            ),
        ),
        Some(ValidTls::Issued {
            issuer, secret_name, ..
        }) if !there(secret_name) && !valid.apis.certificates => finding(
            false,
            Reason::CertManagerMissing,
            format!(
                "exposure.tls.issuer {issuer} needs cert-manager, which is not installed: install it, or name a certificate with exposure.tls.secretName"
            ),
        ),
        Some(ValidTls::Issued {
            issuer, secret_name, ..
        }) if !there(secret_name) => finding(
            false,
            Reason::CertificatePending,
            format!(
                "issuer {issuer} has not issued the certificate {secret_name} yet: `kubectl describe certificate {secret_name}` tells how far it is"
            ),
        ),
        Some(_) | None => finding(
            true,
            Reason::RouteConfigured,
            format!("{} leads to the services", exposure.url()),
        ),
    }
}

/// MonitoringReady, where the drive asks for monitoring.
pub fn monitoring(valid: &ValidDrive, blocked: &[&Blocked]) -> Option<Finding> {
    valid.monitoring.as_ref()?;
    let type_ = ConditionType::MonitoringReady;
    if let Some(first) = blocked.first() {
        let message: Vec<String> = blocked
            .iter()
            .map(|one| format!("{}: {}", one.child, one.message))
            .collect();
        return Some(Finding::new(type_, false, first.reason, message.join("; ")));
    }
    Some(if valid.apis.service_monitors && valid.apis.prometheus_rules {
        Finding::new(
            type_,
            true,
            Reason::MonitoringConfigured,
            "metrics and alerts are set up",
        )
    } else {
        Finding::new(
            type_,
            false,
            Reason::PrometheusOperatorMissing,
            "the Prometheus Operator (monitoring.coreos.com/v1) is not installed, so there are no metrics and alerts: install it, and they are set up within a minute",
        )
    })
}
