//! What services of a drive share: volumes, names, and the order in which they start.

use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use ras_core::fetched::{DeploymentFacts, Fetched};
use ras_core::names;
use ras_core::platform::PlatformConfig;
use ras_crds::Reason;

use crate::drives::{built, with_spec};
use crate::planned::validate;

fn templates(spec: &str, fetched: &Fetched) -> Vec<PodTemplateSpec> {
    let deployments = built(&with_spec(spec), fetched).deployments.into_iter();
    deployments.map(|one| one.spec.unwrap().template).collect()
}

fn pods(spec: &str, fetched: &Fetched) -> Vec<PodSpec> {
    templates(spec, fetched)
        .into_iter()
        .map(|template| template.spec.unwrap())
        .collect()
}

fn problems(spec: &str) -> String {
    match validate(&with_spec(spec), &Fetched::default(), &PlatformConfig::default()) {
        Ok(_) => String::new(),
        Err(problems) => format!("{problems:?}"),
    }
}

const SHARED: &str = "volumes: [{name: uploads, size: 20Gi}]\nservices: [{name: web, image: a, replicas: 2, volumes: [{name: files, path: /files, \
                      shared: uploads, readOnly: true, subPath: public}]}, {name: worker, image: b, volumes: [{name: up, path: /up, shared: uploads}]}]";

#[test]
fn services_mount_one_claim_each_where_it_likes() {
    let desired = built(&with_spec(SHARED), &Fetched::default());
    let claims: Vec<_> = desired
        .volume_claims
        .iter()
        .map(|claim| claim.metadata.name.clone().unwrap())
        .collect();
    assert_eq!(claims, ["d-uploads"]);
    let labels = desired.volume_claims[0].metadata.labels.as_ref().unwrap();
    assert_eq!(labels["ras.dev/volume"], "uploads");
    assert!(!labels.contains_key("ras.dev/service"));
    let pods = pods(SHARED, &Fetched::default());
    for pod in &pods {
        let volume = &pod.volumes.as_ref().unwrap()[0];
        assert_eq!(volume.persistent_volume_claim.as_ref().unwrap().claim_name, "d-uploads");
    }
    let mount = &pods[0].containers[0].volume_mounts.as_ref().unwrap()[0];
    assert_eq!(
        (mount.read_only, mount.sub_path.as_deref()),
        (Some(true), Some("public"))
    );
    let mount = &pods[1].containers[0].volume_mounts.as_ref().unwrap()[0];
    assert_eq!((mount.read_only, mount.sub_path.as_deref()), (None, None));
}

#[test]
fn pods_with_a_volume_of_one_node_run_on_one_node_and_others_anywhere() {
    for template in templates(SHARED, &Fetched::default()) {
        assert_eq!(
            template.metadata.unwrap().labels.unwrap()["volume.ras.dev/uploads"],
            "shared"
        );
        let affinity = template.spec.unwrap().affinity.unwrap().pod_affinity.unwrap();
        let terms = affinity.required_during_scheduling_ignored_during_execution.unwrap();
        assert_eq!(terms[0].topology_key, "kubernetes.io/hostname");
        let labels = terms[0].label_selector.as_ref().unwrap().match_labels.clone().unwrap();
        assert_eq!(labels["ras.dev/drive"], "d");
        assert_eq!(labels["volume.ras.dev/uploads"], "shared");
    }
    let many = SHARED.replace("size: 20Gi", "size: 20Gi, accessMode: ReadWriteMany");
    for template in templates(&many, &Fetched::default()) {
        assert!(template.spec.unwrap().affinity.is_none());
    }
}

#[test]
fn a_migration_mounts_the_shared_volumes_on_their_node() {
    let spec = SHARED.replace(
        "{name: worker, image: b,",
        "{name: worker, image: b, migrate: {args: [go]},",
    );
    let job = built(&with_spec(&spec), &Fetched::default()).jobs.remove(0);
    let template = job.spec.unwrap().template;
    assert_eq!(
        template.metadata.unwrap().labels.unwrap()["volume.ras.dev/uploads"],
        "shared"
    );
    let pod = template.spec.unwrap();
    assert!(pod.affinity.is_some());
    assert_eq!(pod.containers[0].volume_mounts.as_ref().unwrap()[0].mount_path, "/up");
}

#[test]
fn a_shared_volume_is_one_of_the_drives() {
    let told = problems("services: [{name: web, image: a, volumes: [{name: files, path: /files, shared: uploads}]}]");
    assert!(
        told.contains("spec.services[0].volumes[0].shared") && told.contains("no entry of spec.volumes"),
        "{told}"
    );
    let told = problems(
        "volumes: [{name: uploads, size: 1Gi, accessMode: ReadWriteOncePod}]\nservices: [{name: web, image: a}]",
    );
    assert!(told.contains("spec.volumes[0].accessMode"), "{told}");
    for path in ["/up", "../up", "a/../b"] {
        let told = problems(&format!(
            "services: [{{name: web, image: a, volumes: [{{name: v, path: /v, size: 1Gi, subPath: {path}}}]}}]"
        ));
        assert!(told.contains("subPath"), "{path}: {told}");
    }
}

