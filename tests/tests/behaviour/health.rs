//! What the program tells of itself: health, metrics, how it ends, and why it does not begin.

use std::{
    io::Write as _,
    net::TcpListener,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, future::join_all};
use k8s_openapi::api::{apps::v1::Deployment, networking::v1::Ingress};
use ras_tests::{
    Cluster, Error, FakeKubelet, Operator, OperatorOptions, PATIENCE, ROLES, Shared, TestEnv, cluster, eventually,
    program_beside,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, process::Command, time::timeout};

use crate::seen::{kubectl, look, restart_operator};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - {name: web, image: 'registry.example.com/web:1', replicas: 2}
  - {name: worker, image: 'registry.example.com/worker:1', replicas: 1}
";

#[tokio::test]
async fn health_readiness_and_metrics_are_answered() -> Result<(), Error> {
    let mut test_env = TestEnv::start("health").await?;
    assert_eq!(test_env.operator.get("/healthz").await?.0, 200);
    test_env.operator.logs(PATIENCE, r#""message":"ready""#).await?;
    assert_eq!(test_env.operator.get("/readyz").await?.0, 200);
    // What never happened is not counted, not even as nothing.
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    let (code, metrics) = test_env.operator.get("/metrics").await?;
    assert_eq!(code, 200);
    for metric in ["ras_reconciles", "ras_reconcile_duration_seconds", "ras_api_writes"] {
        assert!(metrics.contains(&format!("# HELP {metric} ")), "{metric}: {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"), "as OpenMetrics has it");
    let (code, text) = test_env.operator.get("/").await?;
    assert!(code == 404 && text.contains("/metrics"), "{code}: {text}");
    Ok(())
}

/// Waits until the metrics have each of these lines, and no other line that names a drive.
#[allow(clippy::await_holding_refcell_ref)] // Nobody else looks at the same time: the looks follow one another.
async fn metrics_of_drives(test_env: &mut TestEnv, lines: &[String]) -> Result<(), Error> {
    let operator = std::cell::RefCell::new(&mut test_env.operator);
    eventually(PATIENCE, "the metrics of drives", async || {
        let (_, text) = operator.borrow_mut().get("/metrics").await?;
        let mut seen: Vec<&str> = text.lines().filter(|line| line.contains("drive=\"")).collect();
        seen.sort_unstable();
        if seen == lines {
            Ok(())
        } else {
            Err(seen.join("\n").into())
        }
    })
    .await
}

#[tokio::test]
async fn metrics_tell_of_every_drive_and_service_as_long_as_there_are_any() -> Result<(), Error> {
    let mut test_env = TestEnv::start("metrics").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    let namespace = test_env.namespace.name().to_owned();
    let drive =
        |metric: &str, value: i64| format!("ras_drive_{metric}{{namespace=\"{namespace}\",drive=\"spring\"}} {value}");
    let service = |metric: &str, service: &str, value: i64| {
        format!(
            "ras_service_{metric}_replicas{{namespace=\"{namespace}\",drive=\"spring\",service=\"{service}\"}} {value}"
        )
    };
    let mut lines = vec![drive("ready", 1), drive("suspended", 0)];
    let web = [service("desired", "web", 2), service("ready", "web", 2)];
    lines.extend(web.clone());
    lines.extend([service("desired", "worker", 1), service("ready", "worker", 1)]);
    lines.sort_unstable();
    metrics_of_drives(&mut test_env, &lines).await?;

    let alone = "spec: {suspend: true, services: [{name: web, image: 'registry.example.com/web:1', replicas: 2}]}";
    test_env
        .apply(&format!("{}{alone}", DRIVE.split("spec:").next().unwrap()))
        .await?;
    let mut lines = vec![
        drive("ready", 0),
        drive("suspended", 1),
        service("desired", "web", 0),
        service("ready", "web", 0),
    ];
    lines.sort_unstable();
    metrics_of_drives(&mut test_env, &lines).await?;

    kubectl(&test_env, &["delete", "drive", "spring", "--timeout=50s"]).await?;
    metrics_of_drives(&mut test_env, &[]).await
}

#[tokio::test]
async fn an_operator_that_finds_drives_becomes_ready_as_well() -> Result<(), Error> {
    let mut test_env = TestEnv::start("ready-again").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    for _ in 0..3 {
        restart_operator(&mut test_env, &OperatorOptions::with_roles(ROLES)).await?;
        assert_eq!(test_env.operator.get("/readyz").await?.0, 200);
    }
    Ok(())
}

#[tokio::test]
async fn sigterm_ends_it_with_success() -> Result<(), Error> {
    let mut test_env = TestEnv::start("sigterm").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    let asked = Instant::now();
    let status = test_env.operator.stop().await?;
    println!("it ended after {} ms", asked.elapsed().as_millis());
    assert!(status.success(), "{status}: {}", test_env.operator.log());
    assert!(
        test_env.operator.log().contains(r#""message":"stopped""#),
        "{}",
        test_env.operator.log()
    );
    // Nothing goes with it: a portal does not need its operator to run.
    let deployment = test_env.namespace.api::<Deployment>().get("spring-web").await.unwrap();
    assert_eq!(deployment.status.and_then(|status| status.ready_replicas), Some(2));
    Ok(())
}

/// Opens connections with requests that never end: the first half of a head, or a head with more than anybody needs.
async fn unfinished(address: std::net::SocketAddr, count: usize, filler: usize) -> Vec<TcpStream> {
    let head = format!("GET /metrics HTTP/1.1\r\nhost: a\r\nfiller: {}", "a".repeat(filler));
    futures::stream::iter(0..count)
        .map(|_| async {
            let mut stream = TcpStream::connect(address).await.ok()?;
            // What is too long is answered and closed while it is sent.
            let _ = timeout(Duration::from_secs(2), stream.write_all(head.as_bytes())).await;
            Some(stream)
        })
        .buffer_unordered(100)
        .filter_map(std::future::ready)
        .collect()
        .await
}

#[tokio::test]
async fn thousands_of_unfinished_requests_cost_no_memory_and_keep_no_probe_waiting() -> Result<(), Error> {
    let mut test_env = TestEnv::start("flood").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    assert_eq!(test_env.operator.get("/metrics").await?.0, 200);
    let before = test_env.operator.memory()?;
    let metrics = test_env.operator.metrics_address(PATIENCE).await?;
    let probes = test_env.operator.probes_address(PATIENCE).await?;

    let mut held = unfinished(metrics, 2000, 10).await;
    held.extend(unfinished(metrics, 900, 400 * 1024).await);
    held.extend(unfinished(probes, 2000, 10).await);
    assert!(held.len() > 4000, "only {} connections were opened", held.len());
    for _ in 0..20 {
        let began = Instant::now();
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(test_env.operator.get(path).await?.0, 200, "{path}");
        }
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    let after = test_env.operator.memory()?;
    let grown = after.highest.saturating_sub(before.highest);
    println!(
        "{} connections: at most {grown} KiB more than {} KiB",
        held.len(),
        before.highest
    );
    assert!(grown < 16 * 1024, "{grown} KiB more: {before:?}, {after:?}");
    // The work goes on.
    test_env.apply(&DRIVE.replace("web:1", "web:2")).await?;
    test_env.ready("spring").await.map(drop)
}

/// Runs the program where it cannot go on: it must end by itself, without success. Returns what it said.
async fn refusal(arguments: &[&str], kubeconfig: &str) -> String {
    let mut command = Command::new(program_beside("ras-operator").unwrap());
    command
        .arg("run")
        .args(arguments)
        .args([ANY_PORT, ANY_PROBES_PORT].iter().filter(|any| {
            !arguments
                .iter()
                .any(|given| given.split('=').next() == any.split('=').next())
        }))
        .env("KUBECONFIG", kubeconfig)
        .kill_on_drop(true);
    let output = timeout(PATIENCE, command.output())
        .await
        .expect("it must end by itself")
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

const ANY_PORT: &str = "--metrics-address=127.0.0.1:0";
const ANY_PROBES_PORT: &str = "--probes-address=127.0.0.1:0";

#[tokio::test]
async fn a_missing_definition_is_told_with_what_to_do() -> Result<(), Error> {
    let cluster = Cluster::start().await?;
    let kubeconfig = cluster.description().kubeconfig.display().to_string();
    let scopes = [vec![ANY_PORT], vec![ANY_PORT, "--namespace=default"]];
    for said in join_all(scopes.iter().map(|scope| refusal(scope, &kubeconfig))).await {
        for word in [
            "RecruitmentDrive",
            "crds/recruitmentdrives.yaml",
            "ras-operator crd | kubectl apply --server-side -f -",
        ] {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_operator_that_starts_before_its_crd_is_applied_waits_for_it_and_begins() -> Result<(), Error> {
    let cluster = Cluster::start().await?;
    let namespace = cluster.namespace("early").await?;
    let mut operator = Operator::start(&cluster, &namespace, &OperatorOptions::with_roles(ROLES)).await?;
    operator
        .logs(PATIENCE, "for the API server to serve RecruitmentDrive")
        .await?;
    cluster.install_crd().await?;
    let jobs = FakeKubelet::start(namespace.client(), Some(namespace.name()));
    let test_env = TestEnv {
        cluster: Shared::Own(Box::new(cluster)),
        namespace,
        operator,
        jobs,
    };
    test_env
        .apply(
            "{apiVersion: ras.dev/v1alpha1, kind: RecruitmentDrive, metadata: {name: spring}, \
             spec: {services: [{name: web, image: registry.example.com/web:1}]}}",
        )
        .await?;
    test_env.ready("spring").await.map(drop)
}

#[tokio::test]
async fn settings_that_cannot_be_read_are_told_by_their_field() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for (text, word) in [
        ("ingress: {clasName: nginx}", "clasName"),
        ("storage: [fast]", "storage"),
        ("operatorImage: ''", "operatorImage"),
        ("imagePullSecrets: ['']", "imagePullSecrets"),
    ] {
        file.as_file().set_len(0).unwrap();
        write!(file.reopen().unwrap(), "{text}").unwrap();
        file.flush().unwrap();
        let path = file.path().display().to_string();
        let said = refusal(&[ANY_PORT, &format!("--platform-config={path}")], "/nowhere").await;
        assert!(said.contains(word) && said.contains(&path), "{text}: {said}");
    }
    let said = refusal(&[ANY_PORT, "--platform-config=/nowhere/platform.yaml"], "/nowhere").await;
    assert!(said.contains("/nowhere/platform.yaml"), "{said}");
}

/// Replaces a file as kubelet does when a ConfigMap changed.
fn replace(path: &std::path::Path, text: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(&next, path).unwrap();
}

#[tokio::test]
async fn changed_platform_settings_are_in_force_without_a_restart_and_wrong_ones_change_nothing() -> Result<(), Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("platform.yaml");
    let settings = |class: &str| format!("ingress: {{className: {class}}}\n");
    replace(&path, &settings("one"));
    let options = OperatorOptions::with_roles(ROLES)
        .argument("--platform-config")
        .argument(path.display().to_string());
    let mut test_env = TestEnv::with(Shared::All(cluster().await?), "reload", &options).await?;
    let drive = "{apiVersion: ras.dev/v1alpha1, kind: RecruitmentDrive, metadata: {name: spring}, spec: {services: \
         [{name: web, image: registry.example.com/web:1, ports: [{name: http, port: 8080, path: /}]}], \
         exposure: {host: spring.example.edu}}}";
    test_env.apply(drive).await?;
    test_env.ready("spring").await?;
    let classes = async |test_env: &TestEnv, class: &str| {
        eventually(
            PATIENCE,
            &format!("the Ingress to be of the class {class}"),
            async || {
                let ingress = look::<Ingress>(test_env, "spring").await?.unwrap_or_default();
                match ingress.pointer("/spec/ingressClassName") {
                    Some(found) if found == class => Ok(()),
                    other => Err(format!("{other:?}").into()),
                }
            },
        )
        .await
        .map_err(|error| error.with_log(&test_env.operator.log()))
    };
    classes(&test_env, "one").await?;
    assert!(
        test_env
            .operator
            .get("/metrics")
            .await?
            .1
            .contains("\nras_platform_settings_valid 1\n")
    );

    replace(&path, &settings("two"));
    classes(&test_env, "two").await?;
    replace(&path, "ingress: {clasName: three}\n");
    test_env
        .operator
        .logs(PATIENCE, "the previous ones stay in effect")
        .await?;
    assert!(test_env.operator.log().contains("clasName"), "the field is named");
    assert!(
        test_env
            .operator
            .get("/metrics")
            .await?
            .1
            .contains("\nras_platform_settings_valid 0\n")
    );
    classes(&test_env, "two").await?;
    test_env.ready("spring").await?;

    replace(&path, &settings("four"));
    classes(&test_env, "four").await?;
    assert!(
        test_env
            .operator
            .get("/metrics")
            .await?
            .1
            .contains("\nras_platform_settings_valid 1\n")
    );
    replace(
        &path,
        "{ingress: {className: five}, objectStore: {endpoint: 'http://127.0.0.1:9'}}\n",
    );
    test_env
        .operator
        .logs(PATIENCE, "except objectStore: restart the operator")
        .await?;
    classes(&test_env, "five").await
}

#[tokio::test]
async fn a_port_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--metrics-address", "--probes-address"] {
        let said = refusal(&[&format!("{flag}={address}")], "/nowhere").await;
        assert!(said.contains(&address) && said.contains(flag), "{said}");
    }
}

#[tokio::test]
async fn a_cluster_that_cannot_be_found_is_told() {
    let said = refusal(&[ANY_PORT], "/nowhere/kubeconfig").await;
    assert!(
        said.contains("KUBECONFIG") && said.contains("/nowhere/kubeconfig"),
        "{said}"
    );
}
