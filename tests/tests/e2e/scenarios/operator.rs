//! What the operator promises about its own life and death.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use http::Method;
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    jiff::Timestamp,
};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use ras_crds::RecruitmentDrive;
use ras_tests::{AuditEvent, AuditMark, Signal, eventually, never_two_at_once, node::Blackhole};
use serde_json::{Value, json};

use crate::{
    drive::{Drive, PATIENCE},
    images::{PORTAL, POSTGRESQL_VERSION},
    installed::{self, CRDS, OPERATOR},
    load_generator::LoadGenerator,
    operators::Operators,
    runner::{Failure, Scenario, ScenarioResult, Steps},
    scenarios,
    world::World,
};

pub fn all() -> Vec<Scenario> {
    scenarios![alone:
        an_operator_that_is_killed_at_any_moment_makes_everything_and_nothing_twice,
        a_leader_that_dies_in_whatever_way_is_followed_and_never_do_two_write,
        connections_that_die_without_a_word_are_noticed_and_made_anew,
        an_upgrade_of_the_operator_fails_no_request_and_restarts_no_pod,
        uninstalling_the_operator_leaves_drives_and_data_and_installing_it_again_changes_nothing,
    ]
}

/// How often the operator is killed while it makes a drive.
const DEATHS: usize = 6;
/// How long nobody may lead after a leader died without a word: its lease, and what candidates wait between two tries.
const TAKEN_OVER: Duration = Duration::from_secs(20);
/// The same after one that gave the lease back. On a machine that is busy; on one that is not it takes a second.
const HANDED_OVER: Duration = Duration::from_secs(5);
/// How long connections that died without a word may go unnoticed. kube's own client would take more than five minutes.
const NOTICED: Duration = Duration::from_secs(60);

/// A program whose files are rendered in its pods, which the operator's own image does, and one with a volume.
fn portal(replicas: u32) -> String {
    let image = PORTAL[0];
    format!(
        "  services:
  - name: portal
    image: {image}
    replicas: {replicas}
    ports: [{{name: http, port: 8080, path: /}}]
    probe: {{port: http, path: /, periodSeconds: 1}}
    files: [{{path: /app/greeting, content: Welcome}}]
    resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}
  - name: store
    image: {image}
    ports: [{{name: http, port: 8080}}]
    probe: {{port: http, path: /, periodSeconds: 1}}
    env: [{{name: STORE, value: /data}}]
    volumes: [{{name: files, path: /data, size: 1Gi}}]
    resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}
"
    )
}

/// A drive in which one thing has to wait for another: credentials, a server, a database in it, a migration, programs.
fn much() -> String {
    let image = PORTAL[0];
    format!(
        "  services:
  - name: portal
    image: {image}
    ports: [{{name: http, port: 8080, path: /}}]
    probe: {{port: http, path: /, periodSeconds: 1}}
    env: [{{name: KEY, secret: {{name: keys, key: key}}}}]
    files: [{{path: /app/settings.yaml, content: 'key: $(KEY)'}}]
    uses: {{databases: [main]}}
    migrate:
      args: [migrate, DATABASE_MAIN_URL, CREATE TABLE student (name text)]
    resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}
  - name: worker
    image: {image}
    ports: [{{name: http, port: 8080}}]
    probe: {{port: http, path: /, periodSeconds: 1}}
    uses: {{databases: [main]}}
    resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}
  secrets:
  - {{name: keys, generate: {{keys: [key], length: 32}}}}
  database:
    managed:
      provider: Standalone
      version: {POSTGRESQL_VERSION}
      size: 1Gi
      resources: {{requests: {{cpu: 10m, memory: 64Mi}}, limits: {{memory: 512Mi}}}}
    databases: [{{name: main}}]
"
    )
}

