//! The Job of a migration: variables, volumes, bindings.

use ras_core::fetched::{Fetched, SecretFacts};
use ras_core::platform::PlatformConfig;
use ras_core::valid::EnvSource;

use super::world::{World, drive, valid};
use crate::drives::{facts_for, with_spec};
use crate::planned::{build, validate};

#[test]
fn the_job_has_the_owners_variables_in_the_places_of_the_programs() {
    let mut world = World::new(drive());
    let desired = world.walk();
    let pod = desired.jobs[0].spec.clone().unwrap().template.spec.unwrap();
    let env = pod.containers[0].env.clone().unwrap();
    let shown: Vec<(String, Option<String>)> = env
        .iter()
        .map(|variable| {
            let secret = variable
                .value_from
                .as_ref()
                .and_then(|from| from.secret_key_ref.as_ref());
            (
                variable.name.clone(),
                variable.value.clone().or(secret.map(|secret| secret.name.clone())),
            )
        })
        .collect();
    let some = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    assert_eq!(
        shown,
        [
            some("ROLE", "owner"),
            some("PASSWORD", "d-owner"),
            some("URL", "postgres://$(ROLE):$(PASSWORD)@database/ats"),
            some("LOCK", "yes"),
        ]
    );
    // Its files are rendered with the same environment, from templates of its own.
    let render = &pod.init_containers.as_ref().unwrap()[0];
    assert_eq!(render.env.as_ref(), Some(&env));
    let templates = pod
        .volumes
        .unwrap()
        .iter()
        .find_map(|volume| volume.config_map.clone())
        .unwrap();
    assert_eq!(Some(&templates.name), desired.jobs[0].metadata.name.as_ref());
    assert!(
        desired
            .config_maps
            .iter()
            .any(|map| map.metadata.name.as_ref() == Some(&templates.name))
    );
    assert_eq!(pod.restart_policy.as_deref(), Some("Never"));
    for container in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
        assert_eq!(
            container.termination_message_policy.as_deref(),
            Some("FallbackToLogsOnError")
        );
    }
}

#[test]
fn what_is_wrong_with_a_migrations_variables_is_told_where_it_was_written() {
    let drive = with_spec(
        "
        services:
        - name: api
          image: ats:1
          env: [{name: A, value: a}, {name: KEY, secret: {name: none, key: x}}]
          migrate:
            command: [migrate]
            env: [{name: A, value: b}, {name: B, secret: {name: lost, key: x}}, {name: C, bucket: {name: gone, key: name}}]
        ",
    );
    let problems = validate(&drive, &Fetched::default(), &PlatformConfig::default()).unwrap_err();
    let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.services[0].env[1].secret.name",
            "spec.services[0].migrate.env[1].secret.name",
            "spec.services[0].migrate.env[2].bucket.name",
        ]
    );
}

#[test]
fn a_url_of_the_owners_password_comes_after_the_password() {
    let drive = with_spec(
        "
        database: {managed: {provider: Standalone, version: 17, size: 1Gi}, databases: [{name: ats, owner: owner}]}
        services:
        - name: api
          image: ats:1
          env: [{name: DATABASE_URL, value: elsewhere}]
          migrate:
            command: [migrate]
            env: [{name: DATABASE_URL, database: {name: ats, key: url}}]
        ",
    );
    let valid = valid(&drive, &facts_for(&drive));
    let env = &valid.services[0].migration.as_ref().unwrap().container.env;
    let names: Vec<&str> = env.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names, ["DATABASE_ATS_PASSWORD", "DATABASE_URL"]);
    let EnvSource::Value(url) = &env[1].source else {
        unreachable!("{env:?}")
    };
    assert!(url.contains("://owner:$(DATABASE_ATS_PASSWORD)@"), "{url}");
}

#[test]
fn volumes_that_one_pod_writes_are_left_to_the_pod_that_serves() {
    let drive = with_spec(
        "
        services:
        - name: cdn
          image: cdn:1
          volumes:
          - {name: files, path: /files, size: 1Gi}
          - {name: shared, path: /shared, size: 1Gi, accessMode: ReadWriteMany}
          migrate: {command: [migrate]}
        ",
    );
    let desired = build(&valid(&drive, &facts_for(&drive)));
    let pod = desired.jobs[0].spec.clone().unwrap().template.spec.unwrap();
    let names: Vec<_> = pod.volumes.unwrap().into_iter().map(|volume| volume.name).collect();
    assert_eq!(names, ["volume-shared", "tmp"]);
}

#[test]
fn a_migration_finds_the_bindings_of_its_service_and_another_binding_is_another_migration() {
    let drive = |value: &str| {
        with_spec(&format!(
            "
            services:
            - name: api
              image: ats:1
              uses: {{bindings: [{{name: broker, secretName: broker, values: [{{name: type, value: {value}}}]}}]}}
              migrate: {{command: [migrate]}}
            "
        ))
    };
    let job = |value: &str| {
        let drive = drive(value);
        let mut facts = facts_for(&drive);
        facts.secrets.insert("broker".to_owned(), SecretFacts::default());
        build(&valid(&drive, &facts)).jobs.remove(0)
    };
    let kafka = job("kafka");
    let template = kafka.spec.clone().unwrap().template;
    let annotations = template.metadata.unwrap().annotations.unwrap();
    assert_eq!(annotations["bindings.ras.dev/broker.type"], "kafka");
    let volumes = template.spec.unwrap().volumes.unwrap();
    assert!(
        volumes.iter().any(|volume| volume.name == "binding-broker"),
        "{volumes:?}"
    );
    assert_ne!(job("redis").metadata.name, kafka.metadata.name);
}
