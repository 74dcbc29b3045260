use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams, ValidationDirective},
    core::GroupVersionKind,
    discovery::{Scope, pinned_kind},
};
use serde::Deserialize as _;
use serde_json::Value;

use crate::Error;

/// Applies each YAML document with server-side apply, as field manager `test`, and returns what is then stored.
///
/// Objects that name no namespace go into `namespace`. A misspelt field is refused, as `kubectl` has it; fields of
/// another manager are taken over (`--force-conflicts`), so that tests can play the person who meddles. A refusal is
/// [`Error::Refused`] with the API server's own sentence.
pub async fn apply_yaml(client: &Client, namespace: &str, text: &str) -> Result<Vec<DynamicObject>, Error> {
    let mut applied = Vec::new();
    for document in documents(text)? {
        applied.push(apply_document(client, namespace, document).await?);
    }
    Ok(applied)
}

/// The YAML documents in `text` that are not empty.
pub fn documents(text: &str) -> Result<Vec<Value>, Error> {
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = Value::deserialize(document).map_err(Error::unreadable("the YAML"))?;
        if !value.is_null() {
            found.push(value);
        }
    }
    Ok(found)
}

pub(crate) async fn apply_document(client: &Client, namespace: &str, document: Value) -> Result<DynamicObject, Error> {
    let object: DynamicObject =
        serde_json::from_value(document.clone()).map_err(Error::unreadable("an object in the YAML"))?;
    let (Some(types), Some(name)) = (&object.types, &object.metadata.name) else {
        return Err(Error::Unreadable {
            what: "an object in the YAML".to_owned(),
            message: "apiVersion, kind and metadata.name are all needed".to_owned(),
        });
    };
    let what = format!("{} {name}", types.kind);
    let kind = GroupVersionKind::try_from(types).map_err(Error::unreadable(what.clone()))?;
    let (resource, capabilities) = pinned_kind(client, &kind).await.map_err(Error::api(format!(
        "looking for the kind {} {}",
        types.api_version, types.kind
    )))?;
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => {
            let namespace = object.metadata.namespace.as_deref().unwrap_or(namespace);
            Api::namespaced_with(client.clone(), namespace, &resource)
        }
    };
    let params = PatchParams {
        field_manager: Some("test".to_owned()),
        field_validation: Some(ValidationDirective::Strict),
        force: true,
        ..PatchParams::default()
    };
    // The document itself and not the parsed object, so that nothing is added or lost on the way.
    api.patch(name, &params, &Patch::Apply(document))
        .await
        .map_err(Error::api(what))
}
