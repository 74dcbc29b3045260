//! Checks at the start that the cluster serves `RecruitmentDrive`, and that its CRD is not older than this program.
//!
//! The API server silently drops fields that the CRD lacks: fields that a user sets, and fields of the status that the
//! operator relies on. The schema is read from discovery (`OpenAPI` v3), which needs no extra permission.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Request;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Client};
use ras_crds::RecruitmentDrive;
use ras_crds::schema::custom_resource_definition_json;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::informer::api_errors::{is_unreachable, summary};
use crate::informer::watches::WatchScope;

/// Installers apply the CRD and the operator in any order, and the API server serves a kind some seconds after its CRD
/// was applied.
const SERVED_WITHIN: Duration = Duration::from_secs(20);
const RETRY_EVERY: Duration = Duration::from_secs(1);
const LOG_EVERY: Duration = Duration::from_secs(5);

/// The API server publishes the schema of a CRD some moments after it was applied.
const ATTEMPTS: usize = 8;
const PAUSE: Duration = Duration::from_secs(2);
const PATH: &str = "/openapi/v3/apis/ras.dev/v1alpha1";
/// Fields that the error names.
const NAMED: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cluster's RecruitmentDrive is older than this operator and lacks {}, which the API server would drop: upgrade the chart ras-operator-crds, or `ras-operator crd | kubectl apply --server-side -f -`, and start again",
    named(.missing)
)]
pub struct OutdatedCrd {
    /// Paths of the missing fields.
    pub missing: BTreeSet<String>,
}

/// Waits until the API server serves the kind: up to `SERVED_WITHIN` while it answers 404, and without limit while it
/// does not answer.
///
/// # Errors
/// When the kind is not served after that time.
pub async fn wait_until_served(client: &Client, scope: &WatchScope) -> Result<(), kube::Error> {
    let limit = ListParams::default().limit(1);
    let namespace = scope.namespaces.first();
    let api: Api<PartialObjectMeta<RecruitmentDrive>> =
        namespace.map_or_else(|| Api::all(client.clone()), |ns| Api::namespaced(client.clone(), ns));
    retry_until_served(SERVED_WITHIN, RETRY_EVERY, async || api.list(&limit).await.map(drop)).await
}

async fn retry_until_served(
    limit: Duration,
    pause: Duration,
    list: impl AsyncFn() -> Result<(), kube::Error>,
) -> Result<(), kube::Error> {
    let mut missing_since = None;
    let mut logged: Option<Instant> = None;
    loop {
        let error = match list().await {
            Err(error) if is_missing(&error) || is_unreachable(&error) => error,
            // The watches report other errors, such as a missing permission, and retry.
            _ => return Ok(()),
        };
        let now = Instant::now();
        let waited = if is_missing(&error) {
            now.duration_since(*missing_since.get_or_insert(now))
        } else {
            missing_since = None;
            Duration::ZERO
        };
        if waited >= limit {
            return Err(error);
        }
        if logged.is_none_or(|before| now.duration_since(before) >= LOG_EVERY) {
            logged = Some(now);
            if is_missing(&error) {
                tracing::info!(
                    waited_seconds = waited.as_secs(),
                    "waits up to {} s for the API server to serve RecruitmentDrive: is the CRD applied?",
                    limit.as_secs()
                );
            } else {
                tracing::warn!(error = summary(&error), "waits for the API server");
            }
        }
        sleep(pause).await;
    }
}

fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// # Errors
/// When the CRD is older than this program. A schema that cannot be read is only logged.
pub async fn require_current(client: &Client) -> Result<(), OutdatedCrd> {
    let Some(ours) = ours() else { return Ok(()) };
    let mut outdated = OutdatedCrd {
        missing: BTreeSet::new(),
    };
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            sleep(PAUSE).await;
        }
        match theirs(client).await {
            Ok(Some(theirs)) => {
                outdated.missing = missing(&ours, &theirs);
                if outdated.missing.is_empty() {
                    return Ok(());
                }
                if attempt == 0 {
                    tracing::info!(
                        missing = named(&outdated.missing),
                        "waits for the API server to publish the CRD of this version"
                    );
                }
            }
            Ok(None) => {}
            Err(error) if is_unreachable(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "the version of the CRD cannot be checked");
                return Ok(());
            }
        }
    }
    if outdated.missing.is_empty() {
        tracing::warn!("the version of the CRD cannot be checked: the API server does not publish it");
        return Ok(());
    }
    Err(outdated)
}

fn ours() -> Option<Value> {
    let definition = custom_resource_definition_json().ok()?;
    definition.pointer("/spec/versions/0/schema/openAPIV3Schema").cloned()
}

async fn theirs(client: &Client) -> Result<Option<Value>, kube::Error> {
    let request = Request::get(PATH).body(Vec::new()).map_err(kube::Error::HttpError)?;
    let mut published: Value = match client.request(request).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
        answer => answer?,
    };
    let schemas = published
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut);
    let drive = schemas.and_then(|schemas| schemas.values_mut().find(|schema| is_drive(schema)).map(Value::take));
    Ok(drive)
}

