//! `MonitoringReady`: the ServiceMonitor and the alerts.

use ras_crds::{ConditionType, Reason};

use super::condition_update::ConditionUpdate;
use super::observed::Observed;
use crate::applied::{ApplyOutcome, Blocked};
use crate::kind::Kind;
use crate::names;
use crate::plan::Plan;

/// MonitoringReady, of a drive with `spec.monitoring`.
pub fn condition(
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
