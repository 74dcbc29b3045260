//! Decodes an object of the API server into a [`Record`]. Pure.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodTemplateSpec, Service};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::core::DynamicObject;
use serde_json::Value;

use ras_crds::labels;

use crate::informer::managed_fields::{applies, applies_replicas, co_owners, our_entries, written_at};
use ras_core::fetched::facts::{BackupState, ClaimFacts, ClusterStorage, ForeignState, SecretFacts, StartedBy};
use ras_core::fetched::jobs;
use ras_core::fetched::jobs::JobState;
use ras_core::fetched::pods::passwords;
use ras_core::fetched::record::RENDER_CONTAINER;
use ras_core::fetched::record::{
    ClaimState, DeploymentState, Detail, Fields, Marks, Owner, Record, ServiceState, StatefulSetState, stopped,
};
use ras_core::kind::Kind;
use ras_core::plain_text::plain;

/// The record of an object's metadata. The functions below add fields of the spec and the status.
pub fn record(kind: Kind, meta: &ObjectMeta) -> Record {
    let managed = meta.managed_fields.as_deref().unwrap_or_default();
    let touched = !our_entries(managed).is_empty();
    let label = |name: &str| meta.labels.as_ref().and_then(|all| all.get(name));
    Record {
        uid: meta.uid.as_deref().unwrap_or_default().into(),
        version: version(meta),
        deleting: meta.deletion_timestamp.is_some(),
        drive: label(labels::DRIVE).map(|name| name.as_str().into()),
        marks: Marks {
            is_instance: label(labels::INSTANCE).is_some_and(|name| Some(name) == label(labels::DRIVE)),
            is_bound: kind == Kind::PersistentVolumeClaim && is_bound(meta),
        },
        watched: is_watched_whole(kind) || is_managed(meta),
        touched,
        owner: owner(meta, touched),
        applied: meta
            .annotations
            .as_ref()
            .and_then(|a| a.get(labels::APPLIED))
            .map(|hash| hash.as_str().into()),
        written: None,
        fields: fields(kind, managed),
        detail: match kind {
            Kind::Secret => Detail::Secret(secret(meta)),
            Kind::Deployment => Detail::Deployment(DeploymentState {
                generation: meta.generation.unwrap_or_default(),
                applies_replicas: applies_replicas(managed),
                replicas_before_suspend: replicas_before_suspend(meta),
                written_at: written_at(managed),
                ..DeploymentState::default()
            }),
            Kind::StatefulSet => Detail::StatefulSet(StatefulSetState {
                generation: meta.generation.unwrap_or_default(),
                written_at: written_at(managed),
                ..StatefulSetState::default()
            }),
            Kind::Job => Detail::Job(JobState::of(meta)),
            Kind::Service => Detail::Service(ServiceState::default()),
            Kind::PersistentVolumeClaim => Detail::Claim(ClaimState {
                facts: None,
                applies_class: applies(managed, "/f:spec/f:storageClassName"),
            }),
            Kind::ServiceAccount
            | Kind::ConfigMap
            | Kind::NetworkPolicy
            | Kind::HorizontalPodAutoscaler
            | Kind::PodDisruptionBudget
            | Kind::Ingress
            | Kind::ServiceMonitor
            | Kind::ScheduledBackup
            | Kind::PrometheusRule => Detail::None,
            Kind::ExternalSecret | Kind::ExternalSecretBeta | Kind::Cluster => Detail::Foreign(ForeignState::default()),
        },
    }
}

pub fn stateful_set(object: &StatefulSet) -> Record {
    let mut record = record(Kind::StatefulSet, &object.metadata);
    if let Detail::StatefulSet(state) = &mut record.detail {
        state.replicas = object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    }
    if let (Detail::StatefulSet(state), Some(status)) = (&mut record.detail, &object.status) {
        state.current = status.replicas;
        state.observed_generation = status.observed_generation.unwrap_or_default();
        state.ready = status.ready_replicas.unwrap_or_default();
        state.updated = status.updated_replicas.unwrap_or_default();
    }
    if let Detail::StatefulSet(state) = &mut record.detail {
        let template = object.spec.as_ref().map(|spec| &spec.template);
        state.started_by = started_by(&object.metadata, template);
    }
    record
}