fn is_drive(schema: &Value) -> bool {
    let kinds = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
    kinds
        .into_iter()
        .flatten()
        .any(|kind| kind["kind"] == "RecruitmentDrive")
}

/// Paths of the fields that `ours` has and `theirs` lacks, without the fields below a missing one.
fn missing(ours: &Value, theirs: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // `metadata` is published as a reference.
    for part in ["spec", "status"] {
        match (field(ours, part), field(theirs, part)) {
            (Some(ours), Some(theirs)) => compare(part, ours, theirs, &mut found),
            (Some(_), None) => drop(found.insert(part.to_owned())),
            (None, _) => {}
        }
    }
    found
}

fn field<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(name)
}

fn compare(path: &str, ours: &Value, theirs: &Value, found: &mut BTreeSet<String>) {
    if theirs["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    for (name, ours) in ours.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}.{name}");
        match field(theirs, name) {
            Some(theirs) => compare(&path, ours, theirs, found),
            None => drop(found.insert(path)),
        }
    }
    for (inner, suffix) in [("items", "[]"), ("additionalProperties", ".*")] {
        if let (Some(ours), Some(theirs)) = (ours.get(inner), theirs.get(inner)) {
            compare(&format!("{path}{suffix}"), ours, theirs, found);
        }
    }
}

fn named(missing: &BTreeSet<String>) -> String {
    let mut words: Vec<&str> = missing.iter().take(NAMED).map(String::as_str).collect();
    let more = missing.len().saturating_sub(NAMED);
    let rest = format!("{more} more");
    if more > 0 {
        words.push(&rest);
    }
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Our schema without a field.
    fn without(pointer: &str) -> Value {
        let mut schema = ours().unwrap();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let removed = schema
            .pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(name);
        assert!(removed.is_some(), "{pointer}");
        schema
    }

    #[test]
    fn a_crd_that_lacks_a_field_is_outdated_and_the_field_is_named() {
        let ours = ours().unwrap();
        assert_eq!(missing(&ours, &ours), BTreeSet::new());
        for (pointer, path) in [
            ("/properties/spec/properties/buckets", "spec.buckets"),
            (
                "/properties/spec/properties/services/items/properties/metrics",
                "spec.services[].metrics",
            ),
            ("/properties/status/properties/url", "status.url"),
        ] {
            let missing = missing(&ours, &without(pointer));
            assert_eq!(missing, [path.to_owned()].into(), "{pointer}");
            assert!(OutdatedCrd { missing }.to_string().contains(path));
        }
    }

    fn refused(code: u16) -> kube::Error {
        kube::Error::Api(Box::new(kube::core::Status::failure("no", "No").with_code(code)))
    }

    /// Waits for a kind whose list is refused with these codes in turn, and the last one from then on. Returns the
    /// number of lists too.
    async fn waits(limit: Duration, codes: &[Option<u16>]) -> (Result<(), kube::Error>, usize) {
        let lists = std::cell::Cell::new(0);
        let served = retry_until_served(limit, Duration::from_millis(1), async || {
            let code = codes.get(lists.get()).or(codes.last()).copied().flatten();
            lists.set(lists.get() + 1);
            code.map_or(Ok(()), |code| Err(refused(code)))
        });
        (served.await, lists.get())
    }

    #[tokio::test]
    async fn the_wait_ends_when_the_kind_is_served_or_the_limit_is_reached() {
        let (served, lists) = waits(SERVED_WITHIN, &[Some(404), Some(404), Some(404), None]).await;
        assert!(served.is_ok() && lists == 4, "{lists}");
        let (served, lists) = waits(Duration::from_millis(20), &[Some(404)]).await;
        assert!(served.is_err() && lists > 1, "{lists}");
    }

    #[tokio::test]
    async fn the_wait_has_no_limit_while_the_api_server_is_unreachable_and_ends_at_a_missing_permission() {
        let away = [Some(503); 30].into_iter().chain([Some(404), None]);
        let (served, lists) = waits(Duration::from_millis(1), &away.collect::<Vec<_>>()).await;
        assert!(served.is_ok() && lists == 32, "{lists}");
        let (served, lists) = waits(SERVED_WITHIN, &[Some(403)]).await;
        assert!(served.is_ok() && lists == 1, "{lists}");
    }

    #[test]
    fn a_crd_with_more_fields_or_that_preserves_unknown_fields_is_current() {
        let older = without("/properties/spec/properties/buckets");
        assert_eq!(missing(&older, &ours().unwrap()), BTreeSet::new());
        let mut open = older;
        open["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"] = true.into();
        assert_eq!(missing(&ours().unwrap(), &open), BTreeSet::new());
    }

    #[test]
    fn the_error_names_some_missing_fields_and_counts_the_rest() {
        let missing = (0..7).map(|number| format!("spec.f{number}")).collect();
        let message = OutdatedCrd { missing }.to_string();
        assert!(
            message.contains("spec.f0") && message.contains("spec.f4 and 2 more") && !message.contains("spec.f5"),
            "{message}"
        );
    }
}
