//! Lists every object that stands for something outside the cluster, and decides nothing.
//!
//! Of Secrets, only metadata is listed.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::api::core::v1::{Event, PersistentVolume, PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ListParams, ObjectList};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client, Resource, ResourceExt as _};
use ras_crds::labels::DRIVE;
use ras_crds::{ConditionType, RecruitmentDrive, RecruitmentDriveStatus};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::foreign;
use super::inventory::{Claim, Drive, Id, Inventory, LoadBalancer, OutsideDatabase, RetainedBucket, Volume};
use crate::controller::cleanup::bucket_removals;

/// Controllers that make a load balancer for each Ingress, unlike those that share the one of a Service.
const OWN_LOAD_BALANCER: &[&str] = &["ingress.k8s.aws/alb", "eks.amazonaws.com/alb", "k8s.io/ingress-gce"];
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// Asks one list after the other, and collects what it may not see.
pub(super) struct Reader<'a> {
    pub(super) client: &'a Client,
    pub(super) unseen: Vec<String>,
}

pub async fn inventory(client: &Client) -> Result<Inventory, kube::Error> {
    let mut reader = Reader {
        client,
        unseen: Vec::new(),
    };
    Ok(Inventory {
        drives: reader.drives().await?,
        routes: reader.routes().await?,
        services: reader.services().await?,
        claims: reader.claims().await?,
        volumes: reader.volumes().await?,
        foreign: foreign::read(&mut reader).await?,
        credentials: reader.credentials().await?,
        retained_buckets: reader.retained_buckets().await,
        unseen: reader.unseen,
    })
}

impl Reader<'_> {
    /// Lists a kind. Empty if the kind does not exist. A missing permission is recorded, because then the answer cannot
    /// be "safe".
    pub(super) async fn list<K>(&mut self, api: Api<K>, what: &str) -> Result<Vec<K>, kube::Error>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let answer = api.list(&ListParams::default()).await;
        self.seen(what, answer)
    }

    fn seen<K: Clone>(
        &mut self,
        what: &str,
        answer: Result<ObjectList<K>, kube::Error>,
    ) -> Result<Vec<K>, kube::Error> {
        match answer {
            Ok(list) => Ok(list.items),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                self.unseen.push(format!(
                    "{what} could not be listed: ask for the right to list them in all namespaces ({})",
                    status.message
                ));
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    fn all<K>(&self) -> Api<K>
    where
        K: Resource,
        K::DynamicType: Default,
    {
        Api::all(self.client.clone())
    }

    async fn drives(&mut self) -> Result<Vec<Drive>, kube::Error> {
        // Undecodable ones are there, too.
        let kind = ApiResource::erase::<RecruitmentDrive>(&());
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind);
        let found = self.list(api, "drives").await?;
        Ok(found.into_iter().map(|object| drive(&kind, object)).collect())
    }

    async fn services(&mut self) -> Result<Vec<LoadBalancer>, kube::Error> {
        let found: Vec<Service> = self.list(self.all(), "Services").await?;
        let balanced = found.into_iter().filter(|service| {
            let kind = service.spec.as_ref().and_then(|spec| spec.type_.as_deref());
            kind == Some("LoadBalancer")
        });
        Ok(balanced
            .map(|service| {
                let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
                let first = status.and_then(|balancer| balancer.ingress.as_ref()?.first());
                let address = first.and_then(|entry| entry.hostname.clone().or_else(|| entry.ip.clone()));
                load_balancer(id::<Service>(&service.metadata), &service.metadata, address)
            })
            .collect())
    }

    async fn routes(&mut self) -> Result<Vec<LoadBalancer>, kube::Error> {
        let classes: Vec<IngressClass> = self.list(self.all(), "IngressClasses").await?;
        let ingresses: Vec<Ingress> = self.list(self.all(), "Ingresses").await?;
        let own = ingresses
            .into_iter()
            .filter(|ingress| has_its_own_load_balancer(ingress, &classes));
        let mut routes: Vec<LoadBalancer> = own
            .map(|ingress| {
                let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
                let first = status.and_then(|balancer| balancer.ingress.as_ref()?.first());
                let address = first.and_then(|entry| entry.hostname.clone().or_else(|| entry.ip.clone()));
                load_balancer(id::<Ingress>(&ingress.metadata), &ingress.metadata, address)
            })
            .collect();

        let kind = foreign::kind("gateway.networking.k8s.io", "v1", "Gateway", "gateways");
        let gateways: Vec<DynamicObject> = self.list(Api::all_with(self.client.clone(), &kind), "Gateways").await?;
        routes.extend(gateways.into_iter().map(|gateway| {
            let address = gateway
                .data
                .pointer("/status/addresses/0/value")
                .and_then(Value::as_str);
            load_balancer(
                id_of(&kind, &gateway.metadata),
                &gateway.metadata,
                address.map(str::to_owned),
            )
        }));
        Ok(routes)
    }

    async fn claims(&mut self) -> Result<Vec<Claim>, kube::Error> {
        let found: Vec<PersistentVolumeClaim> = self.list(self.all(), "PersistentVolumeClaims").await?;
        let mut claims: Vec<Claim> = found.into_iter().map(claim).collect();
        // There are many pods, so they are listed only if one may block the deletion of a claim.
        if claims.iter().any(|claim| claim.going) {
            let pods: Vec<Pod> = self.list(self.all(), "Pods").await?;
            let users = users_of_claims(&pods);
            for claim in &mut claims {
                let key = (claim.id.namespace.clone().unwrap_or_default(), claim.id.name.clone());
                claim.users = users.get(&key).cloned().unwrap_or_default();
            }
        }
        Ok(claims)
    }

    async fn volumes(&mut self) -> Result<Vec<Volume>, kube::Error> {
        let found: Vec<PersistentVolume> = self.list(self.all(), "PersistentVolumes").await?;
        Ok(found.into_iter().filter_map(volume).collect())
    }

    async fn credentials(&mut self) -> Result<Vec<Id>, kube::Error> {
        let api: Api<Secret> = self.all();
        let answer = api.list_metadata(&ListParams::default().labels(DRIVE)).await;
        let found = self.seen("Secrets that drives left", answer)?;
        let left = found.into_iter().filter(|secret| owner(&secret.metadata).is_none());
        Ok(left.map(|secret| id::<Secret>(&secret.metadata)).collect())
    }

    /// Without permission to read events, only less is reported about buckets.
    async fn retained_buckets(&self) -> Vec<RetainedBucket> {
        let api: Api<Event> = self.all();
        let said = api.list(&ListParams::default().fields("reason=BucketRetained")).await;
        let said = said.map(|list| list.items).unwrap_or_default();
        said.into_iter()
            .filter_map(|event| {
                let message = event.message?;
                let (bucket, reason) = message.strip_prefix("bucket ")?.split_once(" stays: ")?;
                Some(RetainedBucket {
                    drive: event.involved_object.uid?,
                    bucket: bucket.to_owned(),
                    reason: reason.to_owned(),
                })
            })
            .collect()
    }
}

