//! The variables, files and logins that services get for the databases they use.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::EnvVar;
use ras_core::build::Desired;
use ras_core::fetched::SecretFacts;
use ras_core::valid::{EnvSource, ValidEnv};
use ras_crds::DatabaseLoginStatus;

use super::server::problems;
use super::{EXTERNAL, STANDALONE, built, drive, pod, valid, with_keys};
use crate::drives::facts_for;
use crate::planned::job_of;

pub fn environment(desired: &Desired) -> Vec<(String, String)> {
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
    let refused = problems(&drive(suffix, STANDALONE, "{name: rc, owner: keeper}"));
    assert!(refused.contains("spec.services[0].env[0].database.key"), "{refused}");
    assert!(refused.contains("\"keeper\" does not begin with \"rc\""), "{refused}");
    assert!(refused.contains("named rc<suffix>"), "{refused}");
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
    let refused = problems(&asked);
    assert!(
        refused.contains("spec.services[0].env[0].database.key") && refused.contains("DATABASE_PORTAL_PASSWORD"),
        "{refused}"
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
