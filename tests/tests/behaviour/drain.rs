//! `kubectl ras drain`: a cluster that is to be destroyed is emptied of what lives outside it, and nothing that is to be
//! kept goes. Each test has a control plane of its own, because it empties the whole of it.

use std::{process::Stdio, time::Duration};

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use ras_crds::labels::{CONFIRM_DELETE, KEEP_BUCKETS};
use ras_tests::{Cluster, Error, Shared, TestEnv, apply_yaml, eventually, object_store::StoreKind, program_beside};
use serde_json::{Value, json};

use crate::storage::{Storage, look};

/// How long a drain may take here, in which nothing is slow but the machine.
const LIMIT: Duration = Duration::from_secs(90);

/// How a run ended.
pub struct Ran {
    code: Option<i32>,
    /// Standard output: the report.
    pub stdout: String,
    stderr: String,
}

impl Ran {
    fn report(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr))
    }

    /// An item of the report: its state, and the reason with the next step.
    fn said(&self, name: &str) -> (String, String) {
        let report = self.report();
        let items = report["items"].as_array().unwrap().clone();
        let item = items.iter().find(|item| item["name"].as_str().unwrap().ends_with(name));
        let item = item.unwrap_or_else(|| panic!("nothing of {name} in {}", self.stdout));
        let text = |field: &str| item[field].as_str().unwrap_or_default().to_owned();
        (text("state"), format!("{} {}", text("reason"), text("wayOut")))
    }

    /// It ended with this exit code.
    pub fn ended(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
    }
}

/// Runs `kubectl ras drain` as kubectl runs it, as admin.
async fn drain(cluster: &Cluster, arguments: &[&str]) -> Result<Ran, Error> {
    let plugin = program_beside("kubectl-ras")?;
    let folder = plugin.parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let failed = |source: std::io::Error| Error::Api {
        what: "kubectl ras drain".to_owned(),
        message: source.to_string(),
    };
    let output = tokio::process::Command::new(cluster.tools().path("kubectl")?)
        .args(["ras", "drain"])
        .args(arguments)
        .env("PATH", format!("{folder}:{path}"))
        .env("KUBECONFIG", &cluster.description().kubeconfig)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, output).await.map_err(|_| Error::Waited {
        what: "kubectl ras drain to end".to_owned(),
        waited: LIMIT,
        last_seen: "nothing".to_owned(),
    })?;
    let output = output.map_err(failed)?;
    Ok(Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn api<T>(result: Result<T, kube::Error>) -> Result<T, Error> {
    result.map_err(|error| Error::Api {
        what: "playing the cloud".to_owned(),
        message: error.to_string(),
    })
}

/// A disk outside the cluster, and for whom it is. The name of its driver keeps Kubernetes from looking for one of its own.
fn disk(name: &str, namespace: &str, claim: &str, policy: &str) -> String {
    let annotations = json!({"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"});
    let spec = json!({
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "storageClassName": "ebs",
        "persistentVolumeReclaimPolicy": policy,
        "claimRef": {"namespace": namespace, "name": claim},
        "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": format!("vol-{name}")},
    });
    let metadata = json!({"name": name, "annotations": annotations});
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}).to_string() + "\n---\n"
}

fn claim(name: &str) -> String {
    let spec = json!({
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "ebs",
        "resources": {"requests": {"storage": "1Gi"}},
    });
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}).to_string()
        + "\n---\n"
}

const CLASS: &str =
    "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: ebs}\nprovisioner: ebs.csi.aws.com\n---\n";

/// Finalizer of a load balancer's controller.
const BALANCER: &str = "service.kubernetes.io/load-balancer-cleanup";

fn edge(finalizer: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: traefik, finalizers: ['{finalizer}']}}\n\
         spec: {{type: LoadBalancer, ports: [{{port: 443}}], selector: {{app: traefik}}}}\n---\n"
    )
}

const ALB: &str = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: alb}\nspec: {controller: ingress.k8s.aws/alb}\n---\n\
    apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: grafana, finalizers: [ingress.k8s.aws/resources]}\n\
    spec: {ingressClassName: alb, defaultBackend: {service: {name: traefik, port: {number: 443}}}}\n---\n";

