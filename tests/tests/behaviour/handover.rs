//! What Terraform hands over is what the operator runs with: read by its own parser, and enough for a whole portal.
//!
//! What is handed over is recorded by Terraform's tests, which keep the record fresh. Where Terraform itself has just
//! applied an example in a simulated AWS, the environment names that file, that storage class and that AWS instead.

use std::{fs, path::PathBuf, time::Duration};

use k8s_openapi::api::{
    core::v1::{PersistentVolume, PersistentVolumeClaim},
    networking::v1::Ingress,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};
use ras_core::platform;
use ras_crds::RecruitmentDrive;
use ras_tests::{
    Cluster, Error, FakeKubelet, ForeignProject, Operator, OperatorOptions, PATIENCE, ROLES, apply_yaml, documents,
    eventually,
    object_store::{StoreKind, shared},
    repository,
};
use serde_json::{Value, json};

use crate::{
    drain::drain_with_a_cloud,
    storage::{look, write},
};

/// A file that the environment names, or the recorded one.
fn handed_over(variable: &str, recorded: &str) -> String {
    let recorded = repository().join("terraform/tests/handover").join(recorded);
    let path = std::env::var_os(variable).map_or(recorded, PathBuf::from);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_operator_reads_what_terraform_hands_over_of_every_example() {
    for example in ["small", "standard", "private"] {
        let read = platform::parse(&handed_over("", &format!("{example}.yaml"))).unwrap();
        let store = read.object_store.unwrap();
        assert_eq!(store.bucket_prefix.as_deref(), Some("ras"), "{example}");
        assert!(
            store.programs.secret_name.is_none() && store.credentials_directory.is_none(),
            "{example} has keys"
        );
        // The Pod Identity agent: without it a service that restricts its egress gets no credentials.
        assert!(
            store.programs.cidrs.iter().any(|cidr| cidr == "169.254.170.23/32"),
            "{example}"
        );
        assert!(
            read.storage.class_name.is_some() && read.ingress.class_name.is_some(),
            "{example}"
        );
    }
}

#[tokio::test]
async fn the_main_example_becomes_ready_with_what_terraform_hands_over_and_a_drain_leaves_nothing() -> Result<(), Error>
{
    let moto = shared(StoreKind::Moto).await?;
    let aws = std::env::var("RAS_HANDED_OVER_STORE").unwrap_or_else(|_| moto.endpoint().to_owned());
    let handed = handed_over("RAS_HANDED_OVER", "small.yaml");
    let read = platform::parse(&handed).unwrap();
    let class = read.storage.class_name.unwrap();

    // As it was handed over, but for the address of AWS.
    let mut settings = documents(&handed)?.remove(0);
    settings["objectStore"]["endpoint"] = json!(aws);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("platform.yaml");
    write(&file, &settings.to_string());

    let cluster = Cluster::start().await?;
    cluster.install_crd().await?;
    cluster.install(ForeignProject::PrometheusOperator).await?;
    let _issuer = cluster.issue_certificates().await?;
    let client = cluster.client()?;
    apply_yaml(
        &client,
        "default",
        &handed_over("RAS_HANDED_OVER_CLASS", "small-storage-class.yaml"),
    )
    .await?;
    let home = cluster.namespace("ras-system").await?;
    // Pod identity gives a pod its rights; a process outside any pod has them from its environment.
    let options = OperatorOptions::with_roles(ROLES)
        .argument("--platform-config")
        .argument(file.display().to_string())
        .environment("AWS_ACCESS_KEY_ID", moto.access_key())
        .environment("AWS_SECRET_ACCESS_KEY", moto.secret_key());
    let operator = Operator::start(&cluster, &home, &options.cluster_wide()).await?;

    // What a database is asked for is proven elsewhere.
    let _jobs = FakeKubelet::pretend(client.clone());
    let namespace = cluster.namespace("spo").await?;
    let ready = async {
        namespace.apply(&with_buckets(namespace.name()).to_string()).await?;
        let arguments = [
            "wait",
            "-n",
            namespace.name(),
            "drive/placements-2026",
            "--for=condition=Ready",
            "--timeout=55s",
        ];
        cluster.kubectl(&arguments).await
    };
    let waited = tokio::select! {
        waited = ready => waited?,
        () = play_the_disks(&client, &class) => unreachable!(),
    };
    let described = cluster
        .kubectl(&["describe", "-n", namespace.name(), "drives,jobs,pods"])
        .await?;
    assert!(
        waited.success,
        "{} {}\n{}",
        waited.stderr,
        described.stdout,
        operator.log()
    );

    // What was handed over is what it got.
    let ingress: Api<Ingress> = namespace.api();
    let routes = ingress.list(&ListParams::default()).await.unwrap().items;
    let classes: Vec<_> = routes
        .iter()
        .map(|route| route.spec.as_ref().unwrap().ingress_class_name.clone())
        .collect();
    assert_eq!(classes, [read.ingress.class_name]);
    let drives: Api<RecruitmentDrive> = namespace.api();
    let status = drives.get("placements-2026").await.unwrap().status.unwrap();
    // moto answers a question about versioning in a form that is not S3's.
    let can = |what: &String| what == "versioning";
    let lacking: Vec<_> = status
        .buckets
        .iter()
        .filter(|bucket| !bucket.unsupported.iter().all(can))
        .collect();
    assert!(lacking.is_empty(), "{lacking:?}");
    let client_of_aws = moto.client_at(&aws, moto.access_key(), moto.secret_key());
    let prefix = format!("ras-{}-placements-2026-", namespace.name());
    assert_eq!(
        look::buckets(&client_of_aws, &prefix).await?.len(),
        2,
        "{}",
        described.stdout
    );

    // And back to nothing. Its disks are kept, as it says of itself.
    let drained = drain_with_a_cloud(&cluster, &["--yes", "--timeout", "80s"]).await?;
    drained.ended(0);
    assert!(
        drained.stdout.contains("kept, also after the cluster is gone"),
        "{}",
        drained.stdout
    );
    eventually(PATIENCE, "no bucket to be left", async || {
        let left = look::buckets(&client_of_aws, &prefix)
            .await
            .map_err(|error| error.to_string())?;
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}").into())
        }
    })
    .await
}

