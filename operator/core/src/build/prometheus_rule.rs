//! `PrometheusRule`: who is told, and when.
//!
//! The operator's own metrics tell what is ready (`ras_drive_ready`, `ras_service_ready_replicas`,
//! `ras_service_desired_replicas`, `ras_service_migration_failed`; labels namespace, drive, service). A suspended drive wants no pods, so
//! nothing fires then.

use std::collections::BTreeMap;

use super::metadata;
use crate::foreign::{PrometheusRule, PrometheusRuleSpec, Rule, RuleGroup};
use crate::names;
use crate::plan::Plan;
use crate::valid::{ValidBucket, ValidDrive, ValidMonitoring, ValidService};

/// Characters of the suffixes in pods' names (`k8s.io/apimachinery/pkg/util/rand`): no vowels, so that they
/// are no words, and no 0, 1 and 3.
const SUFFIX: &str = "[bcdfghjklmnpqrstvwxz2456789]";
/// Longest name of a pod before its own five characters (`k8s.io/apiserver/pkg/storage/names`).
const MAX_POD_BASE: usize = 58;

pub(super) fn build(plan: &Plan<'_>) -> Option<PrometheusRule> {
    let drive = plan.drive;
    let monitoring = drive.monitoring.as_ref()?;
    if !plan.fetched.apis.prometheus_rules {
        return None;
    }
    let mut metadata = metadata::of_drive(drive, names::of_drive(&drive.name));
    metadata
        .labels
        .get_or_insert_default()
        .extend(monitoring.labels.clone());
    let mut rules = vec![drive_not_ready(drive, monitoring), service_not_ready(drive, monitoring)];
    rules.extend(
        drive
            .services
            .iter()
            .map(|service| restarting(drive, service, monitoring)),
    );
    if drive.services.iter().any(|service| service.migration.is_some()) {
        rules.push(migration_failed(drive));
    }
    rules.extend(drive.buckets.iter().filter_map(|bucket| near_quota(drive, bucket)));
    let group = RuleGroup {
        name: format!("ras.{}.{}", drive.namespace, drive.name),
        rules,
    };
    Some(PrometheusRule::new(
        metadata,
        PrometheusRuleSpec { groups: vec![group] },
    ))
}

fn drive_not_ready(drive: &ValidDrive, monitoring: &ValidMonitoring) -> Rule {
    let (this, ValidDrive { name, namespace, .. }) = (this(drive), drive);
    Rule {
        alert: "DriveNotReady".to_owned(),
        // Not by pods that are desired: a drive whose Deployments wait for a secret has none, and is not ready.
        expr: format!(
            "max by (namespace, drive) (ras_drive_ready{this}) == 0 \
             unless on (namespace, drive) max by (namespace, drive) (ras_drive_suspended{this}) == 1"
        ),
        for_: Some(duration(monitoring.not_ready_for)),
        labels: labels("critical", []),
        annotations: annotations(
            &format!("The recruitment drive {name} is not ready."),
            &format!(
                "Read the condition Ready, whose message names the object and the next step: \
                 kubectl -n {namespace} describe recruitmentdrive {name}"
            ),
        ),
    }
}

fn service_not_ready(drive: &ValidDrive, monitoring: &ValidMonitoring) -> Rule {
    let (this, ValidDrive { name, namespace, .. }) = (this(drive), drive);
    let by = "max by (namespace, drive, service)";
    Rule {
        alert: "DriveServiceNotReady".to_owned(),
        expr: format!("{by} (ras_service_ready_replicas{this}) < {by} (ras_service_desired_replicas{this})"),
        for_: Some(duration(monitoring.not_ready_for)),
        labels: labels("warning", []),
        annotations: annotations(
            &format!(
                "Service {{{{ $labels.service }}}} of the recruitment drive {name} has fewer ready pods of the version asked for than it should have."
            ),
            &format!(
                "Look at its pods: kubectl -n {namespace} get pods -l ras.dev/drive={name},ras.dev/service={{{{ $labels.service }}}} \
                 and describe those that are not ready."
            ),
        ),
    }
}

