//! Fields of a service that become fields of its pods: probes, init containers, files, host name, labels and annotations.

use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};
use ras_core::fetched::Fetched;
use ras_core::platform::{PlatformConfig, parse};

use crate::drives::{built, with_spec};
use crate::planned::validate;

fn template(service: &str) -> PodTemplateSpec {
    let drive = with_spec(&format!(
        "services: [{{name: s, {service}, image: portal:1}}]\nsecrets: [{{name: keys, existing: {{secretName: keys}}}}]"
    ));
    let mut deployment = built(&drive, &Fetched::default()).deployments.remove(0);
    deployment.spec.take().unwrap().template
}

fn containers(service: &str) -> (Vec<Container>, Vec<Container>) {
    let spec = template(service).spec.unwrap();
    (spec.init_containers.unwrap_or_default(), spec.containers)
}

fn problems_with(service: &str, platform: &PlatformConfig) -> String {
    let name = if service.starts_with("name: ") { "" } else { "name: s, " };
    let drive = with_spec(&format!("services: [{{{name}image: portal:1, {service}}}]"));
    match validate(&drive, &Fetched::default(), platform) {
        Ok(_) => String::new(),
        Err(problems) => format!("{problems:?}"),
    }
}

fn problems(service: &str) -> String {
    problems_with(service, &PlatformConfig::default())
}

const PORTS: &str = "ports: [{name: http, port: 8080}]";

#[test]
fn a_command_tells_whether_a_program_without_ports_serves() {
    let (_, containers) = containers("probe: {exec: [/bin/check, '$(VAR)'], periodSeconds: 30}");
    let program = &containers[0];
    for probe in [
        &program.startup_probe,
        &program.readiness_probe,
        &program.liveness_probe,
    ] {
        let exec = probe.as_ref().unwrap().exec.as_ref().unwrap();
        assert_eq!(exec.command.as_deref().unwrap(), ["/bin/check", "$(VAR)"]);
    }
    assert_eq!(program.readiness_probe.as_ref().unwrap().period_seconds, Some(30));
}

#[test]
fn an_http_probe_has_the_headers_that_the_drive_says() {
    let (_, containers) = containers(&format!(
        "{PORTS}, probe: {{port: http, path: /healthz, headers: [{{name: Host, value: jobs.example.edu}}]}}"
    ));
    let get = containers[0]
        .readiness_probe
        .as_ref()
        .unwrap()
        .http_get
        .clone()
        .unwrap();
    let headers = get.http_headers.unwrap();
    assert_eq!(
        (headers[0].name.as_str(), headers[0].value.as_str()),
        ("Host", "jobs.example.edu")
    );
}

#[test]
fn a_helper_has_a_probe_of_its_own_and_none_that_nobody_asked_for() {
    let (_, containers) = containers(
        "sidecars: [{name: proxy, image: proxy:1, ports: [{name: admin, port: 9901}], probe: {port: admin}}, \
         {name: log, image: log:1, ports: [{name: log, port: 9902}]}]",
    );
    assert!(containers[1].readiness_probe.as_ref().unwrap().tcp_socket.is_some());
    assert!(containers[2].readiness_probe.is_none());
}

#[test]
fn a_probe_asks_one_thing_in_one_way() {
    for (probe, says) in [
        ("{}", "exactly one of port and exec"),
        ("{port: http, exec: [a]}", "exactly one of port and exec"),
        ("{exec: [a], path: /x}", "go with port"),
        (
            "{port: http, headers: [{name: A, value: b}]}",
            "only an HTTP request has headers",
        ),
        ("{port: none}", "is not the name of one of this container's ports"),
    ] {
        let told = problems(&format!("{PORTS}, probe: {probe}"));
        assert!(told.contains(says), "{probe}: {told}");
    }
}

