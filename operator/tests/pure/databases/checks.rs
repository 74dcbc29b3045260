//! What is recorded of a prepared server, when the record is valid, and when the server is checked again.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use ras_core::database::report::{Cause, Report};
use ras_core::fetched::{DatabaseFacts, Fetched, JobOutcome, Watch};
use ras_core::plan::database_job::JobProgress;
use ras_crds::{DatabaseState, Reason, RecruitmentDrive, RecruitmentDriveStatus};

use super::progress::states;
use super::{
    EXTERNAL, STANDALONE, after, built, database_ready, drive, failed, fresh, problem, report_of, status, succeeded,
    valid,
};
use crate::planned::job_of;

#[test]
fn what_was_prepared_is_remembered_and_not_done_again() {
    let drive = drive("", EXTERNAL, "{name: portal}");
    let new = fresh(&drive);
    let done = after(&drive, &new, succeeded(), Some(report_of(Vec::new())));
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
        ..report_of(Vec::new())
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The same some time later, as an operator sees it that began to watch at `since`.
pub fn seen(facts: &Fetched, since: &str, now: &str) -> Fetched {
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
    let mut recorded = prepared(&drive, &fresh(&drive), report_of(Vec::new()));
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
        Some(report_of(vec![problem(Cause::NotOurs, Some("portal"))])),
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
    let denied = after(
        &drive,
        &new,
        failed(),
        Some(report_of(vec![problem(Cause::NotLetIn, None)])),
    );
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
