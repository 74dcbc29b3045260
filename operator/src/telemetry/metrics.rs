//! Metrics, in Prometheus' text format. Labels are fixed words and names, never texts of errors.

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

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing had to be written.
    Unchanged,
    /// Something was written.
    Changed,
    /// Something is waited for, or a person has to act.
    Blocked,
    /// The API server did not do its part; it is tried again.
    Failed,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed => "changed",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
        }
    }
}

/// All metrics of the program.
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
            "How often the lease changed hands, as it says itself",
            lease_transitions.clone(),
        );
        registry.register(
            "lease_renewals_failed",
            "Tries to renew the lease that failed",
            renewals_failed.clone(),
        );
        let platform_valid = Gauge::default();
        registry.register(
            "platform_settings_valid",
            "1 when the platform's settings are as their file says, 0 when that cannot be used and earlier ones are in force",
            platform_valid.clone(),
        );
        let reconciles = Family::default();
        let durations = Histogram::new(exponential_buckets(0.000_1, 4.0, 9));
        let writes = Family::default();
        let (drive_ready, drive_suspended) = (Family::default(), Family::default());
        let (service_ready, service_desired) = (Family::default(), Family::default());
        registry.register("reconciles", "Reconciles by how they ended", reconciles.clone());
        registry.register_with_unit(
            "reconcile_duration",
            "Time a reconcile takes",
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
            "Pods that run the version asked for and are ready",
            service_ready.clone(),
        );
        registry.register(
            "service_desired_replicas",
            "Pods that there should be",
            service_desired.clone(),
        );
        let migration_failed = Family::default();
        registry.register(
            "service_migration_failed",
            "1 when what has to run before the service's version failed, else 0",
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
            "Bytes of all objects and versions, when they were last counted",
            bucket_bytes.clone(),
        );
        registry.register(
            "bucket_objects",
            "Objects and versions, when they were last counted",
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
    /// Tells whether this replica leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Tells how often the lease changed hands.
    pub fn lease_changed_hands(&self, transitions: i32) {
        self.lease_transitions.set(i64::from(transitions));
    }

    /// Counts a try to renew the lease that failed.
    pub fn renewal_failed(&self) {
        self.renewals_failed.inc();
    }

    /// Tells whether the platform's settings are as their file says.
    pub fn platform_settings_are_used(&self, are_used: bool) {
        self.platform_valid.set(i64::from(are_used));
    }

    /// Counts a reconcile that took `seconds`.
    pub fn reconciled(&self, outcome: Outcome, seconds: f64) {
        self.reconciles
            .get_or_create(&OutcomeLabel {
                outcome: outcome.as_str(),
            })
            .inc();
        self.durations.observe(seconds);
    }

    /// Counts a write to the API server.
    pub fn wrote(&self, kind: &'static str, verb: &'static str) {
        self.writes.get_or_create(&WriteLabels { kind, verb }).inc();
    }

    /// Shows a drive's status. `before` is what was shown last, so that services that are gone disappear.
    pub fn show(
        &self,
        drive: &DriveKey,
        status: &RecruitmentDriveStatus,
        before: &RecruitmentDriveStatus,
        suspended: bool,
    ) {
        for gone in before
            .services
            .iter()
            .filter(|old| !status.services.iter().any(|new| new.name == old.name))
        {
            self.remove_service(drive, &gone.name);
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
        for gone in before
            .buckets
            .iter()
            .filter(|old| !status.buckets.iter().any(|new| new.name == old.name))
        {
            self.remove_bucket(drive, &gone.name);
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

    /// Forgets a drive that is gone.
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

    /// All of them as text.
    ///
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
