//! Under the memory limit of the chart, in a cgroup as a container has it, the operator survives what its tenants, other pods and an
//! object store can do to its memory, and serves other tenants meanwhile.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use ras_crds::{ConditionType, Quantity};
use ras_tests::{
    Error, MemoryBound, Operator, OperatorOptions, ROLES, TENANCY, TestEnv, TestNamespace, documents, eventually,
    repository,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::AbortHandle,
    time::timeout,
};

use crate::storage::{print_figure, write};

/// The machine is busy with what the attacks ask of the API server.
const LONG: Duration = Duration::from_mins(5);
/// Drives of other tenants that are made during each attack.
const OTHERS: usize = 20;
/// Drives of the attacker, each as large as one may be: of few large parts, and of as many small ones as there is room for.
const OF_FILES: usize = 40;
const OF_PARTS: usize = 60;

/// The memory limit of the operator's container, in bytes, as the chart makes it without any value set.
fn memory_limit() -> u64 {
    let path = repository().join("deploy/operator.yaml");
    let made = documents(&std::fs::read_to_string(path).unwrap()).unwrap();
    let deployment = made.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let limit = Quantity::new(container["resources"]["limits"]["memory"].as_str().unwrap());
    u64::try_from(limit.millis().unwrap() / 1000).unwrap()
}

/// Stops what it stands for when it goes.
struct Attack(Vec<AbortHandle>);

