//! What services of a drive share: the order of their first start, names, volumes and ports that are public.

use std::io::Write as _;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{PersistentVolumeClaim, Service},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
};
use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, Shared, TestEnv, cluster, eventually};
use serde_json::{Value, json};

use crate::{
    children::failed,
    seen::{because, because_with, becomes, changes, kubectl, look, of_deployment},
};

const IMAGE: &str = "/spec/template/spec/containers/0/image";
const ALIASES: &str = "/spec/template/spec/hostAliases";

/// A queue that no node runs, and a program that starts after it.
const ORDER: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: web
    image: registry.example.com/web:1
    after: [queue]
  - name: queue
    image: registry.example.com/queue:1
    scheduling: {nodeSelector: {example.com/nowhere: here}}
";

#[tokio::test]
async fn a_service_starts_after_those_it_names_and_waits_for_nobody_later() -> Result<(), Error> {
    let test_env = TestEnv::start("after").await?;
    test_env.apply(ORDER).await?;
    // The reason is of the service that is worst, which soon is the queue.
    eventually(PATIENCE, "web to wait for the queue", async || {
        let condition = test_env
            .condition("spring", ConditionType::ServicesReady, "False")
            .await;
        let message = condition.map_err(|error| error.to_string())?.message;
        if message.contains("service web: 0 of 1 ready, it starts after queue") {
            Ok(())
        } else {
            Err(message.into())
        }
    })
    .await?;
    assert!(look::<Deployment>(&test_env, "spring-web").await?.is_none());
    assert!(look::<Deployment>(&test_env, "spring-queue").await?.is_some());

    let runs = ORDER.replace("    scheduling: {nodeSelector: {example.com/nowhere: here}}\n", "");
    test_env.apply(&runs).await?;
    test_env.ready("spring").await?;

    // The queue is gone again, and a new version of the program is rolled out all the same.
    test_env
        .apply(
            &ORDER
                .replace("web:1", "web:2")
                .replace("queue:1", "queue:2\n    rollout: Recreate"),
        )
        .await?;
    becomes(&test_env, "spring-web", IMAGE, &json!("registry.example.com/web:2")).await?;
    becomes(&test_env, "spring-web", "/status/updatedReplicas", &json!(1)).await
}

const HOSTS: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  hosts:
  - {name: db, service: store}
  - {name: smtp.example.edu, address: 10.20.0.5}
  services:
  - name: web
    image: registry.example.com/web:1
  - name: store
    image: registry.example.com/store:1
    ports: [{name: pg, port: 5432}]
";

/// The addresses of a Service, as a list of `hostAliases` has them.
async fn addresses(test_env: &TestEnv, name: &str) -> Result<Vec<Value>, Error> {
    let service = look::<Service>(test_env, name).await?.expect("the Service is there");
    Ok(service["spec"]["clusterIPs"]
        .as_array()
        .expect("it has addresses")
        .clone())
}

#[tokio::test]
async fn a_name_leads_to_a_service_of_the_drive_in_its_pods_and_follows_when_that_is_made_anew() -> Result<(), Error> {
    let test_env = TestEnv::start("hosts").await?;
    test_env.apply(HOSTS).await?;
    test_env.ready("spring").await?;
    let aliases = of_deployment(&test_env, "spring-web", ALIASES).await?;
    let lines = aliases.as_array().expect("there are names");
    assert!(
        lines.contains(&json!({"ip": "10.20.0.5", "hostnames": ["smtp.example.edu"]})),
        "{aliases}"
    );
    for address in addresses(&test_env, "spring-store").await? {
        assert!(
            lines.contains(&json!({"ip": address, "hostnames": ["db"]})),
            "{aliases}"
        );
    }
    // Nothing restarts while the Service stays.
    assert_eq!(
        of_deployment(&test_env, "spring-web", "/metadata/generation").await?,
        json!(1)
    );

    let services: Api<Service> = test_env.namespace.api();
    services
        .delete("spring-store", &DeleteParams::default())
        .await
        .map_err(failed("deleting"))?;
    changes(&test_env, "spring-web", ALIASES, &aliases).await?;
    test_env.ready("spring").await?;
    let aliases = of_deployment(&test_env, "spring-web", ALIASES).await?;
    for address in addresses(&test_env, "spring-store").await? {
        assert!(aliases.to_string().contains(&address.to_string()), "{aliases}");
    }
    Ok(())
}