async fn an_operator_that_is_killed_at_any_moment_makes_everything_and_nothing_twice(
    world: Arc<World>,
    steps: Steps,
) -> ScenarioResult {
    let operators = Operators::of(world.own()?, &world.client()?);
    operators.settled().await?;
    let drive = Drive::new(&world, "killed").await?;
    let since = operators.mark().await?;
    drive.apply(&much()).await?;
    let mut moments = Vec::new();
    for number in 0..DEATHS {
        // The moment is the point: there is nothing to wait for.
        let pause = moment();
        tokio::time::sleep(pause).await;
        moments.push(pause.as_millis());
        if number % 2 == 0 {
            operators.signal_leader(Signal::Kill).await?;
        } else {
            operators.delete_leader().await?;
        }
    }
    steps.done(&format!(
        "killed three times and its pod deleted three times, after pauses of {moments:?} ms"
    ));
    drive.ready().await.map_err(|failure| match failure {
        Failure::Broken(reason) => format!("killed after pauses of {moments:?} ms: {reason}"),
        Failure::NotRun(reason) => reason,
    })?;
    operators.settled().await?;
    steps.done("Ready");

    let writes = operators.writes_in(drive.namespace.name(), since).await?;
    nothing_twice(&writes)?;
    let deployments: Api<Deployment> = drive.namespace.api();
    for deployment in deployments.list(&ListParams::default()).await? {
        let revision = deployment
            .annotations()
            .get("deployment.kubernetes.io/revision")
            .cloned();
        assert_eq!(
            revision.as_deref(),
            Some("1"),
            "the pods of {} were replaced",
            deployment.name_any()
        );
    }
    let jobs = ListParams::default().labels("batch.kubernetes.io/job-name");
    let mut runs: Vec<String> = Vec::new();
    for pod in drive.pods().list(&jobs).await? {
        runs.push(pod.labels()["batch.kubernetes.io/job-name"].clone());
    }
    let all = runs.len();
    runs.sort();
    runs.dedup();
    assert_eq!(runs.len(), all, "a Job ran twice: {runs:?}");
    assert!(runs.iter().any(|name| name.contains("migrat")), "{runs:?}");
    steps.done(&format!("{} writes, and each child made once", writes.len()));
    Ok(())
}

/// Up to three seconds; which one nobody knows before.
fn moment() -> Duration {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    // The clock's finest digits go their own way; a large prime spreads them.
    let spread = u64::from(now.subsec_nanos()).wrapping_mul(2_654_435_761) >> 8;
    Duration::from_millis(spread % 3000)
}

fn nothing_twice(writes: &[AuditEvent]) -> Result<(), String> {
    let mut made = BTreeMap::new();
    for event in writes.iter().filter(|event| event.resource != "events") {
        let name = format!("{} {}", event.resource, event.name);
        if event.verb.starts_with("delete") {
            return Err(format!("{name} was deleted"));
        }
        if event.code == 201 {
            *made.entry(name).or_insert(0) += 1;
        }
    }
    match made.iter().find(|(_, count)| **count > 1) {
        Some((name, count)) => Err(format!("{name} was made {count} times")),
        // A Deployment for each service, a server, a Job or two, Services, Secrets.
        None if made.len() < 8 => Err(format!("only these were made: {made:?}")),
        None => Ok(()),
    }
}

async fn a_leader_that_dies_in_whatever_way_is_followed_and_never_do_two_write(
    world: Arc<World>,
    steps: Steps,
) -> ScenarioResult {
    let operators = Operators::of(world.own()?, &world.client()?);
    operators.settled().await?;
    let drive = Drive::new(&world, "edited").await?;
    // Suspended, so that an edit costs a write and no pod.
    let spec = format!("  suspend: true\n{}", portal(1));
    drive.apply(&spec).await?;
    eventually(PATIENCE, "the Deployment", async || Ok(edited(&drive).await?)).await?;
    let busy = Arc::new(AtomicBool::new(true));
    let editor = tokio::spawn(edit(drive.drives(), drive.name.clone(), Arc::clone(&busy)));
    steps.done("somebody edits a drive four times a second");

    for (signal, limit) in [
        (Signal::Term, HANDED_OVER),
        (Signal::Kill, TAKEN_OVER),
        (Signal::Stop, TAKEN_OVER),
    ] {
        operators.settled().await?;
        let mark = operators.mark().await?;
        // It has to write until the end, or its end would not be noticed.
        operators.first_write(mark, Timestamp::now(), |_| true).await?;
        let moment = Timestamp::now();
        let (old, container) = operators.signal_leader(signal).await?;
        let took = match signal {
            // It writes until it has finished what is under way, and gives the lease back then.
            Signal::Term => {
                let taken = operators.taken_after(moment).await?;
                let waited = Duration::try_from(taken.duration_since(moment)).unwrap_or_default();
                waited + operators.first_write(mark, taken, |_| true).await?
            }
            // It is started again in its pod, and may go on under the name of that. Its last write may have been received after
            // the moment that was noted before the signal was sent.
            Signal::Kill => operators.first_write(mark, Timestamp::now(), |_| true).await?,
            _ => operators.first_write(mark, moment, |pod| pod != old).await?,
        };
        let took_ms = took.as_millis();
        assert!(took < limit, "{signal:?}: the next write came {took_ms} ms later");
        if signal == Signal::Stop {
            operators.signal(&container, Signal::Cont).await?;
        }
        steps.done(&format!(
            "{signal:?}: the next write of who leads then came {took_ms} ms later"
        ));
    }
    operators.settled().await?;
    operators.all_end_at_once().await?;
    operators.settled().await?;
    steps.done("both ended at the same moment, and two others follow");
    busy.store(false, Ordering::Release);
    let last = editor.await?;
    eventually(PATIENCE, "the last edit to be carried out", async || {
        match edited(&drive).await? {
            value if value == json!(last.to_string()) => Ok(()),
            value => Err(value.into()),
        }
    })
    .await?;

    // From the cluster's first moment on, so all that was done to operators until now is looked at, too.
    let writes = operators.writes(AuditMark::START).await?;
    let by_each = never_two_at_once(&writes, |event| &event.pod)?;
    assert!(
        by_each.len() >= 2 && by_each.keys().all(|pod| !pod.is_empty()),
        "{by_each:?}"
    );
    steps.done(&format!("never two at once: {by_each:?} writes"));
    Ok(())
}