/// The cloud's controllers: load balancers and disks that are to go are gone a moment later.
async fn play_the_cloud(client: &Client) -> Result<(), Error> {
    let (services, ingresses): (Api<Service>, Api<Ingress>) = (Api::all(client.clone()), Api::all(client.clone()));
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let free = json!({"metadata": {"finalizers": null}});
    loop {
        for service in api(services.list(&ListParams::default()).await)? {
            if service.metadata.deletion_timestamp.is_some() {
                let of_namespace: Api<Service> = Api::namespaced(client.clone(), &service.namespace().unwrap());
                let _ = of_namespace
                    .patch(&service.name_any(), &PatchParams::default(), &Patch::Merge(&free))
                    .await;
            }
        }
        for ingress in api(ingresses.list(&ListParams::default()).await)? {
            if ingress.metadata.deletion_timestamp.is_some() {
                let of_namespace: Api<Ingress> = Api::namespaced(client.clone(), &ingress.namespace().unwrap());
                let _ = of_namespace
                    .patch(&ingress.name_any(), &PatchParams::default(), &Patch::Merge(&free))
                    .await;
            }
        }
        for volume in api(volumes.list(&ListParams::default()).await)? {
            let spec = volume.spec.as_ref().unwrap();
            let phase = volume.status.as_ref().and_then(|status| status.phase.clone());
            let reclaimed = spec.persistent_volume_reclaim_policy.as_deref() == Some("Delete");
            if spec.csi.is_some() && reclaimed && phase.as_deref() == Some("Released") {
                let _ = volumes.delete(&volume.name_any(), &DeleteParams::default()).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Runs the drain while the cloud does its part.
pub async fn drain_with_a_cloud(cluster: &Cluster, arguments: &[&str]) -> Result<Ran, Error> {
    let client = cluster.client()?;
    tokio::select! {
        ran = drain(cluster, arguments) => ran,
        failed = play_the_cloud(&client) => Err(failed.err().unwrap()),
    }
}

/// A drive `d` with a volume of each policy, a generated credential and these buckets.
fn drive(buckets: &str) -> String {
    format!(
        "apiVersion: ras.dev/v1alpha1\nkind: RecruitmentDrive\nmetadata: {{name: d}}\nspec:\n\
         \x20 services:\n\
         \x20 - name: store\n\
         \x20   image: store:1\n\
         \x20   ports: [{{name: http, port: 8080, path: /}}]\n\
         \x20   env: [{{name: KEY, secret: {{name: jwt, key: key}}}}]\n\
         \x20   volumes:\n\
         \x20   - {{name: data, path: /data, size: 1Gi, storageClassName: ebs}}\n\
         \x20   - {{name: cache, path: /cache, size: 1Gi, storageClassName: ebs, deletionPolicy: Delete}}\n\
         \x20 secrets: [{{name: jwt, generate: {{keys: [key]}}}}]\n\
         \x20 exposure: {{host: placement.example.edu}}\n\
         \x20 buckets: [{buckets}]\n"
    )
}

async fn own_cluster() -> Result<Shared, Error> {
    Ok(Shared::Own(Box::new(Cluster::start().await?)))
}

#[tokio::test]
async fn a_cluster_is_emptied_of_what_lives_outside_it_and_is_then_safe_to_destroy() -> Result<(), Error> {
    let storage = Storage::on(own_cluster().await?, StoreKind::Moto, "drain", "").await?;
    let test_env = &storage.test_env;
    let namespace = test_env.namespace.name().to_owned();
    let disks = [
        disk("data", &namespace, "d-store-data", "Delete"),
        disk("cache", &namespace, "d-store-cache", "Delete"),
        disk("prometheus", &namespace, "prometheus", "Delete"),
        disk("archive", &namespace, "archive", "Retain"),
    ];
    test_env.apply(&format!("{CLASS}{}", disks.concat())).await?;
    let others = [claim("prometheus"), claim("archive"), edge(BALANCER), ALB.to_owned()];
    test_env.apply(&others.concat()).await?;
    test_env
        .apply(&drive(
            "{name: resumes}, {name: exports, deletionPolicy: DeleteIfEmpty}, {name: full, deletionPolicy: DeleteIfEmpty}",
        ))
        .await?;
    test_env.ready("d").await?;
    let (resumes, exports) = (storage.ready("resumes").await?, storage.ready("exports").await?);
    let full = storage.ready("full").await?;
    look::put(&storage.client, &full, "a.pdf", "data").await?;
    bound(test_env, &["d-store-data", "d-store-cache", "prometheus", "archive"]).await?;

    // Without --yes nothing is done but to look, and everything is on the list.
    let audit = test_env.cluster.audit()?;
    let mark = audit.settle().await?;
    let dry = drain(&test_env.cluster, &[]).await?;
    dry.ended(1);
    let order = [
        "RecruitmentDrive ",
        "Ingress ",
        "Service ",
        "PersistentVolumeClaim ",
        "goes with these:",
    ];
    let places: Vec<_> = order.iter().map(|word| dry.stdout.find(word)).collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{places:?} {}",
        dry.stdout
    );
    assert!(
        dry.stdout.contains("Nothing was done: run it again with --yes"),
        "{}",
        dry.stdout
    );
    audit.settle().await?;
    let asked = audit.events_since(mark, |event| event.user_agent.starts_with("kubectl-ras/"))?;
    assert!(
        asked.len() > 5 && asked.iter().all(|event| !event.is_write()),
        "{asked:?}"
    );

    let ran = drain_with_a_cloud(&test_env.cluster, &["--yes", "--timeout", "80s", "-o", "json"]).await?;
    ran.ended(0);
    assert_eq!(ran.report()["safeToDestroy"], true);
    for (name, word) in [
        (resumes.as_str(), "kept with all that is in it"),
        (full.as_str(), "not empty"),
        ("data", "drive d keeps it"),
        ("archive", "reclaim policy is Retain"),
    ] {
        let (state, why) = ran.said(name);
        assert!(state == "Kept" && why.contains(word), "{name}: {state}: {why}");
    }
    assert_eq!(ran.said("d-jwt").0, "EndsWithTheCluster");
    assert!(!ran.stdout.contains(&exports), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("deleting Service") && ran.stderr.contains("is done"),
        "{}",
        ran.stderr
    );

    // It is as it says.
    assert!(!look::exists(&storage.client, &exports).await?);
    assert_eq!(
        look::get(&storage.client, &full, "a.pdf").await?.as_deref(),
        Some("data")
    );
    let volumes: Api<PersistentVolume> = Api::all(test_env.namespace.client());
    let left: Vec<String> = api(volumes.list(&ListParams::default()).await)?
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(left, ["archive", "data"]);
    let claims: Api<PersistentVolumeClaim> = test_env.namespace.api();
    let left: Vec<String> = api(claims.list(&ListParams::default()).await)?
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(left, ["archive", "d-store-data"]);

    // Once more there is nothing to do, and it says so at once.
    let again = drain(&test_env.cluster, &[]).await?;
    again.ended(0);
    assert!(again.stdout.ends_with("\nsafe to destroy\n"), "{}", again.stdout);
    Ok(())
}

async fn bound(test_env: &TestEnv, names: &[&str]) -> Result<(), Error> {
    let claims: Api<PersistentVolumeClaim> = test_env.namespace.api();
    eventually(LIMIT, "claims to be bound", async || {
        for name in names {
            let phase = claims.get(name).await?.status.and_then(|status| status.phase);
            if phase.as_deref() != Some("Bound") {
                return Err(format!("{name} is {phase:?}").into());
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_blocked_deletion_ends_with_the_way_out_and_the_next_run_goes_on() -> Result<(), Error> {
    let storage = Storage::on(own_cluster().await?, StoreKind::Moto, "drain-blocked", "").await?;
    let test_env = &storage.test_env;
    test_env.apply(&edge(BALANCER)).await?;
    storage
        .drive("{name: old, deletionPolicy: Delete}, {name: precious, deletionPolicy: Delete}")
        .await?;
    let (old, precious) = (storage.ready("old").await?, storage.ready("precious").await?);
    look::put(&storage.client, &old, "a.pdf", "data").await?;
    look::put(&storage.client, &precious, "b.pdf", "data").await?;

    let dry = drain(&test_env.cluster, &["-o", "json"]).await?;
    dry.ended(1);
    let (state, how) = dry.said(&old);
    assert!(
        state == "InTheWay" && how.contains(CONFIRM_DELETE) && how.contains(KEEP_BUCKETS),
        "{state}: {how}"
    );

    // It ends long before its time, for nothing goes on before somebody decides.
    let blocked = drain_with_a_cloud(&test_env.cluster, &["--yes", "--timeout", "80s"]).await?;
    blocked.ended(1);
    for word in [
        "ConfirmationMissing",
        "which is not confirmed",
        &format!("{KEEP_BUCKETS}={precious}"),
    ] {
        assert!(blocked.stdout.contains(word), "no {word} in {}", blocked.stdout);
    }
    assert!(blocked.stdout.contains("NOT safe to destroy"), "{}", blocked.stdout);
    // As long as a drive is not gone, people reach it.
    let services: Api<Service> = test_env.namespace.api();
    assert!(
        api(services.get("traefik").await)?
            .metadata
            .deletion_timestamp
            .is_none()
    );
    assert!(look::exists(&storage.client, &old).await?);

    storage.annotate(CONFIRM_DELETE, Some(&old)).await?;
    storage.annotate(KEEP_BUCKETS, Some(&precious)).await?;
    let ran = drain_with_a_cloud(&test_env.cluster, &["--yes", "--timeout", "80s"]).await?;
    ran.ended(0);
    assert!(ran.stdout.contains(&format!("bucket {precious}")), "{}", ran.stdout);
    assert!(!look::exists(&storage.client, &old).await?);
    assert_eq!(
        look::get(&storage.client, &precious, "b.pdf").await?.as_deref(),
        Some("data")
    );
    Ok(())
}

#[tokio::test]
async fn what_does_not_go_in_time_or_comes_back_or_cannot_be_seen_is_never_called_safe() -> Result<(), Error> {
    let test_env = TestEnv::with(
        own_cluster().await?,
        "drain-not",
        &ras_tests::OperatorOptions::with_roles(ras_tests::ROLES),
    )
    .await?;
    let cluster = &test_env.cluster;
    test_env.apply(&edge(BALANCER)).await?;

    // Nobody takes the load balancer away.
    let slow = drain(cluster, &["--yes", "--timeout", "3s"]).await?;
    slow.ended(1);
    for word in [BALANCER, "is that controller running?", "There was no more time"] {
        assert!(slow.stdout.contains(word), "no {word} in {}", slow.stdout);
    }

    // Once somebody does, the next run goes on to the end.
    drain_with_a_cloud(cluster, &["--yes", "--timeout", "60s"])
        .await?
        .ended(0);

    // Something makes it anew, as GitOps does.
    test_env.apply(&edge("example.com/mine")).await?;
    let makes_it_anew = async {
        loop {
            let _ = apply_yaml(
                &test_env.namespace.client(),
                test_env.namespace.name(),
                &edge("example.com/mine"),
            )
            .await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let ran = tokio::select! {
        ran = drain_with_a_cloud(cluster, &["--yes", "--timeout", "60s"]) => ran?,
        () = makes_it_anew => unreachable!(),
    };
    ran.ended(1);
    assert!(ran.stdout.contains("came back"), "{} {}", ran.stdout, ran.stderr);

    // Somebody who may look at drives alone cannot know.
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: drives-alone}\n\
         rules: [{apiGroups: [ras.dev], resources: [recruitmentdrives], verbs: [list]}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: drives-alone}\n\
         roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: drives-alone}\n\
         subjects: [{kind: User, name: somebody, apiGroup: rbac.authorization.k8s.io}]\n";
    test_env.apply(role).await?;
    let kubeconfig = as_somebody(cluster, "somebody");
    let blind = drain(cluster, &["--kubeconfig", kubeconfig.path().to_str().unwrap()]).await?;
    blind.ended(1);
    for word in [
        "Services could not be listed",
        "PersistentVolumes could not be listed",
        "NOT safe",
    ] {
        assert!(blind.stdout.contains(word), "no {word} in {}", blind.stdout);
    }

    // No cluster, no answer; and wrong words are told apart from a cluster that is not safe.
    let nobody = drain(cluster, &["--context", "elsewhere"]).await?;
    nobody.ended(1);
    assert!(
        nobody.stderr.contains("elsewhere") && nobody.stdout.is_empty(),
        "{}",
        nobody.stderr
    );
    drain(cluster, &["--timeout", "soon"]).await?.ended(2);
    Ok(())
}

/// The admin's kubeconfig, for requests in somebody else's name.
fn as_somebody(cluster: &Cluster, name: &str) -> tempfile::NamedTempFile {
    use std::io::Write as _;
    let text = std::fs::read_to_string(&cluster.description().kubeconfig).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["users"][0]["user"]["as"] = json!(name);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(config.to_string().as_bytes()).unwrap();
    file
}
