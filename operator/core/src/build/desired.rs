//! What `build` gives: every object of a drive, and what the later rooms need to know about them.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

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
use crate::foreign::cloud_native_pg::{Cluster, ScheduledBackup};
use crate::foreign::external_secret::ExternalSecret;
use crate::foreign::{PrometheusRule, ServiceMonitor};
use crate::plan::blocked::BlockedBy;
use crate::plan::bucket_removal::BucketRemoval;
use crate::plan::scales::Scale;
use crate::valid::ValueFormat;

/// State of [`Desired`] as `build` makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {}

/// State of [`Desired`] once `apply` has brought all of it to the cluster: what may be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {}

/// Everything a drive asks for. Destructure it without `..`, so that a new kind cannot be forgotten.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired<S> {
    /// Identity of the pods. It has no rights and no token.
    pub service_account: ServiceAccount,
    /// Secrets to make if they, or keys of them, are not there.
    pub credentials: Vec<Credential>,
    /// What to take from stores outside the cluster, where the API is there.
    pub external_secrets: Vec<ExternalSecret>,
    /// Templates of services' files.
    pub config_maps: Vec<ConfigMap>,
    /// Volumes that outlive pods.
    pub volume_claims: Vec<PersistentVolumeClaim>,
    /// Who may connect to whom, one for each service.
    pub network_policies: Vec<NetworkPolicy>,
    /// One for each service that listens on something.
    pub services: Vec<Service>,
    /// The database server, where the drive has one of its own.
    pub stateful_sets: Vec<StatefulSet>,
    /// Database servers that CloudNativePG runs, where the API is there.
    pub clusters: Vec<Cluster>,
    /// When CloudNativePG copies what they hold, where the API is there.
    pub scheduled_backups: Vec<ScheduledBackup>,
    /// What has to run to its end before programs that need it start. One that is there already is left as it is, for
    /// Jobs cannot be changed: a Job that does something else has another name.
    pub jobs: Vec<Job>,
    /// One for each service.
    pub deployments: Vec<Deployment>,
    /// One for each service with autoscaling.
    pub autoscalers: Vec<HorizontalPodAutoscaler>,
    /// One for each service that may have more than one pod.
    pub disruption_budgets: Vec<PodDisruptionBudget>,
    /// The route.
    pub ingress: Option<Ingress>,
    /// One for each service that exports metrics, where the API is there.
    pub service_monitors: Vec<ServiceMonitor>,
    /// Alerts, where the API is there.
    pub prometheus_rule: Option<PrometheusRule>,

    /// Buckets, which are no objects of Kubernetes.
    pub buckets: Vec<BucketRequest>,
    /// Buckets that the drive once asked for.
    pub bucket_removals: Vec<BucketRemoval>,

    /// Deployments and database servers that must not be applied yet, by name, with what they wait for.
    pub blocked: BTreeMap<String, BlockedBy>,
    /// Names of Jobs that are not made, and stay, with the `ConfigMap`s of the same names, where they are there: what has ended and is evidence, and what runs and
    /// must not be stopped half-way. Every other Job of the drive is removed.
    pub kept_jobs: BTreeSet<String>,
    /// For each Deployment that exists and whose `replicas` is not sent: the count to hand over with, if
    /// the operator still owns the field.
    pub replica_handovers: BTreeMap<String, i32>,
    /// For Deployments that are blocked and are there: another number of pods, and nothing else.
    pub scales: BTreeMap<String, Scale>,
    /// [`Prepared`] or [`Applied`].
    pub state: PhantomData<S>,
}

impl Desired<Prepared> {
    /// The same, applied. For `apply` alone, once everything that is not blocked is in the cluster.
    pub fn applied(self) -> Desired<Applied> {
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
            buckets,
            bucket_removals,
            blocked,
            kept_jobs,
            replica_handovers,
            scales,
            state: PhantomData,
        } = self;
        Desired {
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
            buckets,
            bucket_removals,
            blocked,
            kept_jobs,
            replica_handovers,
            scales,
            state: PhantomData,
        }
    }
}

impl<S> Desired<S> {
    /// Every object in the order in which it is applied, as JSON. Generated Secrets come without their
    /// values, which are drawn when they are made.
    ///
    /// # Errors
    /// When an object cannot be written as JSON, which would be a mistake in `build`.
    pub fn manifests(&self) -> Result<Vec<Value>, serde_json::Error> {
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
            buckets: _,
            bucket_removals: _,
            blocked: _,
            kept_jobs: _,
            replica_handovers: _,
            scales: _,
            state: PhantomData,
        } = self;
        let mut all = vec![serde_json::to_value(service_account)?];
        append(credentials.iter().map(|credential| &credential.secret), &mut all)?;
        append(external_secrets, &mut all)?;
        append(config_maps, &mut all)?;
        append(volume_claims, &mut all)?;
        append(network_policies, &mut all)?;
        append(services, &mut all)?;
        append(stateful_sets, &mut all)?;
        append(clusters, &mut all)?;
        append(scheduled_backups, &mut all)?;
        append(jobs, &mut all)?;
        append(deployments, &mut all)?;
        append(autoscalers, &mut all)?;
        append(disruption_budgets, &mut all)?;
        append(ingress, &mut all)?;
        append(service_monitors, &mut all)?;
        append(prometheus_rule, &mut all)?;
        Ok(all)
    }
}

fn append(objects: impl IntoIterator<Item = impl Serialize>, all: &mut Vec<Value>) -> Result<(), serde_json::Error> {
    for object in objects {
        all.push(serde_json::to_value(object)?);
    }
    Ok(())
}

/// A Secret to make. Its values are drawn by `apply` and read by nobody but pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Credential {
    /// Metadata and type; never data.
    pub secret: Secret,
    /// Keys of the spec, for which it must have values.
    pub keys: Vec<String>,
    /// What the values look like.
    pub value_format: ValueFormat,
    /// Draws all values anew, though they are there.
    pub rotate: bool,
    /// Notes that the rotation that drew its values is rolled back. The values stay.
    pub roll_back: bool,
    /// Written beside new values: what asked for them, and when they were drawn if that is not the Secret's own age.
    pub notes: CredentialNotes,
}

/// What is written of new values beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialNotes {
    /// Now.
    pub drawn_at: Timestamp,
    /// The request that they answer.
    pub request: Option<String>,
    /// The rotation that drew them, of the password of a database login. Values of it, or of a later one, are never
    /// drawn over.
    pub generation: Option<u64>,
}
