//! Condition types and reasons: the fixed words of `status.conditions`, which scripts and alerts may rely on.

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// One condition, in the form of `meta.v1.Condition`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is spoken of, for instance `Ready`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    #[schemars(with = "ConditionStatus")]
    pub status: String,
    /// Why it is so, in one word of a fixed list.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// For people: which object, and what to do next.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// When the status last changed.
    #[schemars(schema_with = "date_time")]
    pub last_transition_time: Time,
    /// Generation of the spec this speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

pub(crate) fn date_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// Schema of a condition's status.
struct ConditionStatus;

impl JsonSchema for ConditionStatus {
    fn schema_name() -> Cow<'static, str> {
        "ConditionStatus".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "enum": ["True", "False", "Unknown"]})
    }
}

/// Makes an enum of words whose text is the variant's own name, with a list of all of them. A word without a
/// doc comment does not compile: the reference prints it.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[doc = $doc])+ $variant),+ }

        impl $name {
            /// Every word there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as it stands in the API.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }

            /// What the word means, for people.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }.trim()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What a condition speaks of.
    ConditionType {
        /// The whole drive serves: every other condition that gates it is true.
        Ready,
        /// The operator is still bringing the cluster to what the spec says (kstatus).
        Reconciling,
        /// Waiting does not help: a person has to change something (kstatus). Pods that cannot start are given 30 seconds after
        /// each change, crash loops 45 seconds, and volumes, nodes and roll-outs 10 minutes.
        Stalled,
        /// Every secret that services use is there.
        SecretsReady,
        /// Every database is there and its logins work. Absent without `spec.database`.
        DatabaseReady,
        /// Every bucket is there and set up as the spec says. Absent without `spec.buckets`.
        StorageReady,
        /// Something keeps the drive, or a bucket it no longer asks for, from being deleted. Absent otherwise.
        DeletionBlocked,
        /// Data that the drive uses is being deleted, or is gone. Absent otherwise.
        DataAtRisk,
        /// Another manager keeps writing a field that the drive sets; the message names both. Absent otherwise; never holds up Ready.
        FieldConflict,
        /// What had to run before the services' versions start has succeeded. Absent without `services[].migrate`.
        MigrationsReady,
        /// Every service runs the version asked for, with all its pods ready.
        ServicesReady,
        /// Every TCP port that services declare accepts connections. Absent when each service has at most the port of its readiness
        /// probe, or when the platform does not check. Unknown, which never holds up Ready, when the ports do not answer the operator.
        ListenersReady,
        /// The route and its certificate are there. Absent without `spec.exposure`.
        ExposureReady,
        /// Metrics and alerts are set up. Absent without `spec.monitoring`; never holds up Ready.
        MonitoringReady,
    }
}

words! {
    /// Why a condition is as it is.
    Reason {
        /// All is as the spec says.
        AllReady,
        /// The spec says `suspend: true`.
        Suspended,
        /// The spec says `paused: true`.
        Paused,
        /// Pods are starting, or a new version is replacing the old one.
        RollingOut,
        /// A service has not started yet, because another one that it names in `after` or `hosts` is not there.
        WaitingFor,
        /// A service's pods cannot start or do not stay up.
        PodsFailing,
        /// A roll-out made no progress within its time.
        RolloutStuck,
        /// Nothing asks for it.
        NotNeeded,
        /// A Secret that a service uses is not there.
        SecretMissing,
        /// A Secret that a service uses lacks a key.
        SecretKeyMissing,
        /// The External Secrets operator, which the drive asks for, is not installed.
        ExternalSecretsMissing,
        /// A Secret is being fetched from a store outside the cluster.
        ExternalSecretPending,
        /// A store outside the cluster does not give what is asked of it.
        ExternalSecretFailing,
        /// All Secrets are there.
        SecretsAvailable,
        /// All services run as asked.
        ServicesAvailable,
        /// Every declared TCP port accepts connections.
        PortsListening,
        /// A pod that is ready refuses connections to a port that its service declares.
        PortNotListening,
        /// The operator gets no answer from pods that are ready, so it does not know whether they listen.
        PortsUnreachable,
        /// The ports have not been checked since the last rollout.
        PortsUnchecked,
        /// Every migration has succeeded.
        MigrationsSucceeded,
        /// A migration runs, or waits until it may.
        MigrationRunning,
        /// A migration failed. The version that runs goes on serving.
        MigrationFailed,
        /// The route is in place.
        RouteConfigured,
        /// The certificate has not been issued yet.
        CertificatePending,
        /// CloudNativePG, which the drive asks for, is not installed.
        CloudNativePGMissing,
        /// cert-manager, which the drive asks for, is not installed.
        CertManagerMissing,
        /// Metrics and alerts are in place.
        MonitoringConfigured,
        /// The Prometheus Operator, which the drive asks for, is not installed.
        PrometheusOperatorMissing,
        /// All databases are there, and their logins work.
        DatabasesAvailable,
        /// The database server is not ready yet, or not ready at the moment, or its databases are being made.
        DatabasePending,
        /// The database server could not be reached, or has no room for another connection just now.
        DatabaseUnreachable,
        /// The database server does not let the operator's Job in, or does not let it do what the drive needs.
        DatabaseDenied,
        /// The database server and its client cannot agree on TLS.
        DatabaseTlsFailed,
        /// The database server has a version that will not do.
        WrongDatabaseVersion,
        /// A role or database of the same name is there and was not made for this drive.
        DatabaseNotOurs,
        /// An extension that a database asks for is not installed on the server.
        ExtensionMissing,
        /// The database server refused something for good.
        DatabaseRefused,
        /// The database server is not ready, and that is more than an ordinary start.
        DatabaseFailing,
        /// All buckets are there and as the spec says.
        BucketsAvailable,
        /// Buckets are being made or set up.
        BucketsPending,
        /// All buckets are there, and what the object store cannot do is missing.
        BucketsLimited,
        /// A bucket holds more than its quota.
        QuotaExceeded,
        /// A bucket's name is taken by somebody else, or the bucket belongs to another drive.
        BucketNotOurs,
        /// The platform does not let the drive's namespace use an existing bucket that the drive names.
        BucketNotPermitted,
        /// An existing bucket that the drive names is not there.
        BucketMissing,
        /// A bucket that was there is gone, or another one has its name. It is not made again, and services that use it are not
        /// changed, before it is restored or a person accepts the loss.
        BucketLost,
        /// A bucket is in another region than the platform's settings say.
        WrongRegion,
        /// The encryption key that a bucket asks for cannot be used.
        KeyUnusable,
        /// The platform's settings name no object store.
        StoreNotConfigured,
        /// The object store could not be reached, or did not answer as S3 does.
        StoreUnavailable,
        /// The object store asks for fewer requests.
        StoreThrottled,
        /// The object store does not let the operator do what the drive needs.
        StoreDenied,
        /// The clocks of the operator and the object store differ too much for signed requests.
        ClockSkewed,
        /// The object store refused a setting for good.
        StoreRefused,
        /// A bucket is being emptied.
        Emptying,
        /// Deleting a bucket with all its objects needs a confirmation.
        ConfirmationMissing,
        /// Objects in a bucket are locked against deletion.
        ObjectsLocked,
        /// A volume, a database cluster or a generated Secret is being deleted. What uses it is not changed until it is gone.
        DataBeingDeleted,
        /// A volume or a database cluster that was used is gone, or another object has its name. It is not created again, and what
        /// mounts it is not changed, before a person accepts the loss.
        VolumeLost,
        /// The spec asks for something impossible; every problem is listed.
        InvalidSpec,
        /// The stored object does not decode as this version of the kind.
        Undecodable,
        /// Another, older drive makes objects of the same names.
        NameTaken,
        /// Another drive has the host, for a longer time.
        HostTaken,
        /// An object of the same name is there and was not made by this drive.
        ForeignObject,
        /// Another manager keeps writing a field that the drive sets.
        FieldConflict,
        /// The API server refused an object for good.
        Refused,
        /// The operator lacks a permission.
        Forbidden,
        /// The API server could not be reached or asked to try again.
        ApiUnavailable,
        /// The operator is at work.
        Progressing,
        /// There is nothing the operator cannot go on with.
        NotStalled,
    }
}

