//! Metrics in Prometheus' text format. Labels are fixed words and names, never error messages.

use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use ras_crds::{ConditionType, MigrationState, RecruitmentDriveStatus};

use crate::informer::store::DriveKey;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WriteLabels {
    kind: &'static str,
    verb: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DriveLabels {
    namespace: String,
    drive: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ServiceLabels {
    namespace: String,
    drive: String,
    service: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BucketLabels {
    namespace: String,
    drive: String,
    bucket: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcileResult {
    Unchanged,
    Changed,
    /// The drive waits for something, or the user has to act.
    Blocked,
    /// It is retried.
    Failed,
}

impl ReconcileResult {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed => "changed",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    leader: Gauge,
    lease_transitions: Gauge,
    renewals_failed: Counter,
    platform_valid: Gauge,
    reconciles: Family<OutcomeLabel, Counter>,
    durations: Histogram,
    writes: Family<WriteLabels, Counter>,
    drive_ready: Family<DriveLabels, Gauge>,
    drive_suspended: Family<DriveLabels, Gauge>,
    service_ready: Family<ServiceLabels, Gauge>,
    service_desired: Family<ServiceLabels, Gauge>,
    migration_failed: Family<ServiceLabels, Gauge>,
    store_requests: Family<RequestLabels, Counter>,
    bucket_bytes: Family<BucketLabels, Gauge>,
    bucket_objects: Family<BucketLabels, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("ras");
        let (leader, lease_transitions, renewals_failed) = (Gauge::default(), Gauge::default(), Counter::default());
        registry.register("leader", "1 when this replica leads, else 0", leader.clone());
        registry.register(
            "lease_transitions",
            "Changes of the leader, as recorded in the lease",
            lease_transitions.clone(),
        );
        registry.register(
            "lease_renewals_failed",
            "Failed attempts to renew the lease",
            renewals_failed.clone(),
        );
        let platform_valid = Gauge::default();
        registry.register(
            "platform_settings_valid",
            "1 when the platform settings of the file are in effect, 0 when they are invalid and earlier ones are in effect",
            platform_valid.clone(),
        );
        let reconciles = Family::default();
        let durations = Histogram::new(exponential_buckets(0.000_1, 4.0, 9));
        let writes = Family::default();
        let (drive_ready, drive_suspended) = (Family::default(), Family::default());
        let (service_ready, service_desired) = (Family::default(), Family::default());
        registry.register("reconciles", "Reconciles by outcome", reconciles.clone());
        registry.register_with_unit(
            "reconcile_duration",
            "Duration of a reconcile",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register(
            "api_writes",
            "Writes to the API server by kind and verb",
            writes.clone(),
        );
        registry.register(
            "drive_ready",
            "1 when the drive's Ready condition is true, else 0",
            drive_ready.clone(),
        );
        registry.register(
            "drive_suspended",
            "1 when the drive is suspended, else 0",
            drive_suspended.clone(),
        );
        registry.register(
            "service_ready_replicas",
            "Ready pods of the desired version",
            service_ready.clone(),
        );
        registry.register("service_desired_replicas", "Desired pods", service_desired.clone());
        let migration_failed = Family::default();
        registry.register(
            "service_migration_failed",
            "1 when the migration of the service's version failed, else 0",
            migration_failed.clone(),
        );
        let (store_requests, bucket_bytes, bucket_objects) = (Family::default(), Family::default(), Family::default());
        registry.register(
            "object_store_requests",
            "Requests to the object store by operation and outcome",
            store_requests.clone(),
        );
        registry.register(
            "bucket_bytes",
            "Bytes of all objects and versions at the last count",
            bucket_bytes.clone(),
        );
        registry.register(
            "bucket_objects",
            "Objects and versions at the last count",
            bucket_objects.clone(),
        );
        Self {
            registry: Arc::new(registry),
            leader,
            lease_transitions,
            renewals_failed,
            platform_valid,
            reconciles,
            durations,
            writes,
            drive_ready,
            drive_suspended,
            service_ready,
            service_desired,
            migration_failed,
            store_requests,
            bucket_bytes,
            bucket_objects,
        }
    }
}

impl Metrics {
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    pub fn set_lease_transitions(&self, transitions: i32) {
        self.lease_transitions.set(i64::from(transitions));
    }

    pub fn renewal_failed(&self) {
        self.renewals_failed.inc();
    }

    pub fn set_platform_settings_valid(&self, are_valid: bool) {
        self.platform_valid.set(i64::from(are_valid));
    }

    pub fn reconciled(&self, result: ReconcileResult, seconds: f64) {
        self.reconciles
            .get_or_create(&OutcomeLabel {
                outcome: result.as_str(),
            })
            .inc();
        self.durations.observe(seconds);
    }

    pub fn wrote(&self, kind: &'static str, verb: &'static str) {
        self.writes.get_or_create(&WriteLabels { kind, verb }).inc();
    }

    /// `before` is the previous status: metrics of services and buckets that are no longer in the status are removed.
    pub fn update_status(
        &self,
        drive: &DriveKey,
        status: &RecruitmentDriveStatus,
        before: &RecruitmentDriveStatus,
        suspended: bool,
    ) {
        for removed in before
            .services
            .iter()
            .filter(|old| !status.services.iter().any(|new| new.name == old.name))
        {
            self.remove_service(drive, &removed.name);
        }
        let ready = status
            .conditions
            .iter()
            .any(|c| c.type_ == ConditionType::Ready.as_str() && c.is_true());
        self.drive_ready.get_or_create(&labels(drive)).set(i64::from(ready));
        self.drive_suspended
            .get_or_create(&labels(drive))
            .set(i64::from(suspended));
        for service in &status.services {
            let labels = service_labels(drive, &service.name);
            self.service_ready.get_or_create(&labels).set(i64::from(service.ready));
            self.service_desired
                .get_or_create(&labels)
                .set(i64::from(service.desired));
            match &service.migration {
                Some(migration) => {
                    let failed = migration.state == MigrationState::Failed;
                    self.migration_failed.get_or_create(&labels).set(i64::from(failed));
                }
                None => drop(self.migration_failed.remove(&labels)),
            }
        }
        for removed in before
            .buckets
            .iter()
            .filter(|old| !status.buckets.iter().any(|new| new.name == old.name))
        {
            self.remove_bucket(drive, &removed.name);
        }
        for (bucket, usage) in status
            .buckets
            .iter()
            .filter_map(|bucket| Some((bucket, bucket.usage.as_ref()?)))
        {
            let labels = bucket_labels(drive, &bucket.name);
            self.bucket_bytes.get_or_create(&labels).set(usage.bytes);
            self.bucket_objects.get_or_create(&labels).set(usage.objects);
        }
    }

    /// Removes the metrics of a deleted drive.
    pub fn forget(&self, drive: &DriveKey, status: &RecruitmentDriveStatus) {
        self.drive_ready.remove(&labels(drive));
        self.drive_suspended.remove(&labels(drive));
        for service in &status.services {
            self.remove_service(drive, &service.name);
        }
        for bucket in &status.buckets {
            self.remove_bucket(drive, &bucket.name);
        }
    }

    fn remove_bucket(&self, drive: &DriveKey, bucket: &str) {
        let labels = bucket_labels(drive, bucket);
        self.bucket_bytes.remove(&labels);
        self.bucket_objects.remove(&labels);
    }

    fn remove_service(&self, drive: &DriveKey, service: &str) {
        let labels = service_labels(drive, service);
        self.service_ready.remove(&labels);
        self.service_desired.remove(&labels);
        self.migration_failed.remove(&labels);
    }

    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

fn labels(drive: &DriveKey) -> DriveLabels {
    DriveLabels {
        namespace: drive.namespace.to_string(),
        drive: drive.name.to_string(),
    }
}

impl ras_object_store::rate_limiter::Counter for Metrics {
    fn requested(&self, operation: &'static str, outcome: &'static str) {
        self.store_requests
            .get_or_create(&RequestLabels { operation, outcome })
            .inc();
    }
}

fn bucket_labels(drive: &DriveKey, bucket: &str) -> BucketLabels {
    BucketLabels {
        namespace: drive.namespace.to_string(),
        drive: drive.name.to_string(),
        bucket: bucket.to_owned(),
    }
}

fn service_labels(drive: &DriveKey, service: &str) -> ServiceLabels {
    ServiceLabels {
        namespace: drive.namespace.to_string(),
        drive: drive.name.to_string(),
        service: service.to_owned(),
    }
}
