//! The order in which kinds are written. Pure.

use std::collections::BTreeMap;

use ras_core::kind::Kind;

use crate::apply::item::Item;

/// A group of kinds that are written at the same time. The order of the variants is the order of the stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApplyStage {
    /// Objects that pods use, and that select pods.
    Prerequisites,
    /// Database servers, which Jobs connect to.
    Databases,
    /// Migrations, which services wait for.
    Jobs,
    Services,
    /// Objects that refer to those of earlier stages.
    Dependents,
}

impl ApplyStage {
    /// A new kind does not compile until it has a stage here.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::ServiceAccount
            | Kind::Secret
            | Kind::ExternalSecret
            | Kind::ExternalSecretBeta
            | Kind::ConfigMap
            | Kind::PersistentVolumeClaim
            | Kind::NetworkPolicy
            | Kind::Service => Self::Prerequisites,
            Kind::StatefulSet | Kind::Cluster => Self::Databases,
            Kind::Job => Self::Jobs,
            Kind::Deployment => Self::Services,
            Kind::HorizontalPodAutoscaler
            | Kind::PodDisruptionBudget
            | Kind::ScheduledBackup
            | Kind::Ingress
            | Kind::ServiceMonitor
            | Kind::PrometheusRule => Self::Dependents,
        }
    }
}

/// Groups items by their stage, in the order of the stages. Every item is in exactly one group.
pub fn stages(items: &[Item]) -> BTreeMap<ApplyStage, Vec<&Item>> {
    let mut stages: BTreeMap<ApplyStage, Vec<&Item>> = BTreeMap::new();
    for item in items {
        stages.entry(ApplyStage::of(item.key.kind)).or_default().push(item);
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one_of_each_kind() -> Vec<Item> {
        let item = |kind: &Kind| Item::new(*kind, &json!({"metadata": {"name": "a", "namespace": "n"}})).unwrap();
        Kind::ALL.iter().map(item).collect()
    }

    #[test]
    fn every_item_is_in_exactly_one_stage() {
        let items = one_of_each_kind();
        let stages = stages(&items);
        let mut kinds: Vec<Kind> = stages.values().flatten().map(|item| item.key.kind).collect();
        kinds.sort();
        let mut all = Kind::ALL.to_vec();
        all.sort();
        assert_eq!(kinds, all);
    }

    #[test]
    fn each_stage_has_the_kinds_that_those_before_it_make_possible() {
        let items = one_of_each_kind();
        let names: Vec<Vec<&str>> = stages(&items)
            .values()
            .map(|items| items.iter().map(|item| item.key.kind.as_str()).collect())
            .collect();
        assert_eq!(
            names,
            [
                vec![
                    "ServiceAccount",
                    "Secret",
                    "ConfigMap",
                    "PersistentVolumeClaim",
                    "NetworkPolicy",
                    "Service",
                    "ExternalSecret",
                    "ExternalSecret",
                ],
                vec!["StatefulSet", "Cluster"],
                vec!["Job"],
                vec!["Deployment"],
                vec![
                    "ScheduledBackup",
                    "HorizontalPodAutoscaler",
                    "PodDisruptionBudget",
                    "Ingress",
                    "ServiceMonitor",
                    "PrometheusRule",
                ],
            ]
        );
    }

    /// With a wildcard a new kind would compile without a stage. `Kind`'s documentation shows that a match without one
    /// of the kinds does not compile.
    #[test]
    fn the_match_on_kinds_names_each_one_and_has_no_wildcard() {
        let source = include_str!("stage.rs");
        let (_, rest) = source.split_once("pub fn of(kind: Kind)").unwrap();
        let (function, _) = rest.split_once("\n    }\n").unwrap();
        for wildcard in ["_ =>", "_ |", "| _", "..", "matches!", " if "] {
            assert!(!function.contains(wildcard), "{wildcard}");
        }
        for kind in Kind::ALL {
            let name = format!("Kind::{kind:?}");
            let is_named = function
                .split(|c: char| !c.is_alphanumeric() && c != ':')
                .any(|word| word == name);
            assert!(is_named, "{name}");
        }
    }
}