/// Users find data by these names: they are documented, and never change.
#[test]
fn the_names_of_shared_claims_are_those_that_are_documented() {
    assert_eq!(
        names::shared_claim("placements-2026", "uploads"),
        "placements-2026-uploads"
    );
    let marked = names::shared_claim("d", "old-files");
    assert!(
        marked.starts_with("d-old-files-") && marked.len() == "d-old-files-".len() + 6,
        "{marked}"
    );
    assert_ne!(names::shared_claim("d", "a-b"), names::volume_claim("d", "a", "b"));
}

#[test]
fn an_empty_volume_is_filled_from_the_image_by_the_images_own_user() {
    let spec = "services: [{name: web, image: wiki:1, podSecurity: {runAsUser: 33}, volumes: [{name: html, path: /var/www, size: 1Gi, \
                fromImage: true}], initContainers: [{name: after}]}]";
    let pod = pods(spec, &Fetched::default()).remove(0);
    let steps = pod.init_containers.unwrap();
    let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["fill-html", "after"]);
    assert_eq!(steps[0].image.as_deref(), Some("wiki:1"));
    let command = steps[0].command.as_ref().unwrap();
    assert_eq!(command[3..], ["fill", "/var/www", "/ras/fill"]);
    assert_eq!(steps[0].volume_mounts.as_ref().unwrap()[0].mount_path, "/ras/fill");
    let told = problems(&spec.replace("name: after", "name: fill-html"));
    assert!(told.contains("initContainers[0].name"), "{told}");
}

#[test]
fn a_migration_fills_no_volume_from_an_image_of_its_own() {
    let steps = |migrate: &str| {
        let spec = format!(
            "volumes: [{{name: html, size: 1Gi}}]\nservices: [{{name: web, image: wiki:1, migrate: {migrate}, volumes: [{{name: html, path: \
             /var/www, shared: html, fromImage: true}}]}}]"
        );
        let job = built(&with_spec(&spec), &Fetched::default()).jobs.remove(0);
        job.spec
            .unwrap()
            .template
            .spec
            .unwrap()
            .init_containers
            .map_or(0, |steps| steps.len())
    };
    assert_eq!(steps("{args: [go]}"), 1, "the image of the service has the files");
    assert_eq!(steps("{image: schema:7}"), 0);
}

/// The step itself, on folders of this machine.
#[test]
fn the_step_fills_an_empty_volume_goes_on_where_it_was_cut_off_and_leaves_what_is_there() {
    let spec = "services: [{name: web, image: a, volumes: [{name: v, path: /v, size: 1Gi, fromImage: true}]}]";
    let pod = pods(spec, &Fetched::default()).remove(0);
    let script = pod.init_containers.unwrap()[0].command.clone().unwrap()[2].clone();
    let fill = |from: &std::path::Path, to: &std::path::Path| {
        let output = std::process::Command::new("sh")
            .args(["-c", &script, "fill"])
            .arg(from)
            .arg(to)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let from = tempfile::tempdir().unwrap();
    std::fs::create_dir(from.path().join("folder")).unwrap();
    std::fs::write(from.path().join("folder/file"), "image").unwrap();
    std::fs::write(from.path().join(".hidden"), "image").unwrap();
    let read = |volume: &tempfile::TempDir, file: &str| std::fs::read_to_string(volume.path().join(file)).ok();

    let empty = tempfile::tempdir().unwrap();
    std::fs::create_dir(empty.path().join("lost+found")).unwrap();
    fill(from.path(), empty.path());
    assert_eq!(read(&empty, "folder/file").as_deref(), Some("image"));
    assert_eq!(read(&empty, ".hidden").as_deref(), Some("image"));
    std::fs::write(empty.path().join("folder/file"), "person").unwrap();
    fill(from.path(), empty.path());
    assert_eq!(read(&empty, "folder/file").as_deref(), Some("person"));

    let cut_off = tempfile::tempdir().unwrap();
    std::fs::write(cut_off.path().join(".ras-filling"), "").unwrap();
    fill(from.path(), cut_off.path());
    assert_eq!(read(&cut_off, "folder/file").as_deref(), Some("image"));
    assert_eq!(read(&cut_off, ".ras-filling"), None);

    let in_use = tempfile::tempdir().unwrap();
    std::fs::write(in_use.path().join("own"), "person").unwrap();
    fill(from.path(), in_use.path());
    assert_eq!(read(&in_use, "folder/file"), None);
}

const HOSTS: &str = "hosts: [{name: db, service: database}, {name: postgres, service: database}, {name: smtp.example.edu, address: 10.20.0.5}]\n\
                     services: [{name: web, image: a}, {name: database, image: b, ports: [{name: pg, port: 5432}]}]";

fn with_addresses() -> Fetched {
    let mut fetched = Fetched::default();
    let addresses = vec!["10.96.0.7".to_owned(), "fd00::7".to_owned()];
    fetched.service_addresses.insert("d-database".to_owned(), addresses);
    fetched
}

#[test]
fn names_lead_to_services_and_addresses_in_every_pod() {
    for pod in pods(HOSTS, &with_addresses()) {
        let aliases: Vec<_> = pod
            .host_aliases
            .unwrap()
            .into_iter()
            .map(|alias| (alias.ip, alias.hostnames.unwrap()))
            .collect();
        let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            aliases,
            [
                ("10.20.0.5".to_owned(), strings(&["smtp.example.edu"])),
                ("10.96.0.7".to_owned(), strings(&["db", "postgres"])),
                ("fd00::7".to_owned(), strings(&["db", "postgres"])),
            ]
        );
    }
}

