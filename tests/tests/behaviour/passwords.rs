//! Passwords of databases that take turns, on a real PostgreSQL server: asked for, by time, in a freeze, and with the
//! operator killed in between. Programs connect all the time with what their pods were started with, and never fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
    runtime::watcher,
};
use ras_core::build::names;
use ras_crds::{ConditionType, DatabaseLoginStatus, Reason};
use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, eventually, postgres::PostgresServer};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::children::{at_rest, failed};
use crate::databases::{Databases, secret_of};
use crate::seen::{COLLECTED, asked, because, kubectl, look, mark, restart_operator};

/// How often a program connects.
const EVERY: Duration = Duration::from_millis(20);

/// Plays the programs of a service: for each pod one that connects all the time with the credentials that the pod was
/// started with, for as long as there is the pod.
struct Programs {
    task: JoinHandle<()>,
    connected: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
    users: Arc<Mutex<BTreeSet<String>>>,
}

impl Programs {
    fn start(databases: &Databases, service: &str) -> Self {
        let namespace = &databases.test_env.namespace;
        let (pods, secrets): (Api<Pod>, Api<Secret>) = (namespace.api(), namespace.api());
        let config = watcher::Config::default().labels(&format!("ras.dev/service={service}"));
        let server = databases.server;
        let connected = Arc::new(AtomicUsize::new(0));
        let failed: Arc<Mutex<Vec<String>>> = Arc::default();
        let users: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let (counter, failures, seen) = (Arc::clone(&connected), Arc::clone(&failed), Arc::clone(&users));
        let task = tokio::spawn(async move {
            let mut running: BTreeMap<String, tokio::task::AbortHandle> = BTreeMap::new();
            let mut all = tokio::task::JoinSet::new();
            let mut events = std::pin::pin!(watcher(pods, config));
            while let Some(event) = events.next().await {
                match event {
                    Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
                        let name = pod.name_any();
                        if phase != Some("Running") || running.contains_key(&name) {
                            continue;
                        }
                        match credentials(&pod, &secrets).await {
                            Ok((user, password, database)) => {
                                seen.lock().unwrap_or_else(PoisonError::into_inner).insert(user.clone());
                                let (counter, failures) = (Arc::clone(&counter), Arc::clone(&failures));
                                let program = run(server, name.clone(), user, password, database, counter, failures);
                                running.insert(name, all.spawn(program));
                            }
                            Err(error) => note(&failures, format!("{name}: {error}")),
                        }
                    }
                    Ok(watcher::Event::Delete(pod)) => {
                        if let Some(program) = running.remove(&pod.name_any()) {
                            program.abort();
                        }
                    }
                    Ok(watcher::Event::Init | watcher::Event::InitDone) | Err(_) => {}
                }
            }
        });
        Self {
            task,
            connected,
            failed,
            users,
        }
    }

    /// Waits until they have connected some more times, and sees that none ever failed.
    async fn connect(&self) -> Result<(), Error> {
        let before = self.connected.load(Ordering::SeqCst);
        eventually(PATIENCE, "programs to connect some more times", async || {
            self.never_failed();
            match self.connected.load(Ordering::SeqCst) {
                now if now > before + 5 => Ok(()),
                now => Err(format!("{} times", now - before).into()),
            }
        })
        .await
    }

    fn never_failed(&self) {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(failed.is_empty(), "{failed:#?}");
    }

    /// Who connected.
    fn users(&self) -> BTreeSet<String> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn note(failures: &Mutex<Vec<String>>, what: String) {
    failures.lock().unwrap_or_else(PoisonError::into_inner).push(what);
}

async fn run(
    server: &'static PostgresServer,
    pod: String,
    user: String,
    password: String,
    database: String,
    connected: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let tried = match server.connect(&user, &password, &database).await {
            Ok(client) => {
                client
                    .batch_execute("INSERT INTO log (who) VALUES (session_user)")
                    .await
            }
            Err(error) => Err(error),
        };
        match tried {
            Ok(()) => drop(connected.fetch_add(1, Ordering::SeqCst)),
            Err(error) => note(&failures, format!("pod {pod} as {user}: {error:?}")),
        }
    }
}

