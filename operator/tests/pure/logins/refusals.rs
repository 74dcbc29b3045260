//! Drives whose logins cannot rotate are refused, with the field that prevents it.

use ras_core::platform::PlatformConfig;
use ras_crds::RecruitmentDrive;

use super::world::{Memory, World};
use crate::drives::with_spec;
use crate::planned::validate;

pub fn problems(drive: &RecruitmentDrive) -> String {
    let world = World::new(drive.clone());
    validate(drive, &world.seen(Memory::Whole), &PlatformConfig::default()).map_or_else(
        |problems| problems.to_string(),
        |valid| {
            valid
                .database
                .as_ref()
                .unwrap()
                .rotation
                .obstacle
                .clone()
                .unwrap_or_default()
        },
    )
}

#[test]
fn where_a_second_login_cannot_be_it_is_said_with_the_field() {
    let with = |service: &str, rest: &str| {
        with_spec(&format!(
            "{{services: [{{name: api, image: 'api:1', uses: {{databases: [a]}}, {service}}}], database: {{external: {{secretName: rds}}, {rest}}}}}"
        ))
    };
    let long = "o".repeat(62);
    for (service, databases, field, says) in [
        (
            "",
            format!("[{{name: a, owner: {long}}}]"),
            "spec.database.databases",
            "too long",
        ),
        (
            "",
            "[{name: a}, {name: b, owner: a_2}]".to_owned(),
            "spec.database.databases",
            "second login of \"a\"",
        ),
        (
            "env: [{name: PGUSER, value: a}]",
            "[{name: a}]".to_owned(),
            "spec.services[0].env[0]",
            "{name: a, key: user}",
        ),
        (
            "env: [{name: DSN, value: 'postgresql://a:$(DATABASE_PASSWORD)@host/a'}]",
            "[{name: a}]".to_owned(),
            "spec.services[0].env[0]",
            "DSN tells",
        ),
        (
            "files: [{path: /app/db.conf, content: 'host=x user=a'}]",
            "[{name: a}]".to_owned(),
            "spec.services[0].files[0]",
            "$(DATABASE_USER)",
        ),
    ] {
        for rotate in [", rotate: {every: 90d}", ""] {
            let message = problems(&with(service, &format!("databases: {databases}{rotate}")));
            assert!(
                message.contains(&format!("{field}: ")) && message.contains(says),
                "{message}"
            );
        }
    }
    // What is only called as the owner is nobody's user.
    for service in [
        "env: [{name: PORTAL_ADMIN_USER, value: a}, {name: PGDATABASE, value: a}]",
        "env: [{name: PGUSER, database: {name: a, key: user}}]",
        "files: [{path: /app/db.conf, content: 'user=$(DATABASE_USER) application=user=ab'}]",
    ] {
        let message = problems(&with(service, "databases: [{name: a}], rotate: {every: 90d}"));
        assert_eq!(message, "", "{service}");
    }
}