const SHARED: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: season}
spec:
  volumes: [{name: uploads, size: 1Gi}]
  services:
  - name: web
    image: registry.example.com/web:1
    volumes: [{name: files, path: /files, shared: uploads, readOnly: true}]
  - name: worker
    image: registry.example.com/worker:1
    volumes: [{name: up, path: /up, shared: uploads}]
  - name: other
    image: registry.example.com/other:1
";

#[tokio::test]
async fn services_share_a_volume_that_is_kept_and_whose_loss_freezes_all_of_them() -> Result<(), Error> {
    let test_env = TestEnv::start("shared").await?;
    test_env.apply(SHARED).await?;
    test_env.ready("season").await?;
    let drive = test_env.drives().get("season").await.map_err(failed("reading"))?;
    for service in drive.status.unwrap_or_default().services {
        let claims: Vec<&str> = service
            .volumes
            .iter()
            .map(|volume| volume.claim_name.as_str())
            .collect();
        let wanted: &[&str] = if service.name == "other" {
            &[]
        } else {
            &["season-uploads"]
        };
        assert_eq!(claims, wanted, "{}", service.name);
    }
    let claim = look::<PersistentVolumeClaim>(&test_env, "season-uploads")
        .await?
        .expect("it is there");
    assert!(claim["metadata"]["ownerReferences"].is_null(), "it outlives the drive");

    // While it is being deleted nothing that mounts it changes, and everything else does.
    kubectl(&test_env, &["delete", "pvc", "season-uploads", "--wait=false"]).await?;
    because(&test_env, "season", ConditionType::Ready, Reason::DataBeingDeleted).await?;
    let newer = SHARED
        .replace("web:1", "web:2")
        .replace("worker:1", "worker:2")
        .replace("other:1", "other:2");
    test_env.apply(&newer).await?;
    becomes(&test_env, "season-other", IMAGE, &json!("registry.example.com/other:2")).await?;
    because(&test_env, "season", ConditionType::Ready, Reason::DataBeingDeleted).await?;
    for (name, image) in [("season-web", "web:1"), ("season-worker", "worker:1")] {
        let wanted = json!(format!("registry.example.com/{image}"));
        assert_eq!(of_deployment(&test_env, name, IMAGE).await?, wanted);
    }
    Ok(())
}

