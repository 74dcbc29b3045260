//! Changes to a desired Deployment that depend on the running one.

use std::time::Instant;

use serde_json::Value;

use crate::apply::applier::Applier;
use crate::apply::item::Item;
use crate::apply::pace;
use crate::informer::store::DriveKey;
use ras_core::fetched::pods::PodFailure;
use ras_core::fetched::record::{Detail, Record};
use ras_core::names;

/// The item to write in place of `item`. `None`: `item` itself.
pub(super) async fn adjusted(
    applier: Applier<'_>,
    item: &Item,
    record: Option<&Record>,
) -> Result<Option<Item>, kube::Error> {
    let Some(record) = record else { return Ok(None) };
    let rendered = with_running_render_image(applier, item, record);
    let paced = pace::paced(rendered.as_ref().unwrap_or(item), record).or(rendered);
    let scaled = without_autoscaled_replicas(applier, paced.as_ref().unwrap_or(item), record).await?;
    Ok(scaled.or(paced))
}

/// The item with the render image that runs now, if nothing else would change and no pod fails to pull that image.
/// Otherwise every upgrade of the operator would restart all pods that have rendered files.
pub(super) fn with_running_render_image(applier: Applier<'_>, item: &Item, record: &Record) -> Option<Item> {
    if item.is_applied_in(record) {
        // Idle: saves writing and hashing it again.
        return None;
    }
    let Detail::Deployment(live) = &record.detail else {
        return None;
    };
    let image = live.render_image.as_deref()?;
    let drive = DriveKey::new(&item.key.namespace, &applier.drive.name);
    let fails = |failure: &PodFailure| {
        failure.unpulled.as_deref() == Some(image)
            && *names::of_service(&applier.drive.name, &failure.service) == *item.key.name
    };
    if applier.child_client.store.pod_failures(&drive).iter().any(fails) {
        // Once a registry has deleted an image, no replaced pod would start.
        return None;
    }
    let kept = item.rendered_by(image);
    kept.is_applied_in(record).then_some(kept)
}

/// The Deployment without `spec.replicas`, if an autoscaler that is not the drive's sets it. Reverting its number would
/// end needed pods again and again. The autoscaler is looked up only when we do not own the field, and not in every
/// reconcile.
async fn without_autoscaled_replicas(
    applier: Applier<'_>,
    item: &Item,
    record: &Record,
) -> Result<Option<Item>, kube::Error> {
    let Detail::Deployment(live) = &record.detail else {
        return Ok(None);
    };
    let asked = item.body.pointer("/spec/replicas").and_then(Value::as_i64);
    let is_ours = live.applies_replicas || record.applied.is_none() || record.stopped().is_some();
    if is_ours || asked.is_none_or(|asked| asked == 0) {
        return Ok(None);
    }
    let (child_client, now) = (applier.child_client, Instant::now());
    if child_client.conflicts.is_autoscaled(&item.key, now) {
        return Ok(Some(item.without_replicas()));
    }
    let Some(name) = child_client.autoscaler(&item.key).await? else {
        child_client.conflicts.set_autoscaler(&item.key, None, now);
        return Ok(None);
    };
    let name = format!("HorizontalPodAutoscaler {name}");
    let taken = child_client.taken_fields(&item.key, &item.body).await?;
    let replicas = taken.into_iter().find(|one| one.field == "spec.replicas");
    let name = match replicas
        .map(|one| one.managers.join(" and "))
        .filter(|names| !names.is_empty())
    {
        Some(managers) => format!("{name} (field manager {managers})"),
        None => name,
    };
    child_client.conflicts.set_autoscaler(&item.key, Some(name), now);
    Ok(Some(item.without_replicas()))
}
