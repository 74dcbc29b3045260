//! Children that are left as they are while their service is held. Pure.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::ConditionType;

use crate::apply::decide::{DriveId, may_prune};
use crate::apply::item::Item;
use ras_core::fetched::record::{ChildKey, Record};
use ras_core::kind::Kind;
use ras_core::plan::blocked_by::BlockedBy;

/// A held workload is not written. While a migration runs or has failed, the running version needs the ports, files and
/// rules that it was started with, so existing ones are not written either, nor the Ingress if the ports would change.
/// An unowned object with the same name is not deferred, so that it is reported.
pub fn deferred(
    items: &[Item],
    held: &BTreeMap<String, BlockedBy>,
    drive: DriveId<'_>,
    known: impl Fn(&ChildKey) -> Option<Record>,
) -> BTreeSet<ChildKey> {
    let ours = |key: &ChildKey| known(key).filter(|record| may_prune(record, drive));
    let mut deferred = BTreeSet::new();
    let mut ports_differ = false;
    for item in items {
        let Some(waiting) = held.get(&*item.key.name) else {
            continue;
        };
        let waits = match item.key.kind {
            Kind::Deployment | Kind::StatefulSet => true,
            Kind::ConfigMap | Kind::NetworkPolicy | Kind::Service | Kind::ServiceMonitor => {
                let record = ours(&item.key).filter(|_| waiting.condition == ConditionType::MigrationsReady);
                let is_another = |record: &Record| record.applied.as_deref() != Some(item.hash.as_str());
                ports_differ |= item.key.kind == Kind::Service && record.as_ref().is_some_and(is_another);
                record.is_some()
            }
            Kind::ServiceAccount
            | Kind::Secret
            | Kind::PersistentVolumeClaim
            | Kind::Cluster
            | Kind::ScheduledBackup
            | Kind::Job
            | Kind::HorizontalPodAutoscaler
            | Kind::PodDisruptionBudget
            | Kind::Ingress
            | Kind::PrometheusRule
            | Kind::ExternalSecret
            | Kind::ExternalSecretBeta => false,
        };
        if waits {
            deferred.insert(item.key.clone());
        }
    }
    if ports_differ {
        let routes = items.iter().filter(|item| item.key.kind == Kind::Ingress);
        deferred.extend(
            routes
                .filter(|item| ours(&item.key).is_some())
                .map(|item| item.key.clone()),
        );
    }
    deferred
}

#[cfg(test)]
mod tests {
    use super::*;
    use ras_core::fetched::record::{Detail, Fields, Marks, Owner};
    use ras_crds::Reason;
    use serde_json::json;

    fn item(kind: Kind, name: &str) -> Item {
        Item::new(kind, &json!({"metadata": {"name": name, "namespace": "n"}})).unwrap()
    }

    fn record(applied: &str) -> Record {
        Record {
            uid: "u".into(),
            version: 1,
            deleting: false,
            drive: None,
            watched: true,
            marks: Marks::default(),
            touched: true,
            owner: Owner::Drive {
                name: "d".into(),
                uid: "1".into(),
            },
            applied: Some(applied.into()),
            written: None,
            fields: Fields {
                digest: 0,
                unverified: None,
                shared: None,
                managers: None,
            },
            detail: Detail::None,
        }
    }

    fn names(condition: ConditionType, known: impl Fn(&ChildKey) -> Option<Record>) -> Vec<String> {
        let items = [
            item(Kind::Deployment, "d-api"),
            item(Kind::Service, "d-api"),
            item(Kind::ConfigMap, "d-api"),
            item(Kind::PodDisruptionBudget, "d-api"),
            item(Kind::Service, "d-site"),
            item(Kind::Ingress, "d"),
        ];
        let waiting = BlockedBy {
            condition,
            reason: Reason::Progressing,
            message: String::new(),
        };
        let held = BTreeMap::from([("d-api".to_owned(), waiting)]);
        deferred(&items, &held, DriveId { name: "d", uid: "1" }, known)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn during_a_migration_the_running_version_keeps_its_files_ports_and_route() {
        let as_before = item(Kind::Service, "d-api").hash;
        let same = |key: &ChildKey| Some(record(if key.kind == Kind::Service { &as_before } else { "other" }));
        let migration = ConditionType::MigrationsReady;
        assert_eq!(
            names(migration, same),
            ["ConfigMap/d-api", "Service/d-api", "Deployment/d-api"]
        );
        let other_ports = |_: &ChildKey| Some(record("other"));
        assert_eq!(
            names(migration, other_ports),
            ["ConfigMap/d-api", "Service/d-api", "Deployment/d-api", "Ingress/d"]
        );
    }

    #[test]
    fn an_unowned_object_is_not_deferred() {
        let unowned = |_: &ChildKey| {
            let mut record = record("other");
            record.owner = Owner::Nobody;
            Some(record)
        };
        assert_eq!(names(ConditionType::MigrationsReady, unowned), ["Deployment/d-api"]);
    }

    #[test]
    fn missing_objects_are_created_and_waiting_for_a_secret_defers_only_the_workload() {
        assert_eq!(names(ConditionType::MigrationsReady, |_| None), ["Deployment/d-api"]);
        assert_eq!(
            names(ConditionType::SecretsReady, |_| Some(record("other"))),
            ["Deployment/d-api"]
        );
    }
}