/// User, password and database, as the kubelet would put them into the pod's environment.
async fn credentials(pod: &Pod, secrets: &Api<Secret>) -> Result<(String, String, String), Error> {
    let containers = pod
        .spec
        .as_ref()
        .map(|spec| spec.containers.as_slice())
        .unwrap_or_default();
    let env = containers[0].env.clone().unwrap_or_default();
    let variable = |name: &str| env.iter().find(|variable| variable.name == name).cloned().unwrap();
    let reference = variable("DATABASE_PASSWORD")
        .value_from
        .unwrap()
        .secret_key_ref
        .unwrap();
    let secret = secrets.get(&reference.name).await.map_err(|error| Error::Api {
        what: format!("reading {}", reference.name),
        message: error.to_string(),
    })?;
    let password = secret.data.unwrap_or_default()[&reference.key].0.clone();
    let plain = |name: &str| variable(name).value.unwrap();
    Ok((
        plain("DATABASE_USER"),
        String::from_utf8_lossy(&password).into_owned(),
        plain("DATABASE_NAME"),
    ))
}

/// A drive with two pods of a program that uses its first database, which end at once.
fn drive(databases: &Databases, database: &str) -> String {
    databases
        .drive("spring", &["portal", "auth"])
        .replace(
            "portal:1', uses",
            "portal:1', replicas: 2, terminationGracePeriodSeconds: 1, uses",
        )
        .replace("site:1'", "site:1', terminationGracePeriodSeconds: 1")
        + database
}

/// Begins the drive and its programs.
async fn begin(databases: &Databases, database: &str) -> Result<Programs, Error> {
    databases.connection(databases.server.password()).await?;
    databases.test_env.apply(&drive(databases, database)).await?;
    databases.ready("spring").await?;
    databases.works("spring", "portal", "students").await?;
    let owner = databases.name("portal");
    let password = databases.password(&secret_of("spring", &owner)).await?;
    let client = databases
        .server
        .connect(&owner, &password, &owner)
        .await
        .map_err(|error| Error::Postgres(error.to_string()))?;
    client
        .batch_execute("CREATE TABLE log (who text)")
        .await
        .map_err(|error| Error::Postgres(error.to_string()))?;
    let programs = Programs::start(databases, "portal");
    programs.connect().await?;
    Ok(programs)
}

async fn request_rotation(databases: &Databases, token: &str) -> Result<(), Error> {
    let annotation = format!("ras.dev/rotate=database@{token}");
    kubectl(
        &databases.test_env,
        &["annotate", "--overwrite", "drive", "spring", &annotation],
    )
    .await
    .map(drop)
}

async fn login(databases: &Databases) -> Result<DatabaseLoginStatus, Error> {
    Ok(databases.status("spring").await?.login.unwrap_or_default())
}

/// Waits until every pod has the logins of this rotation and none of another is left.
async fn rotated(databases: &Databases, generation: i64) -> Result<DatabaseLoginStatus, Error> {
    let login = eventually(
        PATIENCE,
        &format!("rotation {generation} to be over"),
        async || match login(databases).await? {
            login if login.generation == generation && login.settled_at.is_some() => Ok(login),
            other => Err(format!("{other:?}").into()),
        },
    )
    .await
    .map_err(|error| error.with_log(&databases.test_env.operator.log()))?;
    databases.ready("spring").await?;
    Ok(login)
}

fn variable(template: &Value, name: &str) -> Value {
    let env = template
        .pointer("/spec/template/spec/containers/0/env")
        .and_then(Value::as_array);
    let mut all = env.into_iter().flatten();
    all.find(|variable| variable["name"] == name)
        .cloned()
        .unwrap_or_default()
}

