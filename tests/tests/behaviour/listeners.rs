//! A declared port on which nobody listens is found, although the pod is ready.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::{core::v1::Pod, networking::v1::NetworkPolicy};
use kube::{
    ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use ras_crds::{ConditionType, Reason};
use ras_tests::{AuditEvent, Error, Operator, OperatorOptions, PATIENCE, ROLES, Shared, TestEnv, cluster, eventually};
use serde_json::json;
use tokio::{net::TcpListener, task::AbortHandle};

use crate::{
    children::failed,
    seen::{asked, because, look, mark},
};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: web
    image: registry.example.com/web:1
    replicas: 1
    ports: [{name: http, port: 18080}, {name: admin, port: 18081}, {name: metrics, port: 18082}]
";
/// The pod is at these addresses of this machine, which are its alone. At the first one nobody listens on any port.
const NOBODY: &str = "127.26.0.1";
const PROGRAM: &str = "127.26.0.2";
const EVERY: Duration = Duration::from_secs(2);

/// A program that listens; ends when it is dropped.
struct Listening {
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Listening {
    async fn on(port: u16) -> Result<Self, Error> {
        let listener = TcpListener::bind((PROGRAM, port)).await.map_err(|error| Error::Io {
            what: format!("listening on {PROGRAM}:{port}"),
            message: error.to_string(),
        })?;
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self {
            connections,
            task: task.abort_handle(),
        })
    }

    /// Waits until it has been asked `more` times.
    async fn is_asked(&self, more: usize) -> Result<(), Error> {
        let wanted = self.connections.load(Ordering::Relaxed) + more;
        eventually(PATIENCE, "the operator to connect", async || {
            match self.connections.load(Ordering::Relaxed) {
                now if now >= wanted => Ok(()),
                now => Err(format!("{now} of {wanted} connections").into()),
            }
        })
        .await
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Gives the only pod an address, as a kubelet would.
async fn pod_is_at(test_env: &TestEnv, address: &str) -> Result<(), Error> {
    let pods = test_env.namespace.api::<Pod>();
    let list = pods
        .list(&ListParams::default())
        .await
        .map_err(failed("listing pods"))?;
    let status = json!({"status": {"podIP": address, "podIPs": [{"ip": address}]}});
    pods.patch_status(
        &list.items[0].name_any(),
        &PatchParams::default(),
        &Patch::Merge(&status),
    )
    .await
    .map(drop)
    .map_err(failed("writing a pod's address"))
}

async fn version(test_env: &TestEnv) -> Result<Option<String>, Error> {
    let drive = test_env
        .drives()
        .get("spring")
        .await
        .map_err(failed("reading the drive"))?;
    Ok(drive.resource_version())
}

#[tokio::test]
async fn a_declared_port_on_which_nobody_listens_is_found_and_checks_cost_no_request() -> Result<(), Error> {
    let mut settings = tempfile::NamedTempFile::new().unwrap();
    write!(settings, "listenerChecks: {{every: {}s}}", EVERY.as_secs()).unwrap();
    let options = OperatorOptions::with_roles(ROLES)
        .argument(format!("--platform-config={}", settings.path().display()))
        .argument("--pod-labels=app.kubernetes.io/name=ras-operator")
        .environment("POD_NAMESPACE", "ras-system");
    let mut test_env = TestEnv::with(Shared::All(cluster().await?), "listeners", &options).await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    let policy = look::<NetworkPolicy>(&test_env, "spring-web").await?.unwrap();
    let rule = &policy["spec"]["ingress"][1];
    assert_eq!(
        rule["from"][0]["podSelector"]["matchLabels"],
        json!({"app.kubernetes.io/name": "ras-operator"})
    );

    // Where not even the port of the readiness probe answers, the network is to blame.
    pod_is_at(&test_env, NOBODY).await?;
    let condition = because(
        &test_env,
        "spring",
        ConditionType::ListenersReady,
        Reason::PortsUnreachable,
    )
    .await?;
    assert_eq!(condition.status, "Unknown");
    test_env.ready("spring").await?;

    let (http, admin) = (Listening::on(18080).await?, Listening::on(18081).await?);
    pod_is_at(&test_env, PROGRAM).await?;
    let condition = test_env
        .condition("spring", ConditionType::ListenersReady, "False")
        .await?;
    assert_eq!(condition.reason, Reason::PortNotListening.as_str());
    for words in ["service web: port metrics (18082)", "1 of 1 ready pods", "0.0.0.0"] {
        assert!(condition.message.contains(words), "{words}: {}", condition.message);
    }
    assert!(!condition.message.contains("admin"), "{}", condition.message);
    let ready = test_env.condition("spring", ConditionType::Ready, "False").await?;
    assert_eq!((&ready.reason, &ready.message), (&condition.reason, &condition.message));
    let stalled = test_env.condition("spring", ConditionType::Stalled, "True").await?;
    assert_eq!(stalled.reason, condition.reason);

    let metrics = Listening::on(18082).await?;
    test_env
        .condition("spring", ConditionType::ListenersReady, "True")
        .await?;
    test_env.ready("spring").await?;

    // It goes on, and nothing is asked of the API server.
    let before = version(&test_env).await?;
    let since = mark(&test_env).await?;
    metrics.is_asked(3).await?;
    let for_resource = |event: &AuditEvent| event.is_for_resource() && event.verb != "watch";
    let asked = asked(&test_env, since, for_resource).await?;
    assert!(asked.is_empty(), "{asked:#?}");

    // An operator that starts says what status says until it has checked, and then the same.
    test_env.operator.stop().await?;
    test_env.operator = Operator::start(&test_env.cluster, &test_env.namespace, &options).await?;
    admin.is_asked(2).await?;
    assert_eq!(version(&test_env).await?, before);

    drop(metrics);
    test_env
        .condition("spring", ConditionType::ListenersReady, "False")
        .await?;
    drop((http, admin));
    Ok(())
}
