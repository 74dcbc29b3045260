//! Databases: what services learn, what the Job is told, who waits, what status says.

use crate::planned::{Planned, build, job_of, record_of, validate};
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_core::build::Desired;
use ras_core::database::report::{Cause, Problem, Report};
use ras_core::database::request::{Request, SslMode};
use ras_core::fetched::{DatabaseFacts, Fetched, JobFacts, JobOutcome, SecretFacts, Watch};
use ras_core::plan::database_job::JobProgress;
use ras_core::platform::PlatformConfig;
use ras_core::report;
use ras_core::report::{Observed, ReconcileOutcome};
use ras_core::valid::{EnvSource, ValidEnv};
use ras_crds::{
    ConditionType, DatabaseLoginStatus, DatabaseState, DatabaseStatus, LogicalDatabaseStatus, Reason, RecruitmentDrive,
    RecruitmentDriveStatus,
};

use crate::drives::{facts_for, with_spec};

const STANDALONE: &str = "managed: {provider: Standalone, version: 17, size: 10Gi}";
const EXTERNAL: &str = "external: {secretName: rds}";

fn drive(service: &str, server: &str, databases: &str) -> RecruitmentDrive {
    with_spec(&format!(
        "{{services: [{{name: portal, image: 'portal:1', {service}}}], database: {{{server}, databases: [{databases}]}}}}"
    ))
}

fn valid(drive: &RecruitmentDrive, fetched: &Fetched) -> Planned {
    validate(drive, fetched, &PlatformConfig::default()).unwrap()
}

fn built(drive: &RecruitmentDrive, fetched: &Fetched) -> Desired {
    build(&valid(drive, fetched))
}

fn problems(drive: &RecruitmentDrive) -> String {
    validate(drive, &facts_for(drive), &PlatformConfig::default())
        .unwrap_err()
        .to_string()
}

fn pod(desired: &Desired) -> PodSpec {
    desired.deployments[0].spec.clone().unwrap().template.spec.unwrap()
}

