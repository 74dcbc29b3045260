//! Whether the definition in the cluster is as new as this program. The API server drops fields that it does not know
//! without a word: a user would write one and see it vanish, and the status would lose what is recorded in it.
//!
//! It is read from discovery (`OpenAPI` v3), which every service account may read, so no right is needed for it.

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

use crate::informer::api_health::is_unreached;
use crate::informer::error_summary::words;
use crate::informer::informers::Scope;

/// Longest wait for the kind to be served: installers apply the CRD and the operator in any order, and the API server serves a
/// kind some seconds after its CRD was applied.
const SERVED_WITHIN: Duration = Duration::from_secs(20);
/// Time between two looks, and between two lines in the log.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const SAY_EVERY: Duration = Duration::from_secs(5);

/// The API server publishes the fields of a CRD some moments after it was applied.
const LOOKS: usize = 8;
const PAUSE: Duration = Duration::from_secs(2);
/// Where it is published.
const PATH: &str = "/openapi/v3/apis/ras.dev/v1alpha1";
/// Fields named in the refusal; more help nobody.
const NAMED: usize = 5;

/// A definition that is older than this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cluster's RecruitmentDrive is older than this operator and lacks {}, which the API server would drop: upgrade the chart ras-operator-crds, or `ras-operator crd | kubectl apply --server-side -f -`, and start again",
    named(.missing)
)]
pub struct Older {
    /// Paths of the fields it does not have.
    pub missing: BTreeSet<String>,
}

/// Waits until the API server serves the kind: `SERVED_WITHIN` at most while it answers that it does not, and as long as it
/// takes while it does not answer at all.
///
/// # Errors
/// When the kind is not served after that time.
pub async fn served(client: &Client, scope: &Scope) -> Result<(), kube::Error> {
    let limit = ListParams::default().limit(1);
    let namespace = scope.namespaces.first();
    let api: Api<PartialObjectMeta<RecruitmentDrive>> =
        namespace.map_or_else(|| Api::all(client.clone()), |ns| Api::namespaced(client.clone(), ns));
    wait_until_served(SERVED_WITHIN, LOOK_EVERY, async || api.list(&limit).await.map(drop)).await
}

async fn wait_until_served(
    limit: Duration,
    pause: Duration,
    list: impl AsyncFn() -> Result<(), kube::Error>,
) -> Result<(), kube::Error> {
    let mut missing_since = None;
    let mut said: Option<Instant> = None;
    loop {
        let error = match list().await {
            Err(error) if is_missing(&error) || is_unreached(&error) => error,
            // A missing permission, for instance, is reported by the watches, which try again until it is given.
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
        if said.is_none_or(|before| now.duration_since(before) >= SAY_EVERY) {
            said = Some(now);
            if is_missing(&error) {
                tracing::info!(
                    waited_seconds = waited.as_secs(),
                    "waits up to {} s for the API server to serve RecruitmentDrive: is the CRD applied?",
                    limit.as_secs()
                );
            } else {
                tracing::warn!(error = words(&error), "waits for the API server");
            }
        }
        sleep(pause).await;
    }
}

fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Looks at the definition, some times if need be.
///
/// # Errors
/// When it is older. One that cannot be read is no reason not to start.
pub async fn require_as_new(client: &Client) -> Result<(), Older> {
    let Some(ours) = ours() else { return Ok(()) };
    let mut older = Older {
        missing: BTreeSet::new(),
    };
    for look in 0..LOOKS {
        if look > 0 {
            sleep(PAUSE).await;
        }
        match theirs(client).await {
            Ok(Some(theirs)) => {
                older.missing = missing(&ours, &theirs);
                if older.missing.is_empty() {
                    return Ok(());
                }
                if look == 0 {
                    tracing::info!(
                        missing = named(&older.missing),
                        "waits for the API server to publish the CRD of this version"
                    );
                }
            }
            Ok(None) => {}
            Err(error) if is_unreached(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "the definition's version cannot be checked");
                return Ok(());
            }
        }
    }
    if older.missing.is_empty() {
        tracing::warn!("the definition's version cannot be checked: the API server does not publish it");
        return Ok(());
    }
    Err(older)
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

/// The fields that `ours` has and `theirs` has not, each by its path; below a missing field nothing more is named.
fn missing(ours: &Value, theirs: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // Kubernetes' own, published by reference.
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
    for (inner, mark) in [("items", "[]"), ("additionalProperties", ".*")] {
        if let (Some(ours), Some(theirs)) = (ours.get(inner), theirs.get(inner)) {
            compare(&format!("{path}{mark}"), ours, theirs, found);
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

    /// Takes a field out of a schema.
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
    fn a_definition_that_lacks_a_field_is_older_and_the_field_is_named() {
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
            assert!(Older { missing }.to_string().contains(path));
        }
    }

    fn refused(code: u16) -> kube::Error {
        kube::Error::Api(Box::new(kube::core::Status::failure("no", "No").with_code(code)))
    }

    /// Waits for a kind whose list is refused with these codes, one after the other, the last one for ever. Returns how often
    /// it was asked for, too.
    async fn waits(limit: Duration, codes: &[Option<u16>]) -> (Result<(), kube::Error>, usize) {
        let looks = std::cell::Cell::new(0);
        let served = wait_until_served(limit, Duration::from_millis(1), async || {
            let code = codes.get(looks.get()).or(codes.last()).copied().flatten();
            looks.set(looks.get() + 1);
            code.map_or(Ok(()), |code| Err(refused(code)))
        });
        (served.await, looks.get())
    }

    #[tokio::test]
    async fn a_kind_that_is_served_in_a_moment_is_waited_for_and_one_that_never_is_ends_the_wait() {
        let (served, looks) = waits(SERVED_WITHIN, &[Some(404), Some(404), Some(404), None]).await;
        assert!(served.is_ok() && looks == 4, "{looks}");
        let (served, looks) = waits(Duration::from_millis(20), &[Some(404)]).await;
        assert!(served.is_err() && looks > 1, "{looks}");
    }

    #[tokio::test]
    async fn an_api_server_that_does_not_answer_yet_is_waited_for_and_a_missing_permission_is_not() {
        let away = [Some(503); 30].into_iter().chain([Some(404), None]);
        let (served, looks) = waits(Duration::from_millis(1), &away.collect::<Vec<_>>()).await;
        assert!(served.is_ok() && looks == 32, "{looks}");
        let (served, looks) = waits(SERVED_WITHIN, &[Some(403)]).await;
        assert!(served.is_ok() && looks == 1, "{looks}");
    }

    #[test]
    fn a_definition_that_knows_more_or_keeps_everything_is_new_enough() {
        let older = without("/properties/spec/properties/buckets");
        assert_eq!(missing(&older, &ours().unwrap()), BTreeSet::new());
        let mut open = older;
        open["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"] = true.into();
        assert_eq!(missing(&ours().unwrap(), &open), BTreeSet::new());
    }

    #[test]
    fn of_many_missing_fields_some_are_named_and_the_rest_is_counted() {
        let missing = (0..7).map(|number| format!("spec.f{number}")).collect();
        let said = Older { missing }.to_string();
        assert!(
            said.contains("spec.f0") && said.contains("spec.f4 and 2 more") && !said.contains("spec.f5"),
            "{said}"
        );
    }
}