async fn connections_that_die_without_a_word_are_noticed_and_made_anew(
    world: Arc<World>,
    steps: Steps,
) -> ScenarioResult {
    let operators = Operators::of(world.own()?, &world.client()?);
    operators.settled().await?;
    let leader = operators.leader().await?;
    let drive = Drive::new(&world, "blackhole").await?;
    drive.apply(&format!("  suspend: true\n{}", portal(1))).await?;
    eventually(PATIENCE, "the Deployment", async || Ok(edited(&drive).await?)).await?;
    steps.done("a drive is made");

    let blackhole = Blackhole::of(world.own()?.description(), &operators.address(&leader.0).await?).await?;
    let dead = blackhole.connections;
    let busy = Arc::new(AtomicBool::new(true));
    let editor = tokio::spawn(edit(drive.drives(), drive.name.clone(), Arc::clone(&busy)));
    let noticed = eventually(NOTICED, "an edit to be carried out", async || {
        match edited(&drive).await? {
            Value::String(_) => Ok(()),
            value => Err(value.into()),
        }
    })
    .await;
    // Whatever became of it: others come after this one.
    busy.store(false, Ordering::Release);
    let edits = editor.await;
    blackhole.end().await?;
    noticed?;
    assert!(edits? > 0, "edits were taken");
    // Its watches, at the least.
    assert!(dead > 10, "{dead} connections");
    assert_eq!(operators.leader().await?, leader, "it is the same program that leads");
    steps.done(&format!(
        "all of the leader's {dead} connections die, and an edit is carried out"
    ));
    Ok(())
}

/// The value of the last edit.
async fn edited(drive: &Drive) -> Result<Value, kube::Error> {
    let deployments: Api<Deployment> = drive.namespace.api();
    let deployment = deployments.get(&format!("{}-portal", drive.name)).await?;
    let deployment = serde_json::to_value(deployment).unwrap_or_default();
    let value = deployment.pointer("/spec/template/spec/containers/0/env/0/value");
    Ok(value.cloned().unwrap_or_default())
}

