//! `ServiceMonitor`: tells Prometheus where a service exports metrics.

use super::{labels, metadata, prometheus_rule};
use crate::foreign::{Endpoint, Selector, ServiceMonitor, ServiceMonitorSpec};
use crate::plan::Plan;
use crate::valid::ValidService;

pub(super) fn build(plan: &Plan<'_>, service: &ValidService) -> Option<ServiceMonitor> {
    let drive = plan.drive;
    let (monitoring, metrics) = (drive.monitoring.as_ref()?, service.metrics.as_ref()?);
    if !plan.fetched.apis.service_monitors {
        return None;
    }
    let mut metadata = metadata::of_service(drive, service);
    metadata
        .labels
        .get_or_insert_default()
        .extend(monitoring.labels.clone());
    Some(ServiceMonitor::new(
        metadata,
        ServiceMonitorSpec {
            selector: Selector {
                match_labels: labels::match_service(drive, &service.name),
            },
            target_labels: vec![labels::DRIVE.to_owned(), labels::SERVICE.to_owned()],
            endpoints: vec![Endpoint {
                port: metrics.port.name.clone(),
                path: metrics.path.clone(),
                interval: monitoring.scrape_interval.map(prometheus_rule::duration),
            }],
        },
    ))
}