fn environment(desired: &Desired) -> Vec<(String, String)> {
    let value = |variable: &EnvVar| {
        variable.value.clone().unwrap_or_else(|| {
            let secret = variable.value_from.clone().unwrap().secret_key_ref.unwrap();
            format!("<{}/{}>", secret.name, secret.key)
        })
    };
    let all = pod(desired).containers[0].env.clone().unwrap_or_default();
    all.iter()
        .map(|variable| (variable.name.clone(), value(variable)))
        .collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Facts in which the external Secret has these keys, too.
fn with_keys(drive: &RecruitmentDrive, keys: &[&str]) -> Fetched {
    let mut fetched = facts_for(drive);
    let known = fetched.secrets.get_mut("rds").unwrap().keys.as_mut().unwrap();
    known.extend(keys.iter().map(|key| ((*key).to_owned(), "then".to_owned())));
    fetched
}

#[test]
fn a_service_learns_of_its_one_database_under_plain_names() {
    let drive = drive("uses: {databases: [portal]}", STANDALONE, "{name: portal}");
    let all = environment(&built(&drive, &facts_for(&drive)));
    let plain: Vec<_> = all
        .iter()
        .filter(|(name, _)| !name.starts_with("DATABASE_PORTAL_"))
        .cloned()
        .collect();
    assert_eq!(
        plain,
        pairs(&[
            ("DATABASE_HOST", "d-database"),
            ("DATABASE_PORT", "5432"),
            ("DATABASE_NAME", "portal"),
            ("DATABASE_USER", "portal"),
            ("DATABASE_PASSWORD", "<d-database-role-portal/password>"),
            ("DATABASE_SSLMODE", "disable"),
            (
                "DATABASE_URL",
                "postgresql://portal:$(DATABASE_PORTAL_PASSWORD)@d-database:5432/portal?sslmode=disable"
            ),
        ])
    );
    assert_eq!(all.len(), 14, "the same once more under the database's name");
}

#[test]
fn the_first_of_several_databases_has_the_plain_names_and_a_service_learns_of_no_other() {
    let drive = drive(
        "uses: {databases: [old-files, portal]}",
        STANDALONE,
        "{name: portal}, {name: old-files, owner: keeper}, {name: payroll}",
    );
    let all: BTreeMap<_, _> = environment(&built(&drive, &facts_for(&drive))).into_iter().collect();
    assert_eq!(all["DATABASE_NAME"], "old-files");
    assert_eq!(all["DATABASE_OLD_FILES_USER"], "keeper");
    assert_eq!(all["DATABASE_PORTAL_PASSWORD"], "<d-database-role-portal/password>");
    assert!(all.keys().all(|name| !name.contains("PAYROLL")), "{all:?}");
}

#[test]
fn a_program_that_makes_user_names_of_a_suffix_follows_a_rotation() {
    let suffix = "env: [{name: SUFFIX, database: {name: rc, key: userSuffix}}]";
    let drive = drive(suffix, STANDALONE, "{name: rc, owner: rcadmin}");
    let mut fetched = facts_for(&drive);
    assert!(environment(&built(&drive, &fetched)).contains(&("SUFFIX".to_owned(), "admin".to_owned())));

    fetched.database.recorded.login = Some(DatabaseLoginStatus {
        generation: 1,
        ..DatabaseLoginStatus::default()
    });
    let second = SecretFacts {
        generation: Some(1),
        ..SecretFacts::default()
    };
    fetched.secrets.insert("d-database-second-rcadmin".to_owned(), second);
    assert!(environment(&built(&drive, &fetched)).contains(&("SUFFIX".to_owned(), "admin_2".to_owned())));
}

#[test]
fn a_suffix_exists_only_where_the_user_s_name_begins_with_the_database_s() {
    let suffix = "env: [{name: SUFFIX, database: {name: rc, key: userSuffix}}]";
    for (database, suffix_is) in [("{name: rc}", ""), ("{name: rc, user: rc_app}", "_app")] {
        let drive = drive(suffix, STANDALONE, database);
        let found = environment(&built(&drive, &facts_for(&drive)));
        assert!(
            found.contains(&("SUFFIX".to_owned(), suffix_is.to_owned())),
            "{database}: {found:?}"
        );
    }
    let told = problems(&drive(suffix, STANDALONE, "{name: rc, owner: keeper}"));
    assert!(told.contains("spec.services[0].env[0].database.key"), "{told}");
    assert!(told.contains("\"keeper\" does not begin with \"rc\""), "{told}");
    assert!(told.contains("named rc<suffix>"), "{told}");
}

#[test]
fn a_program_logs_in_as_the_user_and_its_migration_as_the_owner() {
    let drive = drive(
        "uses: {databases: [portal]}, migrate: {args: [migrate]}",
        STANDALONE,
        "{name: portal, owner: keeper, user: app}",
    );
    let fetched = facts_for(&drive);
    let valid = valid(&drive, &fetched);
    let user = |environment: &[ValidEnv]| {
        let of = |wanted: &str| {
            environment
                .iter()
                .find(|variable| variable.name == wanted)
                .unwrap()
                .source
                .clone()
        };
        let EnvSource::Value(user) = of("DATABASE_USER") else {
            panic!("the name is no secret")
        };
        let EnvSource::Secret { secret, .. } = of("DATABASE_PASSWORD") else {
            panic!("the password is one")
        };
        (user, secret.secret_name)
    };
    let service = &valid.services[0];
    let pair = |user: &str, secret: &str| (user.to_owned(), secret.to_owned());
    assert_eq!(user(&service.container.env), pair("app", "d-database-role-app"));
    let migration = service.migration.as_ref().unwrap();
    assert_eq!(user(&migration.container.env), pair("keeper", "d-database-role-keeper"));

    let asked = job_of(&valid).unwrap().request;
    assert_eq!(asked.databases[0].user.as_deref(), Some("app"));
    let logins: Vec<_> = asked
        .logins
        .iter()
        .map(|login| (login.role.as_str(), login.owner.as_str()))
        .collect();
    assert_eq!(logins, [("app", "app"), ("keeper", "keeper")]);
}

#[test]
fn a_user_who_could_do_more_than_use_the_database_is_refused() {
    let of = |rest: &str, databases: &str| {
        problems(&drive(
            "uses: {databases: [portal]}",
            &format!("{STANDALONE}{rest}"),
            databases,
        ))
    };
    let owner = of("", "{name: portal, user: portal}");
    assert!(
        owner.contains("databases[0].user") && owner.contains("owns databases"),
        "{owner}"
    );
    let shared = of(", credentials: Shared", "{name: portal, user: app}");
    assert!(
        shared.contains("databases[0].user") && shared.contains("PerDatabase"),
        "{shared}"
    );
    let theirs = of("", "{name: portal, user: pg_read_all_data}");
    assert!(theirs.contains("PostgreSQL keeps"), "{theirs}");
}

#[test]
fn shared_credentials_are_one_secret() {
    let drive = drive(
        "uses: {databases: [a, b]}",
        &format!("{STANDALONE}, credentials: Shared"),
        "{name: a, owner: aadmin}, {name: b, owner: badmin}",
    );
    let desired = built(&drive, &facts_for(&drive));
    let all: BTreeMap<_, _> = environment(&desired).into_iter().collect();
    assert_eq!(all["DATABASE_A_PASSWORD"], "<d-database/password>");
    assert_eq!(all["DATABASE_A_PASSWORD"], all["DATABASE_B_PASSWORD"]);
    let secrets: Vec<_> = desired
        .credentials
        .iter()
        .map(|credential| credential.secret.metadata.name.clone().unwrap())
        .collect();
    assert_eq!(secrets, ["d-database", "d-database-superuser"]);
}

#[test]
fn a_program_that_insists_on_its_own_names_gets_them_and_what_a_url_is_made_of() {
    let drive = drive(
        "env: [{name: PGHOST, database: {name: portal, key: host}}, {name: PGUSER, database: {name: portal, key: user}}, \
         {name: DSN, database: {name: portal, key: url}}]",
        EXTERNAL,
        "{name: portal}",
    );
    assert_eq!(
        environment(&built(&drive, &facts_for(&drive))),
        pairs(&[
            ("DATABASE_PORTAL_HOST", "<rds/host>"),
            ("DATABASE_PORTAL_PORT", "<rds/port>"),
            ("DATABASE_PORTAL_PASSWORD", "<d-database-role-portal/password>"),
            ("PGHOST", "<rds/host>"),
            ("PGUSER", "portal"),
            (
                "DSN",
                "postgresql://portal:$(DATABASE_PORTAL_PASSWORD)@$(DATABASE_PORTAL_HOST):$(DATABASE_PORTAL_PORT)/portal?sslmode=require"
            ),
        ])
    );
}

#[test]
fn a_url_never_refers_to_what_the_service_has_set_to_something_else() {
    let overridden = drive(
        "uses: {databases: [portal]}, env: [{name: DATABASE_PORTAL_PASSWORD, value: x}, {name: DATABASE_HOST, value: pooler}]",
        STANDALONE,
        "{name: portal}",
    );
    let all: BTreeMap<_, _> = environment(&built(&overridden, &facts_for(&overridden)))
        .into_iter()
        .collect();
    assert_eq!(all["DATABASE_HOST"], "pooler");
    assert!(
        !all.contains_key("DATABASE_URL") && !all.contains_key("DATABASE_PORTAL_URL"),
        "{all:?}"
    );
    let asked = drive(
        "env: [{name: DSN, database: {name: portal, key: url}}, {name: DATABASE_PORTAL_PASSWORD, value: x}]",
        STANDALONE,
        "{name: portal}",
    );
    let told = problems(&asked);
    assert!(
        told.contains("spec.services[0].env[0].database.key") && told.contains("DATABASE_PORTAL_PASSWORD"),
        "{told}"
    );
}

#[test]
fn certificates_of_a_server_are_a_file_and_nothing_else_of_its_secret_is() {
    let drive = drive("uses: {databases: [portal]}", EXTERNAL, "{name: portal}");
    let desired = built(&drive, &with_keys(&drive, &["ca"]));
    let all: BTreeMap<_, _> = environment(&desired).into_iter().collect();
    assert_eq!(all["DATABASE_CA_FILE"], "/ras/database/ca.crt");
    assert_eq!(all["DATABASE_SSLMODE"], "verify-full");
    assert!(
        all["DATABASE_URL"].ends_with("?sslmode=verify-full&sslrootcert=/ras/database/ca.crt"),
        "{}",
        all["DATABASE_URL"]
    );
    let pod = pod(&desired);
    let volume = pod
        .volumes
        .unwrap()
        .into_iter()
        .find(|volume| volume.name == "database")
        .unwrap();
    let items = volume.secret.unwrap().items.unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!((items[0].key.as_str(), items[0].path.as_str()), ("ca", "ca.crt"));
    let mounts = pod.containers[0].volume_mounts.clone().unwrap();
    assert!(
        mounts
            .iter()
            .any(|mount| mount.name == "database" && mount.mount_path == "/ras/database")
    );
    // And where the Secret says how far TLS goes, it is asked.
    let said = built(&drive, &with_keys(&drive, &["ca", "sslmode"]));
    let all: BTreeMap<_, _> = environment(&said).into_iter().collect();
    assert_eq!(all["DATABASE_SSLMODE"], "<rds/sslmode>");
    let template = |keys: &[&str]| {
        let mut seen = with_keys(&drive, &["ca"]);
        let known = seen.secrets.get_mut("rds").unwrap().keys.as_mut().unwrap();
        known.extend(keys.iter().map(|key| ((*key).to_owned(), "later".to_owned())));
        built(&drive, &seen).deployments[0].spec.clone().unwrap().template
    };
    assert_ne!(
        template(&["ca"]),
        template(&[]),
        "other certificates restart who uses them"
    );
    assert_eq!(
        template(&["username"]),
        template(&[]),
        "another administrator restarts nobody"
    );
}

#[test]
fn a_ca_file_is_asked_for_only_where_there_is_one() {
    let drive = drive(
        "env: [{name: CA, database: {name: portal, key: caFile}}]",
        STANDALONE,
        "{name: portal}",
    );
    assert!(
        problems(&drive).contains("spec.services[0].env[0].database.key"),
        "{}",
        problems(&drive)
    );
}

#[test]
fn what_a_server_cannot_do_is_refused_with_the_way_out() {
    for (server, databases, field, says) in [
        (
            "managed: {provider: Standalone, version: 17, size: 10Gi, instances: 3}",
            "{name: a}",
            "spec.database.managed.instances",
            "CloudNativePG",
        ),
        (
            "managed: {provider: Standalone, version: 12, size: 10Gi}",
            "{name: a}",
            "spec.database.managed.version",
            "14 to 18",
        ),
        (
            "managed: {provider: Standalone, version: 17, size: 0}",
            "{name: a}",
            "spec.database.managed.size",
            "20Gi",
        ),
        (EXTERNAL, "{name: postgres}", "spec.database.databases[0].name", "keeps"),
        (
            EXTERNAL,
            "{name: a, owner: pg_monitor}",
            "spec.database.databases[0].owner",
            "keeps",
        ),
        (EXTERNAL, "{name: 'a;b'}", "spec.database.databases[0].name", "a-z"),
        (
            EXTERNAL,
            "{name: a-b}, {name: a_b}",
            "spec.database.databases[1].name",
            "same variables",
        ),
        (
            EXTERNAL,
            "{name: a, extensions: ['x y']}",
            "spec.database.databases[0].extensions",
            "pg_trgm",
        ),
        (EXTERNAL, "", "spec.database.databases", "at least one"),
        (
            "external: {secretName: rds}, deletionPolicy: Delete",
            "{name: a}",
            "spec.database.deletionPolicy",
            "ever deleted",
        ),
    ] {
        let told = problems(&drive("", server, databases));
        assert!(told.contains(&format!("{field}: ")) && told.contains(says), "{told}");
    }
    let told = problems(&drive("uses: {databases: [other]}", EXTERNAL, "{name: a}"));
    assert!(told.contains("spec.services[0].uses.databases[0]: \"other\""), "{told}");
}

#[test]
fn a_server_of_the_drive_s_own_keeps_its_volume_and_lets_only_its_users_in() {
    let drive = with_spec(&format!(
        "{{services: [{{name: portal, image: 'p:1', uses: {{databases: [a]}}}}, {{name: web, image: 'w:1'}}], database: {{{STANDALONE}, \
         databases: [{{name: a}}]}}}}"
    ));
    let desired = built(&drive, &facts_for(&drive));
    let server = desired.stateful_sets[0].spec.clone().unwrap();
    assert_eq!(server.replicas, Some(1));
    let pod = server.template.spec.unwrap();
    assert_eq!(
        pod.containers[0].image.as_deref(),
        Some("docker.io/library/postgres:17")
    );
    let claim = &desired.volume_claims[0];
    assert_eq!(claim.metadata.name.as_deref(), Some("d-database-data"));
    assert!(claim.metadata.owner_references.is_none(), "it outlives the drive");
    let policy = desired
        .network_policies
        .iter()
        .find(|policy| policy.metadata.name.as_deref() == Some("d-database"))
        .unwrap();
    let from = policy.spec.clone().unwrap().ingress.unwrap()[0].from.clone().unwrap();
    let labels: Vec<_> = from
        .iter()
        .map(|peer| peer.pod_selector.clone().unwrap().match_labels.unwrap())
        .collect();
    assert_eq!(labels.len(), 2, "{labels:?}");
    assert_eq!(labels[0]["ras.dev/service"], "portal");
    assert_eq!(labels[1]["ras.dev/job"], "prepare");
    // Secrets stay with the volume: a drive that is made anew proves by them that the roles are its own.
    for credential in &desired.credentials {
        assert!(credential.secret.metadata.owner_references.is_none());
    }
    let mut gone = drive.clone();
    gone.spec.database.as_mut().unwrap().deletion_policy = Some(ras_crds::spec::DeletionPolicy::Delete);
    assert!(
        built(&gone, &facts_for(&gone)).volume_claims[0]
            .metadata
            .owner_references
            .is_some()
    );
}

#[test]
fn a_suspended_drive_s_server_stops_and_nothing_is_prepared() {
    let mut drive = drive("uses: {databases: [a]}", STANDALONE, "{name: a}");
    drive.spec.suspend = Some(true);
    let desired = built(&drive, &facts_for(&drive));
    assert_eq!(desired.stateful_sets[0].spec.as_ref().unwrap().replicas, Some(0));
    assert!(desired.jobs.is_empty());
}

#[test]
fn the_job_is_told_everything_but_secrets() {
    let drive = drive(
        "",
        EXTERNAL,
        "{name: portal, extensions: [pg_trgm]}, {name: old, owner: portal}, {name: auth, owner: authadmin}",
    );
    let desired = built(&drive, &facts_for(&drive));
    let text = desired.config_maps[0].data.clone().unwrap()["request.json"].clone();
    let request = Request::parse(&text).unwrap();
    assert_eq!(request.sslmode, Some(SslMode::VerifyFull));
    assert_eq!(request.drive.uid, "uid-1");
    let databases: Vec<_> = request
        .databases
        .iter()
        .map(|one| (one.name.as_str(), one.owner.as_str(), one.extensions.len()))
        .collect();
    assert_eq!(
        databases,
        [("portal", "portal", 1), ("old", "portal", 0), ("auth", "authadmin", 0)]
    );
    let logins: Vec<_> = request
        .logins
        .iter()
        .map(|login| (login.role.as_str(), login.password_file.as_str()))
        .collect();
    assert_eq!(
        logins,
        [
            ("authadmin", "d-database-role-authadmin/password"),
            ("portal", "d-database-role-portal/password"),
        ],
        "one login an owner"
    );
    let job = desired.jobs[0].spec.clone().unwrap();
    let pod = job.template.spec.unwrap();
    assert!(
        pod.containers[0].env.is_none(),
        "what is in the environment is in every core dump"
    );
    let rules = job.pod_failure_policy.unwrap().rules;
    assert_eq!(rules[0].action, "FailJob");
}

#[test]
fn the_job_is_another_when_what_is_asked_changes_or_a_secret_is_written_or_somebody_asks() {
    let name =
        |drive: &RecruitmentDrive, fetched: &Fetched| built(drive, fetched).jobs[0].metadata.name.clone().unwrap();
    let before = drive("", EXTERNAL, "{name: portal}");
    let facts = facts_for(&before);
    let first = name(&before, &facts);
    assert!(first.starts_with("d-database-prepare-"), "{first}");
    let mut other = facts.clone();
    other.apis.certificates = false;
    assert_eq!(name(&before, &other), first, "nothing of it changed");
    let more = drive("", EXTERNAL, "{name: portal}, {name: auth}");
    assert_ne!(name(&more, &facts_for(&more)), first);
    let mut written = facts.clone();
    let keys = written.secrets.get_mut("rds").unwrap().keys.as_mut().unwrap();
    keys.insert("password".to_owned(), "later".to_owned());
    assert_ne!(name(&before, &written), first);
    let mut asked = before.clone();
    let annotation = ("ras.dev/prepare-database".to_owned(), "again".to_owned());
    asked.metadata.annotations = Some(BTreeMap::from([annotation]));
    assert_ne!(name(&asked, &facts), first);
}

/// The facts after the Job of this drive has ended.
fn after(drive: &RecruitmentDrive, fetched: &Fetched, outcome: JobOutcome, report: Option<Report>) -> Fetched {
    let job = job_of(&valid(drive, fetched)).unwrap().job;
    let facts = JobFacts {
        outcome,
        report,
        ..JobFacts::default()
    };
    Fetched {
        jobs: BTreeMap::from([(job, facts)]),
        ..fetched.clone()
    }
}

fn fresh(drive: &RecruitmentDrive) -> Fetched {
    Fetched {
        database: DatabaseFacts {
            serves: true,
            ..DatabaseFacts::default()
        },
        ..facts_for(drive)
    }
}

fn succeeded() -> JobOutcome {
    JobOutcome::Succeeded { at: None }
}

fn failed() -> JobOutcome {
    JobOutcome::Failed {
        at: None,
        reason: "PodFailurePolicy".to_owned(),
    }
}

fn problem(cause: Cause, database: Option<&str>) -> Problem {
    Problem {
        cause,
        database: database.map(str::to_owned),
        role: None,
        message: format!("{cause:?}: do something"),
    }
}

fn told(problems: Vec<Problem>) -> Report {
    Report {
        server_version: Some("17.6".to_owned()),
        done: vec!["created database portal".to_owned()],
        problems,
        ..Report::default()
    }
}

fn states(drive: &RecruitmentDrive, fetched: &Fetched) -> Vec<(String, DatabaseState)> {
    let valid = valid(drive, fetched);
    let all = valid.plan().database.unwrap().databases;
    all.into_iter().map(|line| (line.name, line.state)).collect()
}

#[test]
fn services_wait_until_their_databases_were_prepared_once() {
    let drive = drive("uses: {databases: [portal]}", EXTERNAL, "{name: portal}, {name: other}");
    let new = fresh(&drive);
    let held = built(&drive, &new).blocked;
    assert_eq!(held["d-portal"].condition, ConditionType::DatabaseReady);
    assert_eq!(held["d-portal"].reason, Reason::DatabasePending);
    assert!(
        held["d-portal"].message.contains("\"portal\""),
        "{:?}",
        held["d-portal"]
    );
    let open = after(&drive, &new, JobOutcome::Open, None);
    assert!(built(&drive, &open).blocked.contains_key("d-portal"));
    let done = after(&drive, &new, succeeded(), Some(told(Vec::new())));
    assert!(built(&drive, &done).blocked.is_empty());
    // What one database lacks holds up nobody who uses another.
    let partly = told(vec![problem(Cause::ExtensionMissing, Some("other"))]);
    let partly = after(&drive, &new, failed(), Some(partly));
    assert!(built(&drive, &partly).blocked.is_empty());
    assert_eq!(
        states(&drive, &partly),
        [
            ("portal".to_owned(), DatabaseState::Ready),
            ("other".to_owned(), DatabaseState::Pending),
        ]
    );
    let denied = after(
        &drive,
        &new,
        failed(),
        Some(told(vec![problem(Cause::WrongPassword, None)])),
    );
    assert!(built(&drive, &denied).blocked.contains_key("d-portal"));
}

#[test]
fn services_that_run_are_held_by_nothing_that_happens_to_the_server() {
    let drive = drive("uses: {databases: [portal]}", STANDALONE, "{name: portal}");
    let mut running = facts_for(&drive);
    running.database.serves = false;
    assert!(built(&drive, &running).blocked.is_empty(), "the server is down");
    let denied = after(
        &drive,
        &facts_for(&drive),
        failed(),
        Some(told(vec![problem(Cause::MissingRight, None)])),
    );
    assert!(built(&drive, &denied).blocked.is_empty(), "the Job failed");
    assert_eq!(states(&drive, &denied), [("portal".to_owned(), DatabaseState::Failing)]);
}

#[test]
fn a_database_that_is_taken_out_is_kept_and_reported() {
    let drive = drive("", EXTERNAL, "{name: portal}");
    let mut before = facts_for(&drive);
    before.database.recorded.databases.push(LogicalDatabaseStatus {
        name: "old".to_owned(),
        state: DatabaseState::Ready,
        ..LogicalDatabaseStatus::default()
    });
    let kept = ("old".to_owned(), DatabaseState::Retained);
    assert_eq!(states(&drive, &before)[1], kept, "before the Job has told");
    let mut report = told(Vec::new());
    report.no_longer_managed = vec!["old".to_owned(), "older".to_owned()];
    let done = after(&drive, &before, succeeded(), Some(report));
    assert_eq!(
        states(&drive, &done)[1..],
        [kept, ("older".to_owned(), DatabaseState::Retained)]
    );
}

fn status(drive: &RecruitmentDrive, fetched: &Fetched, before: &RecruitmentDriveStatus) -> RecruitmentDriveStatus {
    let valid = valid(drive, fetched);
    let plan = valid.plan();
    let verdict = ReconcileOutcome::Paused(Some(&plan));
    let now = Time(Timestamp::UNIX_EPOCH);
    let mut status = report::status(drive, &Observed::default(), &verdict, before, &now);
    status.database = record_of(&valid);
    status
}

fn database_ready(status: &RecruitmentDriveStatus) -> (bool, String, String) {
    let found = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::DatabaseReady.as_str())
        .unwrap();
    (found.is_true(), found.reason.clone(), found.message.clone())
}