#[tokio::test]
async fn a_rotation_that_is_asked_for_goes_to_the_second_login_and_the_next_one_back() -> Result<(), Error> {
    let databases = Databases::start("pw-asked").await?;
    let programs = begin(&databases, "").await?;
    let start = mark(&databases.test_env).await?;
    let owner = databases.name("portal");
    let (first, second) = (
        secret_of("spring", &owner),
        names::second_password("spring", ras_crds::spec::DatabaseCredentials::PerDatabase, &owner),
    );
    assert!(
        look::<Secret>(&databases.test_env, &second).await?.is_none(),
        "nobody asked for it"
    );
    let site = look::<Deployment>(&databases.test_env, "spring-site").await?.unwrap();
    let one = databases.password(&first).await?;

    request_rotation(&databases, "1").await?;
    let rotation = rotated(&databases, 1).await?;
    assert_eq!(rotation.answered.as_deref(), Some("database@1"), "{rotation:?}");
    programs.connect().await?;
    let portal = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    assert_eq!(variable(&portal, "DATABASE_USER")["value"], format!("{owner}_2"));
    assert_eq!(
        variable(&portal, "DATABASE_PASSWORD").pointer("/valueFrom/secretKeyRef/name"),
        Some(&second.clone().into())
    );
    let line = databases.status("spring").await?;
    assert_eq!(line.databases[0].user, Some(format!("{owner}_2")));
    let two = databases.password(&second).await?;
    assert_ne!(one, two);
    let gets_in = async |user: &str, password: &str| databases.server.connect(user, password, &owner).await.is_ok();
    assert!(
        gets_in(&owner, &one).await,
        "the one before works until the next rotation"
    );
    at_rest(&databases.test_env, "spring").await?;

    request_rotation(&databases, "2").await?;
    rotated(&databases, 2).await?;
    programs.connect().await?;
    let three = databases.password(&first).await?;
    assert_ne!(three, one);
    assert!(gets_in(&owner, &three).await && gets_in(&format!("{owner}_2"), &two).await);
    assert!(!gets_in(&owner, &one).await, "two rotations later it does not");
    assert_eq!(programs.users(), BTreeSet::from([owner.clone(), format!("{owner}_2")]));
    assert_eq!(
        look::<Deployment>(&databases.test_env, "spring-site")
            .await?
            .unwrap()
            .pointer("/metadata/generation"),
        site.pointer("/metadata/generation"),
        "who uses no database does not restart"
    );
    // Who made what under whichever login: all of it is the owner's.
    let owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'";
    let found = databases.server.column(&owner, owners).await?;
    assert_eq!(found, std::slice::from_ref(&owner));
    at_rest(&databases.test_env, "spring").await?;
    programs.never_failed();

    let events = kubectl(&databases.test_env, &["get", "events.events.k8s.io", "--output=json"]).await?;
    assert!(events.contains("DatabaseLoginsRotated"), "people are told");
    let reads = asked(&databases.test_env, start, |event| {
        event.resource == "secrets" && event.verb == "get"
    })
    .await?;
    assert!(reads.is_empty(), "{reads:?}");
    let log = databases.test_env.operator.log();
    for password in [&one, &two, &three] {
        assert!(
            !log.contains(password.as_str()) && !events.contains(password.as_str()),
            "a password is shown"
        );
    }
    Ok(())
}

/// Only on nodes with this label does the portal's next pod start: without it the test plays the kubelet.
const POOL: &str = "ras.test/pw-rolled-back";