/// The hashes of the Secrets that the pods were started with. Both must come from one version of the object, so a
/// response with metadata alone does not set them.
fn started_by(meta: &ObjectMeta, template: Option<&PodTemplateSpec>) -> StartedBy {
    let read = |meta: Option<&ObjectMeta>, name: &str| meta?.annotations.as_ref()?.get(name).cloned();
    StartedBy {
        hash: read(
            template.and_then(|template| template.metadata.as_ref()),
            labels::SECRETS_HASH,
        ),
        known: read(Some(meta), labels::SECRETS_KNOWN),
    }
}

pub fn deployment(object: &Deployment) -> Record {
    let mut record = record(Kind::Deployment, &object.metadata);
    if let Detail::Deployment(state) = &mut record.detail {
        state.replicas = object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        state.render_image = render_image(object).map(Into::into);
        state.passwords = passwords(object.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()));
        state.started_by = started_by(&object.metadata, object.spec.as_ref().map(|spec| &spec.template));
        if let Some(status) = &object.status {
            state.observed_generation = status.observed_generation.unwrap_or_default();
            state.current = status.replicas.unwrap_or_default();
            state.updated = status.updated_replicas.unwrap_or_default();
            state.ready = status.ready_replicas.unwrap_or_default();
            state.available = status.available_replicas.unwrap_or_default();
            state.terminating = status.terminating_replicas.unwrap_or_default();
            for condition in status.conditions.iter().flatten() {
                let message = || Some(plain(condition.message.as_deref().unwrap_or_default(), 2_000).into());
                if condition.type_ == "Progressing" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded") {
                    state.stuck = message();
                }
                if condition.type_ == "ReplicaFailure" && condition.status == "True" {
                    state.cannot_create = message();
                    state.cannot_create_since = condition.last_transition_time.as_ref().map(|time| time.0);
                }
            }
        }
    }
    record
}

/// Keeps the immutable fields of a claim, because the desired claim must repeat them.
pub fn claim(object: &PersistentVolumeClaim) -> Record {
    let mut record = record(Kind::PersistentVolumeClaim, &object.metadata);
    if let (Detail::Claim(state), Some(spec)) = (&mut record.detail, &object.spec) {
        let status = object.status.as_ref();
        let storage = |amounts: Option<&BTreeMap<String, Quantity>>| Some(amounts?.get("storage")?.0.clone());
        let requests = spec
            .resources
            .as_ref()
            .and_then(|resources| resources.requests.as_ref());
        state.facts = Some(ClaimFacts {
            class: spec.storage_class_name.clone(),
            access_modes: spec.access_modes.clone().unwrap_or_default(),
            requested: storage(requests).unwrap_or_default(),
            capacity: storage(status.and_then(|status| status.capacity.as_ref())),
            bound: status.and_then(|status| status.phase.as_deref()) == Some("Bound"),
        });
    }
    record
}

/// Keeps the addresses: names of the drive lead to those in the cluster, and people to those of a load balancer.
pub fn service(object: &Service) -> Record {
    let mut record = record(Kind::Service, &object.metadata);
    let spec = object.spec.as_ref();
    let addresses = spec.and_then(|spec| spec.cluster_ips.as_ref()).into_iter().flatten();
    let load_balancer = object.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let outside = load_balancer
        .and_then(|status| status.ingress.as_ref())
        .into_iter()
        .flatten();
    let ports = || spec.and_then(|spec| spec.ports.as_ref()).into_iter().flatten();
    let public = outside
        .filter_map(|one| one.ip.as_deref().or(one.hostname.as_deref()))
        .flat_map(|host| {
            ports().map(move |port| {
                let protocol = port.protocol.as_deref().unwrap_or("TCP");
                let host = if host.contains(':') {
                    format!("[{host}]")
                } else {
                    plain(host, 253)
                };
                format!("{host}:{}/{protocol}", port.port).into()
            })
        });
    record.detail = Detail::Service(ServiceState {
        // A Service without one has `None`.
        addresses: addresses
            .filter(|address| *address != "None")
            .map(|address| address.as_str().into())
            .collect(),
        public: public.take(64).collect(),
    });
    record
}