/// Names an object whose kind is known to the compiler.
fn id<K>(metadata: &ObjectMeta) -> Id
where
    K: Resource<DynamicType = ()>,
{
    id_of(&ApiResource::erase::<K>(&()), metadata)
}

pub(super) fn id_of(kind: &ApiResource, metadata: &ObjectMeta) -> Id {
    Id {
        kind: kind.kind.clone(),
        api_version: kind.api_version.clone(),
        plural: kind.plural.clone(),
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
    }
}

/// UID of the drive that owns an object.
fn owner(metadata: &ObjectMeta) -> Option<String> {
    let mut owners = metadata.owner_references.iter().flatten();
    let drive = owners.find(|owner| owner.kind == "RecruitmentDrive" && owner.api_version.starts_with("ras.dev/"))?;
    Some(drive.uid.clone())
}

fn drive(kind: &ApiResource, object: DynamicObject) -> Drive {
    let metadata = object.metadata.clone();
    let lines = object.data.pointer("/status/buckets").and_then(Value::as_array);
    // One line that does not read must not hide the others.
    let buckets = lines
        .into_iter()
        .flatten()
        .filter_map(|line| serde_json::from_value(line.clone()).ok())
        .collect();
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    let blocked = conditions.into_iter().flatten().find_map(|condition| {
        let text = |field: &str| Some(condition.get(field)?.as_str()?.to_owned());
        let is_it = text("type")? == ConditionType::DeletionBlocked.as_str() && text("status")? == "True";
        is_it.then(|| Some((text("reason")?, text("message")?))).flatten()
    });
    let databases = outside_databases(&object.data);
    let status = RecruitmentDriveStatus {
        buckets,
        ..RecruitmentDriveStatus::default()
    };
    let decoded: Option<RecruitmentDrive> = object.try_parse().ok();
    Drive {
        id: id_of(kind, &metadata),
        going: metadata.deletion_timestamp.is_some(),
        finalizers: metadata.finalizers.clone().unwrap_or_default(),
        buckets: bucket_removals(&metadata, decoded.as_ref(), &status),
        databases,
        blocked,
    }
}

/// Databases on an external server that the status records as created.
fn outside_databases(drive: &Value) -> Vec<OutsideDatabase> {
    let secret = drive
        .pointer("/spec/database/external/secretName")
        .and_then(Value::as_str);
    let lines = drive.pointer("/status/database/databases").and_then(Value::as_array);
    let (Some(secret), Some(lines)) = (secret, lines) else {
        return Vec::new();
    };
    let text = |line: &Value, field: &str| Some(line.get(field)?.as_str()?.to_owned());
    let made = lines
        .iter()
        .filter(|line| text(line, "state").as_deref() != Some("Pending"));
    made.filter_map(|line| {
        Some(OutsideDatabase {
            name: text(line, "name")?,
            secret: secret.to_owned(),
        })
    })
    .collect()
}