/// Edits a drive four times a second for as long as it is wanted; returns the last edit that was taken.
async fn edit(drives: Api<RecruitmentDrive>, name: String, busy: Arc<AtomicBool>) -> u32 {
    let mut number = 0_u32;
    let mut taken = 0;
    while busy.load(Ordering::Acquire) {
        number += 1;
        let env = json!([{"name": "EDIT", "value": number.to_string()}]);
        let service = json!({"name": "portal", "image": PORTAL[0], "env": env});
        let patch = Patch::Merge(json!({"spec": {"services": [service]}}));
        match drives.patch(&name, &PatchParams::default(), &patch).await {
            Ok(_) => taken = number,
            Err(error) => println!("edit {number} of {name} was not taken: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    taken
}

async fn an_upgrade_of_the_operator_fails_no_request_and_restarts_no_pod(
    world: Arc<World>,
    steps: Steps,
) -> ScenarioResult {
    let operators = Operators::of(world.own()?, &world.client()?);
    let drive = Drive::new(&world, "upgrade").await?;
    drive.apply(&portal(2)).await?;
    drive.ready().await?;
    let load_generator =
        LoadGenerator::start(&drive, "load-generator", LoadGenerator::address(&drive, "portal")).await?;
    let before = pods_and_templates(&drive).await?;
    let since = operators.mark().await?;
    steps.done("Ready, and the load generator gets answers");

    installed::install(&world.client()?, world.kubeconfig(), &world.first.next()).await?;
    steps.done("upgraded");
    operators.settled().await?;
    steps.done("one of the new leads");
    // The new one has to have looked at the drive before it can be said that it changed nothing: it does what it is asked.
    answers_a_new_drive(&world).await?;
    drive.ready().await?;
    let after = pods_and_templates(&drive).await?;
    let writes = operators.writes_in(drive.namespace.name(), since).await?;
    if before.templates == after.templates {
        assert_eq!(before.pods, after.pods, "a pod was restarted or replaced");
        steps.done(&format!("the same pods, after {} writes", writes.len()));
    } else {
        assert!(
            installed::earlier().is_some(),
            "one version makes one template: {} and {}",
            before.templates,
            after.templates
        );
        steps.done("its templates differ from those of the earlier version, and pods rolled");
    }
    if installed::earlier().is_none() {
        assert!(writes.is_empty(), "one version has nothing to change: {writes:#?}");
    }
    steps.done(&load_generator.leave().await?.none_failed()?);
    Ok(())
}

async fn uninstalling_the_operator_leaves_drives_and_data_and_installing_it_again_changes_nothing(
    world: Arc<World>,
    steps: Steps,
) -> ScenarioResult {
    let operators = Operators::of(world.own()?, &world.client()?);
    let drive = Drive::new(&world, "left").await?;
    drive.apply(&portal(1)).await?;
    drive.ready().await?;
    let stored = drive.ask("store", Method::PUT, "/store/resume", "of a student").await?;
    assert_eq!(stored.0, 200, "{}", stored.1);
    let before = pods_and_templates(&drive).await?;
    let generation = drive.drives().get(&drive.name).await?.metadata.generation;
    steps.done("Ready, and a file stored");

    installed::uninstall(world.kubeconfig(), OPERATOR).await?;
    operators.gone().await?;
    installed::uninstall(world.kubeconfig(), CRDS).await?;
    let found = drive.drives().get(&drive.name).await?;
    assert!(found.metadata.deletion_timestamp.is_none() && found.metadata.generation == generation);
    assert_eq!(before, pods_and_templates(&drive).await?, "its pods go on");
    assert_eq!(drive.get("store", "/store/resume").await?, "of a student");
    steps.done("both charts uninstalled: the definition, the drive, its pods and its file are there");

    let since = operators.mark().await?;
    // It is the one that was there last, which the drive was made by unless it was upgraded since.
    installed::install(&world.client()?, world.kubeconfig(), &world.first.next()).await?;
    operators.settled().await?;
    answers_a_new_drive(&world).await?;
    drive.ready().await?;
    assert_eq!(
        before,
        pods_and_templates(&drive).await?,
        "its pods are taken over as they are"
    );
    let writes = operators.writes_in(drive.namespace.name(), since).await?;
    assert!(writes.is_empty(), "there was nothing to change: {writes:#?}");
    // Helm takes the operator's rights before its pods have ended, so the lease is not given back and has to run out.
    steps.done("installed again: it took the drive over without a write");

    drive.apply(&portal(2)).await?;
    drive.ready().await?;
    assert_eq!(drive.pods_of("portal").await?.len(), 2);
    steps.done("an edit is carried out");
    Ok(())
}

/// Waits until the operator that leads now has made a drive from nothing, as which it has looked at all others, too.
async fn answers_a_new_drive(world: &World) -> Result<(), Failure> {
    let drive = Drive::new(world, "new").await?;
    drive
        .apply(&format!(
            "  services: [{{name: web, image: {}, ports: [{{name: http, port: 8080}}]}}]\n",
            PORTAL[0]
        ))
        .await?;
    drive.ready().await
}

#[derive(Debug, PartialEq)]
struct PodsAndTemplates {
    /// Every pod by its uid, with the restarts of its containers.
    pods: BTreeMap<String, Vec<i32>>,
    /// Pod templates of Deployments, by name.
    templates: Value,
}

async fn pods_and_templates(drive: &Drive) -> Result<PodsAndTemplates, Failure> {
    let pods = drive
        .pods()
        .list(&ListParams::default().labels("ras.dev/drive"))
        .await?;
    let deployments: Api<Deployment> = drive.namespace.api();
    let mut templates = BTreeMap::new();
    for deployment in deployments.list(&ListParams::default()).await? {
        templates.insert(deployment.name_any(), deployment.spec.map(|spec| spec.template));
    }
    Ok(PodsAndTemplates {
        pods: pods
            .iter()
            .map(|pod| (pod.uid().unwrap_or_default(), restarts(pod)))
            .collect(),
        templates: serde_json::to_value(templates)?,
    })
}

fn restarts(pod: &Pod) -> Vec<i32> {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    statuses
        .into_iter()
        .flatten()
        .map(|status| status.restart_count)
        .collect()
}