#[test]
fn every_cause_has_a_reason_and_the_message_is_the_job_s_own() {
    let drive = drive("", EXTERNAL, "{name: portal}");
    let reasons = [
        (Cause::Unreachable, Reason::DatabaseUnreachable),
        (Cause::WrongPassword, Reason::DatabaseDenied),
        (Cause::MissingRight, Reason::DatabaseDenied),
        (Cause::TlsRequired, Reason::DatabaseTlsFailed),
        (Cause::WrongVersion, Reason::WrongDatabaseVersion),
        (Cause::NotOurs, Reason::DatabaseNotOurs),
        (Cause::ExtensionMissing, Reason::ExtensionMissing),
        (Cause::MissingKey, Reason::SecretKeyMissing),
        (Cause::Refused, Reason::DatabaseRefused),
    ];
    for (cause, reason) in reasons {
        let facts = after(&drive, &fresh(&drive), failed(), Some(told(vec![problem(cause, None)])));
        let (ready, said, message) = database_ready(&status(&drive, &facts, &RecruitmentDriveStatus::default()));
        assert_eq!((ready, said.as_str()), (false, reason.as_str()));
        assert!(message.contains(&format!("{cause:?}: do something")), "{message}");
        assert!(message.contains("ras.dev/prepare-database"), "{message}");
    }
}

