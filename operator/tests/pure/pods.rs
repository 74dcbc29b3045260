//! How pods start and stop.

use k8s_openapi::api::core::v1::Container;
use ras_operator::drive::fetched::Fetched;

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
fn a_program_that_starts_is_asked_each_second_for_as_long_as_it_may_take() {
    let probe = "probe: {port: http, startupSeconds: 90, periodSeconds: 20}";
    let container = containers(&format!("{PORTS}, {probe}")).remove(0);
    let startup = container.startup_probe.unwrap();
    assert_eq!((startup.period_seconds, startup.failure_threshold), (Some(1), Some(90)));
    assert_eq!(container.readiness_probe.unwrap().period_seconds, Some(20));
    assert_eq!(container.liveness_probe.unwrap().period_seconds, Some(20));
}