fn restarting(drive: &ValidDrive, service: &ValidService, monitoring: &ValidMonitoring) -> Rule {
    let ValidDrive { name, namespace, .. } = drive;
    let (service_name, many) = (&service.name, monitoring.restarts_per_hour);
    Rule {
        alert: "DriveServiceRestarting".to_owned(),
        expr: format!(
            "sum by (namespace) (increase(kube_pod_container_status_restarts_total{{namespace=\"{namespace}\", pod=~\"{pods}\"}}[1h])) > {many}",
            pods = pods(&service.child)
        ),
        // It has lasted for an hour already.
        for_: None,
        labels: labels("warning", [("drive", name), ("service", service_name)]),
        annotations: annotations(
            &format!(
                "Containers of service {service_name} of the recruitment drive {name} restarted more than {many} times in an hour."
            ),
            &format!(
                "Read what the last one said before it ended: \
                 kubectl -n {namespace} logs --previous -l ras.dev/drive={name},ras.dev/service={service_name}"
            ),
        ),
    }
}

/// Nothing gets better by waiting, so nobody waits before they tell.
fn migration_failed(drive: &ValidDrive) -> Rule {
    let (this, ValidDrive { name, namespace, .. }) = (this(drive), drive);
    Rule {
        alert: "DriveMigrationFailed".to_owned(),
        expr: format!("max by (namespace, drive, service) (ras_service_migration_failed{this}) == 1"),
        for_: None,
        labels: labels("warning", []),
        annotations: annotations(
            &format!(
                "The migration of service {{{{ $labels.service }}}} of the recruitment drive {name} failed: its new version waits."
            ),
            &format!(
                "The version before goes on serving. Read the condition MigrationsReady, which names the Job and the next step: \
                 kubectl -n {namespace} describe recruitmentdrive {name}"
            ),
        ),
    }
}

/// A bucket that holds nine tenths of its quota: there is still time to do something. Nothing fires where the platform
/// counts no usage, because then there are no such metrics.
fn near_quota(drive: &ValidDrive, bucket: &ValidBucket) -> Option<Rule> {
    let ValidDrive { name, namespace, .. } = drive;
    let bucket_name = &bucket.name;
    let over = |metric: &str, most: u64| {
        let this = format!("{{namespace=\"{namespace}\", drive=\"{name}\", bucket=\"{bucket_name}\"}}");
        format!("max by (namespace, drive, bucket) ({metric}{this}) > 0.9 * {most}")
    };
    let bytes = bucket.quota_bytes.map(|most| over("ras_bucket_bytes", most));
    let objects = bucket.quota_objects.map(|most| over("ras_bucket_objects", most));
    let conditions: Vec<String> = bytes.into_iter().chain(objects).collect();
    (!conditions.is_empty()).then(|| Rule {
        alert: "DriveBucketNearQuota".to_owned(),
        expr: conditions.join(" or "),
        for_: None,
        labels: labels("warning", []),
        annotations: annotations(
            &format!("Bucket {bucket_name} of the recruitment drive {name} holds more than nine tenths of its quota."),
            &format!(
                "See what it holds and what expires in 30 days: \
                 kubectl -n {namespace} get recruitmentdrive {name} -o yaml; \
                 let more of it expire with spec.buckets[].expire, or raise spec.buckets[].quota."
            ),
        ),
    })
}

/// Metrics of this drive.
fn this(drive: &ValidDrive) -> String {
    format!("{{namespace=\"{}\", drive=\"{}\"}}", drive.namespace, drive.name)
}

/// Names of a Deployment's pods: `<Deployment>-<hash of up to 10>-<5 characters>`, where what stands before
/// the five is cut at [`MAX_POD_BASE`] characters.
fn pods(deployment: &str) -> String {
    if deployment.len() + 12 <= MAX_POD_BASE {
        return format!("{deployment}-{SUFFIX}{{1,10}}-{SUFFIX}{{5}}");
    }
    let base: String = deployment.chars().take(MAX_POD_BASE).collect();
    format!("{base}(-|{SUFFIX}){{5,17}}")
}

fn labels<const N: usize>(severity: &str, more: [(&str, &String); N]) -> BTreeMap<String, String> {
    let more = more.into_iter().map(|(key, value)| (key.to_owned(), value.clone()));
    std::iter::once(("severity".to_owned(), severity.to_owned()))
        .chain(more)
        .collect()
}

fn annotations(summary: &str, description: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("summary".to_owned(), summary.to_owned()),
        ("description".to_owned(), description.to_owned()),
    ])
}

/// Seconds in Prometheus' form, which knows no `1h90s` and no `30s1m`.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        seconds if seconds > 0 && seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        seconds if seconds > 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_in_one_unit() {
        for (seconds, text) in [(30, "30s"), (90, "90s"), (300, "5m"), (7_200, "2h"), (86_400, "24h")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