impl Drop for Attack {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

fn drive(name: &str, spec: &Value) -> String {
    json!({"apiVersion": "ras.dev/v1alpha1", "kind": "RecruitmentDrive", "metadata": {"name": name}, "spec": spec})
        .to_string()
}

/// Nearly 256 KiB in four files.
fn of_files(number: usize) -> String {
    let file = |index: usize| json!({"path": format!("/etc/portal/{index}"), "content": "x".repeat(65_000)});
    let files: Vec<Value> = (0..4).map(file).collect();
    drive(
        &format!("files-{number}"),
        &json!({"suspend": true, "services": [{"name": "web", "image": "a/web:1", "files": files}]}),
    )
}

/// Nearly 256 KiB in thousands of variables. It is paused, so that the API server has less to do for it; the operator has not.
fn of_parts(number: usize) -> String {
    let env: Vec<Value> = (0..64)
        .map(|index| json!({"name": format!("A{index}"), "value": "x".repeat(12)}))
        .collect();
    let sidecars: Vec<Value> = (0..4)
        .map(|index| json!({"name": format!("s{index}"), "image": "a", "env": env[..32]}))
        .collect();
    let service = |index: usize| json!({"name": format!("p{index}"), "image": "a", "env": env, "sidecars": sidecars});
    let services: Vec<Value> = (0..32).map(service).collect();
    drive(
        &format!("parts-{number}"),
        &json!({"paused": true, "services": services}),
    )
}

async fn apply_all(namespace: &TestNamespace, drives: Vec<String>) -> Result<(), Error> {
    stream::iter(drives)
        .map(|text| async move { namespace.apply(&text).await.map(drop) })
        .buffer_unordered(4)
        .try_collect()
        .await
}

/// Makes drives of another tenant, one after the other, and waits until each is Ready. Prints how long the first child of each took.
async fn others_are_served(test_env: &TestEnv, during: &str) -> Result<(), Error> {
    let mut picked_up = Vec::new();
    let name = |number: usize| format!("{during}-{number}");
    for number in 0..OTHERS {
        let spec = json!({"services": [{"name": "web", "image": "registry.example.com/web:1"}]});
        test_env.apply(&drive(&name(number), &spec)).await?;
        let began = Instant::now();
        let child = format!("{}-web", name(number));
        let deployments = test_env.namespace.api::<Deployment>();
        eventually(LONG, &format!("{child} to be there"), async || {
            let found = deployments.get_opt(&child).await?;
            found.map(drop).ok_or_else(|| "not yet".into())
        })
        .await
        .map_err(|error| error.with_log(&test_env.operator.log()))?;
        picked_up.push(began.elapsed().as_millis());
    }
    for number in 0..OTHERS {
        test_env.condition(&name(number), ConditionType::Ready, "True").await?;
    }
    picked_up.sort_unstable();
    print_figure(&format!(
        "pick-up of another tenant's drives during {during}: median {} ms, slowest of {OTHERS} {} ms",
        picked_up[OTHERS / 2],
        picked_up[OTHERS - 1],
    ));
    Ok(())
}

/// Opens connections with requests that never end, from many addresses, again and again.
fn flood(address: SocketAddr, filler: usize, opened: &Arc<AtomicU64>) -> AbortHandle {
    let head = format!("GET /metrics HTTP/1.1\r\nhost: a\r\nfiller: {}", "a".repeat(filler));
    let opened = Arc::clone(opened);
    let flood = async move {
        let (head, opened) = (&head, &opened);
        loop {
            let streams: Vec<TcpStream> = stream::iter(0..4000_u32)
                .map(|number| async move {
                    let socket = TcpSocket::new_v4().ok()?;
                    let [.., last] = number.to_be_bytes();
                    socket.bind(SocketAddr::from(([127, 0, 1, last], 0))).ok()?;
                    let connecting = timeout(Duration::from_secs(2), socket.connect(address)).await;
                    let mut stream = connecting.ok()?.ok()?;
                    let _ = timeout(Duration::from_secs(2), stream.write_all(head.as_bytes())).await;
                    opened.fetch_add(1, Ordering::Relaxed);
                    Some(stream)
                })
                .buffer_unordered(100)
                .filter_map(std::future::ready)
                .collect()
                .await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(streams);
        }
    };
    tokio::spawn(flood).abort_handle()
}

/// An object store whose answers never end.
async fn endless_store(sent: &Arc<AtomicU64>) -> Result<(String, Attack), Error> {
    let listening = "listening as an object store";
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Error::io(listening))?;
    let address = listener.local_addr().map_err(Error::io(listening))?;
    let sent = Arc::clone(sent);
    let serve = async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let sent = Arc::clone(&sent);
            tokio::spawn(async move {
                let mut request = vec![0; 8192];
                let _ = connection.read(&mut request).await;
                let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<ListBucketResult>";
                let _ = connection.write_all(head).await;
                let chunk = b"<Contents><Key>k</Key></Contents>".repeat(2000);
                while connection.write_all(&chunk).await.is_ok() {
                    sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                }
            });
        }
    };
    let handle = tokio::spawn(serve).abort_handle();
    Ok((format!("http://{address}"), Attack(vec![handle])))
}

