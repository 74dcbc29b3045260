//! Handles events of drives: requeues drives, and updates claimed names and used Secrets and claims.

use std::collections::BTreeSet;

use kube::runtime::reflector::{ObjectRef, store::Writer};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};

use crate::controller::context::Context;
use crate::controller::packed::Packed;
use crate::controller::stored_drive::StoredDrive;
use crate::fetch;
use crate::informer::claims::Age;
use crate::informer::observe::version;
use crate::informer::store::{DriveKey, Requeue};
use crate::informer::watches::EventSink;
use ras_core::fetched::record::ChildKey;
use ras_core::kind::Kind;
use ras_core::names;
use ras_core::plan::data;

/// The key of a drive.
pub fn key(drive: &impl Resource) -> DriveKey {
    DriveKey::new(&drive.namespace().unwrap_or_default(), &drive.name_any())
}

pub fn take(event: Event<StoredDrive>, writer: &mut Writer<Packed>, sink: &EventSink, context: &Context) {
    let (event, requeue) = match event {
        Event::Init => (Event::Init, Requeue::new()),
        Event::InitApply(drive) => {
            learn(&drive, sink, context);
            (Event::InitApply(Packed::of(drive)), Requeue::new())
        }
        Event::InitDone => {
            writer.apply_watcher_event(&Event::InitDone);
            sink.enqueue(context.drives.state().iter().map(|drive| key(&**drive)).collect());
            return;
        }
        Event::Apply(drive) => {
            let mut requeue = learn(&drive, sink, context);
            let key = key(&drive);
            let before = context.drives.get(&ObjectRef::new(&key.name).within(&key.namespace));
            if before.is_none_or(|before| is_news(&before, &drive, context)) {
                requeue.insert(key);
            }
            (Event::Apply(Packed::of(drive)), requeue)
        }
        Event::Delete(drive) => {
            let requeue = forget(&key(&drive), sink, context);
            (Event::Delete(Packed::of(drive)), requeue)
        }
    };
    writer.apply_watcher_event(&event);
    sink.enqueue(requeue);
}

/// Forgets a drive that was deleted.
fn forget(key: &DriveKey, sink: &EventSink, context: &Context) -> Requeue {
    sink.store.set_used(key, BTreeSet::new());
    context.rejections.forget(key);
    context.listeners.forget(key);
    if let Some(known) = context.cache.forget(key) {
        context.child_client.metrics.forget(key, &known.status.status);
    }
    if let Some(bucket_controller) = &context.child_client.bucket_controller {
        bucket_controller.forget(key);
    }
    tracing::info!(drive = %key, "drive was deleted; Kubernetes removes its children, and retained objects stay");
    context.claims.release(key)
}

/// Notes what the drive claims and uses. One that does not decode keeps what it claimed: its children still run.
fn learn(drive: &StoredDrive, sink: &EventSink, context: &Context) -> Requeue {
    let Ok(decoded) = &drive.0 else { return Requeue::new() };
    let key = key(drive);
    let secrets = fetch::secrets_of(decoded, &context.platform.now()).into_iter();
    let secrets = secrets.map(|name| ChildKey::new(Kind::Secret, &key.namespace, &name));
    let data = data::used(decoded).into_keys();
    let data = data.map(|(kind, name)| ChildKey::new(data::child_kind(kind), &key.namespace, &name));
    sink.store.set_used(&key, secrets.chain(data).collect());
    let age = Age {
        created: drive
            .creation_timestamp()
            .map(|time| time.0.to_string())
            .unwrap_or_default(),
        uid: drive.uid().unwrap_or_default(),
    };
    let host = decoded.spec.exposure.as_ref().map(|exposure| exposure.host.as_str());
    // The address in the status is the one that was applied last, so it shows whether the Ingress exists.
    let url = decoded.status.as_ref().and_then(|status| status.url.as_deref());
    let served = url.and_then(|url| url.split_once("://")).map(|(_, served)| served);
    let has_route = host.is_some() && served == host;
    let mut requeue = context.claims.claim_host(&key, age.clone(), host, has_route);
    requeue.extend(context.claims.claim(&key, age, &names::children(decoded)));
    requeue
}

/// True if the drive has to be reconciled. The watch also returns our own writes of its status, which change nothing.
fn is_news(before: &Packed, after: &StoredDrive, context: &Context) -> bool {
    let (old, new) = (before.meta(), after.meta());
    if old.uid != new.uid
        || old.generation != new.generation
        || old.deletion_timestamp != new.deletion_timestamp
        || old.labels != new.labels
        || old.annotations != new.annotations
    {
        return true;
    }
    let Ok(drive) = &after.0 else { return before.is_valid() };
    if !before.is_valid() {
        return true;
    }
    let status = drive.status.clone().unwrap_or_default();
    if before.status() == Some(&status) {
        return false;
    }
    let uid = drive.metadata.uid.as_deref().unwrap_or_default();
    context.cache.hears(&key(after), uid, &status, version(&drive.metadata))
}
