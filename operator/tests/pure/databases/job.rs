//! The request of the Job that prepares databases.

use std::collections::BTreeMap;

use ras_core::database::request::{Request, SslMode};
use ras_core::fetched::Fetched;
use ras_crds::RecruitmentDrive;

use super::{EXTERNAL, STANDALONE, built, drive, valid};
use crate::drives::facts_for;
use crate::planned::job_of;

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