#[test]
fn a_secret_or_key_that_is_missing_is_named() {
    let drive = drive("uses: {databases: [portal]}", EXTERNAL, "{name: portal}");
    let mut facts = fresh(&drive);
    facts.secrets.remove("rds");
    let (_, reason, message) = database_ready(&status(&drive, &facts, &RecruitmentDriveStatus::default()));
    assert_eq!(reason, "SecretMissing");
    assert!(
        message.contains("\"rds\"") && message.contains("host, username and password"),
        "{message}"
    );
    let keys = BTreeMap::from([("host".to_owned(), String::new()), ("port".to_owned(), String::new())]);
    facts.secrets.insert(
        "rds".to_owned(),
        SecretFacts {
            keys: Some(keys),
            ..SecretFacts::default()
        },
    );
    let (_, reason, message) = database_ready(&status(&drive, &facts, &RecruitmentDriveStatus::default()));
    assert_eq!(reason, "SecretKeyMissing");
    assert!(message.contains("\"rds\" has no key"), "{message}");
    assert!(built(&drive, &facts).jobs.is_empty(), "nothing to try yet");
}

#[test]
fn what_was_prepared_is_remembered_and_not_done_again() {
    let drive = drive("", EXTERNAL, "{name: portal}");
    let new = fresh(&drive);
    let done = after(&drive, &new, succeeded(), Some(told(Vec::new())));
    let first = status(&drive, &done, &RecruitmentDriveStatus::default());
    let recorded = first.database.clone().unwrap();
    assert_eq!(recorded.server_version.as_deref(), Some("17.6"));
    assert_eq!(recorded.done, ["created database portal"]);
    assert!(database_ready(&first).0);
    // Kubernetes has removed the Job meanwhile.
    let later = Fetched {
        database: DatabaseFacts {
            recorded: recorded.clone(),
            serves: true,
            ..DatabaseFacts::default()
        },
        ..new
    };
    let preparation = job_of(&valid(&drive, &later)).unwrap();
    assert_eq!(preparation.progress, JobProgress::Recorded);
    assert!(built(&drive, &later).jobs.is_empty());
    assert_eq!(status(&drive, &later, &first).database, Some(recorded));
    assert!(database_ready(&status(&drive, &later, &first)).0);
}

