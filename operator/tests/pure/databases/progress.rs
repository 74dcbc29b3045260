//! How far databases are: which services wait, and what status reports.

use std::collections::BTreeMap;

use ras_core::database::report::Cause;
use ras_core::fetched::{Fetched, JobOutcome, SecretFacts};
use ras_crds::{
    ConditionType, DatabaseState, DatabaseStatus, LogicalDatabaseStatus, Reason, RecruitmentDrive,
    RecruitmentDriveStatus,
};

use super::{
    EXTERNAL, STANDALONE, after, built, database_ready, drive, failed, fresh, problem, report_of, status, succeeded,
    valid,
};
use crate::drives::{facts_for, with_spec};
use crate::planned::record_of;

pub fn states(drive: &RecruitmentDrive, fetched: &Fetched) -> Vec<(String, DatabaseState)> {
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
    let done = after(&drive, &new, succeeded(), Some(report_of(Vec::new())));
    assert!(built(&drive, &done).blocked.is_empty());
    // What one database lacks holds up nobody who uses another.
    let partly = report_of(vec![problem(Cause::ExtensionMissing, Some("other"))]);
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
        Some(report_of(vec![problem(Cause::WrongPassword, None)])),
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
        Some(report_of(vec![problem(Cause::MissingRight, None)])),
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
    assert_eq!(states(&drive, &before)[1], kept, "before the Job has report_of");
    let mut report = report_of(Vec::new());
    report.no_longer_managed = vec!["old".to_owned(), "older".to_owned()];
    let done = after(&drive, &before, succeeded(), Some(report));
    assert_eq!(
        states(&drive, &done)[1..],
        [kept, ("older".to_owned(), DatabaseState::Retained)]
    );
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
        let facts = after(
            &drive,
            &fresh(&drive),
            failed(),
            Some(report_of(vec![problem(cause, None)])),
        );
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