pub fn job(object: &Job) -> Record {
    let mut record = record(Kind::Job, &object.metadata);
    if let Detail::Job(state) = &mut record.detail {
        state.outcome = jobs::outcome(object);
    }
    record
}

/// Longest message of another operator, in characters.
const FOREIGN_MESSAGE: usize = 300;

/// An object whose own operator reports its state in a condition `Ready`.
pub fn foreign(kind: Kind, object: &DynamicObject) -> Record {
    let mut record = record(kind, &object.metadata);
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some("Ready"));
    if let Some(condition) = ready {
        let text = |field: &str| condition.get(field).and_then(Value::as_str).unwrap_or_default();
        record.detail = Detail::Foreign(ForeignState {
            ready: match text("status") {
                "True" => Some(true),
                "False" => Some(false),
                _ => None,
            },
            reason: short(text("reason")),
            message: short(text("message")),
            ..ForeignState::default()
        });
    }
    record
}

/// The condition of a `Cluster` says only that it is not ready. The reason is in its phase.
pub fn cluster(object: &DynamicObject) -> Record {
    let mut record = foreign(Kind::Cluster, object);
    if let Detail::Foreign(state) = &mut record.detail {
        let text = |path: &str| object.data.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (phase, reason) = (text("/status/phase"), text("/status/phaseReason"));
        if !phase.is_empty() {
            let message = if reason.is_empty() {
                phase.to_owned()
            } else {
                format!("{phase}: {reason}")
            };
            state.message = short(&message);
        }
        // The condition may be older than the loss of the last instance.
        if state.ready == Some(true) && object.data.pointer("/status/readyInstances").and_then(Value::as_i64) == Some(0)
        {
            state.ready = Some(false);
            "no instance is ready".clone_into(&mut state.message);
        }
        state.primary = Some(text("/status/currentPrimary"))
            .filter(|name| !name.is_empty())
            .map(str::to_owned);
        state.backup = backup(object);
        state.storage = object.data.pointer("/spec/storage").map(|storage| ClusterStorage {
            size: storage
                .get("size")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            class: storage.get("storageClass").and_then(Value::as_str).map(str::to_owned),
        });
    }
    record
}

/// Backups in the status of a `Cluster`. Failing WAL archiving is reported first, because no backup to an object store
/// completes without it.
fn backup(object: &DynamicObject) -> BackupState {
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    let failing = |type_: &str| {
        let found = conditions.into_iter().flatten().find(|condition| {
            let text = |field: &str| condition.get(field).and_then(Value::as_str);
            text("type") == Some(type_) && text("status") == Some("False")
        });
        found.map(|condition| short(condition.get("message").and_then(Value::as_str).unwrap_or_default()))
    };
    let archiving = failing("ContinuousArchiving").map(|why| format!("changes are not archived: {why}"));
    let last = object
        .data
        .pointer("/status/lastSuccessfulBackup")
        .and_then(Value::as_str);
    BackupState {
        last_successful: last.and_then(|time| time.parse().ok()),
        trouble: archiving
            .or_else(|| failing("LastBackupSucceeded").map(|why| format!("the last backup failed: {why}"))),
    }
}

/// The first line, up to `FOREIGN_MESSAGE`.
fn short(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    plain(&line.chars().take(FOREIGN_MESSAGE).collect::<String>(), FOREIGN_MESSAGE)
}