fn load_balancer(id: Id, metadata: &ObjectMeta, address: Option<String>) -> LoadBalancer {
    LoadBalancer {
        id,
        going: metadata.deletion_timestamp.is_some(),
        address,
        of_drive: owner(metadata),
        finalizers: metadata.finalizers.clone().unwrap_or_default(),
    }
}

/// A finalizer says that its controller has something to clean up outside; a class says which controller that is.
fn has_its_own_load_balancer(ingress: &Ingress, classes: &[IngressClass]) -> bool {
    let said = ingress
        .spec
        .as_ref()
        .and_then(|spec| spec.ingress_class_name.as_deref());
    let said = said.or_else(|| Some(ingress.annotations().get("kubernetes.io/ingress.class")?.as_str()));
    let class = classes.iter().find(|class| match said {
        Some(name) => class.name_any() == name,
        None => class.annotations().get(DEFAULT_CLASS).is_some_and(|is| is == "true"),
    });
    let controller = class.and_then(|class| class.spec.as_ref()?.controller.as_deref());
    !ingress.finalizers().is_empty() || controller.is_some_and(|name| OWN_LOAD_BALANCER.contains(&name))
}

fn claim(found: PersistentVolumeClaim) -> Claim {
    let metadata = &found.metadata;
    let of_drive = owner(metadata);
    let mut owners = metadata.owner_references.iter().flatten();
    let other = owners.find(|owner| owner.kind != "RecruitmentDrive");
    let label = metadata.labels.as_ref().and_then(|labels| labels.get(DRIVE).cloned());
    Claim {
        id: id::<PersistentVolumeClaim>(metadata),
        going: metadata.deletion_timestamp.is_some(),
        kept_by: label.filter(|_| of_drive.is_none()),
        of_other: other.map(|owner| format!("{} {}", owner.kind, owner.name)),
        of_drive,
        users: Vec::new(),
        volume: found.spec.and_then(|spec| spec.volume_name),
    }
}

type ClaimKey = (String, String);

fn users_of_claims(pods: &[Pod]) -> BTreeMap<ClaimKey, Vec<(String, bool)>> {
    let mut users: BTreeMap<ClaimKey, Vec<(String, bool)>> = BTreeMap::new();
    for pod in pods {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        if matches!(phase, Some("Succeeded" | "Failed")) {
            continue;
        }
        let leaves = pod.metadata.deletion_timestamp.is_some() || pod.labels().contains_key(DRIVE);
        let namespace = pod.namespace().unwrap_or_default();
        let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        for claim in volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref()) {
            let key = (namespace.clone(), claim.claim_name.clone());
            users
                .entry(key)
                .or_default()
                .push((format!("{namespace}/{}", pod.name_any()), leaves));
        }
    }
    users
}

/// Nothing for a folder of a node: it goes with its node.
fn volume(found: PersistentVolume) -> Option<Volume> {
    let spec = found.spec?;
    if spec.host_path.is_some() || spec.local.is_some() {
        return None;
    }
    let disk = spec.csi.as_ref().map(|csi| csi.volume_handle.clone());
    let disk = disk.or_else(|| Some(spec.aws_elastic_block_store.as_ref()?.volume_id.clone()));
    let disk = disk.or_else(|| spec.nfs.as_ref().map(|nfs| format!("{}:{}", nfs.server, nfs.path)));
    let status = found.status.unwrap_or_default();
    let size = spec.capacity.as_ref().and_then(|capacity| capacity.get("storage"));
    Some(Volume {
        id: id::<PersistentVolume>(&found.metadata),
        reclaimed: spec.persistent_volume_reclaim_policy.as_deref() == Some("Delete"),
        phase: status.phase.unwrap_or_default(),
        message: status.message,
        disk: disk.unwrap_or_else(|| "of an unknown name".to_owned()),
        size: size.map_or_else(|| "of an unknown size".to_owned(), |size| size.0.clone()),
        claim: spec.claim_ref.and_then(|claim| Some((claim.namespace?, claim.name?))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn databases_on_a_server_of_others_are_seen_once_they_were_made() {
        let databases = json!([
            {"name": "portal", "state": "Ready"}, {"name": "old", "state": "Retained"},
            {"name": "new", "state": "Pending"}, {"name": "sick", "state": "Failing"},
        ]);
        let drive = |spec: Value| json!({"spec": {"database": spec}, "status": {"database": {"databases": databases}}});
        let names = |spec: Value| -> Vec<String> {
            let found = outside_databases(&drive(spec));
            found
                .into_iter()
                .map(|one| format!("{} by {}", one.name, one.secret))
                .collect()
        };
        assert_eq!(
            names(json!({"external": {"secretName": "rds"}})),
            ["portal by rds", "old by rds", "sick by rds"]
        );
        assert_eq!(
            names(json!({"managed": {"provider": "Standalone"}})),
            Vec::<String>::new(),
            "its disk tells"
        );
        assert!(outside_databases(&json!({"spec": {}})).is_empty());
    }
}
