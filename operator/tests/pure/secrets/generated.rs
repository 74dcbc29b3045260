//! Secrets that the operator generates, and their rotation.

use k8s_openapi::jiff::Timestamp;
use ras_core::fetched::Fetched;
use ras_core::platform;
use ras_core::valid::ValueFormat;
use ras_crds::RecruitmentDrive;

use super::{all, drive, facts};
use crate::drives::{built, with_spec};
use crate::planned::validate;

#[test]
fn generated_secrets_are_frames_and_retained_unless_the_drive_says_otherwise() {
    let mut drive = drive();
    let credential = built(&drive, &all()).credentials.remove(0);
    assert_eq!(
        (credential.keys.as_slice(), credential.value_format),
        (["key".to_owned()].as_slice(), ValueFormat::Alphanumeric(32))
    );
    assert_eq!(credential.secret.data, None);
    assert_eq!(credential.secret.metadata.owner_references, None);
    drive.spec.secrets[0].deletion_policy = Some(ras_crds::spec::DeletionPolicy::Delete);
    assert!(
        built(&drive, &all())
            .credentials
            .remove(0)
            .secret
            .metadata
            .owner_references
            .is_some()
    );
}

fn rotating(annotation: &str) -> RecruitmentDrive {
    let mut drive = with_spec(
        "
        services: [{name: web, image: portal:1}]
        freezes: [{name: day-one, startsAt: '2026-12-01T00:00:00Z', endsAt: '2026-12-03T00:00:00Z'}]
        secrets:
        - {name: jwt, generate: {keys: [key], rotate: {every: 30d, keepWhileOpen: true}}}
        - {name: cookie, generate: {keys: [key], rotate: {every: 30d}}}
        - {name: never, generate: {keys: [key]}}
        ",
    );
    if !annotation.is_empty() {
        drive.metadata.annotations = Some([("ras.dev/rotate".to_owned(), annotation.to_owned())].into());
    }
    drive
}

/// Facts of a drive whose secrets were drawn then, looked at now.
fn drawn(then: &str, now: &str) -> Fetched {
    let mut facts = facts(&[
        ("d-jwt", &[("key", "1")]),
        ("d-cookie", &[("key", "1")]),
        ("d-never", &[("key", "1")]),
    ]);
    for secret in facts.secrets.values_mut() {
        secret.drawn_at = Some(then.parse().unwrap());
    }
    facts.now = now.parse().unwrap();
    facts
}

pub fn rotated(drive: &RecruitmentDrive, fetched: &Fetched) -> Vec<String> {
    built(drive, fetched)
        .credentials
        .into_iter()
        .filter(|credential| credential.rotate)
        .map(|credential| credential.secret.metadata.name.unwrap())
        .collect()
}

#[test]
fn what_is_due_rotates_and_what_is_kept_while_the_drive_is_open_waits_until_it_is_not() {
    let mut drive = rotating("");
    assert!(rotated(&drive, &drawn("2026-07-01T00:00:00Z", "2026-07-30T00:00:00Z")).is_empty());
    let due = drawn("2026-07-01T00:00:00Z", "2026-08-02T00:00:00Z");
    assert_eq!(rotated(&drive, &due), ["d-cookie"]);
    drive.spec.suspend = Some(true);
    assert_eq!(rotated(&drive, &due), ["d-cookie", "d-jwt"]);
    let frozen = drawn("2026-07-01T00:00:00Z", "2026-12-02T00:00:00Z");
    assert!(rotated(&drive, &frozen).is_empty());
}

#[test]
fn a_wish_is_done_once_and_another_mark_makes_it_another_wish() {
    let mut facts = drawn("2026-07-01T00:00:00Z", "2026-07-02T00:00:00Z");
    assert_eq!(rotated(&rotating("never,cookie@1"), &facts), ["d-cookie", "d-never"]);
    facts.secrets.get_mut("d-never").unwrap().rotated_for = Some("never".to_owned());
    facts.secrets.get_mut("d-cookie").unwrap().rotated_for = Some("cookie@1".to_owned());
    assert!(rotated(&rotating("never,cookie@1"), &facts).is_empty());
    assert!(rotated(&rotating(""), &facts).is_empty());
    assert_eq!(rotated(&rotating("cookie@2"), &facts), ["d-cookie"]);
    // A mistake in it is told, and hinders nothing.
    let valid = validate(&rotating("nevr"), &facts, &platform::PlatformConfig::default()).unwrap();
    assert!(valid.warnings[0].contains("\"nevr\""), "{:?}", valid.warnings);
}

#[test]
fn a_drive_wakes_for_what_rotates_next() {
    let valid = validate(
        &rotating(""),
        &drawn("2026-07-01T00:00:00Z", "2026-07-02T00:00:00Z"),
        &platform::PlatformConfig::default(),
    )
    .unwrap();
    let next = valid.plan().next_wake_up.unwrap();
    let day = |day: &str| -> Timestamp { format!("2026-07-{day}T00:00:00Z").parse().unwrap() };
    assert!(
        next >= day("31") && next.as_second() < day("31").as_second() + 3_600,
        "{next}"
    );
}