/// With the bound, or on a machine without cgroups by what the process says itself.
fn survived(test_env: &mut TestEnv, bound: Option<&MemoryBound>, most: u64, after: &str) -> Result<(), Error> {
    test_env.operator.check_running()?;
    let own = test_env.operator.memory()?.highest * 1024;
    let mebibytes = |bytes: u64| bytes >> 20;
    let (peak, kills) = match bound {
        Some(bound) => (bound.peak()?, bound.kills()?),
        None => (own, 0),
    };
    print_figure(&format!(
        "after {after}: {} MiB at most in the {}, {} MiB resident at most, of {} MiB",
        mebibytes(peak),
        if bound.is_some() {
            "cgroup"
        } else {
            "process, for there is no cgroup"
        },
        mebibytes(own),
        mebibytes(most),
    ));
    assert_eq!(kills, 0, "the kernel killed it");
    // What is resident counts pages of the program's file, which are nobody's in the cgroup.
    assert!(bound.is_some() || own < most, "{own} of {most} bytes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_the_charts_memory_limit_it_survives_and_serves_other_tenants() -> Result<(), Error> {
    let most = memory_limit();
    let bound = MemoryBound::new(most)?;
    let sent = Arc::new(AtomicU64::new(0));
    let (endpoint, _store) = endless_store(&sent).await?;
    let folder = tempfile::tempdir().map_err(Error::io("making a folder"))?;
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        write(&folder.path().join(name), "key");
    }
    let config = folder.path().join("platform.yaml");
    let credentials = folder.path().display();
    write(
        &config,
        &format!(
            "{TENANCY}objectStore: {{endpoint: '{endpoint}', region: us-east-1, credentialsDirectory: '{credentials}'}}\n"
        ),
    );
    let mut options = OperatorOptions::with_roles(ROLES)
        .cluster_wide()
        .argument(format!("--platform-config={}", config.display()));
    if let Some(bound) = &bound {
        options = options.within(bound);
    }
    let mut test_env = TestEnv::alone("others", &options).await?;
    let attacker = test_env.cluster.namespace("attacker").await?;
    others_are_served(&test_env, "nothing").await?;
    survived(&mut test_env, bound.as_ref(), most, "nothing")?;

    // As many of the largest drives as the review used, and a restart that has to list them all.
    let files = (0..OF_FILES).map(of_files);
    let sizes = [of_files(0).len(), of_parts(0).len()];
    apply_all(&attacker, files.chain((0..OF_PARTS).map(of_parts)).collect()).await?;
    print_figure(&format!(
        "{OF_FILES} and {OF_PARTS} drives of {sizes:?} bytes are stored"
    ));
    others_are_served(&test_env, "large-drives").await?;
    survived(&mut test_env, bound.as_ref(), most, "large drives")?;
    test_env.operator.kill();
    test_env.operator = Operator::start(&test_env.cluster, &test_env.namespace, &options).await?;
    test_env.operator.logs(LONG, r#""message":"ready""#).await?;
    others_are_served(&test_env, "a-restart").await?;
    survived(&mut test_env, bound.as_ref(), most, "a restart with large drives")?;

    let opened = Arc::new(AtomicU64::new(0));
    let metrics = test_env.operator.metrics_address(LONG).await?;
    let probes = test_env.operator.probes_address(LONG).await?;
    {
        let floods = [(metrics, 10), (metrics, 400 * 1024), (probes, 10)];
        let _flood = Attack(floods.map(|(address, filler)| flood(address, filler, &opened)).into());
        others_are_served(&test_env, "a-flood").await?;
        assert_eq!(test_env.operator.get("/healthz").await?.0, 200);
    }
    let opened = opened.load(Ordering::Relaxed);
    print_figure(&format!("{opened} unfinished requests were opened"));
    assert!(opened > 1000, "{opened}");
    survived(&mut test_env, bound.as_ref(), most, "a flood of unfinished requests")?;

    let with_bucket = |number: usize| {
        let services = json!([{"name": "web", "image": "a/web:1"}]);
        drive(
            &format!("bucket-{number}"),
            &json!({"suspend": true, "services": services, "buckets": [{"name": "files"}]}),
        )
    };
    apply_all(&attacker, (0..10).map(with_bucket).collect()).await?;
    others_are_served(&test_env, "an-endless-answer").await?;
    eventually(LONG, "the object store to answer without end", async || {
        let sent = sent.load(Ordering::Relaxed);
        if sent > 32 << 20 {
            Ok(())
        } else {
            Err(format!("{sent} bytes").into())
        }
    })
    .await?;
    survived(&mut test_env, bound.as_ref(), most, "answers without end")?;
    print_figure(&format!(
        "the object store sent {} MiB",
        sent.load(Ordering::Relaxed) >> 20
    ));
    let asked = Instant::now();
    let status = test_env.operator.stop().await?;
    print_figure(&format!("it ended {} ms after SIGTERM", asked.elapsed().as_millis()));
    assert!(status.success(), "{status}");
    Ok(())
}