/// Writes what a kubelet would of pods that crash with this user, and returns the name of one. The pod's own time lies so far
/// back that it counts as lasting soon.
async fn crash(databases: &Databases, user: &str) -> Result<String, Error> {
    let pods: Api<Pod> = databases.test_env.namespace.api();
    let of_portal = ListParams::default().labels("ras.dev/service=portal");
    let pod = eventually(PATIENCE, "a pod with the next login", async || {
        let has_it = |pod: &Pod| {
            let env = pod
                .spec
                .iter()
                .flat_map(|spec| &spec.containers)
                .flat_map(|container| &container.env);
            let mut user_of = env.flatten().filter(|variable| variable.name == "DATABASE_USER");
            user_of.any(|variable| variable.value.as_deref() == Some(user))
        };
        let all = pods.list(&of_portal).await?.items;
        all.into_iter().find(has_it).ok_or_else(|| "none".into())
    })
    .await
    .map_err(|error| error.with_log(&databases.test_env.operator.log()))?;
    let container = &pod.spec.as_ref().unwrap().containers[0];
    let status = serde_json::json!({"status": {"phase": "Running", "containerStatuses": [{
        "name": container.name, "image": container.image, "imageID": "", "ready": false, "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        "lastState": {"terminated": {"exitCode": 3, "reason": "Error",
            "message": "FATAL: role portaladmin is not permitted, password=hunter2secret"}},
    }]}});
    pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(&status))
        .await
        .map_err(failed("writing a pod's status"))?;
    Ok(pod.name_any())
}

