//! `make demo`: the main job, shown on a real control plane of its own.

// A demo talks to a person.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use ras_crds::RecruitmentDrive;
use ras_tests::{
    Cluster, Error, FakeKubelet, ForeignProject, Operator, OperatorOptions, ROLES, eventually, repository,
};

const NAMESPACE: &str = "spo";
const DRIVE: &str = "placements-2026";
const PATIENCE: Duration = Duration::from_secs(120);

/// Shows the main job on a real control plane of its own.
#[derive(Parser)]
struct Arguments {
    /// Leave everything up until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Ctrl-C ends the demo in the middle as well as at its end: dropping the cluster stops all of it.
    let shown = tokio::select! {
        shown = show(&arguments) => shown,
        _ = tokio::signal::ctrl_c() => {
            println!("\nstopped; nothing is left running");
            return ExitCode::SUCCESS;
        }
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nthe demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn show(arguments: &Arguments) -> Result<(), Error> {
    title("A control plane of its own");
    let cluster = control_plane().await?;
    let issuer = cluster.issue_certificates().await?;
    println!(
        "The RecruitmentDrive kind is installed, the Prometheus Operator's kinds too, and a real cert-manager issues certificates."
    );
    let namespace = cluster.namespace("ras-system").await?;
    let options = OperatorOptions::with_roles(ROLES).cluster_wide();
    let mut operator = Operator::start(&cluster, &namespace, &options).await?;
    println!("The operator runs under exactly the rights in {ROLES}.");
    // No program runs in a pod here, so nobody prepares databases either.
    let jobs = FakeKubelet::pretend(cluster.client()?);

    title("One object in");
    create(&cluster).await?;
    title("What became of it");
    tree(&cluster).await?;
    run(
        &cluster,
        &["-n", NAMESPACE, "events", "--for", &format!("recruitmentdrive/{DRIVE}")],
    )
    .await?;
    title("A new image for one service");
    change_one_image(&cluster).await?;
    title("Somebody deletes a Deployment");
    delete_a_deployment(&cluster).await?;
    operator.check_running()?;

    title("Look around");
    println!("  export KUBECONFIG={}", cluster.description().kubeconfig.display());
    println!("  kubectl -n {NAMESPACE} get drive -o wide");
    println!("  kubectl -n {NAMESPACE} describe drive {DRIVE}");
    println!("  kubectl explain drive.spec.services.files");
    println!(
        "  (a kubectl of the same version: {})",
        cluster.description().tools.join("kubectl").display()
    );
    if arguments.keep {
        println!("\nEverything stays up until Ctrl-C.");
        std::future::pending::<()>().await;
    }
    println!("\nThis is taken down now; `make demo KEEP=1` leaves it up until Ctrl-C.");
    operator.stop().await?;
    drop(issuer);
    drop(jobs);
    // So that nothing runs any more when this returns.
    cluster.stop().await
}

async fn control_plane() -> Result<Cluster, Error> {
    let started = Instant::now();
    let cluster = Cluster::start().await?;
    println!(
        "Kubernetes {} is up after {:.1} s: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.",
        cluster.description().kubernetes_version,
        started.elapsed().as_secs_f64()
    );
    println!(
        "Its nodes and pods are SIMULATED (by kwok): everything the API server does is real, no program runs in a pod."
    );
    cluster.install_crd().await?;
    cluster.install(ForeignProject::PrometheusOperator).await?;
    Ok(cluster)
}

async fn create(cluster: &Cluster) -> Result<(), Error> {
    let file = repository().join("examples/ras.yaml");
    run(cluster, &["create", "namespace", NAMESPACE]).await?;
    let applied = Instant::now();
    kubectl(
        cluster,
        &["apply", "-f", &file.display().to_string()],
        "apply -f examples/ras.yaml",
    )
    .await?;
    ready(cluster).await?;
    println!("(Ready {:.1} s after it was applied)", applied.elapsed().as_secs_f64());
    run(cluster, &["-n", NAMESPACE, "get", "drive"]).await?;
    Ok(())
}

async fn change_one_image(cluster: &Cluster) -> Result<(), Error> {
    let client = cluster.client()?;
    let before = pods(&client).await?;
    let index = service_index(&client, "frontend").await?;
    let patch = format!(
        r#"[{{"op":"replace","path":"/spec/services/{index}/image","value":"registry.example.com/ras-frontend:2026.08"}}]"#
    );
    run(
        cluster,
        &["-n", NAMESPACE, "patch", "drive", DRIVE, "--type=json", "-p", &patch],
    )
    .await?;
    rolled(&client, "frontend", &before).await?;
    ready(cluster).await?;
    let after = pods(&client).await?;
    for (service, names) in &before {
        let same = after.get(service) == Some(names);
        println!(
            "  {service:<10} {}",
            if same { "the same pods as before" } else { "new pods" }
        );
        if same == (service == "frontend") {
            let should = if same {
                "should have new pods"
            } else {
                "should have kept its pods"
            };
            return Err(Error::ControlPlane(format!("{service} {should}")));
        }
    }
    Ok(())
}

async fn delete_a_deployment(cluster: &Cluster) -> Result<(), Error> {
    let name = format!("{DRIVE}-backend");
    let deployments: Api<Deployment> = Api::namespaced(cluster.client()?, NAMESPACE);
    let old = deployments
        .get(&name)
        .await
        .map_err(|error| Error::ControlPlane(error.to_string()))?
        .uid();
    run(
        cluster,
        &["-n", NAMESPACE, "delete", "deployment", &name, "--wait=false"],
    )
    .await?;
    let deleted = Instant::now();
    eventually(PATIENCE, "the Deployment to come back", async || {
        match deployments.get_opt(&name).await? {
            Some(found) if found.uid() != old => Ok(()),
            Some(_) => Err("still the old one".into()),
            None => Err("gone".into()),
        }
    })
    .await?;
    println!(
        "It is back, seen {:.2} s after the delete returned.",
        deleted.elapsed().as_secs_f64()
    );
    ready(cluster).await
}

async fn ready(cluster: &Cluster) -> Result<(), Error> {
    run(
        cluster,
        &[
            "-n",
            NAMESPACE,
            "wait",
            "drive",
            DRIVE,
            "--for=condition=Ready",
            "--timeout=120s",
        ],
    )
    .await
    .map(drop)
}

fn title(text: &str) {
    if std::io::stdout().is_terminal() {
        println!("\n\x1b[1m== {text}\x1b[0m");
    } else {
        println!("\n== {text}");
    }
}

/// Runs kubectl and shows the command and what it said.
async fn run(cluster: &Cluster, arguments: &[&str]) -> Result<String, Error> {
    let shown: Vec<String> = arguments
        .iter()
        .map(|word| {
            if word.contains(['[', ' ', '{']) {
                format!("'{word}'")
            } else {
                (*word).to_owned()
            }
        })
        .collect();
    kubectl(cluster, arguments, &shown.join(" ")).await
}

async fn kubectl(cluster: &Cluster, arguments: &[&str], shown: &str) -> Result<String, Error> {
    println!("$ kubectl {shown}");
    let said = cluster.kubectl(arguments).await?;
    print!("{}", said.stdout);
    if !said.success {
        return Err(Error::ControlPlane(format!("kubectl {shown}: {}", said.stderr.trim())));
    }
    Ok(said.stdout)
}

/// Everything the drive made, by service.
async fn tree(cluster: &Cluster) -> Result<(), Error> {
    let kinds = "serviceaccounts,secrets,configmaps,persistentvolumeclaims,networkpolicies,services,deployments,\
                 statefulsets,jobs,horizontalpodautoscalers,poddisruptionbudgets,ingresses,servicemonitors,prometheusrules";
    let selector = format!("ras.dev/drive={DRIVE}");
    let columns = r#"jsonpath={range .items[*]}{.metadata.labels.ras\.dev/service}{"\t"}{.kind}{"\t"}{.metadata.name}{"\n"}{end}"#;
    let said = cluster
        .kubectl(&["-n", NAMESPACE, "get", kinds, "-l", &selector, "-o", columns])
        .await?;
    if !said.success {
        return Err(Error::ControlPlane(said.stderr));
    }
    let mut parts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in said.stdout.lines() {
        let mut words = line.split('\t');
        if let (Some(service), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) {
            parts.entry(service).or_default().push(format!("{kind}/{name}"));
        }
    }
    println!("RecruitmentDrive/{DRIVE}");
    let branch = |index: usize, of: usize| {
        if index + 1 == of {
            ("└─", "   ")
        } else {
            ("├─", "│  ")
        }
    };
    for (index, (service, children)) in parts.iter().enumerate() {
        let (fork, stem) = branch(index, parts.len());
        let title = if service.is_empty() {
            "the drive itself".to_owned()
        } else {
            format!("service {service}")
        };
        println!("{fork} {title}");
        for (index, child) in children.iter().enumerate() {
            println!("{stem} {} {child}", branch(index, children.len()).0);
        }
    }
    Ok(())
}

/// Names of the drive's pods that are not on their way out, by service.
async fn pods(client: &Client) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let selector = format!("ras.dev/drive={DRIVE}");
    let listed = api
        .list(&ListParams::default().labels(&selector))
        .await
        .map_err(|error| Error::ControlPlane(error.to_string()))?;
    let mut pods: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pod in listed
        .items
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
    {
        // A Job's pod belongs to no service.
        if let Some(service) = pod.labels().get("ras.dev/service") {
            pods.entry(service.clone()).or_default().push(pod.name_any());
        }
    }
    for names in pods.values_mut() {
        names.sort();
    }
    Ok(pods)
}

/// Waits until a service has none of the pods it had.
async fn rolled(client: &Client, service: &str, before: &BTreeMap<String, Vec<String>>) -> Result<(), Error> {
    let old = before.get(service).cloned().unwrap_or_default();
    eventually(PATIENCE, &format!("new pods of {service}"), async || {
        let now = pods(client).await?;
        let names = now.get(service).cloned().unwrap_or_default();
        if !names.is_empty() && names.iter().all(|name| !old.contains(name)) {
            Ok(())
        } else {
            Err(names.join(", ").into())
        }
    })
    .await
}

async fn service_index(client: &Client, service: &str) -> Result<usize, Error> {
    let api: Api<RecruitmentDrive> = Api::namespaced(client.clone(), NAMESPACE);
    let drive = api
        .get(DRIVE)
        .await
        .map_err(|error| Error::ControlPlane(error.to_string()))?;
    drive
        .spec
        .services
        .iter()
        .position(|one| one.name == service)
        .ok_or_else(|| Error::ControlPlane(format!("examples/ras.yaml has no service {service}")))
}