/// The drive once it was prepared, with what its status then says.
fn prepared(drive: &RecruitmentDrive, facts: &Fetched, report: Report) -> Fetched {
    let at = Some(facts.now);
    let done = after(drive, facts, JobOutcome::Succeeded { at }, Some(report));
    let status = status(drive, &done, &RecruitmentDriveStatus::default());
    let mut recorded = facts.clone();
    recorded.database.recorded = status.database.unwrap();
    recorded
}

fn on_server(server: &str, oid: u32) -> Report {
    Report {
        system_identifier: Some(server.to_owned()),
        oids: BTreeMap::from([("portal".to_owned(), oid)]),
        ..told(Vec::new())
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The same some time later, as an operator sees it that began to watch at `since`.
fn seen(facts: &Fetched, since: &str, now: &str) -> Fetched {
    let mut facts = facts.clone();
    facts.now = time(now);
    facts.database.watch = Some(Watch {
        since: time(since),
        drives: 1,
    });
    facts
}

fn needs_job(drive: &RecruitmentDrive, facts: &Fetched) -> bool {
    job_of(&valid(drive, facts)).unwrap().needs_job()
}

#[test]
fn a_record_of_another_volume_or_cluster_is_not_believed() {
    let drive = drive("uses: {databases: [portal]}", STANDALONE, "{name: portal}");
    let mut facts = fresh(&drive);
    facts.database.storage = Some("PersistentVolumeClaim/one".to_owned());
    let recorded = prepared(&drive, &facts, on_server("7", 16_384));
    assert!(!needs_job(&drive, &recorded));
    assert!(built(&drive, &recorded).blocked.is_empty());

    let mut replaced = recorded.clone();
    replaced.database.storage = Some("PersistentVolumeClaim/two".to_owned());
    assert!(needs_job(&drive, &replaced), "nothing is on the other volume");
    assert!(built(&drive, &replaced).blocked.contains_key("d-portal"));
    assert_eq!(
        states(&drive, &replaced),
        [("portal".to_owned(), DatabaseState::Pending)]
    );
    let before = RecruitmentDriveStatus {
        database: Some(recorded.database.recorded.clone()),
        ..RecruitmentDriveStatus::default()
    };
    assert!(!database_ready(&status(&drive, &replaced, &before)).0);
    // The Job that set up the volume before says nothing of this one.
    let name = |facts: &Fetched| job_of(&valid(&drive, facts)).unwrap().job;
    assert_ne!(name(&facts), name(&replaced));

    let again = prepared(&drive, &replaced, on_server("8", 16_384));
    assert!(!needs_job(&drive, &again));
    assert_eq!(
        again.database.recorded.storage.as_deref(),
        Some("PersistentVolumeClaim/two")
    );
    let others = again.database.recorded.replaced_since(&recorded.database.recorded);
    assert_eq!(others, ["portal"]);
    // A copy of the volume holds the same databases.
    let copy = prepared(&drive, &replaced, on_server("7", 16_384));
    assert!(
        copy.database
            .recorded
            .replaced_since(&recorded.database.recorded)
            .is_empty()
    );
}

#[test]
fn what_an_earlier_version_recorded_is_completed_without_a_job() {
    let drive = drive("", STANDALONE, "{name: portal}");
    let mut recorded = prepared(&drive, &fresh(&drive), told(Vec::new()));
    assert_eq!(recorded.database.recorded.storage, None);
    recorded.database.storage = Some("PersistentVolumeClaim/one".to_owned());
    assert!(!needs_job(&drive, &recorded));
    let status = status(&drive, &recorded, &RecruitmentDriveStatus::default());
    assert_eq!(
        status.database.unwrap().storage.as_deref(),
        Some("PersistentVolumeClaim/one")
    );
}

#[test]
fn a_server_outside_is_asked_again_after_a_start_and_every_server_once_a_day() {
    for (server, at_start) in [(EXTERNAL, true), (STANDALONE, false)] {
        let drive = drive("uses: {databases: [portal]}", server, "{name: portal}");
        let mut facts = fresh(&drive);
        facts.now = time("2026-07-01T12:00:00Z");
        let recorded = prepared(&drive, &facts, on_server("7", 16_384));
        let known = seen(&recorded, "2026-07-01T11:00:00Z", "2026-07-01T13:00:00Z");
        assert!(!needs_job(&drive, &known), "this very process checked it");
        let started = seen(&recorded, "2026-07-01T12:30:00Z", "2026-07-01T12:31:00Z");
        assert_eq!(needs_job(&drive, &started), at_start, "{server}");
        let next_day = seen(&recorded, "2026-07-01T11:00:00Z", "2026-07-02T13:01:00Z");
        assert!(needs_job(&drive, &next_day));
        // It is woken for it, and not before.
        let next = job_of(&valid(&drive, &known)).unwrap().next_check.unwrap();
        assert!(
            next > time("2026-07-02T12:00:00Z") && next <= time("2026-07-02T13:00:00Z"),
            "{next}"
        );
        assert_eq!(job_of(&valid(&drive, &next_day)).unwrap().next_check, None);
        // Suspended, or while a server starts, nothing is asked, and nobody is woken all the time.
        let mut suspended = drive.clone();
        suspended.spec.suspend = Some(true);
        assert!(!needs_job(&suspended, &next_day));
        assert_eq!(job_of(&valid(&suspended, &next_day)).unwrap().next_check, None);
    }
}

#[test]
fn a_check_keeps_the_drive_ready_and_what_it_finds_is_told_with_its_time() {
    let drive = drive("uses: {databases: [portal]}", EXTERNAL, "{name: portal}");
    let mut facts = fresh(&drive);
    facts.now = time("2026-07-01T12:00:00Z");
    let recorded = prepared(&drive, &facts, on_server("7", 16_384));
    let due = seen(&recorded, "2026-07-01T12:30:00Z", "2026-07-01T12:31:00Z");
    let before = RecruitmentDriveStatus {
        database: Some(recorded.database.recorded.clone()),
        ..RecruitmentDriveStatus::default()
    };
    let told_of = |facts: &Fetched| database_ready(&status(&drive, facts, &before));
    assert!(needs_job(&drive, &due));
    let (is_ready, _, message) = told_of(&due);
    assert!(
        is_ready && message.contains("checked at 2026-07-01T12:00:00Z"),
        "{message}"
    );
    assert!(built(&drive, &due).blocked.is_empty());

    let at = Some(time("2026-07-01T12:32:00Z"));
    let same = after(&drive, &due, JobOutcome::Succeeded { at }, Some(on_server("7", 16_384)));
    let (is_ready, _, message) = told_of(&same);
    assert!(
        is_ready && message.contains("checked at 2026-07-01T12:32:00Z"),
        "{message}"
    );
    let database = status(&drive, &same, &before).database.unwrap();
    assert!(database.replaced_since(before.database.as_ref().unwrap()).is_empty());
    let other = after(&drive, &due, JobOutcome::Succeeded { at }, Some(on_server("9", 5)));
    let database = status(&drive, &other, &before).database.unwrap();
    assert_eq!(database.replaced_since(before.database.as_ref().unwrap()), ["portal"]);
    assert_eq!(database.databases[0].identity.as_deref(), Some("9/5"));

    let gone = after(
        &drive,
        &due,
        failed(),
        Some(told(vec![problem(Cause::NotOurs, Some("portal"))])),
    );
    let (is_ready, reason, _) = told_of(&gone);
    assert_eq!((is_ready, &*reason), (false, Reason::DatabaseNotOurs.as_str()));
    // Its Job is gone, and nothing is well before another found that it is.
    let mut later = due.clone();
    later.database.recorded = status(&drive, &gone, &before).database.unwrap();
    assert!(needs_job(&drive, &later));
    assert!(!told_of(&later).0, "{:?}", told_of(&later));
}

#[test]
fn while_the_same_is_tried_once_more_the_old_failure_is_told() {
    let drive = drive("", EXTERNAL, "{name: portal}");
    let new = fresh(&drive);
    let denied = after(&drive, &new, failed(), Some(told(vec![problem(Cause::NotLetIn, None)])));
    let first = status(&drive, &denied, &RecruitmentDriveStatus::default());
    let again = Fetched {
        database: DatabaseFacts {
            recorded: first.database.clone().unwrap(),
            serves: true,
            ..DatabaseFacts::default()
        },
        ..new.clone()
    };
    assert_eq!(database_ready(&status(&drive, &again, &first)), database_ready(&first));
    assert_eq!(built(&drive, &again).jobs.len(), 1);
    let mut asked = drive.clone();
    let annotation = ("ras.dev/prepare-database".to_owned(), "again".to_owned());
    asked.metadata.annotations = Some(BTreeMap::from([annotation]));
    let (_, reason, _) = database_ready(&status(&asked, &again, &first));
    assert_eq!(reason, "DatabasePending", "something else is tried");
}

#[test]
fn a_server_that_is_not_up_is_waited_for() {
    let drive = drive("", STANDALONE, "{name: portal}");
    let mut facts = fresh(&drive);
    facts.database.serves = false;
    assert!(built(&drive, &facts).jobs.is_empty());
    let (ready, reason, _) = database_ready(&status(&drive, &facts, &RecruitmentDriveStatus::default()));
    assert_eq!((ready, reason.as_str()), (false, "DatabasePending"));
}

#[test]
fn status_of_a_drive_without_databases_has_none() {
    let drive = with_spec("{services: [{name: portal, image: 'portal:1'}]}");
    let valid = valid(&drive, &facts_for(&drive));
    assert_eq!(record_of(&valid), None::<DatabaseStatus>);
}

#[test]
fn the_job_learns_which_passwords_programs_get_in_a_url() {
    let asked = |drive: &RecruitmentDrive, writer: &str| -> Request {
        let mut fetched = facts_for(drive);
        let facts = fetched.secrets.get_mut("d-database-role-portal").unwrap();
        facts.keys = Some(BTreeMap::from([("password".to_owned(), writer.to_owned())]));
        job_of(&valid(drive, &fetched)).unwrap().request
    };
    let by_url = "uses: {databases: [portal]}";
    let by_parts = "env: [{name: PGPASSWORD, database: {name: portal, key: password}}]";
    let own_url = "env: [{name: P, database: {name: portal, key: password}}, {name: U, value: 'pg://portal:$(P)@x'}]";
    let in_file = "env: [{name: P, database: {name: portal, key: password}}], files: [{path: /etc/p, content: 'u = pg://$(P)@x'}]";
    let (ours, theirs) = (
        "ras-operator/Update/2026-01-01T00:00:00Z;",
        "kubectl-edit/Update/2026-01-01T00:00:00Z;",
    );
    for (service, writer, in_url) in [
        // What the operator generated is letters and digits.
        (by_url, ours.to_owned(), false),
        (by_url, theirs.to_owned(), true),
        (by_url, format!("{ours}{theirs}"), true),
        (by_parts, theirs.to_owned(), false),
        (own_url, theirs.to_owned(), true),
        (in_file, theirs.to_owned(), true),
    ] {
        let drive = drive(service, STANDALONE, "{name: portal}");
        assert_eq!(asked(&drive, &writer).logins[0].in_url, in_url, "{service} {writer}");
    }
    for (service, in_no_url) in [(by_url, false), (by_parts, true)] {
        let drive = drive(service, EXTERNAL, "{name: portal}");
        assert_eq!(asked(&drive, ours).host_in_no_url, in_no_url, "{service}");
    }
}

#[test]
fn parameters_reach_the_server_and_nothing_changes_without_them() {
    let with = |parameters: &str| {
        let managed = format!("managed: {{provider: Standalone, version: 17, size: 10Gi{parameters}}}");
        drive("uses: {databases: [portal]}", &managed, "{name: portal}")
    };
    let server = |drive: &RecruitmentDrive| {
        let desired = built(drive, &facts_for(drive));
        let template = desired.stateful_sets[0].spec.clone().unwrap().template;
        template.spec.unwrap().containers[0].clone()
    };
    assert_eq!(server(&with("")).args, None);
    assert_eq!(server(&with("")), server(&with(", parameters: {}")));
    let set = with(", parameters: {max_connections: '300', shared_buffers: 256MB}");
    assert_eq!(
        server(&set).args.unwrap(),
        ["-c", "max_connections=300", "-c", "shared_buffers=256MB"]
    );
    for (parameters, words) in [
        (
            "{archive_command: 'rm -rf /'}",
            "\"archive_command\" is not a parameter that a drive may set",
        ),
        ("{max_connections: many}", "a whole number from 20 to 10000"),
        ("{shared_buffers: 256Mi}", "such as 64MB"),
    ] {
        let said = problems(&with(&format!(", parameters: {parameters}")));
        assert!(
            said.contains("spec.database.managed.parameters") && said.contains(words),
            "{said}"
        );
    }
}

#[test]
fn the_operators_own_containers_ask_for_what_the_platform_says() {
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
    let all = "uses: {databases: [portal], cache: true}, files: [{path: /etc/p, content: x}]";
    let drive = with_spec(&format!(
        "{{services: [{{name: portal, image: 'portal:1', {all}}}], cache: {{}}, database: {{{STANDALONE}, databases: [{{name: portal}}]}}}}"
    ));
    let amounts = |of: Option<BTreeMap<String, Quantity>>| {
        let all = of.unwrap_or_default().into_iter();
        all.map(|(name, amount)| format!("{name}={}", amount.0))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let resources = |text: &str| {
        let platform = ras_core::platform::parse(text).unwrap();
        let desired = build(&validate(&drive, &facts_for(&drive), &platform).unwrap());
        let pods = desired.deployments.iter().map(|one| one.spec.clone().unwrap().template);
        let jobs = desired.jobs.iter().map(|one| one.spec.clone().unwrap().template);
        let mut found = BTreeMap::new();
        for spec in pods.chain(jobs).filter_map(|template| template.spec) {
            let all = spec.init_containers.into_iter().flatten().chain(spec.containers);
            for container in all.filter(|one| one.name != "portal") {
                let resources = container.resources.unwrap();
                let text = format!("{} | {}", amounts(resources.requests), amounts(resources.limits));
                found.insert(container.name, text);
            }
        }
        found
    };
    let before = resources("");
    assert_eq!(before["render-files"], "cpu=10m memory=32Mi | memory=64Mi");
    assert_eq!(before["prepare-database"], before["render-files"]);
    assert_eq!(before["cache"], "cpu=50m memory=128Mi | memory=128Mi");
    let after = resources(
        "operatorContainers: {resources: {requests: {cpu: 100m}, limits: {cpu: 200m, memory: 128Mi}}}\n\
         cache: {resources: {limits: {cpu: 500m}}}",
    );
    assert_eq!(after["render-files"], "cpu=100m memory=32Mi | cpu=200m memory=128Mi");
    assert_eq!(after["prepare-database"], after["render-files"]);
    assert_eq!(after["cache"], "cpu=50m memory=128Mi | cpu=500m memory=128Mi");
}
