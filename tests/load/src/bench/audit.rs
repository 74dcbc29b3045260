//! Reads times and counts out of the API server's audit log.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use ras_tests::{AuditEvent, AuditMark, Cluster, Error};

/// Requests since a mark that `keep` selects, in the order of arrival. Start and end of a watch count as one.
pub async fn asked(
    cluster: &Cluster,
    since: AuditMark,
    keep: impl Fn(&AuditEvent) -> bool,
) -> Result<Vec<AuditEvent>, Error> {
    let audit = cluster.audit()?;
    audit.settle().await?;
    let mut events = audit.events_since(since, |event| {
        (event.stage == "ResponseComplete") != (event.verb == "watch") && keep(event)
    })?;
    events.sort_by_key(|event| event.received.0);
    Ok(events)
}

/// Writes of children that were taken: not of drives, their status, events or the lease.
pub fn is_child_write(event: &AuditEvent) -> bool {
    event.is_write()
        && event.code < 300
        && !matches!(
            event.group.as_str(),
            "ras.dev" | "events.k8s.io" | "coordination.k8s.io"
        )
}

/// Requests that are no list and no watch: what looking at and changing single objects costs.
pub fn is_single(event: &AuditEvent) -> bool {
    event.is_for_resource() && !matches!(event.verb.as_str(), "list" | "watch")
}

/// How many of each verb and resource there are, such as `patch deployments`.
pub fn counts<'a>(events: impl Iterator<Item = &'a AuditEvent>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        let below = if event.subresource.is_empty() { "" } else { "/" };
        let what = format!("{} {}{below}{}", event.verb, event.resource, event.subresource);
        *counts.entry(what).or_default() += 1;
    }
    counts
}

/// From the first to the last. No events are a failed measurement, not a quick one.
pub fn span(what: &str, events: &[AuditEvent]) -> Result<Duration, Error> {
    let ends = events.first().zip(events.last());
    let (first, last) = ends.ok_or_else(|| Error::Unreadable {
        what: format!("the time of {what}"),
        message: "the audit log has no such request".to_owned(),
    })?;
    Ok(between(first.received.0, last.received.0))
}

/// Time from one moment to another.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// Median, 99th percentile and worst, in milliseconds; nothing where nothing was timed.
pub fn percentiles(mut times: Vec<Duration>) -> Option<Percentiles> {
    times.sort();
    let at = |share: usize| {
        let index = (times.len() * share).div_ceil(100).saturating_sub(1);
        times.get(index).map(|time| time.as_secs_f64() * 1_000.0)
    };
    Some(Percentiles {
        p50: at(50)?,
        p99: at(99)?,
        worst: at(100)?,
    })
}

/// Of times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
    pub worst: f64,
}
