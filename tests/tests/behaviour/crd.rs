//! What the API server itself keeps a user from: every rule of the definition, with what it lets through and what it
//! refuses; and how the kind looks in `kubectl`. The table of promises is crd-rules.yaml.

#![allow(
    clippy::indexing_slicing,
    reason = "what is not in the JSON of these tests is a mistake in them"
)]

use std::{collections::BTreeSet, time::Duration};

use kube::{
    Api,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams, ValidationDirective,
    },
};
use ras_tests::{Cluster, Error, TestNamespace, cluster, documents, eventually, repository};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const LIMIT: Duration = Duration::from_secs(30);
const PROMISES: &str = include_str!("crd-rules.yaml");

fn a_good_drive() -> Value {
    json!({
        "apiVersion": "ras.dev/v1alpha1",
        "kind": "RecruitmentDrive",
        "metadata": {"name": "placements-2026"},
        "spec": {
            "services": [{
                "name": "web",
                "image": "registry.example.com/web:1",
                "ports": [
                    {"name": "http", "port": 8080, "path": "/"},
                    {"name": "time", "port": 123, "protocol": "UDP"},
                ],
            }],
            "secrets": [{"name": "jwt", "generate": {"keys": ["key"]}}],
        },
    })
}

/// One row of crd-rules.yaml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    promise: String,
    before: Option<Change>,
    #[serde(default)]
    accepted: Changes,
    #[serde(default)]
    refused: Changes,
    #[serde(default)]
    field: String,
    #[serde(default)]
    says: String,
}

/// One change of the good drive, or several of which each is tried by itself.
#[derive(Deserialize)]
#[serde(untagged)]
enum Changes {
    One(Box<Change>),
    Each(Vec<Change>),
}

impl Default for Changes {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

impl Changes {
    fn iter(&self) -> impl Iterator<Item = &Change> {
        match self {
            Self::One(change) => std::slice::from_ref(change.as_ref()),
            Self::Each(changes) => changes,
        }
        .iter()
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    name: Option<String>,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    service: Value,
}

impl Change {
    /// The good drive with this change.
    fn drive(&self) -> Value {
        let mut drive = a_good_drive();
        if let Some(name) = &self.name {
            drive["metadata"]["name"] = json!(name);
        }
        merge(&mut drive["spec"], &self.spec);
        if !self.service.is_null() {
            merge(&mut drive["spec"]["services"][0], &self.service);
        }
        drive
    }
}

/// JSON merge patch without deletion (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Null => {}
        Value::Object(fields) if target.is_object() => {
            for (name, value) in fields {
                merge(&mut target[name], value);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            *target = expanded(patch);
        }
    }
}

/// Texts such as `{60000 characters}` at their length.
fn expanded(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(expanded).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), expanded(value)))
            .collect(),
        Value::String(text) => {
            let length = text
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix(" characters}"));
            length
                .and_then(|length| length.parse().ok())
                .map_or_else(|| value.clone(), |length| json!("x".repeat(length)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The cluster, with the definition in it.
async fn cluster_with_drives() -> Result<&'static Cluster, Error> {
    static INSTALLED: OnceCell<Result<(), Error>> = OnceCell::const_new();
    let cluster = cluster().await?;
    let install = || async {
        let file = repository().join("crds/recruitmentdrives.yaml").display().to_string();
        let output = cluster
            .kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file])
            .await?;
        assert!(output.success && output.stderr.is_empty(), "{output:?}");
        // `api-resources` asks the server anew, and so refreshes what `kubectl` remembers of its kinds.
        eventually(LIMIT, "kubectl to know the kind", async || {
            let known = cluster
                .kubectl(&["api-resources", "--api-group=ras.dev", "--output=name"])
                .await?
                .stdout;
            if known.contains("recruitmentdrives.ras.dev") {
                Ok(())
            } else {
                Err(known.into())
            }
        })
        .await
    };
    INSTALLED.get_or_init(install).await.clone()?;
    Ok(cluster)
}

