//! Metrics and alerts.

use ras_crds::RecruitmentDriveSpec;

use super::field_errors::FieldErrors;
use super::quantity;
use crate::platform::PlatformConfig;
use crate::valid::ValidMonitoring;

/// Seconds something may be not ready, when the spec says nothing.
const NOT_READY_FOR: u64 = 300;
/// Restarts in an hour that are too many, when the spec says nothing.
const RESTARTS_PER_HOUR: i32 = 3;

pub(super) fn read(
    spec: &RecruitmentDriveSpec,
    platform: &PlatformConfig,
    found: &mut FieldErrors,
) -> Option<ValidMonitoring> {
    let monitoring = spec.monitoring.as_ref()?;
    let alerts = monitoring.alerts.clone().unwrap_or_default();
    let scrape_interval = monitoring
        .scrape_interval
        .as_ref()
        .map(|interval| quantity::seconds("spec.monitoring.scrapeInterval", interval, found));
    let not_ready_for = alerts.not_ready_for.as_ref().map_or(NOT_READY_FOR, |duration| {
        quantity::seconds_or_none("spec.monitoring.alerts.notReadyFor", duration, found)
    });
    let restarts_per_hour = alerts.restarts_per_hour.unwrap_or(RESTARTS_PER_HOUR);
    if restarts_per_hour < 1 {
        found.invalid("spec.monitoring.alerts.restartsPerHour", "must be at least 1");
    }
    Some(ValidMonitoring {
        scrape_interval,
        not_ready_for,
        restarts_per_hour,
        namespace: platform.monitoring.namespace.clone(),
        labels: platform.monitoring.labels.clone(),
    })
}
