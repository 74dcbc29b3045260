//! What other controllers made outside the cluster for objects here: they alone can take it away again.

use kube::Api;
use kube::ResourceExt as _;
use kube::core::{ApiResource, DynamicObject};
use serde_json::Value;

use super::inventory::Foreign;
use super::read::{Reader, id_of};

/// Groups of AWS Controllers for Kubernetes; a pod identity association is an object of one of them.
const ACK: &str = ".services.k8s.aws";
const ACK_POLICY: &str = "services.k8s.aws/deletion-policy";
/// Groups of Crossplane's providers. What they make outside is in the category `managed`.
const CROSSPLANE: &[&str] = &[".crossplane.io", ".upbound.io"];
/// Nodes of this class belong to EKS Auto Mode, which ends them with the cluster.
const AUTO_MODE: &str = "eks.amazonaws.com";

/// A kind that is known by name alone.
pub(super) fn kind(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: format!("{group}/{version}"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

/// Everything of that sort.
pub(super) async fn read(reader: &mut Reader<'_>) -> Result<Vec<Foreign>, kube::Error> {
    let mut found = Vec::new();
    for kind in kinds(reader).await? {
        let objects: Vec<DynamicObject> = reader
            .list(Api::all_with(reader.client.clone(), &kind), &kind.plural)
            .await?;
        found.extend(objects.into_iter().map(|object| Foreign {
            id: id_of(&kind, &object.metadata),
            what: "something outside the cluster".to_owned(),
            kept: is_kept(&object),
        }));
    }
    let nodes = kind("karpenter.sh", "v1", "NodeClaim", "nodeclaims");
    let claims: Vec<DynamicObject> = reader
        .list(Api::all_with(reader.client.clone(), &nodes), "NodeClaims")
        .await?;
    let instances = claims.into_iter().filter(|claim| {
        let group = claim.data.pointer("/spec/nodeClassRef/group").and_then(Value::as_str);
        group != Some(AUTO_MODE)
    });
    found.extend(instances.map(|claim| Foreign {
        id: id_of(&nodes, &claim.metadata),
        what: "an instance that Karpenter started".to_owned(),
        kept: false,
    }));
    let snapshots = kind(
        "snapshot.storage.k8s.io",
        "v1",
        "VolumeSnapshotContent",
        "volumesnapshotcontents",
    );
    let contents: Vec<DynamicObject> = reader
        .list(Api::all_with(reader.client.clone(), &snapshots), "snapshots")
        .await?;
    found.extend(contents.into_iter().map(|content| Foreign {
        id: id_of(&snapshots, &content.metadata),
        what: "a snapshot of a disk".to_owned(),
        kept: content.data.pointer("/spec/deletionPolicy").and_then(Value::as_str) == Some("Retain"),
    }));
    Ok(found)
}

/// ACK keeps resources with its annotation; Crossplane keeps those that its policy does not let it delete.
fn is_kept(object: &DynamicObject) -> bool {
    let ack = object
        .annotations()
        .get(ACK_POLICY)
        .is_some_and(|policy| policy == "retain");
    let crossplane = object.data.pointer("/spec/deletionPolicy").and_then(Value::as_str) == Some("Orphan");
    ack || crossplane
}

async fn kinds(reader: &mut Reader<'_>) -> Result<Vec<ApiResource>, kube::Error> {
    let groups = reader.client.list_api_groups().await?.groups;
    let mut kinds = Vec::new();
    for group in groups {
        let is_ack = group.name.ends_with(ACK);
        if !is_ack && !CROSSPLANE.iter().any(|suffix| group.name.ends_with(suffix)) {
            continue;
        }
        let Some(version) = group.preferred_version.or_else(|| group.versions.first().cloned()) else {
            continue;
        };
        let listed = reader.client.list_api_group_resources(&version.group_version).await?;
        for resource in listed.resources {
            let is_managed = resource
                .categories
                .iter()
                .flatten()
                .any(|category| category == "managed");
            let is_whole = !resource.name.contains('/') && resource.verbs.iter().any(|verb| verb == "list");
            if is_whole && (is_ack || is_managed) {
                kinds.push(kind(&group.name, &version.version, &resource.kind, &resource.name));
            }
        }
    }
    Ok(kinds)
}