#[tokio::test]
async fn a_rotation_whose_pods_crash_is_rolled_back_and_the_next_request_rotates() -> Result<(), Error> {
    let mut databases = Databases::start("pw-crash").await?;
    let nodes = async |label: &str| {
        kubectl(&databases.test_env, &["label", "nodes", "--all", "--overwrite", label])
            .await
            .map(drop)
    };
    let (with, without) = (format!("{POOL}=here"), format!("{POOL}-"));
    nodes(&with).await?;
    databases.connection(databases.server.password()).await?;
    let pinned = format!("portal:1', scheduling: {{nodeSelector: {{{POOL}: here}}}}, ");
    let drive = drive(&databases, "").replace("portal:1', ", &pinned);
    databases.test_env.apply(&drive).await?;
    databases.ready("spring").await?;
    let owner = databases.name("portal");
    let first = databases.password(&secret_of("spring", &owner)).await?;
    let gets_in = async |user: &str, password: &str| databases.server.connect(user, password, &owner).await.is_ok();
    let before = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    nodes(&without).await?;

    let second_user = format!("{owner}_2");
    request_rotation(&databases, "1").await?;
    let pod = crash(&databases, &second_user).await?;
    let moved = login(&databases).await?;
    assert_eq!((moved.generation, moved.awaits), (1, vec!["portal".to_owned()]));
    let rotation = eventually(2 * PATIENCE, "the rotation to be rolled back", async || {
        match login(&databases).await? {
            login if login.rolled_back.is_some() => Ok(login),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&databases.test_env.operator.log()))?;
    assert_eq!(
        (rotation.generation, rotation.answered.as_deref()),
        (2, Some("database@1")),
        "{rotation:?}"
    );
    let why = rotation.rolled_back.unwrap().message;
    for word in ["service \"portal\"", &pod, &second_user, "FATAL: role portaladmin"] {
        assert!(why.contains(word), "{word}: {why}");
    }
    assert!(!why.contains("hunter2secret"), "{why}");
    databases.ready("spring").await?;
    let after = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    assert_eq!(after.pointer("/spec/template"), before.pointer("/spec/template"));
    assert_eq!(databases.password(&secret_of("spring", &owner)).await?, first);
    assert!(gets_in(&owner, &first).await, "the previous login works");
    let ready = databases
        .test_env
        .condition("spring", ConditionType::DatabaseReady, "True")
        .await?;
    for word in ["rotation 1 was rolled back", &pod, "DATABASE_USER", "ras.dev/rotate"] {
        assert!(ready.message.contains(word), "{word}: {}", ready.message);
    }
    eventually(PATIENCE, "a Warning", async || {
        let events = kubectl(
            &databases.test_env,
            &[
                "get",
                "events",
                "--field-selector=reason=DatabaseLoginsRolledBack",
                "--output=jsonpath={.items[*].type}",
            ],
        )
        .await?;
        if events == "Warning" {
            Ok(())
        } else {
            Err(events.into())
        }
    })
    .await?;
    at_rest(&databases.test_env, "spring").await?;

    // Another operator does not try it again, and the next request does, with a password of its own.
    let second = names::second_password("spring", ras_crds::spec::DatabaseCredentials::PerDatabase, &owner);
    let unused = databases.password(&second).await?;
    restart_operator(&mut databases.test_env, &OperatorOptions::with_roles(ROLES)).await?;
    databases.ready("spring").await?;
    at_rest(&databases.test_env, "spring").await?;
    assert_eq!(login(&databases).await?.generation, 2);
    kubectl(&databases.test_env, &["label", "nodes", "--all", "--overwrite", &with]).await?;
    request_rotation(&databases, "2").await?;
    let rotation = rotated(&databases, 3).await?;
    assert_eq!(
        (rotation.rolled_back, rotation.answered.as_deref()),
        (None, Some("database@2"))
    );
    let drawn = databases.password(&second).await?;
    assert_ne!(drawn, unused);
    assert!(gets_in(&second_user, &drawn).await && gets_in(&owner, &first).await);
    kubectl(&databases.test_env, &["label", "nodes", "--all", &without])
        .await
        .map(drop)
}

#[tokio::test]
async fn before_a_password_is_drawn_over_another_and_a_job_starts_the_drive_is_read_live() -> Result<(), Error> {
    let databases = Databases::start("pw-live").await?;
    let start = mark(&databases.test_env).await?;
    let programs = begin(&databases, "").await?;
    for generation in 1..=2 {
        request_rotation(&databases, &generation.to_string()).await?;
        rotated(&databases, generation).await?;
    }
    programs.never_failed();
    let events = asked(&databases.test_env, start, |event| {
        let reads = event.verb == "get" && event.resource == "recruitmentdrives";
        let lists = event.verb == "list" && event.resource == "deployments";
        let draws = event.verb == "patch" && event.resource == "secrets";
        let begins = event.verb == "patch" && event.resource == "jobs";
        reads || lists || draws || begins
    })
    .await?;
    let mut is_read = false;
    let mut are_listed = false;
    let (mut draws, mut begins) = (0, 0);
    for event in &events {
        match event.resource.as_str() {
            "recruitmentdrives" => is_read = true,
            "deployments" => are_listed = true,
            "secrets" => {
                assert!(
                    is_read && are_listed,
                    "a password is drawn by what informers told: {events:#?}"
                );
                draws += 1;
            }
            _ => {
                assert!(is_read, "a Job starts by what informers told: {events:#?}");
                // Each needs a look of its own; what is drawn for one rotation is drawn after one.
                (is_read, are_listed) = (false, false);
                begins += 1;
            }
        }
    }
    assert!(
        draws >= 2 && begins >= 3,
        "{draws} draws and {begins} Jobs: {events:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_rotation_that_is_due_waits_for_the_end_of_a_freeze_and_begins_by_itself() -> Result<(), Error> {
    let databases = Databases::start("pw-due").await?;
    let frozen = |until: Timestamp| {
        let begin = Timestamp::now() - SignedDuration::from_hours(1);
        format!("    rotate: {{every: 30d}}\n  freezes: [{{name: day-one, startsAt: '{begin}', endsAt: '{until}'}}]\n")
    };
    let programs = begin(&databases, &frozen(Timestamp::now() + SignedDuration::from_hours(1))).await?;
    let next = login(&databases).await?.next_rotation.unwrap();
    let days = next.0.duration_since(Timestamp::now()).as_hours() / 24;
    assert!((29..=30).contains(&days), "{days}");

    let then = Timestamp::now() - SignedDuration::from_hours(31 * 24);
    for owner in ["portal", "auth"] {
        let secret = secret_of("spring", &databases.name(owner));
        let age = format!("ras.dev/rotated-at={then}");
        kubectl(
            &databases.test_env,
            &["annotate", "--overwrite", "secret", &secret, &age],
        )
        .await?;
    }
    eventually(PATIENCE, "the rotation to wait", async || {
        match login(&databases).await?.message {
            Some(message) if message.contains("\"day-one\"") => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;
    assert_eq!(
        databases.test_env.jobs.runs().len(),
        1,
        "nothing happened on the server"
    );

    let end = Timestamp::now() + SignedDuration::from_secs(4);
    databases.test_env.apply(&drive(&databases, &frozen(end))).await?;
    let rotation = rotated(&databases, 1).await?;
    assert!(rotation.since.unwrap().0 >= Timestamp::from_second(end.as_second()).unwrap());
    let days = rotation
        .next_rotation
        .unwrap()
        .0
        .duration_since(Timestamp::now())
        .as_hours()
        / 24;
    assert!((29..=30).contains(&days), "{days}");
    programs.connect().await
}

#[tokio::test]
async fn an_operator_that_is_killed_at_any_step_of_a_rotation_locks_nobody_out() -> Result<(), Error> {
    let mut databases = Databases::start("pw-killed").await?;
    let programs = begin(&databases, "").await?;
    let options = OperatorOptions::with_roles(ROLES);
    let owner = databases.name("portal");
    let second = names::second_password("spring", ras_crds::spec::DatabaseCredentials::PerDatabase, &owner);
    let first = secret_of("spring", &owner);
    for generation in 1..=3_i64 {
        let secret = if generation % 2 == 1 { &second } else { &first };
        request_rotation(&databases, &generation.to_string()).await?;
        // As soon as a password is drawn, as soon as its Job is there, and as soon as status says that services get it.
        eventually(PATIENCE, "a password to be drawn", async || {
            let found = look::<Secret>(&databases.test_env, secret).await?.unwrap_or_default();
            match &found["metadata"]["annotations"]["ras.dev/login-generation"] {
                Value::String(number) if number.parse() == Ok(generation) => Ok(()),
                other => Err(other.to_string().into()),
            }
        })
        .await?;
        restart_operator(&mut databases.test_env, &options).await?;
        let of_drive = ListParams::default().labels("ras.dev/drive=spring,ras.dev/job=prepare");
        eventually(PATIENCE, "a Job", async || {
            let jobs: Api<Job> = databases.test_env.namespace.api();
            let now = login(&databases).await?.generation;
            if now == generation || !jobs.list(&of_drive).await?.items.is_empty() {
                Ok(())
            } else {
                Err("none".into())
            }
        })
        .await?;
        restart_operator(&mut databases.test_env, &options).await?;
        eventually(PATIENCE, "status to say so", async || {
            match login(&databases).await?.generation {
                now if now == generation => Ok(()),
                now => Err(now.into()),
            }
        })
        .await?;
        restart_operator(&mut databases.test_env, &options).await?;
        rotated(&databases, generation).await?;
        programs.connect().await?;
    }
    at_rest(&databases.test_env, "spring").await?;
    programs.never_failed();
    Ok(())
}

#[tokio::test]
async fn a_job_that_fails_leaves_services_with_what_works_and_a_mended_server_lets_it_go_on() -> Result<(), Error> {
    let databases = Databases::start("pw-failed").await?;
    let programs = begin(&databases, "").await?;
    let before = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    // Somebody has a role of that name.
    let taken = format!("{}_2", databases.name("portal"));
    databases
        .server
        .execute("postgres", &format!("CREATE ROLE {taken} LOGIN"))
        .await?;
    request_rotation(&databases, "1").await?;
    let condition = because(
        &databases.test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::DatabaseNotOurs,
    )
    .await?;
    assert!(condition.message.contains(&taken), "{}", condition.message);
    let status = login(&databases).await?;
    assert_eq!(status.generation, 0);
    assert!(status.message.clone().unwrap().contains("DatabaseReady"), "{status:?}");
    let after = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    assert_eq!(
        after.pointer("/metadata/generation"),
        before.pointer("/metadata/generation")
    );
    programs.connect().await?;

    databases
        .server
        .execute("postgres", &format!("DROP ROLE {taken}"))
        .await?;
    let again = "ras.dev/prepare-database=the-role-is-gone";
    kubectl(&databases.test_env, &["annotate", "drive", "spring", again]).await?;
    rotated(&databases, 1).await?;
    programs.connect().await
}

#[tokio::test]
async fn one_password_for_all_owners_rotates_on_a_server_of_the_drive_s_own_while_nobody_is_let_in() -> Result<(), Error>
{
    let databases = Databases::start("pw-own").await?;
    let own = "credentials: Shared\n    managed: {provider: Standalone, version: 17, size: 1Gi}";
    let drive = databases.on(own, "spring", &["portal", "auth"]) + "    rotate: {keepWhileOpen: true}\n";
    databases.test_env.apply(&drive).await?;
    databases.ready("spring").await?;
    let real = databases.own("spring").await?;
    let owner = databases.name("portal");
    let first = databases.password("spring-database").await?;
    let open = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();

    // The next login is made ready, and programs hear nothing of it before the drive is closed.
    request_rotation(&databases, "1").await?;
    let waiting = eventually(PATIENCE, "the next login to work", async || {
        match login(&databases).await? {
            login
                if login
                    .message
                    .as_ref()
                    .is_some_and(|message| message.contains("keepWhileOpen")) =>
            {
                Ok(login)
            }
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&databases.test_env.operator.log()))?;
    assert_eq!(waiting.generation, 0);
    databases.ready("spring").await?;
    let second = databases.password("spring-database-second").await?;
    let gets_in = async |user: &str, password: &str| real.connect(user, password, &owner).await.is_ok();
    assert!(gets_in(&owner, &first).await && gets_in(&format!("{owner}_2"), &second).await);
    let after = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    assert_eq!(
        after.pointer("/metadata/generation"),
        open.pointer("/metadata/generation")
    );

    databases
        .test_env
        .apply(&drive.replace("spec:", "spec:\n  suspend: true"))
        .await?;
    eventually(PATIENCE, "services to get it", async || {
        let login = login(&databases).await?;
        let portal = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
        let user = variable(&portal, "DATABASE_USER")["value"].clone();
        if login.generation == 1 && user == format!("{owner}_2") {
            Ok(())
        } else {
            Err(format!("{user}, {login:?}").into())
        }
    })
    .await
    .map_err(|error| error.with_log(&databases.test_env.operator.log()))?;
    databases
        .test_env
        .apply(&drive.replace("spec:", "spec:\n  suspend: false"))
        .await?;
    databases.ready("spring").await?;
    let runs = databases.test_env.jobs.runs().len();

    // Another life of the drive finds both Secrets, and goes on with the login that was last.
    kubectl(&databases.test_env, &["delete", "drive", "spring", "--timeout=50s"]).await?;
    eventually(COLLECTED, "its programs to be gone", async || match look::<Deployment>(
        &databases.test_env,
        "spring-portal",
    )
    .await?
    {
        None => Ok(()),
        Some(_) => Err("still there".into()),
    })
    .await?;
    databases.test_env.apply(&drive).await?;
    databases.ready("spring").await?;
    let portal = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    assert_eq!(variable(&portal, "DATABASE_USER")["value"], format!("{owner}_2"));
    assert_eq!(login(&databases).await?.generation, 1);
    assert!(databases.test_env.jobs.runs().len() > runs, "the Job has seen to it");
    assert_eq!(databases.password("spring-database-second").await?, second);
    assert!(gets_in(&owner, &first).await && gets_in(&format!("{owner}_2"), &second).await);
    Ok(())
}
