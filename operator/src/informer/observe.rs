//! Turns what the API server sends into a [`Record`]. Pure.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::core::DynamicObject;
use serde_json::Value;

use ras_crds::labels;

use crate::informer::co_owners;
use crate::informer::ownership::{applies, applies_replicas, our_entries, written_at};
use ras_core::fetched::facts::{BackupState, ClaimFacts, ClusterStorage, ForeignState, SecretFacts, StartedBy};
use ras_core::fetched::jobs;
use ras_core::fetched::jobs::JobState;
use ras_core::fetched::pods::passwords;
use ras_core::fetched::record::RENDER_CONTAINER;
use ras_core::fetched::record::{
    ClaimState, DeploymentState, Detail, Fields, Marks, Owner, Record, StatefulSetState, stopped,
};
use ras_core::kind::Kind;

/// What is remembered of an object with this metadata.
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
            Kind::PersistentVolumeClaim => Detail::Claim(ClaimState {
                facts: None,
                applies_class: applies(managed, "/f:spec/f:storageClassName"),
            }),
            Kind::ServiceAccount
            | Kind::ConfigMap
            | Kind::NetworkPolicy
            | Kind::Service
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

/// What is remembered of a `StatefulSet`, whose readiness others wait for.
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

/// By which Secrets the pods were started. Both hashes are of one version of the object: what the answer to a write says
/// of the metadata alone would not fit the template that was known before.
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

/// What is remembered of a Deployment, whose state the status needs.
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
                let message = || Some(condition.message.as_deref().unwrap_or_default().into());
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

/// What is remembered of a `PersistentVolumeClaim`: what of it cannot change decides what is asked of it.
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

/// What is remembered of a Job, whose state decides what may start.
pub fn job(object: &Job) -> Record {
    let mut record = record(Kind::Job, &object.metadata);
    if let Detail::Job(state) = &mut record.detail {
        state.outcome = jobs::outcome(object);
    }
    record
}

/// Longest message of another operator that is kept, in characters.
const FOREIGN_MESSAGE: usize = 300;

/// What is remembered of an object whose own operator tells how it stands in a condition `Ready`.
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
            reason: text("reason").to_owned(),
            message: short(text("message")),
            ..ForeignState::default()
        });
    }
    record
}

/// What is remembered of a `Cluster`. Its condition says only that it is not ready; why, its phase tells.
pub fn cluster(object: &DynamicObject) -> Record {
    let mut record = foreign(Kind::Cluster, object);
    if let Detail::Foreign(state) = &mut record.detail {
        let text = |path: &str| object.data.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (phase, reason) = (text("/status/phase"), text("/status/phaseReason"));
        if !phase.is_empty() {
            let told = if reason.is_empty() {
                phase.to_owned()
            } else {
                format!("{phase}: {reason}")
            };
            state.message = short(&told);
        }
        // Its condition may be older than the loss of the last instance.
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

/// What a `Cluster`'s status says of its backups. That changes cannot be archived is told first: without them no backup to
/// an object store ends.
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

/// The first line, and not too many characters of it.
fn short(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.chars().take(FOREIGN_MESSAGE).collect()
}

/// Image of the step that renders files, in a Deployment that has one.
fn render_image(object: &Deployment) -> Option<&str> {
    let containers = object.spec.as_ref()?.template.spec.as_ref()?.init_containers.as_ref()?;
    containers
        .iter()
        .find(|container| container.name == RENDER_CONTAINER)?
        .image
        .as_deref()
}

/// Version of an object, in the order of its changes; 0 when it has none.
pub fn version(meta: &ObjectMeta) -> u64 {
    meta.resource_version
        .as_deref()
        .and_then(|v| v.parse().ok())
        .unwrap_or_default()
}

/// Whether all objects of a kind are watched: drives use Secrets and claims of others, too.
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

/// Whose it is. Somebody may add an owner that does not control it to what we wrote, and it stays ours; what we never
/// wrote belongs to whatever owner it has.
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

/// Who owns which fields, without when.
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

/// Whether `managedFields` tell of what a Secret is, and not only of labels that were written after they were cleared. A
/// tool that restores or moves objects may clear them; what is written later is told again. The first apply after that adds
/// an entry [`BEFORE_FIRST_APPLY`] with everything that was there and the time of the apply: it tells of no write.
fn tell_of_content(managed: &[ManagedFieldsEntry]) -> bool {
    let mut writers = writers(managed);
    writers.any(|entry| owns(entry, "f:data") || owns(entry, "f:stringData")) || tell_of_creation(managed)
}

/// Whether the entry of who created the Secret is there: a create, or an update of the whole, says its type. What is not
/// among the keys of such a Secret is not in it.
fn tell_of_creation(managed: &[ManagedFieldsEntry]) -> bool {
    writers(managed).any(|entry| entry.operation.as_deref() == Some("Update") && owns(entry, "f:type"))
}

/// The manager under which the API server puts all fields of an object that had no `managedFields` when it was applied.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// The entries of who wrote something.
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

/// The metadata that people touch without writing a value.
fn touch(meta: &ObjectMeta) -> String {
    let touched = (
        &meta.labels,
        &meta.finalizers,
        &meta.owner_references,
        &meta.deletion_timestamp,
    );
    serde_json::to_string(&touched).unwrap_or_default()
}

/// Keys of a Secret and a stamp of each, from `managedFields` alone.
///
/// An entry's time moves when its manager changes something in the object, so a stamp changes whenever the key is
/// written, and not when somebody else touches a label or another key. Metadata cannot tell a manager's own changes
/// apart: who keeps labels and values, or several keys, under one name changes all their stamps at once. A label and a value
/// look alike then, and of the two mistakes a roll-out that was not needed is the smaller one. Times have whole
/// seconds: two writes by one manager within a second look like one, and a pod started after the first reads the
/// second's value.
pub fn secret(meta: &ObjectMeta) -> SecretFacts {
    let annotation = |name: &str| meta.annotations.as_ref()?.get(name);
    let number = |name: &str| annotation(name).and_then(|text| text.parse().ok());
    let facts = SecretFacts {
        drawn_at: annotation(labels::ROTATED_AT)
            .and_then(|text| text.parse().ok())
            .or(meta.creation_timestamp.as_ref().map(|time| time.0)),
        rotated_for: annotation(labels::ROTATED_FOR).cloned(),
        generation: number(labels::LOGIN_GENERATION),
        rolled_back: number(labels::LOGIN_ROLLED_BACK),
        ..SecretFacts::default()
    };
    let managed = meta.managed_fields.as_deref().unwrap_or_default();
    if !tell_of_content(managed) {
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
        // Whoever applies `stringData` on the server's side owns that field and not the `data` it becomes.
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
    // The version would make every touch of a label look like news; the keys tell enough.
    SecretFacts {
        keys: Some(keys),
        is_complete: tell_of_creation(managed),
        ..facts
    }
}