/// Image of the init container that renders files.
fn render_image(object: &Deployment) -> Option<&str> {
    let containers = object.spec.as_ref()?.template.spec.as_ref()?.init_containers.as_ref()?;
    containers
        .iter()
        .find(|container| container.name == RENDER_CONTAINER)?
        .image
        .as_deref()
}

/// The resourceVersion as a number, which grows with each change; 0 without one.
pub fn version(meta: &ObjectMeta) -> u64 {
    meta.resource_version
        .as_deref()
        .and_then(|v| v.parse().ok())
        .unwrap_or_default()
}

/// True for kinds of which all objects are watched, because drives also use Secrets and claims that they do not own.
pub fn is_watched_whole(kind: Kind) -> bool {
    matches!(kind, Kind::Secret | Kind::PersistentVolumeClaim)
}

fn is_bound(meta: &ObjectMeta) -> bool {
    let annotations = meta.annotations.as_ref();
    annotations.is_some_and(|all| all.contains_key("pv.kubernetes.io/bind-completed"))
}

fn is_managed(meta: &ObjectMeta) -> bool {
    let label = meta.labels.as_ref().and_then(|all| all.get(labels::MANAGED_BY));
    label.is_some_and(|manager| manager == labels::MANAGER)
}

/// An object that we wrote stays ours if another owner is added that does not control it. An object that we never wrote
/// belongs to any owner that it has.
fn owner(meta: &ObjectMeta, touched: bool) -> Owner {
    let references = meta.owner_references.as_deref().unwrap_or_default();
    let ours = |api: &str, kind: &str| api.starts_with("ras.dev/") && kind == "RecruitmentDrive";
    if let Some(drive) = references.iter().find(|r| ours(&r.api_version, &r.kind)) {
        return Owner::Drive {
            name: drive.name.as_str().into(),
            uid: drive.uid.as_str().into(),
        };
    }
    references
        .iter()
        .find(|r| r.controller == Some(true) || !touched)
        .map_or(Owner::Nobody, |other| Owner::Other {
            who: format!("{}/{}", other.kind, other.name).into(),
        })
}

fn fields(kind: Kind, managed: &[ManagedFieldsEntry]) -> Fields {
    let entries = our_entries(managed);
    let text = serde_json::to_string(&entries).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    Fields {
        digest: hasher.finish(),
        unverified: Some(text.into()),
        shared: co_owners::shared(managed).map(|shared| shared.to_string().into()),
        managers: (kind == Kind::Secret && !entries.is_empty()).then(|| managers(managed)),
    }
}

/// The managed fields without times.
fn managers(managed: &[ManagedFieldsEntry]) -> Arc<str> {
    let entries: Vec<ManagedFieldsEntry> = managed
        .iter()
        .map(|entry| ManagedFieldsEntry {
            manager: entry.manager.clone(),
            subresource: entry.subresource.clone(),
            fields_v1: entry.fields_v1.clone(),
            ..ManagedFieldsEntry::default()
        })
        .collect();
    serde_json::to_string(&entries).unwrap_or_default().into()
}

fn replicas_before_suspend(meta: &ObjectMeta) -> Option<i32> {
    let annotations = meta.annotations.as_ref()?;
    let stopped = annotations.get(labels::APPLIED).and_then(|applied| stopped(applied));
    stopped.or_else(|| annotations.get(labels::REPLICAS_BEFORE_SUSPEND)?.parse().ok())
}

/// True when `managedFields` cover the content of a Secret. A tool that restores or moves objects may clear them. Later
/// writes add new entries, for instance of labels alone, and the first apply adds an entry [`BEFORE_FIRST_APPLY`] with
/// all existing fields and the time of the apply, which stands for no write.
fn cover_content(managed: &[ManagedFieldsEntry]) -> bool {
    let mut writers = writers(managed);
    writers.any(|entry| owns(entry, "f:data") || owns(entry, "f:stringData")) || cover_creation(managed)
}

