//! CPU and memory of the containers that the operator itself adds to drives. A quota or a `LimitRange` of a namespace counts
//! them as it counts programs.

use std::collections::BTreeMap;

use ras_crds::Quantity;
use serde::{Deserialize, Serialize};

use super::PlatformConfig;
use super::error::{PlatformError, unusable};

/// Containers that the operator adds to drives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ContainersConfig {
    /// Absent: requests of 10m CPU and 32Mi memory, a limit of 64Mi memory.
    #[serde(skip_serializing_if = "ResourcesConfig::is_empty")]
    pub resources: ResourcesConfig,
}

/// Amounts that replace or complete the operator's defaults, resource by resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResourcesConfig {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Quantity>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Quantity>,
}

/// Defaults for containers that the operator adds: requests, then limits.
const REQUESTS: [(&str, &str); 2] = [("cpu", "10m"), ("memory", "32Mi")];
const LIMITS: [(&str, &str); 1] = [("memory", "64Mi")];

/// Requests and limits as they are sent.
pub type Amounts = (BTreeMap<String, Quantity>, BTreeMap<String, Quantity>);

impl ResourcesConfig {
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.limits.is_empty()
    }

    /// `requests` and `limits` with these in their place.
    pub fn over(&self, mut requests: BTreeMap<String, Quantity>, mut limits: BTreeMap<String, Quantity>) -> Amounts {
        requests.extend(self.requests.clone());
        limits.extend(self.limits.clone());
        (requests, limits)
    }
}

impl ContainersConfig {
    pub fn amounts(&self) -> Amounts {
        let amounts = |amounts: &[(&str, &str)]| -> BTreeMap<String, Quantity> {
            let own = |(name, amount): &(&str, &str)| ((*name).to_owned(), Quantity::new(*amount));
            amounts.iter().map(own).collect()
        };
        self.resources.over(amounts(&REQUESTS), amounts(&LIMITS))
    }
}

pub(super) fn check(config: &PlatformConfig) -> Result<(), PlatformError> {
    let of_cache = &config.cache.resources;
    if [&of_cache.requests, &of_cache.limits]
        .into_iter()
        .any(|amounts| amounts.contains_key("memory"))
    {
        return unusable(
            "cache.resources",
            "has memory, which each drive sets itself (spec.cache.memory): remove memory",
        );
    }
    let fields = [
        ("operatorContainers.resources", config.operator_containers.amounts()),
        ("cache.resources", of_cache.over(BTreeMap::new(), BTreeMap::new())),
    ];
    for (field, (requests, limits)) in fields {
        let mut all = requests.iter().chain(&limits);
        if !all.all(|(name, amount)| is_name(name) && amount.millis().is_some_and(|millis| millis >= 0)) {
            return unusable(
                field,
                "has amounts of cpu, memory, ephemeral-storage or a resource with a domain, written like 100m or 64Mi: correct it",
            );
        }
        if limits.get("memory").is_some_and(|limit| limit.millis() == Some(0)) {
            return unusable(field, "has a memory limit of 0, which is no limit: name an amount");
        }
        let exceeds = |(name, request): (&String, &Quantity)| {
            limits.get(name).is_some_and(|limit| request.millis() > limit.millis())
        };
        if requests.iter().any(exceeds) {
            return unusable(
                field,
                "has a request above the limit of the same resource (memory has a limit of 64Mi unless it is set): lower the \
                 request, or set the limit",
            );
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::parse;

    #[test]
    fn what_is_set_takes_the_place_of_the_defaults_and_the_rest_stays() {
        let text = "operatorContainers: {resources: {requests: {cpu: 100m}, limits: {cpu: 200m, memory: 128Mi}}}";
        let (requests, limits) = parse(text).unwrap().operator_containers.amounts();
        let text = |amounts: &BTreeMap<String, Quantity>, name: &str| amounts[name].as_str().to_owned();
        assert_eq!(
            (text(&requests, "cpu"), text(&requests, "memory")),
            ("100m".into(), "32Mi".into())
        );
        assert_eq!(
            (text(&limits, "cpu"), text(&limits, "memory")),
            ("200m".into(), "128Mi".into())
        );
    }

    #[test]
    fn amounts_that_cannot_work_are_refused_with_the_field() {
        for (text, field) in [
            (
                "operatorContainers: {resources: {requests: {memory: 128Mi}}}",
                "operatorContainers",
            ),
            (
                "operatorContainers: {resources: {requests: {cpu: much}}}",
                "operatorContainers",
            ),
            (
                "operatorContainers: {resources: {requests: {cpus: 1}}}",
                "operatorContainers",
            ),
            (
                "operatorContainers: {resources: {limits: {cpu: 5m}}}",
                "operatorContainers",
            ),
            (
                "operatorContainers: {resources: {limits: {memory: 0}}}",
                "operatorContainers",
            ),
            ("cache: {resources: {limits: {memory: 1Gi}}}", "cache.resources"),
            (
                "cache: {resources: {requests: {cpu: 2}, limits: {cpu: 1}}}",
                "cache.resources",
            ),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(field), "{text}: {error}");
        }
    }
}
