//! Deletes one object, and no other that bears its name.

use kube::api::{DeleteParams, Preconditions};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client};

use super::inventory::Id;

/// Asks the API server to delete an object. What it refused for good is a sentence; what may work later is an error.
pub(super) async fn delete(client: &Client, id: &Id) -> Result<Option<String>, kube::Error> {
    let (group, version) = id.api_version.split_once('/').unwrap_or(("", &id.api_version));
    let kind = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: id.api_version.clone(),
        kind: id.kind.clone(),
        plural: id.plural.clone(),
    };
    let api: Api<DynamicObject> = match &id.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
        None => Api::all_with(client.clone(), &kind),
    };
    let params = DeleteParams::background().preconditions(Preconditions {
        uid: Some(id.uid.clone()),
        resource_version: None,
    });
    match api.delete(&id.name, &params).await {
        Ok(_) => Ok(None),
        // Deleted, or another object of that name: the next inventory shows it.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
        Err(kube::Error::Api(status)) if matches!(status.code, 400..=428) => {
            Ok(Some(format!("it may not be deleted: {}", status.message)))
        }
        Err(error) => Err(error),
    }
}