#[test]
fn init_containers_run_after_the_files_are_there_and_see_the_volumes() {
    let (before, _) = containers(
        "volumes: [{name: data, path: /data, size: 1Gi}], files: [{path: /app/a, content: x, containers: [s, fill]}], \
         initContainers: [{name: fill, command: [cp], env: [{name: A, value: b}]}, {name: other, image: other:1}]",
    );
    let names: Vec<_> = before.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["render-files", "fill", "other"]);
    assert_eq!(before[1].image.as_deref(), Some("portal:1"));
    assert_eq!(before[2].image.as_deref(), Some("other:1"));
    let paths = |container: &Container| -> Vec<String> {
        let mounts = container.volume_mounts.iter().flatten();
        mounts.map(|mount| mount.mount_path.clone()).collect()
    };
    assert_eq!(paths(&before[1]), ["/data", "/tmp", "/app/a"]);
    assert_eq!(paths(&before[2]), ["/data", "/tmp"]);
    assert_eq!(
        before[1].security_context.as_ref().unwrap().read_only_root_filesystem,
        Some(true)
    );
}

#[test]
fn containers_of_a_pod_have_different_names() {
    for container in ["s", "render-files", "helper"] {
        let told = problems(&format!(
            "sidecars: [{{name: helper, image: h:1}}], initContainers: [{{name: {container}}}]"
        ));
        assert!(told.contains("initContainers[0].name"), "{container}: {told}");
    }
    let filled = "volumes: [{name: data, path: /d, size: 1Gi, fromImage: true}]";
    let told = problems(&format!("{filled}, sidecars: [{{name: fill-data, image: h:1}}]"));
    assert!(told.contains("sidecars[0].name"), "{told}");
    let told = problems(&format!("name: fill-data, {filled}"));
    assert!(told.contains("volumes[0].name"), "{told}");
    let told = problems("initContainers: [{name: one}, {name: one}]");
    assert!(told.contains("initContainers[1].name"), "{told}");
}

#[test]
fn a_file_can_be_executed_and_only_then_is_the_step_that_renders_told() {
    let plain = containers("files: [{path: /app/a, content: x}]").0;
    assert_eq!(plain[0].args.as_ref().unwrap().len(), 5);
    let script =
        containers("files: [{path: /app/start.sh, content: x, mode: Executable}, {path: /app/a, content: x}]").0;
    assert_eq!(script[0].args.as_ref().unwrap()[5..], ["--executable", "app_start.sh"]);
}

#[test]
fn a_file_from_a_secret_is_mounted_as_it_is_and_no_other_key_of_the_secret() {
    let spec = template(
        "files: [{path: /app/keystore, secret: {name: keys, key: store}}, \
         {path: /app/hook, secret: {name: keys, key: hook}, mode: Executable}]",
    )
    .spec
    .unwrap();
    assert!(spec.init_containers.is_none(), "nothing is rendered");
    let volumes = spec.volumes.unwrap();
    let volume = volumes.iter().find(|volume| volume.name == "secret-keys").unwrap();
    let items = volume.secret.as_ref().unwrap().items.as_ref().unwrap();
    let items: Vec<_> = items
        .iter()
        .map(|item| (item.key.as_str(), item.path.as_str(), item.mode))
        .collect();
    assert_eq!(
        items,
        [
            ("hook", "executable/hook", Some(0o555)),
            ("store", "plain/store", Some(0o444))
        ]
    );
    let mounts = spec.containers[0].volume_mounts.as_ref().unwrap();
    let mount = mounts.iter().find(|mount| mount.mount_path == "/app/keystore").unwrap();
    assert_eq!(
        (mount.sub_path.as_deref(), mount.read_only),
        (Some("plain/store"), Some(true))
    );
}

#[test]
fn a_file_is_seen_by_the_containers_that_the_drive_names_and_otherwise_by_the_program_alone() {
    let (_, containers) = containers(
        "sidecars: [{name: proxy, image: proxy:1}], files: [{path: /etc/proxy.conf, content: x, containers: [proxy]}, \
         {path: /app/both, content: x, containers: [s, proxy]}, {path: /app/own, content: x}]",
    );
    let files = |container: &Container| -> Vec<String> {
        let mounts = container.volume_mounts.iter().flatten();
        let files = mounts.filter(|mount| mount.sub_path.is_some());
        files.map(|mount| mount.mount_path.clone()).collect()
    };
    assert_eq!(files(&containers[0]), ["/app/both", "/app/own"]);
    assert_eq!(files(&containers[1]), ["/app/both", "/etc/proxy.conf"]);
    let told = problems("files: [{path: /a, content: x, containers: [nobody]}]");
    assert!(
        told.contains("files[0].containers[0]") && told.contains("which has s"),
        "{told}"
    );
}

