//! The CRD under the name of another kind, so that a test can store any drive without an operator that acts on it, and
//! can change the schema without an effect on other tests.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use ras_tests::{Cluster, Error, TestNamespace, eventually, repository};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

/// The CRD of this repository.
pub(super) fn definition() -> Value {
    let text = std::fs::read_to_string(repository().join("crds/recruitmentdrives.yaml")).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

/// A copy of it in the API group `group`.
pub(super) fn copy(group: &str) -> Value {
    let mut copy = definition();
    copy["metadata"] = json!({"name": format!("copies.{group}")});
    copy["spec"]["group"] = json!(group);
    copy["spec"]["names"] = json!({"kind": "Copy", "plural": "copies", "singular": "copy"});
    copy
}

/// Applies a definition, and returns when the API server has accepted its names.
pub(super) async fn install(cluster: &Cluster, definition: &Value) -> Result<(), Error> {
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client()?);
    let name = definition["metadata"]["name"].as_str().unwrap();
    definitions
        .patch(name, &PatchParams::apply("test").force(), &Patch::Apply(definition))
        .await
        .unwrap();
    eventually(LIMIT, &format!("{name} to be established"), async || {
        let status = definitions.get(name).await?.status.unwrap_or_default();
        let established = status
            .conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Established" && condition.status == "True");
        if established { Ok(()) } else { Err("not yet".into()) }
    })
    .await
}

/// Removes a definition with every object of its kind.
pub(super) async fn remove(client: Client, definition: &Value) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client);
    let name = definition["metadata"]["name"].as_str().unwrap();
    definitions
        .delete(name, &DeleteParams::default())
        .await
        .map(drop)
        .unwrap();
}

/// Objects of the kind that a copy defines.
pub(super) fn copies(namespace: &TestNamespace, group: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(group, "v1alpha1", "Copy");
    let resource = ApiResource::from_gvk_with_plural(&kind, "copies");
    Api::namespaced_with(namespace.client(), namespace.name(), &resource)
}