#[test]
fn no_pod_starts_before_the_names_lead_somewhere() {
    let desired = built(&with_spec(HOSTS), &Fetched::default());
    let waits = &desired.blocked["d-web"];
    assert_eq!(waits.reason, Reason::WaitingFor);
    assert!(
        waits.message.contains("Service d-database") && waits.message.contains("\"db\""),
        "{}",
        waits.message
    );
    assert!(built(&with_spec(HOSTS), &with_addresses()).blocked.is_empty());
}

#[test]
fn a_name_is_none_that_the_cluster_answers_and_leads_to_what_is_there() {
    for name in [
        "localhost",
        "a.localhost",
        "kubernetes",
        "kubernetes.default",
        "db.svc",
        "a.b.svc.cluster.local",
        "DB",
        "a_b",
        "10.0.0.1",
    ] {
        let told = problems(&format!(
            "hosts: [{{name: {name}, address: 10.0.0.5}}]\nservices: [{{name: web, image: a}}]"
        ));
        assert!(told.contains("spec.hosts[0].name"), "{name}: {told}");
    }
    for (target, says) in [
        ("service: nobody", "is no service of this drive"),
        ("service: web", "has no ports"),
        ("service: database", "is no service of this drive"),
        ("address: example.edu", "is no IP address"),
        ("service: web, address: 10.0.0.5", "exactly one of service and address"),
    ] {
        let told = problems(&format!(
            "hosts: [{{name: db, {target}}}]\nservices: [{{name: web, image: a}}]"
        ));
        assert!(told.contains(says), "{target}: {told}");
    }
    let cache = "hosts: [{name: redis, service: cache}]\ncache: {}\nservices: [{name: web, image: a}]";
    assert_eq!(problems(cache), "");
}

const ORDER: &str = "services: [{name: web, image: a, after: [queue]}, {name: queue, image: b}]";

fn with_queue(ready: i32) -> Fetched {
    let mut fetched = Fetched::default();
    let facts = DeploymentFacts {
        replicas: 1,
        ready,
        ..DeploymentFacts::default()
    };
    fetched.deployments.insert("d-queue".to_owned(), facts);
    fetched
}

#[test]
fn a_service_starts_for_the_first_time_after_those_that_it_names() {
    for fetched in [Fetched::default(), with_queue(0)] {
        let blocked = built(&with_spec(ORDER), &fetched).blocked;
        assert_eq!(blocked.keys().collect::<Vec<_>>(), ["d-web"]);
        assert!(
            blocked["d-web"].message.contains("queue"),
            "{}",
            blocked["d-web"].message
        );
    }
    assert!(built(&with_spec(ORDER), &with_queue(1)).blocked.is_empty());
}

#[test]
fn a_service_that_has_started_waits_for_nobody() {
    let mut fetched = with_queue(0);
    fetched
        .deployments
        .insert("d-web".to_owned(), DeploymentFacts::default());
    assert!(built(&with_spec(ORDER), &fetched).blocked.is_empty());
}

#[test]
fn services_do_not_wait_for_one_another_or_for_nobody() {
    for (services, says) in [
        ("{name: a, image: a, after: [a]}", "a after a"),
        (
            "{name: a, image: a, after: [b]}, {name: b, image: b, after: [c]}, {name: c, image: c, after: [a]}",
            "a after b after c after a",
        ),
        ("{name: a, image: a, after: [nobody]}", "spec.services[0].after[0]"),
        ("{name: a, image: a, after: [database]}", "is no service of this drive"),
    ] {
        let told = problems(&format!("services: [{services}]"));
        assert!(told.contains(says), "{services}: {told}");
    }
    let diamond = "{name: a, image: a, after: [b, c]}, {name: b, image: b, after: [e]}, {name: c, image: c, after: [e]}, {name: e, image: e}";
    assert_eq!(problems(&format!("services: [{diamond}]")), "");
}