/// `examples/ras.yaml`, with two buckets that its file server uses.
fn with_buckets(namespace: &str) -> Value {
    let text = fs::read_to_string(repository().join("examples/ras.yaml")).unwrap();
    let mut drive = documents(&text).unwrap().remove(0);
    drive["metadata"]["namespace"] = json!(namespace);
    drive["spec"]["buckets"] = json!([
        {"name": "resumes", "versioned": true, "deletionPolicy": "DeleteIfEmpty"},
        {"name": "exports", "expire": [{"after": "7d"}], "deletionPolicy": "DeleteIfEmpty"},
    ]);
    let services = drive["spec"]["services"].as_array_mut().unwrap();
    let files = services.iter_mut().find(|service| service["name"] == "cdn").unwrap();
    files["uses"] = json!({"buckets": ["resumes", "exports"]});
    drive
}

/// The EBS driver: a disk for every claim of the class that was handed over.
async fn play_the_disks(client: &Client, class: &str) {
    let claims: Api<PersistentVolumeClaim> = Api::all(client.clone());
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    loop {
        for claim in claims
            .list(&ListParams::default())
            .await
            .map(|list| list.items)
            .unwrap_or_default()
        {
            let spec = claim.spec.clone().unwrap_or_default();
            if spec.volume_name.is_some() || spec.storage_class_name.as_deref() != Some(class) {
                continue;
            }
            let name = format!("pvc-{}", claim.uid().unwrap_or_default());
            let volume = json!({
                "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"}},
                "spec": {
                    "accessModes": spec.access_modes,
                    "capacity": spec.resources.and_then(|resources| resources.requests),
                    "storageClassName": class,
                    "persistentVolumeReclaimPolicy": "Delete",
                    "claimRef": {"namespace": claim.namespace(), "name": claim.name_any()},
                    "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": format!("vol-{name}")},
                },
            });
            let volume: PersistentVolume = serde_json::from_value(volume).unwrap();
            // It may be there from the last time round.
            let _ = volumes.create(&PostParams::default(), &volume).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
