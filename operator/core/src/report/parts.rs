//! What is told about the route and monitoring.

use ras_crds::{ConditionType, Reason};

use super::condition_update::ConditionUpdate;
use super::observed::Observed;
use crate::applied::{ApplyOutcome, Blocked};
use crate::kind::Kind;
use crate::names;
use crate::plan::Plan;
use crate::valid::{ValidExposure, ValidTls};

/// Keys of a Secret with a certificate, which ingress controllers read.
const CERTIFICATE_KEYS: [&str; 2] = ["tls.crt", "tls.key"];

/// ExposureReady, where the drive is exposed: the Ingress is as asked for, its Services are, and the certificate is there
/// under the keys that ingress controllers read.
pub fn exposure(plan: &Plan<'_>, observed: &Observed, outcome: Option<&ApplyOutcome>) -> Option<ConditionUpdate> {
    let exposure = plan.drive.exposure.as_ref()?;
    let type_ = ConditionType::ExposureReady;
    let (reason, message) = route(plan, observed, outcome)
        .or_else(|| certificate(plan, exposure))
        .unwrap_or_else(|| {
            (
                Reason::RouteConfigured,
                format!("{} leads to the services", exposure.url()),
            )
        });
    Some(ConditionUpdate::new(
        type_,
        reason == Reason::RouteConfigured,
        reason,
        message,
    ))
}

/// What is wrong with the Ingress, or with the Services it leads to.
fn route(plan: &Plan<'_>, observed: &Observed, outcome: Option<&ApplyOutcome>) -> Option<(Reason, String)> {
    let exposed = plan
        .services
        .iter()
        .filter(|service| service.ports().any(|port| port.path.is_some()));
    let mut parts = std::iter::once((Kind::Ingress, names::of_drive(&plan.drive.name)))
        .chain(exposed.map(|service| (Kind::Service, service.child.clone())));
    if let Some(outcome) = outcome {
        return parts.find_map(|(kind, name)| outcome.obstacle(kind, &name));
    }
    // While the drive is paused nothing is created.
    parts
        .find(|(kind, name)| !observed.has(*kind, name))
        .map(|(kind, name)| (Reason::Progressing, format!("{kind}/{name} has not been created yet")))
}

/// What is wrong with the certificate.
fn certificate(plan: &Plan<'_>, exposure: &ValidExposure) -> Option<(Reason, String)> {
    let (issuer, secret_name) = match exposure.tls.as_ref()? {
        ValidTls::Existing { secret_name } => (None, secret_name),
        ValidTls::Issued {
            issuer, secret_name, ..
        } => (Some(issuer), secret_name),
    };
    let (host, namespace) = (&exposure.host, &plan.drive.namespace);
    let facts = plan.fetched.secrets.get(secret_name);
    let keys = facts.and_then(|facts| facts.keys.as_ref());
    // Which keys there are cannot be said of a Secret whose metadata does not name them.
    let lacking: Vec<&str> = keys.map_or_else(Vec::new, |keys| {
        let missing = CERTIFICATE_KEYS.into_iter().filter(|key| !keys.contains_key(*key));
        missing.collect()
    });
    if facts.is_some() && lacking.is_empty() {
        return None;
    }
    Some(match (issuer, keys) {
        (None, None) => (
            Reason::SecretMissing,
            format!(
                "Secret {secret_name} with the certificate of {host} is not there: make it in namespace {namespace} (type kubernetes.io/tls)"
            ),
        ),
        (None, Some(keys)) => {
            let has: Vec<&str> = keys.keys().map(String::as_str).collect();
            let has = if has.is_empty() {
                "no key".to_owned()
            } else {
                has.join(", ")
            };
            (
                Reason::SecretKeyMissing,
                format!(
                    "Secret {secret_name} with the certificate of {host} lacks {}, which ingress controllers read (it has {has}): delete \
                     it and create it again with `kubectl -n {namespace} create secret tls {secret_name} --cert=FILE --key=FILE`",
                    lacking.join(" and ")
                ),
            )
        }
        (Some(issuer), _) if !plan.fetched.apis.certificates => (
            Reason::CertManagerMissing,
            format!(
                "exposure.tls.issuer {issuer} needs cert-manager, which is not installed: install it, or name a certificate with exposure.tls.secretName"
            ),
        ),
        (Some(issuer), _) => (
            Reason::CertificatePending,
            format!(
                "issuer {issuer} has not issued the certificate {secret_name} yet: `kubectl describe certificate {secret_name}` tells how far it is"
            ),
        ),
    })
}

/// MonitoringReady, where the drive asks for monitoring.
pub fn monitoring(
    plan: &Plan<'_>,
    observed: &Observed,
    outcome: Option<&ApplyOutcome>,
    blocked: &[&Blocked],
) -> Option<ConditionUpdate> {
    plan.drive.monitoring.as_ref()?;
    let type_ = ConditionType::MonitoringReady;
    if let Some(first) = blocked.first() {
        let message: Vec<String> = blocked
            .iter()
            .map(|one| format!("{}: {}", one.child, one.message))
            .collect();
        return Some(ConditionUpdate::new(type_, false, first.reason, message.join("; ")));
    }
    let is_installed = plan.fetched.apis.service_monitors && plan.fetched.apis.prometheus_rules;
    if is_installed && outcome.is_none() {
        // While the drive is paused nothing is created.
        let measured = plan.services.iter().filter(|service| service.metrics.is_some());
        let mut parts = measured
            .map(|service| (Kind::ServiceMonitor, service.child.clone()))
            .chain([(Kind::PrometheusRule, names::of_drive(&plan.drive.name))]);
        if let Some((kind, name)) = parts.find(|(kind, name)| !observed.has(*kind, name)) {
            let message = format!("{kind}/{name} has not been created yet");
            return Some(ConditionUpdate::new(type_, false, Reason::Progressing, message));
        }
    }
    Some(if is_installed {
        ConditionUpdate::new(
            type_,
            true,
            Reason::MonitoringConfigured,
            "metrics and alerts are set up",
        )
    } else {
        ConditionUpdate::new(
            type_,
            false,
            Reason::PrometheusOperatorMissing,
            "the Prometheus Operator (monitoring.coreos.com/v1) is not installed, so there are no metrics and alerts: install it, and they are set up within a minute",
        )
    })
}