/// True when the entry of the creation exists: only a create, or an update of the whole object, owns `type`. Then the
/// keys are complete.
fn cover_creation(managed: &[ManagedFieldsEntry]) -> bool {
    writers(managed).any(|entry| entry.operation.as_deref() == Some("Update") && owns(entry, "f:type"))
}

/// The API server's manager for all fields of an object that had no `managedFields` when it was first applied.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// The entries of real writes.
fn writers(managed: &[ManagedFieldsEntry]) -> impl Iterator<Item = &ManagedFieldsEntry> {
    managed
        .iter()
        .filter(|entry| entry.manager.as_deref() != Some(BEFORE_FIRST_APPLY))
}

fn owns(entry: &ManagedFieldsEntry, field: &str) -> bool {
    entry
        .fields_v1
        .as_ref()
        .is_some_and(|fields| fields.0.get(field).is_some())
}

/// Metadata that may change without a change of a value.
fn touch(meta: &ObjectMeta) -> String {
    let touched = (
        &meta.labels,
        &meta.finalizers,
        &meta.owner_references,
        &meta.deletion_timestamp,
    );
    serde_json::to_string(&touched).unwrap_or_default()
}

/// The keys of a Secret, each with a stamp that changes when the key is written, from `managedFields` alone.
///
/// The time of an entry changes when its manager changes the object, so a stamp changes when the key is written, and
/// not when another manager writes a label or another key. Changes by one manager cannot be told apart: if it writes
/// labels and values, or several keys, all their stamps change, and an unneeded rollout is the smaller mistake. Times
/// have whole seconds: two writes by one manager within a second look like one, and a pod that starts after the first
/// reads the value of the second.
pub fn secret(meta: &ObjectMeta) -> SecretFacts {
    /// On a Secret, written by cert-manager: name of the `Certificate` that it is for.
    const CERTIFICATE: &str = "cert-manager.io/certificate-name";
    let annotation = |name: &str| meta.annotations.as_ref()?.get(name);
    let number = |name: &str| annotation(name).and_then(|text| text.parse().ok());
    let facts = SecretFacts {
        drawn_at: annotation(labels::ROTATED_AT)
            .and_then(|text| text.parse().ok())
            .or(meta.creation_timestamp.as_ref().map(|time| time.0)),
        rotated_for: annotation(labels::ROTATED_FOR).cloned(),
        generation: number(labels::LOGIN_GENERATION),
        rolled_back: number(labels::LOGIN_ROLLED_BACK),
        certificate: annotation(CERTIFICATE).cloned(),
        ..SecretFacts::default()
    };
    let managed = meta.managed_fields.as_deref().unwrap_or_default();
    if !cover_content(managed) {
        return SecretFacts {
            version: meta.resource_version.clone().unwrap_or_default(),
            touch: touch(meta),
            ..facts
        };
    }
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    for entry in managed {
        let Some(fields) = entry.fields_v1.as_ref().map(|fields| &fields.0) else {
            continue;
        };
        let stamp = format!(
            "{}/{}/{};",
            entry.manager.as_deref().unwrap_or_default(),
            entry.operation.as_deref().unwrap_or_default(),
            entry.time.as_ref().map(|time| time.0.to_string()).unwrap_or_default(),
        );
        // A manager that applies `stringData` owns that field, and not the `data` that it becomes.
        let written = ["f:data", "f:stringData"]
            .into_iter()
            .filter_map(|field| fields.get(field)?.as_object());
        for key in written
            .flat_map(|data| data.keys())
            .filter_map(|key| key.strip_prefix("f:"))
        {
            keys.entry(key.to_owned()).or_default().push_str(&stamp);
        }
    }
    // Without the version, which changes with every label.
    SecretFacts {
        keys: Some(keys),
        is_complete: cover_creation(managed),
        ..facts
    }
}
