//! The result of `build`: every object of a drive, and the decisions that `apply` and `report` need about them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::bucket::request::BucketRequest;
use crate::fetched::facts::ExternalSecretsVersion;
use crate::foreign::cloud_native_pg::{Cluster, ScheduledBackup};
use crate::foreign::external_secret::ExternalSecret;
use crate::foreign::{PrometheusRule, ServiceMonitor};
use crate::kind::Kind;
use crate::plan::blocked_by::BlockedBy;
use crate::plan::bucket_removal::BucketRemoval;
use crate::plan::scales::Scale;
use crate::valid::ValueFormat;

/// Everything a drive asks for. [`Desired::objects`] hands out its objects, each with its kind, so that `apply` cannot
/// miss a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Identity of the pods. It has no rights and no token.
    pub service_account: ServiceAccount,
    /// Secrets whose missing keys are generated.
    pub credentials: Vec<Credential>,
    /// Empty when the cluster does not serve the API.
    pub external_secrets: Vec<ExternalSecret>,
    /// Templates of services' files.
    pub config_maps: Vec<ConfigMap>,
    pub volume_claims: Vec<PersistentVolumeClaim>,
    pub network_policies: Vec<NetworkPolicy>,
    /// One for each service with ports.
    pub services: Vec<Service>,
    /// The database server of a standalone database.
    pub stateful_sets: Vec<StatefulSet>,
    /// Database servers that CloudNativePG runs; empty when the cluster does not serve the API.
    pub clusters: Vec<Cluster>,
    /// Backup schedules of `clusters`.
    pub scheduled_backups: Vec<ScheduledBackup>,
    /// Jobs that services wait for. An existing Job is not changed, because its pod template is immutable: a Job that
    /// does something else has another name.
    pub jobs: Vec<Job>,
    pub deployments: Vec<Deployment>,
    /// One for each service with autoscaling.
    pub autoscalers: Vec<HorizontalPodAutoscaler>,
    /// One for each service that may have more than one pod.
    pub disruption_budgets: Vec<PodDisruptionBudget>,
    pub ingress: Option<Ingress>,
    /// One for each service that exports metrics; empty when the cluster does not serve the API.
    pub service_monitors: Vec<ServiceMonitor>,
    /// Alerts; absent when the cluster does not serve the API.
    pub prometheus_rule: Option<PrometheusRule>,

    pub buckets: Vec<BucketRequest>,
    /// Buckets that the drive no longer asks for.
    pub bucket_removals: Vec<BucketRemoval>,

    /// Deployments and database servers that must not be applied yet, by name.
    pub blocked: BTreeMap<String, BlockedBy>,
    /// Names of existing Jobs to keep, with the `ConfigMap`s of the same names: a finished Job is evidence, and a
    /// running Job must not be stopped. Every other Job of the drive is deleted.
    pub kept_jobs: BTreeSet<String>,
    /// For each existing Deployment whose `replicas` is not sent: the number to hand over if the operator still owns
    /// the field.
    pub replica_handovers: BTreeMap<String, i32>,
    /// For existing Deployments in `blocked`: a change of the number of pods alone.
    pub scales: BTreeMap<String, Scale>,
}

/// One object of a drive, as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredObject {
    pub kind: Kind,
    pub body: Value,
}

/// An object that cannot be written as JSON, which is a bug in `build`.
#[derive(Debug, thiserror::Error)]
#[error("{kind} cannot be written as JSON: {source}")]
pub struct NotJson {
    pub kind: Kind,
    pub source: serde_json::Error,
}

impl Desired {
    /// Every object of the drive. A Secret with generated credentials has no values, because `apply` generates them.
    ///
    /// The fields are destructured without `..`: a new field does not compile until it is listed here.
    ///
    /// # Errors
    /// When an object cannot be written as JSON, which is a bug in `build`.
    pub fn objects(&self) -> Result<Vec<DesiredObject>, NotJson> {
        let Self {
            service_account,
            credentials,
            external_secrets,
            config_maps,
            volume_claims,
            network_policies,
            services,
            stateful_sets,
            clusters,
            scheduled_backups,
            jobs,
            deployments,
            autoscalers,
            disruption_budgets,
            ingress,
            service_monitors,
            prometheus_rule,
            // Not objects of Kubernetes.
            buckets: _,
            bucket_removals: _,
            // Decisions about the objects above.
            blocked: _,
            kept_jobs: _,
            replica_handovers: _,
            scales: _,
        } = self;
        let mut all = Objects(Vec::new());
        all.push(Kind::ServiceAccount, [service_account])?;
        all.push(Kind::Secret, credentials.iter().map(|credential| &credential.secret))?;
        for external_secret in external_secrets {
            let kind = match external_secret.version() {
                ExternalSecretsVersion::V1 => Kind::ExternalSecret,
                ExternalSecretsVersion::V1Beta1 => Kind::ExternalSecretBeta,
            };
            all.push(kind, [external_secret])?;
        }
        all.push(Kind::ConfigMap, config_maps)?;
        all.push(Kind::PersistentVolumeClaim, volume_claims)?;
        all.push(Kind::NetworkPolicy, network_policies)?;
        all.push(Kind::Service, services)?;
        all.push(Kind::StatefulSet, stateful_sets)?;
        all.push(Kind::Cluster, clusters)?;
        all.push(Kind::ScheduledBackup, scheduled_backups)?;
        all.push(Kind::Job, jobs)?;
        all.push(Kind::Deployment, deployments)?;
        all.push(Kind::HorizontalPodAutoscaler, autoscalers)?;
        all.push(Kind::PodDisruptionBudget, disruption_budgets)?;
        all.push(Kind::Ingress, ingress)?;
        all.push(Kind::ServiceMonitor, service_monitors)?;
        all.push(Kind::PrometheusRule, prometheus_rule)?;
        Ok(all.0)
    }

    /// [`Desired::objects`] without the kinds.
    ///
    /// # Errors
    /// When an object cannot be written as JSON, which is a bug in `build`.
    pub fn manifests(&self) -> Result<Vec<Value>, NotJson> {
        Ok(self.objects()?.into_iter().map(|object| object.body).collect())
    }
}

struct Objects(Vec<DesiredObject>);

impl Objects {
    fn push(&mut self, kind: Kind, objects: impl IntoIterator<Item = impl Serialize>) -> Result<(), NotJson> {
        for object in objects {
            let body = serde_json::to_value(object).map_err(|source| NotJson { kind, source })?;
            self.0.push(DesiredObject { kind, body });
        }
        Ok(())
    }
}

/// A Secret with generated values. `apply` generates them, and only pods read them.
#[derive(Clone, Debug, PartialEq)]
pub struct Credential {
    /// Metadata and type; never data.
    pub secret: Secret,
    /// Keys of the spec that must have values.
    pub keys: Vec<String>,
    pub value_format: ValueFormat,
    /// Replaces all existing values.
    pub rotate: bool,
    /// Records that the rotation that generated the values is rolled back. The values stay.
    pub roll_back: bool,
    pub notes: CredentialNotes,
}

/// Annotations that are written together with new values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialNotes {
    pub drawn_at: Timestamp,
    /// The rotation request that they satisfy.
    pub request: Option<String>,
    /// Number of the rotation of a database login's password. Values of this rotation or a later one are never
    /// replaced.
    pub generation: Option<u64>,
}