impl Reason {
    /// Whether a person has to act, or should at least know: an event of this reason is a Warning. Without a wildcard, so that a
    /// new reason has to choose.
    pub fn is_warning(self) -> bool {
        match self {
            Self::AllReady
            | Self::Suspended
            | Self::Paused
            | Self::RollingOut
            | Self::WaitingFor
            | Self::NotNeeded
            | Self::ExternalSecretPending
            | Self::SecretsAvailable
            | Self::ServicesAvailable
            | Self::PortsListening
            | Self::PortsUnchecked
            | Self::MigrationsSucceeded
            | Self::MigrationRunning
            | Self::RouteConfigured
            | Self::CertificatePending
            | Self::MonitoringConfigured
            | Self::DatabasesAvailable
            | Self::DatabasePending
            | Self::BucketsAvailable
            | Self::BucketsPending
            | Self::BucketsLimited
            | Self::StoreThrottled
            | Self::Emptying
            | Self::ApiUnavailable
            | Self::Progressing
            | Self::NotStalled => false,
            Self::PodsFailing
            | Self::RolloutStuck
            | Self::PortNotListening
            | Self::PortsUnreachable
            | Self::SecretMissing
            | Self::SecretKeyMissing
            | Self::ExternalSecretsMissing
            | Self::ExternalSecretFailing
            | Self::MigrationFailed
            | Self::CloudNativePGMissing
            | Self::CertManagerMissing
            | Self::PrometheusOperatorMissing
            | Self::DatabaseUnreachable
            | Self::DatabaseDenied
            | Self::DatabaseTlsFailed
            | Self::WrongDatabaseVersion
            | Self::DatabaseNotOurs
            | Self::ExtensionMissing
            | Self::DatabaseRefused
            | Self::DatabaseFailing
            | Self::DataBeingDeleted
            | Self::FieldConflict
            | Self::VolumeLost
            | Self::QuotaExceeded
            | Self::BucketNotOurs
            | Self::BucketNotPermitted
            | Self::BucketMissing
            | Self::BucketLost
            | Self::WrongRegion
            | Self::KeyUnusable
            | Self::StoreNotConfigured
            | Self::StoreUnavailable
            | Self::StoreDenied
            | Self::ClockSkewed
            | Self::StoreRefused
            | Self::ConfirmationMissing
            | Self::ObjectsLocked
            | Self::InvalidSpec
            | Self::Undecodable
            | Self::NameTaken
            | Self::HostTaken
            | Self::ForeignObject
            | Self::Refused
            | Self::Forbidden => true,
        }
    }
}

impl Condition {
    /// A condition that speaks of `generation` and changed at `now`.
    pub fn new(
        type_: ConditionType,
        status: bool,
        reason: Reason,
        message: impl Into<String>,
        generation: Option<i64>,
        now: &Time,
    ) -> Self {
        Self {
            type_: type_.as_str().to_owned(),
            status: if status { "True" } else { "False" }.to_owned(),
            reason: reason.as_str().to_owned(),
            message: message.into(),
            last_transition_time: now.clone(),
            observed_generation: generation,
        }
    }

    /// Whether the status is `True`.
    pub fn is_true(&self) -> bool {
        self.status == "True"
    }
}