#[tokio::test]
async fn a_shared_volume_of_the_name_of_a_services_own_is_another_one() -> Result<(), Error> {
    let test_env = TestEnv::start("names").await?;
    test_env
        .apply(
            "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: season}
spec:
  volumes: [{name: web-files, size: 1Gi, deletionPolicy: Delete}]
  services:
  - name: web
    image: registry.example.com/web:1
    volumes: [{name: files, path: /own, size: 1Gi, deletionPolicy: Delete}, {name: shared, path: /shared, shared: web-files}]
",
        )
        .await?;
    test_env.ready("season").await?;
    let volumes = of_deployment(&test_env, "season-web", "/spec/template/spec/volumes").await?;
    let claim = |index: usize| {
        volumes[index]["persistentVolumeClaim"]["claimName"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(claim(0).as_deref(), Some("season-web-files"));
    assert_ne!(claim(0), claim(1));
    let shared = claim(1).expect("it is a claim");
    // What is taken out of the drive goes, because the drive says so.
    kubectl(&test_env, &["delete", "drive", "season"]).await?;
    eventually(PATIENCE, "the volume to go with the drive", async || {
        match look::<PersistentVolumeClaim>(&test_env, &shared).await? {
            None => Ok(()),
            Some(claim) => Err(claim["metadata"]["deletionTimestamp"].to_string().into()),
        }
    })
    .await
}

const PUBLIC: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: media
    image: registry.example.com/media:1
    ports:
    - {name: http, port: 8080}
    - {name: rtc, port: 10000, protocol: UDP, public: {}}
    - {name: rtc-tcp, port: 4443, public: {port: 10001}}
";
const PLATFORM: &str = "publicPorts:
  ports: [10000-10001]
  sourceRanges: [203.0.113.0/24]
  annotations: {example.com/load-balancer: internal}
";

#[tokio::test]
async fn a_port_is_public_where_the_platform_says_so_and_only_from_where_it_says() -> Result<(), Error> {
    let mut settings = tempfile::NamedTempFile::new().unwrap();
    settings.write_all(PLATFORM.as_bytes()).unwrap();
    let options = OperatorOptions::with_roles(ROLES)
        .argument("--platform-config")
        .argument(settings.path().display().to_string());
    let test_env = TestEnv::with(Shared::All(cluster().await?), "public", &options).await?;
    test_env.apply(PUBLIC).await?;
    let condition = because(&test_env, "spring", ConditionType::ServicesReady, Reason::WaitingFor).await?;
    assert!(
        condition.message.contains("no load balancer has given Service"),
        "{}",
        condition.message
    );

    let services: Api<Service> = test_env.namespace.api();
    let all = services
        .list(&kube::api::ListParams::default())
        .await
        .map_err(failed("listing"))?;
    let is_public = |service: &&Service| service.name_any().starts_with("spring-media-public-");
    let public = all.iter().find(is_public).expect("there is one").clone();
    let spec = serde_json::to_value(&public.spec).expect("it is JSON");
    assert_eq!(spec["type"], "LoadBalancer");
    assert_eq!(spec["externalTrafficPolicy"], "Local");
    assert_eq!(spec["loadBalancerSourceRanges"], json!(["203.0.113.0/24"]));
    let ports = spec["ports"].as_array().expect("it has ports");
    assert!(
        ports.iter().all(|port| port["nodePort"].is_null()),
        "no NodePort: {ports:?}"
    );
    let numbers: Vec<_> = ports
        .iter()
        .map(|port| (port["port"].as_i64(), port["targetPort"].as_i64()))
        .collect();
    assert_eq!(numbers, [(Some(10000), Some(10000)), (Some(10001), Some(4443))]);
    assert_eq!(public.annotations()["example.com/load-balancer"], "internal");

    let policy = look::<NetworkPolicy>(&test_env, "spring-media")
        .await?
        .expect("it is there");
    let rules = policy["spec"]["ingress"].as_array().expect("it has rules").clone();
    let open = rules
        .iter()
        .find(|rule| rule["from"][0]["ipBlock"]["cidr"] == "203.0.113.0/24")
        .expect("one is for it");
    assert_eq!(
        open["ports"].as_array().map(Vec::len),
        Some(2),
        "not the port that is not public: {open}"
    );

    // What the controller of load balancers does.
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}}});
    services
        .patch_status(&public.name_any(), &PatchParams::default(), &Patch::Merge(&status))
        .await
        .map_err(failed("giving it an address"))?;
    test_env.ready("spring").await?;
    let drive = test_env.drives().get("spring").await.map_err(failed("reading"))?;
    let addresses = drive.status.unwrap_or_default().services.remove(0).public_addresses;
    assert_eq!(addresses, ["198.51.100.7:10000/UDP", "198.51.100.7:10001/TCP"]);

    // A port that is public no longer takes its Service with it.
    test_env
        .apply(
            &PUBLIC
                .replace(", public: {}", "")
                .replace(", public: {port: 10001}", ""),
        )
        .await?;
    eventually(PATIENCE, "the Service to go", async || {
        match look::<Service>(&test_env, &public.name_any()).await? {
            None => Ok(()),
            Some(_) => Err("it is there".into()),
        }
    })
    .await?;

    test_env.apply(&PUBLIC.replace("port: 10001", "port: 22")).await?;
    let words = ["22 is not among the ports that the platform publishes (10000-10001)"];
    because_with(&test_env, "spring", ConditionType::Ready, Reason::InvalidSpec, &words)
        .await
        .map(drop)
}

#[tokio::test]
async fn no_port_is_public_where_the_platform_says_nothing() -> Result<(), Error> {
    let test_env = TestEnv::start("private").await?;
    test_env.apply(PUBLIC).await?;
    let words = ["is not possible, because the platform publishes no ports"];
    because_with(&test_env, "spring", ConditionType::Ready, Reason::InvalidSpec, &words).await?;
    assert!(look::<Deployment>(&test_env, "spring-media").await?.is_none());
    Ok(())
}
