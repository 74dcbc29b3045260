//! How pods start and stop.

use crate::planned::validate;
use k8s_openapi::api::core::v1::Container;
use ras_core::fetched::Fetched;
use ras_core::platform::PlatformConfig;

use crate::drives::{built, with_spec};

fn containers(service: &str) -> Vec<Container> {
    let drive = with_spec(&format!("services: [{{name: s, image: portal:1, {service}}}]"));
    let mut deployment = built(&drive, &Fetched::default()).deployments.remove(0);
    deployment.spec.take().unwrap().template.spec.unwrap().containers
}

/// Seconds for which each container serves on when its pod goes.
fn pauses(service: &str) -> Vec<Option<i64>> {
    let pause = |container: Container| Some(container.lifecycle?.pre_stop?.sleep?.seconds);
    containers(service).into_iter().map(pause).collect()
}

/// The problem of a service, as text.
fn problems_of(service: &str) -> String {
    let drive = with_spec(&format!("services: [{{name: s, image: portal:1, {service}}}]"));
    let problems = validate(&drive, &Fetched::default(), &PlatformConfig::default()).unwrap_err();
    format!("{problems:?}")
}

const PORTS: &str = "ports: [{name: http, port: 8080}]";

#[test]
fn a_pod_that_others_connect_to_serves_on_for_a_moment_when_it_goes_and_so_do_its_helpers() {
    assert_eq!(pauses(PORTS), [Some(5)]);
    assert_eq!(
        pauses(&format!("{PORTS}, sidecars: [{{name: helper, image: helper:1}}]")),
        [Some(5), Some(5)]
    );
}

#[test]
fn a_pod_stops_at_once_where_nobody_connects_or_a_pause_would_only_make_the_gap_longer() {
    assert_eq!(pauses("replicas: 1"), [None]);
    assert_eq!(pauses(&format!("{PORTS}, rollout: Recreate")), [None]);
}

#[test]
fn the_program_has_at_least_half_of_the_time_to_stop() {
    assert_eq!(pauses(&format!("{PORTS}, terminationGracePeriodSeconds: 6")), [Some(3)]);
    assert_eq!(pauses(&format!("{PORTS}, terminationGracePeriodSeconds: 1")), [None]);
    assert_eq!(pauses(&format!("{PORTS}, terminationGracePeriodSeconds: 0")), [None]);
}

#[test]
fn a_pause_that_the_drive_asks_for_holds_for_every_container_whatever_the_ports_the_rollout_and_half_of_the_time() {
    let asked = "terminationGracePeriodSeconds: 60, preStopSleepSeconds: 45";
    assert_eq!(
        pauses(&format!(
            "{PORTS}, {asked}, sidecars: [{{name: helper, image: helper:1}}]"
        )),
        [Some(45), Some(45)]
    );
    assert_eq!(pauses(asked), [Some(45)], "without ports");
    assert_eq!(pauses(&format!("{PORTS}, rollout: Recreate, {asked}")), [Some(45)]);
    assert_eq!(pauses(&format!("{PORTS}, preStopSleepSeconds: 0")), [None]);
    assert_eq!(pauses(&format!("{PORTS}, preStopSleepSeconds: 29")), [Some(29)]);
}

#[test]
fn a_pause_that_leaves_the_program_no_time_is_refused_with_the_next_step() {
    for asked in [
        "preStopSleepSeconds: 30",
        "preStopSleepSeconds: -1",
        "preStopSleepSeconds: 10, terminationGracePeriodSeconds: 10",
    ] {
        let problems = problems_of(asked);
        assert!(
            problems.contains("spec.services[0].preStopSleepSeconds"),
            "{asked}: {problems}"
        );
        assert!(
            problems.contains("raise terminationGracePeriodSeconds"),
            "{asked}: {problems}"
        );
    }
}

#[test]
fn a_migration_stops_at_once_and_starts_where_its_service_does_unless_it_has_a_directory_of_its_own() {
    let migrating = |more: &str| {
        let service = format!("workingDir: /srv, preStopSleepSeconds: 20, migrate: {{args: [up]{more}}}");
        let drive = with_spec(&format!("services: [{{name: s, image: portal:1, {service}}}]"));
        let mut jobs = built(&drive, &Fetched::default()).jobs;
        jobs.remove(0).spec.unwrap().template.spec.unwrap().containers.remove(0)
    };
    let container = migrating("");
    assert_eq!(container.working_dir.as_deref(), Some("/srv"));
    assert_eq!(container.lifecycle, None);
    assert_eq!(
        migrating(", workingDir: /migrations").working_dir.as_deref(),
        Some("/migrations")
    );
}

#[test]
fn each_container_starts_in_its_own_directory_or_in_that_of_its_image() {
    let sidecars = "sidecars: [{name: a, image: a:1, workingDir: /a}, {name: b, image: b:1}]";
    let directories = |service: &str| -> Vec<Option<String>> {
        let containers = containers(service).into_iter();
        containers.map(|container| container.working_dir).collect()
    };
    assert_eq!(
        directories(&format!("workingDir: /srv, {sidecars}")),
        [Some("/srv".to_owned()), Some("/a".to_owned()), None]
    );
    assert_eq!(directories(PORTS), [None]);
}

#[test]
fn a_directory_that_no_container_can_start_in_is_refused() {
    for asked in ["srv", "''", "/srv/../etc", "/..", "./srv"] {
        for (service, field) in [
            (format!("workingDir: {asked}"), "spec.services[0].workingDir"),
            (
                format!("sidecars: [{{name: a, image: a:1, workingDir: {asked}}}]"),
                "spec.services[0].sidecars[0].workingDir",
            ),
            (
                format!("migrate: {{args: [up], workingDir: {asked}}}"),
                "spec.services[0].migrate.workingDir",
            ),
        ] {
            let problems = problems_of(&service);
            assert!(problems.contains(field), "{asked}: {problems}");
            assert!(problems.contains("write it like /var/lib/ras"), "{asked}: {problems}");
        }
    }
}

#[test]
fn a_program_that_starts_is_asked_each_second_for_as_long_as_it_may_take() {
    let probe = "probe: {port: http, startupSeconds: 90, periodSeconds: 20}";
    let container = containers(&format!("{PORTS}, {probe}")).remove(0);
    let startup = container.startup_probe.unwrap();
    assert_eq!((startup.period_seconds, startup.failure_threshold), (Some(1), Some(90)));
    assert_eq!(container.readiness_probe.unwrap().period_seconds, Some(20));
    assert_eq!(container.liveness_probe.unwrap().period_seconds, Some(20));
}
