//! Two operators, one of which leads: the other takes over when the leader ends, is killed or stands still, and at no
//! moment both of them write.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use ras_crds::RecruitmentDrive;
use ras_tests::{
    AuditEvent, AuditMark, Error, Operator, OperatorOptions, PATIENCE, ROLES, Shared, Signal, TestEnv, cluster,
    eventually, is_lease, lease_taken_after, never_two_at_once,
};
use serde_json::json;

use crate::seen::{becomes, mark};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - {name: web, image: 'registry.example.com/web:1', replicas: 1, env: [{name: EDIT, value: '0'}]}
";

/// How long nobody may lead after a leader died without a word: its lease, and what candidates wait between two tries.
const TAKEN_OVER: Duration = Duration::from_secs(20);

/// The leader, a standby, and somebody who edits a drive all the time.
struct Pair {
    test_env: TestEnv,
    standby: Operator,
    busy: Arc<AtomicBool>,
    since: AuditMark,
}

fn options(name: &str) -> OperatorOptions {
    OperatorOptions::with_roles(ROLES)
        .account(&format!("operator-{name}"))
        .elected(name)
}

impl Pair {
    async fn start(prefix: &str) -> Result<Self, Error> {
        let mut test_env = TestEnv::with(Shared::All(cluster().await?), prefix, &options("a")).await?;
        let since = mark(&test_env).await?;
        test_env.operator.logs(PATIENCE, r#""message":"leads""#).await?;
        let mut standby = Operator::start(&test_env.cluster, &test_env.namespace, &options("b")).await?;
        standby.logs(PATIENCE, r#""message":"stands by""#).await?;
        test_env.apply(DRIVE).await?;
        test_env.ready("spring").await?;
        let (code, text) = standby.get("/readyz").await?;
        assert_eq!(code, 200, "a standby is ready: {text}");
        for (operator, leads) in [(&mut test_env.operator, 1), (&mut standby, 0)] {
            let (_, metrics) = operator.get("/metrics").await?;
            assert!(metrics.contains(&format!("\nras_leader {leads}\n")), "{metrics}");
        }
        let busy = Arc::new(AtomicBool::new(true));
        tokio::spawn(edit(test_env.drives(), Arc::clone(&busy)));
        becomes_edited(&test_env, 3).await?;
        Ok(Self {
            test_env,
            standby,
            busy,
            since,
        })
    }

    /// Waits until the standby has written something, and says how long after `since` that was.
    async fn takes_over(&mut self, since: Timestamp) -> Result<Duration, Error> {
        self.standby.logs(PATIENCE, r#""message":"leads""#).await?;
        let first = eventually(PATIENCE, "the standby's first write", async || {
            let writes = self.writes().await?;
            let user = self.standby.user();
            let first = writes.iter().find(|event| event.username == user && !is_lease(event));
            first.map(|event| event.received.0).ok_or_else(|| "none yet".into())
        })
        .await
        .map_err(|error| error.with_log(&self.standby.log()))?;
        Ok(Duration::try_from(first.duration_since(since)).unwrap_or_default())
    }

    /// Every write of the two, in the order in which the API server received them.
    async fn writes(&self) -> Result<Vec<AuditEvent>, Error> {
        let audit = self.test_env.cluster.audit()?;
        audit.settle().await?;
        let users = [self.test_env.operator.user(), self.standby.user()];
        let mut writes = audit.events_since(self.since, |event| {
            event.is_write() && event.stage == "ResponseComplete" && users.contains(&event.username.as_str())
        })?;
        writes.sort_by_key(|event| event.received.0);
        Ok(writes)
    }

    /// Ends the edits, waits until the last of them is done, and looks through all that was written: whoever writes is who
    /// wrote the lease last. Returns the writes.
    async fn never_two_at_once(&self) -> Result<Vec<AuditEvent>, Error> {
        self.busy.store(false, Ordering::Release);
        self.test_env.ready("spring").await?;
        let drive = self.test_env.drives().get("spring").await.map_err(|error| Error::Api {
            what: "looking at the drive".to_owned(),
            message: error.to_string(),
        })?;
        let value = drive.spec.services[0].env[0].value.clone();
        becomes(&self.test_env, "spring-web", EDITED, &json!(value)).await?;

        let writes = self.writes().await?;
        let by_each =
            never_two_at_once(&writes, |event| &event.username).unwrap_or_else(|sentence| panic!("{sentence}"));
        assert!(
            by_each.len() == 2 && by_each.values().all(|count| *count > 3),
            "both have written: {by_each:?}"
        );
        Ok(writes)
    }
}

const EDITED: &str = "/spec/template/spec/containers/0/env/0/value";

/// Edits the drive several times a second, as long as it is wanted.
async fn edit(drives: Api<RecruitmentDrive>, busy: Arc<AtomicBool>) {
    let mut number = 0_u32;
    while busy.load(Ordering::Acquire) {
        number += 1;
        let env = json!([{"name": "EDIT", "value": number.to_string()}]);
        let service = json!({"name": "web", "image": "registry.example.com/web:1", "replicas": 1, "env": env});
        let patch = Patch::Merge(json!({"spec": {"services": [service]}}));
        // One that is not taken is followed by the next; the last one is looked for in the end.
        let _ = drives.patch("spring", &PatchParams::default(), &patch).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Waits until an edit has reached the Deployment.
async fn becomes_edited(test_env: &TestEnv, least: u32) -> Result<(), Error> {
    eventually(PATIENCE, "an edit in the Deployment", async || {
        let value = crate::seen::of_deployment(test_env, "spring-web", EDITED).await?;
        let number: u32 = value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
        if number >= least { Ok(()) } else { Err(value.into()) }
    })
    .await
}

#[tokio::test]
async fn a_leader_that_is_asked_to_end_gives_the_lease_back_last_and_the_standby_goes_on_at_once() -> Result<(), Error>
{
    let mut pair = Pair::start("lead-term").await?;
    let asked = Timestamp::now();
    let status = pair.test_env.operator.stop().await?;
    assert!(status.success(), "{status}");
    let took = pair.takes_over(asked).await?;
    println!("the standby's first write came {} ms later", took.as_millis());
    assert!(
        took < TAKEN_OVER / 4,
        "it heard of it at once, and waited for nothing: {took:?}; what the one that ended said:\n{}",
        pair.test_env.operator.log()
    );

    let writes = pair.never_two_at_once().await?;
    let user = pair.test_env.operator.user();
    let last = writes.iter().rfind(|event| event.username == user).expect("it led");
    assert!(is_lease(last), "the lease is given back last of all: {last:?}");
    Ok(())
}

/// Those who lost the race for a lease that was given back have to be there when it is given back again.
#[tokio::test]
async fn leaders_that_end_one_after_the_other_are_followed_at_once_each_time() -> Result<(), Error> {
    let test_env = TestEnv::with(Shared::All(cluster().await?), "lead-roll", &options("a")).await?;
    let leases: Api<Lease> = Api::namespaced(test_env.cluster.client()?, test_env.namespace.name());
    let mut all = BTreeMap::from([("a".to_owned(), test_env.operator)]);
    lease_taken_after(&leases, LEASE, Timestamp::UNIX_EPOCH, PATIENCE).await?;
    for name in ["b", "c", "d"] {
        let mut standby = Operator::start(&test_env.cluster, &test_env.namespace, &options(name)).await?;
        standby.logs(PATIENCE, r#""message":"stands by""#).await?;
        all.insert(name.to_owned(), standby);
    }
    let mut leader = "a".to_owned();
    while all.len() > 1 {
        let asked = Timestamp::now();
        let mut ending = all.remove(&leader).expect("it runs");
        let status = ending.stop().await?;
        let ended = Timestamp::now();
        assert!(status.success(), "{status}");
        let (holder, taken) = lease_taken_after(&leases, LEASE, asked, PATIENCE).await?;
        // Nothing, when it was taken before the program had ended.
        let took = Duration::try_from(taken.duration_since(ended)).unwrap_or_default();
        println!("{holder} led {} ms after {leader} had ended", took.as_millis());
        assert!(
            took < PAUSE / 2,
            "it paused, as who cannot reach the API server does: {took:?}"
        );
        leader = holder;
    }
    Ok(())
}

const LEASE: &str = "ras-operator";

/// The shortest time a candidate waits between two tries.
const PAUSE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_leader_that_is_killed_is_followed_within_twenty_seconds() -> Result<(), Error> {
    let mut pair = Pair::start("lead-kill").await?;
    let killed = Timestamp::now();
    pair.test_env.operator.kill();
    let took = pair.takes_over(killed).await?;
    println!("the standby's first write came {} ms later", took.as_millis());
    assert!(took < TAKEN_OVER, "{took:?}");
    assert!(
        took > Duration::from_secs(5),
        "the lease of one that may still live is waited for: {took:?}"
    );
    pair.never_two_at_once().await.map(drop)
}

#[tokio::test]
async fn a_leader_that_stood_still_writes_nothing_when_it_goes_on_and_begins_anew_as_a_standby() -> Result<(), Error> {
    let mut pair = Pair::start("lead-stop").await?;
    let stopped = Timestamp::now();
    pair.test_env.operator.signal(Signal::Stop);
    let took = pair.takes_over(stopped).await?;
    println!("the standby's first write came {} ms later", took.as_millis());
    assert!(took < TAKEN_OVER, "{took:?}");

    let woken = mark(&pair.test_env).await?;
    pair.test_env.operator.signal(Signal::Cont);
    let operator = std::cell::RefCell::new(&mut pair.test_env.operator);
    #[allow(clippy::await_holding_refcell_ref)] // Nobody else looks at the same time.
    eventually(PATIENCE, "the leader that was to end", async || {
        match operator.borrow_mut().check_running() {
            Err(_) => Ok(()),
            Ok(()) => Err("it runs".into()),
        }
    })
    .await?;
    let log = pair.test_env.operator.log();
    assert!(log.contains("the lease ras-operator"), "it says why it ends: {log}");
    let user = pair.test_env.operator.user().to_owned();
    let after = pair
        .test_env
        .cluster
        .audit()?
        .events_since(woken, |event| event.username == user && event.is_write())?;
    assert!(after.is_empty(), "{after:#?}");

    // As kubelet would.
    pair.test_env.operator = Operator::start(&pair.test_env.cluster, &pair.test_env.namespace, &options("a")).await?;
    pair.test_env
        .operator
        .logs(PATIENCE, r#""message":"stands by""#)
        .await?;
    pair.never_two_at_once().await.map(drop)
}

#[tokio::test]
async fn an_only_operator_that_is_killed_goes_on_at_once_under_the_name_of_its_pod() -> Result<(), Error> {
    let mut test_env = TestEnv::with(Shared::All(cluster().await?), "lead-again", &options("a")).await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    test_env.operator.kill();
    let started = Timestamp::now();
    test_env.operator = Operator::start(&test_env.cluster, &test_env.namespace, &options("a")).await?;
    test_env.operator.logs(PATIENCE, r#""message":"leads""#).await?;
    let took = Duration::try_from(Timestamp::now().duration_since(started)).unwrap_or_default();
    println!("it led again after {} ms", took.as_millis());
    assert!(took < Duration::from_secs(15), "it waited for its own lease: {took:?}");
    Ok(())
}

#[tokio::test]
async fn without_a_right_to_the_lease_it_says_what_is_missing_and_writes_nothing() -> Result<(), Error> {
    let options = options("a").without_rights_to_the_lease();
    let mut test_env = TestEnv::with(Shared::All(cluster().await?), "lead-not", &options).await?;
    test_env.apply(DRIVE).await?;
    test_env
        .operator
        .logs(PATIENCE, "deploy/rbac/leader-election.yaml")
        .await?;
    let written = crate::seen::asked(&test_env, AuditMark::START, |event| {
        event.is_write() && !is_lease(event)
    })
    .await?;
    assert!(written.is_empty(), "{written:#?}");
    assert_eq!(test_env.operator.get("/readyz").await?.0, 200);
    Ok(())
}