#[test]
fn a_service_with_a_host_name_has_one_pod() {
    assert_eq!(
        template("hostname: chat-1").spec.unwrap().hostname.as_deref(),
        Some("chat-1")
    );
    let drive = with_spec("services: [{name: s, image: portal:1, hostname: chat-1}]");
    let deployment = built(&drive, &Fetched::default()).deployments.remove(0);
    assert_eq!(deployment.spec.unwrap().replicas, Some(1));
    for service in [
        "hostname: chat-1, replicas: 2",
        "hostname: chat-1, autoscaling: {maxReplicas: 2, targetCPUUtilization: 80}",
    ] {
        assert!(problems(service).contains("run as one replica"), "{service}");
    }
    for hostname in ["Chat", "chat.example", "-chat", "chat-", "\"\""] {
        assert!(
            problems(&format!("hostname: {hostname}")).contains("hostname"),
            "{hostname}"
        );
    }
}

#[test]
fn labels_and_annotations_of_pods_are_added_to_ours() {
    let metadata =
        template("podMetadata: {labels: {example.com/team: placements}, annotations: {prometheus.io/scrape: 'true'}}")
            .metadata
            .unwrap();
    let labels = metadata.labels.unwrap();
    assert_eq!(labels["example.com/team"], "placements");
    assert_eq!(labels["ras.dev/service"], "s");
    assert_eq!(metadata.annotations.unwrap()["prometheus.io/scrape"], "true");
}

#[test]
fn labels_that_pods_are_selected_by_are_nobodys_to_set() {
    for name in [
        "ras.dev/service",
        "app.kubernetes.io/name",
        "kubernetes.io/x",
        "topology.k8s.io/x",
    ] {
        let told = problems(&format!("podMetadata: {{labels: {{{name}: a}}}}"));
        assert!(
            told.contains("belongs to the operator or to Kubernetes"),
            "{name}: {told}"
        );
    }
    // A domain that only ends like one of these.
    assert_eq!(problems("podMetadata: {labels: {notkubernetes.io/x: a}}"), "");
}

#[test]
fn annotations_that_give_a_pod_more_need_the_platforms_word() {
    let asked = |name: &str| format!("podMetadata: {{annotations: {{{name}: a}}}}");
    for name in [
        "k8s.v1.cni.cncf.io/networks",
        "io.kubernetes.cri-o.userns-mode",
        "container.apparmor.security.beta.kubernetes.io/s",
        "sidecar.istio.io/userVolume",
        "vault.hashicorp.com/role",
    ] {
        let told = problems(&asked(name));
        assert!(told.contains("tenancy.podAnnotations"), "{name}: {told}");
    }
    let platform = parse("tenancy: {podAnnotations: [vault.hashicorp.com/*, '*']}").unwrap();
    assert_eq!(problems_with(&asked("vault.hashicorp.com/role"), &platform), "");
    let told = problems_with(&asked("ras.dev/files"), &platform);
    assert!(told.contains("tenancy.podAnnotations"), "never ours: {told}");
}

#[test]
fn a_migration_has_an_image_of_its_own_where_it_is_another_program() {
    let drive = with_spec("services: [{name: s, image: portal:1, migrate: {image: schema:7}}]");
    let job = built(&drive, &Fetched::default()).jobs.remove(0);
    let container = job.spec.unwrap().template.spec.unwrap().containers.remove(0);
    assert_eq!(container.image.as_deref(), Some("schema:7"));
    let of = |image: &str| {
        let drive = with_spec(&format!(
            "services: [{{name: s, image: portal:1, migrate: {{image: {image}}}}}]"
        ));
        built(&drive, &Fetched::default()).jobs.remove(0).metadata.name
    };
    assert_ne!(of("schema:7"), of("schema:8"), "another version runs again");
}