fn drives(namespace: &TestNamespace) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("ras.dev", "v1alpha1", "RecruitmentDrive");
    Api::namespaced_with(namespace.client(), namespace.name(), &ApiResource::from_gvk(&kind))
}

/// Applies a drive without storing it, and tells the API server's refusal.
async fn tried(drives: &Api<DynamicObject>, drive: &Value) -> Result<(), String> {
    let params = PatchParams {
        dry_run: true,
        force: true,
        field_manager: Some("test".to_owned()),
        field_validation: Some(ValidationDirective::Strict),
    };
    let name = drive["metadata"]["name"].as_str().unwrap_or_default();
    drives
        .patch(name, &params, &Patch::Apply(drive))
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Every `message` of a rule in the definition.
fn messages_of_rules(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| messages_of_rules(item, found)),
        Value::Object(fields) => {
            for rule in fields
                .get("x-kubernetes-validations")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                found.extend(rule["message"].as_str().map(str::to_owned));
            }
            fields.values().for_each(|field| messages_of_rules(field, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn every_promise_of_the_definition_is_kept_by_the_api_server() -> Result<(), Error> {
    let promises: Vec<Row> = serde_yaml::from_str(PROMISES).unwrap();
    let cluster = cluster_with_drives().await?;
    let namespace = cluster.namespace("crd").await?;
    let drives = drives(&namespace);
    tried(&drives, &a_good_drive()).await.unwrap();

    let mut broken = Vec::new();
    for Row {
        promise,
        before,
        accepted,
        refused,
        field,
        says,
    } in &promises
    {
        if let Some(before) = before {
            namespace.apply(&before.drive().to_string()).await?;
        }
        for change in accepted.iter() {
            if let Err(refusal) = tried(&drives, &change.drive()).await {
                broken.push(format!("{promise}: {change:?} was refused: {refusal}"));
            }
        }
        for change in refused.iter() {
            match tried(&drives, &change.drive()).await {
                Ok(()) => broken.push(format!("{promise}: {change:?} was accepted")),
                // `spec.services[0].files` and not `spec.services[0].files[0]`, unless that was meant.
                Err(refusal) if !names(&refusal, field) || !refusal.contains(says) => {
                    broken.push(format!(
                        "{promise}: {change:?} was refused by other words than {field} and {says:?}: {refusal}"
                    ));
                }
                Err(_) => {}
            }
        }
        if before.is_some() {
            drives
                .delete("placements-2026", &DeleteParams::default())
                .await
                .map(drop)
                .unwrap();
        }
    }
    assert!(
        broken.is_empty(),
        "{} of {} promises are broken:\n{}",
        broken.len(),
        promises.len(),
        broken.join("\n")
    );
    namespace.delete().await
}

/// Whether a refusal names just this field, and none within it.
fn names(refusal: &str, field: &str) -> bool {
    refusal.match_indices(field).any(|(at, _)| {
        let after = refusal.get(at + field.len()..).unwrap_or_default();
        after.starts_with([':', '"', ' ']) || after.is_empty()
    })
}

#[test]
fn no_rule_is_without_its_test() {
    let text = std::fs::read_to_string(repository().join("crds/recruitmentdrives.yaml")).unwrap();
    let definition: Value = serde_yaml::from_str(&text).unwrap();
    let mut messages = BTreeSet::new();
    messages_of_rules(&definition, &mut messages);
    assert!(messages.len() > 50, "{messages:?}");

    let promises: Vec<Row> = serde_yaml::from_str(PROMISES).unwrap();
    let tested: BTreeSet<String> = promises.into_iter().map(|promise| promise.says).collect();
    // Those that stand at many fields have a test that tries each field: see schema/sentences.rs.
    let untested: Vec<_> = messages
        .difference(&tested)
        .filter(|message| !ras_crds::sentences::is_shared(message))
        .collect();
    assert!(
        untested.is_empty(),
        "tests/tests/behaviour/crd-rules.yaml has no row that says: {untested:#?}"
    );
}

#[tokio::test]
async fn a_field_with_nothing_behind_it_is_absent_and_breaks_no_rule() -> Result<(), Error> {
    let namespace = cluster_with_drives().await?.namespace("nothing").await?;
    let drives = drives(&namespace);
    let mut drive = a_good_drive();
    drive["spec"]["services"][0]["autoscaling"] = json!({"maxReplicas": 3, "targetCPUUtilization": 70});
    let absent = drive["spec"].clone();
    for field in ["egress", "replicas", "probe", "rollout"] {
        drive["spec"]["services"][0][field] = Value::Null;
    }
    let refusal = tried(&drives, &drive).await.unwrap_err();
    assert!(
        refusal.contains("spec.services[0].replicas"),
        "server-side apply: {refusal}"
    );
    let object: DynamicObject = serde_json::from_value(drive).unwrap();
    let stored = drives.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(stored.data["spec"], absent);
    namespace.delete().await
}

#[tokio::test]
async fn every_example_is_accepted() -> Result<(), Error> {
    let namespace = cluster_with_drives().await?.namespace("examples").await?;
    let drives = drives(&namespace);
    let mut tried_files = 0;
    for entry in std::fs::read_dir(repository().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        for mut document in documents(&std::fs::read_to_string(&path).unwrap())? {
            if document["kind"] == "RecruitmentDrive" {
                document["metadata"]["namespace"] = json!(namespace.name());
                tried(&drives, &document)
                    .await
                    .unwrap_or_else(|refusal| panic!("{}: {refusal}", path.display()));
                tried_files += 1;
            }
        }
    }
    assert!(tried_files >= 4, "{tried_files}");
    namespace.delete().await
}

#[tokio::test]
async fn the_drive_in_the_readme_is_accepted() -> Result<(), Error> {
    let namespace = cluster_with_drives().await?.namespace("readme").await?;
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```yaml\n").unwrap();
    let (yaml, _) = rest.split_once("```").unwrap();
    let mut drive: Value = serde_yaml::from_str(yaml).unwrap();
    drive["metadata"]["namespace"] = json!(namespace.name());
    tried(&drives(&namespace), &drive).await.unwrap();
    namespace.delete().await
}

#[tokio::test]
async fn every_drive_in_the_documentation_is_accepted() -> Result<(), Error> {
    let namespace = cluster_with_drives().await?.namespace("documented").await?;
    for (page, least) in [("docs/bindings.md", 12), ("docs/secrets.md", 1)] {
        let text = std::fs::read_to_string(repository().join(page)).unwrap();
        let blocks = text
            .split("```yaml\n")
            .skip(1)
            .filter_map(|rest| rest.split_once("```"));
        let mut tried_so_far = 0;
        for (yaml, _) in blocks.filter(|(yaml, _)| yaml.contains("kind: RecruitmentDrive")) {
            let mut drive: Value = serde_yaml::from_str(yaml).unwrap();
            drive["metadata"]["namespace"] = json!(namespace.name());
            if let Err(refused) = tried(&drives(&namespace), &drive).await {
                panic!("{page}: {refused:?}\n{yaml}");
            }
            tried_so_far += 1;
        }
        assert!(tried_so_far >= least, "{page} has {tried_so_far} drives");
    }
    namespace.delete().await
}

#[tokio::test]
async fn what_was_stored_is_what_was_written() -> Result<(), Error> {
    let namespace = cluster_with_drives().await?.namespace("stored").await?;
    namespace.apply(&a_good_drive().to_string()).await?;
    let stored = drives(&namespace).get("placements-2026").await.unwrap();
    assert_eq!(
        stored.data["spec"],
        a_good_drive()["spec"],
        "defaults would show as drift in GitOps"
    );
    namespace.delete().await
}

#[tokio::test]
async fn the_definition_can_be_applied_from_the_client_without_a_warning() -> Result<(), Error> {
    let cluster = cluster().await?;
    // A copy under another name: the real one is in use by other tests, and `kubectl get drive` must find it alone.
    let text = std::fs::read_to_string(repository().join("crds/recruitmentdrives.yaml")).unwrap();
    let mut copy: Value = serde_yaml::from_str(&text).unwrap();
    copy["metadata"]["name"] = json!("copies.client-side.example.com");
    copy["spec"]["group"] = json!("client-side.example.com");
    copy["spec"]["names"] = json!({"kind": "Copy", "plural": "copies", "singular": "copy"});
    for word in ["created", "unchanged"] {
        let output = cluster
            .kubectl_with_input(&["apply", "-f", "-"], &copy.to_string())
            .await?;
        assert!(output.success && output.stderr.is_empty(), "{output:?}");
        assert!(output.stdout.contains(word), "{output:?}");
    }
    let output = cluster
        .kubectl(&["delete", "crd", "copies.client-side.example.com"])
        .await?;
    assert!(output.success, "{output:?}");
    Ok(())
}

#[tokio::test]
async fn kubectl_explain_tells_what_a_field_means() -> Result<(), Error> {
    let cluster = cluster_with_drives().await?;
    for (field, sentences) in [
        (
            "spec.services.files",
            &[
                "Files put in place before the program starts, written inside the pod from this service's environment.",
                "It is written inside the pod, into memory, so that secrets in it are seen by the pod alone, and mounted as a \
                 single file: what the image has beside it stays.",
                "Never write a secret here: put it under `spec.secrets`, give it a name in `env`, and refer to that.",
            ][..],
        ),
        (
            "spec.exposure.tls.issuerKind",
            &[
                "Kind of that issuer. Absent: the platform's, or `ClusterIssuer`.",
                "- `Issuer`: Of the drive's namespace.",
            ],
        ),
        (
            "spec.services.rollout",
            &[
                "How a new version replaces the old one.",
                "- `OneAtATime`: One pod at a time",
            ],
        ),
    ] {
        // A definition that has just been installed is explained a moment later.
        let output = eventually(LIMIT, &format!("kubectl to explain {field}"), async || {
            let output = cluster.kubectl(&["explain", &format!("drive.{field}")]).await?;
            if output.success {
                return Ok(output);
            }
            Err(format!("{output:?}").into())
        })
        .await?;
        // kubectl breaks lines where the terminal ends.
        let text = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        for sentence in sentences {
            assert!(
                text.contains(sentence),
                "{field}: {sentence:?} is not in {}",
                output.stdout
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn kubectl_get_shows_a_drive_by_its_short_names_and_what_people_look_for() -> Result<(), Error> {
    let cluster = cluster_with_drives().await?;
    let namespace = cluster.namespace("columns").await?;
    namespace.apply(&a_good_drive().to_string()).await?;
    let status = json!({"status": {
        "phase": "Open",
        "servicesReady": "1/1",
        "url": "https://placement.example.edu",
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "AllReady", "message": "All services are ready.",
            "lastTransitionTime": "2026-07-15T09:00:00Z",
        }],
    }});
    drives(&namespace)
        .patch_status("placements-2026", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    for name in ["drive", "rd", "ras", "recruitmentdrives", "recruitmentdrive"] {
        let output = cluster.kubectl(&["get", name, "-n", namespace.name()]).await?;
        assert!(output.success, "{output:?}");
        let lines: Vec<Vec<&str>> = output
            .stdout
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let [head, row] = lines.as_slice() else {
            panic!("{}", output.stdout)
        };
        assert_eq!(head, &["NAME", "PHASE", "READY", "SERVICES", "URL", "AGE"]);
        let name = row.first().copied().unwrap_or_default();
        assert!(
            name == "placements-2026" || name == "recruitmentdrive.ras.dev/placements-2026",
            "{}",
            output.stdout
        );
        assert_eq!(
            row.get(1..5),
            Some(&["Open", "True", "1/1", "https://placement.example.edu"][..])
        );
    }
    let wide = cluster
        .kubectl(&["get", "drive", "-n", namespace.name(), "-o", "wide"])
        .await?
        .stdout;
    for word in ["REASON", "MESSAGE", "AllReady", "All services are ready."] {
        assert!(wide.contains(word), "{wide}");
    }
    namespace.delete().await
}
