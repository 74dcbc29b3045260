//! What holds for every drive.

use crate::planned::{build, validate};
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, ResourceRequirements};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use ras_core::build::children;
use ras_core::fetched::Fetched;
use ras_core::names;
use ras_core::platform::PlatformConfig;
use ras_crds::Quantity;
use serde_json::Value;

use crate::drives::{any_drive, built, facts_for, valid_drive};

fn is_dns_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Paths of everything in a manifest that is empty or null.
fn empty(value: &Value, path: &str) -> Vec<String> {
    match value {
        Value::Null => vec![path.to_owned()],
        Value::Array(list) if list.is_empty() => vec![path.to_owned()],
        Value::Object(map) if map.is_empty() => vec![path.to_owned()],
        Value::Array(list) => list.iter().flat_map(|item| empty(item, &format!("{path}[]"))).collect(),
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| empty(value, &format!("{path}.{key}")))
            .collect(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn amount(resources: &ResourceRequirements, limit: bool, name: &str) -> Option<i128> {
    let amounts = if limit { &resources.limits } else { &resources.requests };
    Quantity::new(&amounts.as_ref()?.get(name)?.0).millis()
}

fn containers(desired: &ras_core::build::Desired) -> Vec<Container> {
    let programs = desired
        .deployments
        .iter()
        .filter_map(|deployment| deployment.spec.as_ref()?.template.spec.clone());
    let servers = desired
        .stateful_sets
        .iter()
        .filter_map(|server| server.spec.as_ref()?.template.spec.clone());
    let jobs = desired
        .jobs
        .iter()
        .filter_map(|job| job.spec.as_ref()?.template.spec.clone());
    let pods = programs.chain(servers).chain(jobs);
    pods.flat_map(|pod| {
        pod.containers
            .into_iter()
            .chain(pod.init_containers.unwrap_or_default())
    })
    .collect()
}

/// The properties below say something only if the drives are more than empty shells.
#[test]
fn drawn_drives_are_rich() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..60 {
        let drive = valid_drive().new_tree(&mut runner).unwrap().current();
        for object in built(&drive, &facts_for(&drive)).manifests().unwrap() {
            *kinds.entry(object["kind"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert_eq!(kinds.len(), 15, "{kinds:?}");
    assert!(
        kinds["Deployment"] >= 60 && kinds.values().all(|count| *count >= 3),
        "{kinds:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn names_are_legal_whatever_the_parts_are(drive in ".{0,90}", service in ".{0,90}", volume in ".{0,90}") {
        for name in [
            names::of_drive(&drive),
            names::of_service(&drive, &service),
            names::secret(&drive, &service),
            names::tls_secret(&drive),
            names::volume_claim(&drive, &service, &volume),
        ] {
            prop_assert!(is_dns_label(&name), "{name:?}");
        }
    }

    #[test]
    fn names_of_different_parts_differ(
        drive in "[a-z]{1,40}",
        one in ("[a-z-]{1,50}", "[a-z-]{1,50}"),
        other in ("[a-z-]{1,50}", "[a-z-]{1,50}"),
    ) {
        prop_assume!(one != other);
        prop_assert_ne!(names::volume_claim(&drive, &one.0, &one.1), names::volume_claim(&drive, &other.0, &other.1));
        if one.0 != other.0 {
            prop_assert_ne!(names::of_service(&drive, &one.0), names::of_service(&drive, &other.0));
            prop_assert_ne!(names::secret(&drive, &one.0), names::secret(&drive, &other.0));
        }
    }

    #[test]
    fn volumes_whose_joined_names_read_the_same_differ(parts in prop::collection::vec("[a-z]{1,6}", 3..8), one in 1..7_usize, other in 1..7_usize) {
        let (one, other) = (one.min(parts.len() - 1), other.min(parts.len() - 1));
        prop_assume!(one != other);
        let claim = |at: usize| names::volume_claim("d", &parts[..at].join("-"), &parts[at..].join("-"));
        prop_assert_ne!(claim(one), claim(other));
    }

    #[test]
    fn keys_of_files_are_legal_and_differ(one in "(/[a-zA-Z0-9._-]{1,120}){1,3}", other in "(/[a-z_]{1,3}){1,3}", junk in ".{0,300}") {
        for path in [&one, &other, &junk] {
            let key = names::file_key(path);
            prop_assert!((1..=253).contains(&key.len()) && key != "." && !key.starts_with(".."), "{key:?}");
            prop_assert!(key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{key:?}");
        }
        prop_assume!(one != other);
        prop_assert_ne!(names::file_key(&one), names::file_key(&other));
    }

    #[test]
    fn no_drive_makes_the_operator_panic(drive in any_drive()) {
        children(&drive);
        for fetched in [Fetched::default(), facts_for(&drive)] {
            match validate(&drive, &fetched, &PlatformConfig::default()) {
                Ok(valid) => drop(build(&valid)),
                Err(problems) => {
                    prop_assert!(problems.iter().count() > 0);
                    prop_assert!(problems.iter().all(|problem| !problem.field.is_empty() && !problem.message.is_empty()));
                }
            }
        }
    }

    #[test]
    fn the_same_drive_gives_the_same_objects(drive in valid_drive()) {
        let manifests = || built(&drive, &facts_for(&drive)).manifests().unwrap();
        prop_assert_eq!(manifests(), manifests());
    }

    #[test]
    fn every_object_bears_a_name_of_its_own_that_the_drive_claims(drive in valid_drive()) {
        let claimed = children(&drive);
        let mut seen = BTreeSet::new();
        for object in built(&drive, &facts_for(&drive)).manifests().unwrap() {
            let name = object["metadata"]["name"].as_str().unwrap();
            let child = format!("{}/{name}", object["kind"].as_str().unwrap());
            prop_assert!(is_dns_label(name), "{name:?}");
            // A Job's name, which its files share, holds a hash of the drive's: no other drive can make it.
            let of_job = object["kind"] == "Job" || object["kind"] == "ConfigMap" && object["metadata"]["labels"].get("ras.dev/job").is_some();
            prop_assert!(of_job || claimed.contains(&child), "{child} is not claimed");
            prop_assert!(seen.insert(child.clone()), "{child} is made twice");
        }
    }

    #[test]
    fn nothing_empty_is_sent(drive in valid_drive()) {
        for object in built(&drive, &facts_for(&drive)).manifests().unwrap() {
            let found = empty(&object, object["kind"].as_str().unwrap());
            prop_assert!(found.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn selectors_match_the_pods(drive in valid_drive()) {
        let desired = built(&drive, &facts_for(&drive));
        let mut pods: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let programs = desired.deployments.iter().map(|deployment| {
            let spec = deployment.spec.clone().unwrap();
            (deployment.metadata.name.clone().unwrap(), spec.selector, spec.template)
        });
        let servers = desired.stateful_sets.iter().map(|server| {
            let spec = server.spec.clone().unwrap();
            (server.metadata.name.clone().unwrap(), spec.selector, spec.template)
        });
        for (name, selector, template) in programs.chain(servers) {
            let labels = template.metadata.unwrap().labels.unwrap();
            let selector = selector.match_labels.unwrap();
            prop_assert!(selector.iter().all(|label| labels.get(label.0) == Some(label.1)));
            prop_assert!(labels.values().all(|value| value.len() <= 63));
            pods.insert(name, labels);
        }
        let selectors = desired
            .services
            .iter()
            .map(|service| (service.metadata.name.clone(), service.spec.as_ref().and_then(|spec| spec.selector.clone())))
            .chain(desired.disruption_budgets.iter().map(|budget| {
                (budget.metadata.name.clone(), budget.spec.as_ref().and_then(|spec| spec.selector.clone()?.match_labels))
            }))
            .chain(desired.network_policies.iter().map(|policy| {
                (policy.metadata.name.clone(), policy.spec.as_ref().and_then(|spec| spec.pod_selector.clone()?.match_labels))
            }));
        let of_jobs: Vec<_> = desired
            .jobs
            .iter()
            .map(|job| job.spec.clone().unwrap().template.metadata.unwrap().labels.unwrap())
            .collect();
        for (name, selector) in selectors {
            let (name, selector) = (name.unwrap(), selector.unwrap());
            let is_for_jobs = selector.contains_key("ras.dev/job");
            let jobs = of_jobs.iter().filter(|labels| selector.iter().all(|label| labels.get(label.0) == Some(label.1))).count();
            prop_assert!(jobs <= usize::from(is_for_jobs), "{} selects {} Jobs", &name, jobs);
            let matched: Vec<_> = pods.iter().filter(|(_, labels)| selector.iter().all(|label| labels.get(label.0) == Some(label.1))).collect();
            if is_for_jobs {
                prop_assert!(matched.is_empty(), "{} selects a service", &name);
                continue;
            }
            prop_assert_eq!(matched.len(), 1, "{} selects {} services", &name, matched.len());
            prop_assert_eq!(matched[0].0, &name);
        }
    }

    #[test]
    fn every_container_has_a_memory_limit_and_requests_within_limits(drive in valid_drive()) {
        for container in containers(&built(&drive, &facts_for(&drive))) {
            let resources = container.resources.unwrap();
            prop_assert!(amount(&resources, true, "memory").is_some_and(|memory| memory > 0), "{}: {resources:?}", container.name);
            // A limit alone is a request, too.
            prop_assert!(amount(&resources, false, "cpu").or(amount(&resources, true, "cpu")).is_some(), "{}", container.name);
            for name in ["cpu", "memory", "ephemeral-storage"] {
                if let (Some(request), Some(limit)) = (amount(&resources, false, name), amount(&resources, true, name)) {
                    prop_assert!(request <= limit, "{}: {resources:?}", container.name);
                }
            }
        }
    }

    #[test]
    fn every_container_is_restricted_unless_the_drive_says_otherwise(drive in valid_drive()) {
        let desired = built(&drive, &facts_for(&drive));
        for (service, deployment) in drive.spec.services.iter().zip(&desired.deployments) {
            let pod = deployment.spec.clone().unwrap().template.spec.unwrap();
            let asked = service.pod_security.clone().unwrap_or_default();
            let root = asked.allow_root == Some(true);
            let security = pod.security_context.unwrap();
            prop_assert_eq!(security.run_as_non_root, (!root).then_some(true));
            prop_assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
            prop_assert_eq!(pod.automount_service_account_token, Some(false));
            for container in pod.containers {
                let security = container.security_context.unwrap();
                prop_assert_eq!(security.allow_privilege_escalation, Some(false));
                prop_assert_eq!(security.read_only_root_filesystem, Some(asked.writable_root_filesystem != Some(true)));
                prop_assert_eq!(security.capabilities.is_some(), !root);
            }
            for step in pod.init_containers.unwrap_or_default() {
                let security = step.security_context.unwrap();
                prop_assert_eq!((security.run_as_non_root, security.read_only_root_filesystem), (Some(true), Some(true)));
                prop_assert!(security.capabilities.is_some());
            }
        }
    }

    #[test]
    fn servers_and_jobs_are_restricted(drive in valid_drive()) {
        let desired = built(&drive, &facts_for(&drive));
        let servers = desired.stateful_sets.iter().filter_map(|server| server.spec.as_ref()?.template.spec.clone());
        let jobs = desired.jobs.iter().filter(|job| job.metadata.labels.as_ref().unwrap()["ras.dev/job"] == "prepare");
        let jobs = jobs.filter_map(|job| job.spec.as_ref()?.template.spec.clone());
        for pod in servers.chain(jobs) {
            let security = pod.security_context.unwrap();
            prop_assert_eq!(security.run_as_non_root, Some(true));
            prop_assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
            prop_assert_eq!(pod.automount_service_account_token, Some(false));
            for container in pod.containers {
                let security = container.security_context.unwrap();
                prop_assert_eq!(security.allow_privilege_escalation, Some(false));
                prop_assert_eq!(security.read_only_root_filesystem, Some(true));
                prop_assert!(security.capabilities.is_some());
            }
        }
    }

    #[test]
    fn mounts_stand_in_different_places_and_have_a_volume(drive in valid_drive()) {
        for deployment in built(&drive, &facts_for(&drive)).deployments {
            let pod = deployment.spec.unwrap().template.spec.unwrap();
            let volumes: Vec<_> = pod.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect();
            prop_assert_eq!(volumes.iter().collect::<BTreeSet<_>>().len(), volumes.len());
            let mut names = BTreeSet::new();
            for container in pod.containers.into_iter().chain(pod.init_containers.unwrap_or_default()) {
                prop_assert!(names.insert(container.name.clone()), "two containers {}", container.name);
                let mut paths = BTreeSet::new();
                for mount in container.volume_mounts.unwrap_or_default() {
                    prop_assert!(volumes.contains(&mount.name), "{}", mount.name);
                    prop_assert!(paths.insert(mount.mount_path.clone()), "{} twice", mount.mount_path);
                }
            }
        }
    }

    #[test]
    fn no_secret_has_a_value(drive in valid_drive()) {
        for object in built(&drive, &facts_for(&drive)).manifests().unwrap() {
            if object["kind"] == "Secret" {
                prop_assert!(object.get("data").is_none() && object.get("stringData").is_none());
            }
        }
    }

    #[test]
    fn the_garbage_collector_takes_all_but_what_is_retained(drive in valid_drive()) {
        for object in built(&drive, &facts_for(&drive)).manifests().unwrap() {
            let keeps = matches!(object["kind"].as_str(), Some("Secret" | "PersistentVolumeClaim"));
            match object["metadata"].get("ownerReferences") {
                Some(owners) => prop_assert!(owners[0]["controller"] == true && owners[0]["uid"] == "uid"),
                None => prop_assert!(keeps || drive.metadata.uid.is_none(), "{object}"),
            }
        }
    }

    #[test]
    fn pods_do_not_change_when_a_drive_is_made_anew_suspended_or_scaled(drive in valid_drive()) {
        let templates = |drive: &_| -> Vec<_> {
            built(drive, &facts_for(drive)).deployments.into_iter().map(|deployment| deployment.spec.unwrap().template).collect()
        };
        let mut other = drive.clone();
        // A drive that is made anew has buckets of its own, so its pods may differ in their names.
        if drive.spec.buckets.is_empty() {
            other.metadata.uid = Some("another".to_owned());
        }
        other.spec.suspend = Some(!drive.spec.is_suspended());
        other.spec.exposure = None;
        other.spec.monitoring = None;
        for service in &mut other.spec.services {
            service.replicas = service.replicas.map(|replicas| replicas.clamp(0, 1));
        }
        prop_assert_eq!(templates(&drive), templates(&other));
    }
}
