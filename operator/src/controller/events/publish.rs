//! Sends one event, and logs what is a warning. The reconcile does not wait for the API server.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::Resource;
use kube::runtime::events::{Event, EventType};
use ras_core::fetched::record::ChildKey;
use ras_core::plain_text::plain;
use ras_core::retry::Retry;
use ras_crds::RecruitmentDrive;

use crate::controller::context::Context;
use crate::controller::error::refusal;
use crate::informer::store::DriveKey;

/// Longest note the API server takes, in bytes.
const MOST: usize = 1_000;

/// Buckets are no objects of Kubernetes, but an event may name anything.
pub fn reference_to_bucket(name: &str) -> ObjectReference {
    ObjectReference {
        kind: Some("Bucket".to_owned()),
        name: Some(name.to_owned()),
        ..ObjectReference::default()
    }
}

pub fn reference(child: &ChildKey) -> ObjectReference {
    let resource = child.kind.resource();
    ObjectReference {
        api_version: Some(resource.api_version),
        kind: Some(resource.kind),
        name: Some(child.name.to_string()),
        namespace: Some(child.namespace.to_string()),
        ..ObjectReference::default()
    }
}

/// Logs a note, and publishes it as a Warning.
pub fn warn(
    reason: &str,
    action: &str,
    note: &str,
    secondary: Option<ObjectReference>,
    meta: &ObjectMeta,
    key: &DriveKey,
    context: &Context,
) {
    tracing::warn!(drive = %key, outcome = reason, "{note}");
    publish(EventType::Warning, reason, action, note, secondary, meta, key, context);
}

#[allow(clippy::too_many_arguments)] // One place that sends; a struct would only name the same eight things again.
pub fn publish(
    type_: EventType,
    reason: &str,
    action: &str,
    note: &str,
    secondary: Option<ObjectReference>,
    meta: &ObjectMeta,
    key: &DriveKey,
    context: &Context,
) {
    if context.cache.is_closing(key, meta.uid.as_deref().unwrap_or_default()) {
        // An event would be one more object that the namespace does not take.
        return;
    }
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(cut(plain(note, MOST))),
        action: action.to_owned(),
        secondary,
    };
    let about = ObjectReference {
        api_version: Some(RecruitmentDrive::api_version(&()).into_owned()),
        kind: Some(RecruitmentDrive::kind(&()).into_owned()),
        name: Some(key.name.to_string()),
        namespace: Some(key.namespace.to_string()),
        uid: meta.uid.clone(),
        ..ObjectReference::default()
    };
    let (recorder, key) = (context.recorder.clone(), key.clone());
    let (cache, uid) = (Arc::clone(&context.cache), meta.uid.clone().unwrap_or_default());
    let planned = context.leadership.plan();
    tokio::spawn(async move {
        let _planned = planned;
        if let Err(error) = recorder.publish(&event, &about).await {
            tracing::debug!(drive = %key, %error, "an event was not taken");
            // A namespace in deletion takes nothing new, so this was the last event.
            cache.closes(&key, &uid, refusal(&error).retry == Retry::Never);
        }
    });
}

fn cut(mut note: String) -> String {
    if note.len() > MOST {
        let mut end = MOST;
        while !note.is_char_boundary(end) {
            end -= 1;
        }
        note.truncate(end);
        note.push('…');
    }
    note
}
