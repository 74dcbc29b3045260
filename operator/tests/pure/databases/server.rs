//! The server that a drive runs, and what a server cannot do.

use std::collections::BTreeMap;

use ras_core::platform::PlatformConfig;
use ras_crds::RecruitmentDrive;

use super::{EXTERNAL, STANDALONE, built, drive};
use crate::drives::{facts_for, with_spec};
use crate::planned::{build, validate};

pub fn problems(drive: &RecruitmentDrive) -> String {
    validate(drive, &facts_for(drive), &PlatformConfig::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_user_who_could_do_more_than_use_the_database_is_refused() {
    let of = |rest: &str, databases: &str| {
        problems(&drive(
            "uses: {databases: [portal]}",
            &format!("{STANDALONE}{rest}"),
            databases,
        ))
    };
    let owner = of("", "{name: portal, user: portal}");
    assert!(
        owner.contains("databases[0].user") && owner.contains("owns databases"),
        "{owner}"
    );
    let shared = of(", credentials: Shared", "{name: portal, user: app}");
    assert!(
        shared.contains("databases[0].user") && shared.contains("PerDatabase"),
        "{shared}"
    );
    let theirs = of("", "{name: portal, user: pg_read_all_data}");
    assert!(theirs.contains("PostgreSQL keeps"), "{theirs}");
}

#[test]
fn what_a_server_cannot_do_is_refused_with_the_way_out() {
    for (server, databases, field, says) in [
        (
            "managed: {provider: Standalone, version: 17, size: 10Gi, instances: 3}",
            "{name: a}",
            "spec.database.managed.instances",
            "CloudNativePG",
        ),
        (
            "managed: {provider: Standalone, version: 12, size: 10Gi}",
            "{name: a}",
            "spec.database.managed.version",
            "14 to 18",
        ),
        (
            "managed: {provider: Standalone, version: 17, size: 0}",
            "{name: a}",
            "spec.database.managed.size",
            "20Gi",
        ),
        (EXTERNAL, "{name: postgres}", "spec.database.databases[0].name", "keeps"),
        (
            EXTERNAL,
            "{name: a, owner: pg_monitor}",
            "spec.database.databases[0].owner",
            "keeps",
        ),
        (EXTERNAL, "{name: 'a;b'}", "spec.database.databases[0].name", "a-z"),
        (
            EXTERNAL,
            "{name: a-b}, {name: a_b}",
            "spec.database.databases[1].name",
            "same variables",
        ),
        (
            EXTERNAL,
            "{name: a, extensions: ['x y']}",
            "spec.database.databases[0].extensions",
            "pg_trgm",
        ),
        (EXTERNAL, "", "spec.database.databases", "at least one"),
        (
            "external: {secretName: rds}, deletionPolicy: Delete",
            "{name: a}",
            "spec.database.deletionPolicy",
            "ever deleted",
        ),
    ] {
        let refused = problems(&drive("", server, databases));
        assert!(
            refused.contains(&format!("{field}: ")) && refused.contains(says),
            "{refused}"
        );
    }
    let refused = problems(&drive("uses: {databases: [other]}", EXTERNAL, "{name: a}"));
    assert!(
        refused.contains("spec.services[0].uses.databases[0]: \"other\""),
        "{refused}"
    );
}

#[test]
fn a_server_of_the_drive_s_own_keeps_its_volume_and_lets_only_its_users_in() {
    let drive = with_spec(&format!(
        "{{services: [{{name: portal, image: 'p:1', uses: {{databases: [a]}}}}, {{name: web, image: 'w:1'}}], database: {{{STANDALONE}, \
         databases: [{{name: a}}]}}}}"
    ));
    let desired = built(&drive, &facts_for(&drive));
    let server = desired.stateful_sets[0].spec.clone().unwrap();
    assert_eq!(server.replicas, Some(1));
    let pod = server.template.spec.unwrap();
    assert_eq!(
        pod.containers[0].image.as_deref(),
        Some("docker.io/library/postgres:17")
    );
    let claim = &desired.volume_claims[0];
    assert_eq!(claim.metadata.name.as_deref(), Some("d-database-data"));
    assert!(claim.metadata.owner_references.is_none(), "it outlives the drive");
    let policy = desired
        .network_policies
        .iter()
        .find(|policy| policy.metadata.name.as_deref() == Some("d-database"))
        .unwrap();
    let from = policy.spec.clone().unwrap().ingress.unwrap()[0].from.clone().unwrap();
    let labels: Vec<_> = from
        .iter()
        .map(|peer| peer.pod_selector.clone().unwrap().match_labels.unwrap())
        .collect();
    assert_eq!(labels.len(), 2, "{labels:?}");
    assert_eq!(labels[0]["ras.dev/service"], "portal");
    assert_eq!(labels[1]["ras.dev/job"], "prepare");
    // Secrets stay with the volume: a drive that is made anew proves by them that the roles are its own.
    for credential in &desired.credentials {
        assert!(credential.secret.metadata.owner_references.is_none());
    }
    let mut gone = drive.clone();
    gone.spec.database.as_mut().unwrap().deletion_policy = Some(ras_crds::spec::DeletionPolicy::Delete);
    assert!(
        built(&gone, &facts_for(&gone)).volume_claims[0]
            .metadata
            .owner_references
            .is_some()
    );
}

#[test]
fn a_suspended_drive_s_server_stops_and_nothing_is_prepared() {
    let mut drive = drive("uses: {databases: [a]}", STANDALONE, "{name: a}");
    drive.spec.suspend = Some(true);
    let desired = built(&drive, &facts_for(&drive));
    assert_eq!(desired.stateful_sets[0].spec.as_ref().unwrap().replicas, Some(0));
    assert!(desired.jobs.is_empty());
}

#[test]
fn parameters_reach_the_server_and_nothing_changes_without_them() {
    let with = |parameters: &str| {
        let managed = format!("managed: {{provider: Standalone, version: 17, size: 10Gi{parameters}}}");
        drive("uses: {databases: [portal]}", &managed, "{name: portal}")
    };
    let server = |drive: &RecruitmentDrive| {
        let desired = built(drive, &facts_for(drive));
        let template = desired.stateful_sets[0].spec.clone().unwrap().template;
        template.spec.unwrap().containers[0].clone()
    };
    assert_eq!(server(&with("")).args, None);
    assert_eq!(server(&with("")), server(&with(", parameters: {}")));
    let set = with(", parameters: {max_connections: '300', shared_buffers: 256MB}");
    assert_eq!(
        server(&set).args.unwrap(),
        ["-c", "max_connections=300", "-c", "shared_buffers=256MB"]
    );
    for (parameters, words) in [
        (
            "{archive_command: 'rm -rf /'}",
            "\"archive_command\" is not a parameter that a drive may set",
        ),
        ("{max_connections: many}", "a whole number from 20 to 10000"),
        ("{shared_buffers: 256Mi}", "such as 64MB"),
    ] {
        let said = problems(&with(&format!(", parameters: {parameters}")));
        assert!(
            said.contains("spec.database.managed.parameters") && said.contains(words),
            "{said}"
        );
    }
}

#[test]
fn the_operators_own_containers_ask_for_what_the_platform_says() {
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
    let all = "uses: {databases: [portal], cache: true}, files: [{path: /etc/p, content: x}]";
    let drive = with_spec(&format!(
        "{{services: [{{name: portal, image: 'portal:1', {all}}}], cache: {{}}, database: {{{STANDALONE}, databases: [{{name: portal}}]}}}}"
    ));
    let amounts = |of: Option<BTreeMap<String, Quantity>>| {
        let all = of.unwrap_or_default().into_iter();
        all.map(|(name, amount)| format!("{name}={}", amount.0))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let resources = |text: &str| {
        let platform = ras_core::platform::parse(text).unwrap();
        let desired = build(&validate(&drive, &facts_for(&drive), &platform).unwrap());
        let pods = desired.deployments.iter().map(|one| one.spec.clone().unwrap().template);
        let jobs = desired.jobs.iter().map(|one| one.spec.clone().unwrap().template);
        let mut found = BTreeMap::new();
        for spec in pods.chain(jobs).filter_map(|template| template.spec) {
            let all = spec.init_containers.into_iter().flatten().chain(spec.containers);
            for container in all.filter(|one| one.name != "portal") {
                let resources = container.resources.unwrap();
                let text = format!("{} | {}", amounts(resources.requests), amounts(resources.limits));
                found.insert(container.name, text);
            }
        }
        found
    };
    let before = resources("");
    assert_eq!(before["render-files"], "cpu=10m memory=32Mi | memory=64Mi");
    assert_eq!(before["prepare-database"], before["render-files"]);
    assert_eq!(before["cache"], "cpu=50m memory=128Mi | memory=128Mi");
    let after = resources(
        "operatorContainers: {resources: {requests: {cpu: 100m}, limits: {cpu: 200m, memory: 128Mi}}}\n\
         cache: {resources: {limits: {cpu: 500m}}}",
    );
    assert_eq!(after["render-files"], "cpu=100m memory=32Mi | cpu=200m memory=128Mi");
    assert_eq!(after["prepare-database"], after["render-files"]);
    assert_eq!(after["cache"], "cpu=50m memory=128Mi | cpu=500m memory=128Mi");
}
