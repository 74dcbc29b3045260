//! `ExposureReady`: the Ingress, and its certificate.

use ras_crds::{ConditionType, Reason};

use super::condition_update::ConditionUpdate;
use super::observed::Observed;
use crate::applied::ApplyOutcome;
use crate::kind::Kind;
use crate::names;
use crate::plan::Plan;
use crate::valid::{ValidExposure, ValidTls};

/// Keys of a Secret with a certificate, which ingress controllers read.
const CERTIFICATE_KEYS: [&str; 2] = ["tls.crt", "tls.key"];

/// ExposureReady, of an exposed drive: the Ingress and its Services are as desired, and the certificate exists under
/// the keys that ingress controllers read.
pub fn condition(plan: &Plan<'_>, observed: &Observed, outcome: Option<&ApplyOutcome>) -> Option<ConditionUpdate> {
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

/// The problem of the Ingress, or of its Services.
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

/// The problem of the certificate.
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
                "Secret {secret_name} with the certificate of {host} does not exist: create it in namespace {namespace} (type kubernetes.io/tls)"
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
                "issuer {issuer} has not issued the certificate {secret_name} yet: `kubectl describe certificate {secret_name}` shows its progress"
            ),
        ),
    })
}
