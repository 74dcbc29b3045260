//! How many pods: who decides, and what is handed over.

use k8s_openapi::api::apps::v1::Deployment;
use ras_core::build::labels::REPLICAS_BEFORE_SUSPEND;
use ras_core::fetched::{DeploymentFacts, Fetched};
use ras_core::plan::scales::Scale;
use ras_crds::RecruitmentDrive;

use crate::drives::{built, with_spec};

const OPEN: &str = "services: [{name: s, image: portal:1}]";
const FIXED: &str = "services: [{name: s, image: portal:1, replicas: 3}]";
const SCALED: &str =
    "services: [{name: s, image: portal:1, autoscaling: {minReplicas: 2, maxReplicas: 5, targetCPUUtilization: 70}}]";

fn live(replicas: i32, replicas_before_suspend: Option<i32>) -> Fetched {
    let facts = DeploymentFacts {
        replicas,
        replicas_before_suspend,
        ..DeploymentFacts::default()
    };
    Fetched {
        deployments: [("d-s".to_owned(), facts)].into(),
        ..Fetched::default()
    }
}

fn suspended(spec: &str) -> RecruitmentDrive {
    let mut drive = with_spec(spec);
    drive.spec.suspend = Some(true);
    drive
}

fn deployment(drive: &RecruitmentDrive, fetched: &Fetched) -> Deployment {
    built(drive, fetched).deployments.remove(0)
}

fn sent(drive: &RecruitmentDrive, fetched: &Fetched) -> Option<i32> {
    deployment(drive, fetched).spec.unwrap().replicas
}

fn remembered(drive: &RecruitmentDrive, fetched: &Fetched) -> Option<String> {
    deployment(drive, fetched)
        .metadata
        .annotations
        .and_then(|annotations| annotations.get(REPLICAS_BEFORE_SUSPEND).cloned())
}

fn handed_over(drive: &RecruitmentDrive, fetched: &Fetched) -> Option<i32> {
    built(drive, fetched).replica_handovers.get("d-s").copied()
}

#[test]
fn a_number_in_the_spec_is_kept() {
    assert_eq!(sent(&with_spec(FIXED), &Fetched::default()), Some(3));
    assert_eq!(sent(&with_spec(FIXED), &live(7, None)), Some(3));
}

#[test]
fn an_open_number_and_an_autoscaler_are_left_alone() {
    assert_eq!(sent(&with_spec(OPEN), &Fetched::default()), None);
    assert_eq!(sent(&with_spec(OPEN), &live(4, None)), None);
    assert_eq!(sent(&with_spec(SCALED), &live(4, None)), None);
}

#[test]
fn an_autoscaled_service_begins_with_its_fewest_pods() {
    assert_eq!(sent(&with_spec(SCALED), &Fetched::default()), Some(2));
}

#[test]
fn the_number_does_not_fall_when_the_operator_lets_go_of_it() {
    assert_eq!(handed_over(&with_spec(FIXED), &live(3, None)), None);
    assert_eq!(handed_over(&with_spec(OPEN), &live(3, None)), Some(3));
    assert_eq!(handed_over(&with_spec(SCALED), &live(1, None)), Some(2));
    assert_eq!(handed_over(&with_spec(SCALED), &live(4, None)), Some(4));
    assert_eq!(handed_over(&with_spec(SCALED), &live(9, None)), Some(5));
}

#[test]
fn a_suspended_drive_has_no_pods_and_remembers_how_many_it_had() {
    for spec in [OPEN, SCALED] {
        assert_eq!(sent(&suspended(spec), &live(4, None)), Some(0));
        assert_eq!(remembered(&suspended(spec), &live(4, None)).as_deref(), Some("4"));
        assert_eq!(remembered(&suspended(spec), &live(0, Some(4))).as_deref(), Some("4"));
    }
    assert_eq!(sent(&suspended(FIXED), &live(3, None)), Some(0));
    assert_eq!(remembered(&suspended(FIXED), &live(3, None)), None);
}

#[test]
fn a_drive_that_is_made_suspended_comes_up_when_it_is_resumed() {
    assert_eq!(remembered(&suspended(OPEN), &Fetched::default()).as_deref(), Some("1"));
    assert_eq!(
        remembered(&suspended(SCALED), &Fetched::default()).as_deref(),
        Some("2")
    );
}

#[test]
fn a_resumed_drive_comes_back_with_as_many_pods_as_it_had() {
    assert_eq!(handed_over(&with_spec(OPEN), &live(0, Some(4))), Some(4));
    assert_eq!(handed_over(&with_spec(SCALED), &live(0, Some(1))), Some(2));
    assert_eq!(sent(&with_spec(FIXED), &live(0, None)), Some(3));
    assert_eq!(remembered(&with_spec(OPEN), &live(0, Some(4))), None);
}

#[test]
fn a_service_with_a_volume_that_one_pod_can_write_runs_as_one_and_stops_before_it_starts() {
    let drive = with_spec("services: [{name: s, image: cdn:1, volumes: [{name: files, path: /cdn, size: 1Gi}]}]");
    assert_eq!(sent(&drive, &live(4, None)), Some(1));
    let strategy = deployment(&drive, &Fetched::default()).spec.unwrap().strategy.unwrap();
    assert_eq!(strategy.type_.as_deref(), Some("Recreate"));
    assert!(built(&drive, &Fetched::default()).disruption_budgets.is_empty());
}

/// Replicas of a version whose successor waits for its migration.
fn scaled(spec: &str, suspend: bool, live: &Fetched) -> Option<Scale> {
    let spec = spec.replace("image: portal:1", "image: portal:1, migrate: {command: [migrate]}");
    let mut drive = with_spec(&spec);
    drive.spec.suspend = Some(suspend);
    built(&drive, live).scales.get("d-s").copied()
}

#[test]
fn a_version_whose_successor_waits_stops_with_its_drive_and_comes_back_with_it() {
    for spec in [OPEN, FIXED, SCALED] {
        assert_eq!(scaled(spec, true, &live(4, None)), Some(Scale::Stop(4)), "{spec}");
        assert_eq!(scaled(spec, true, &live(0, Some(4))), None, "{spec}");
        assert_eq!(scaled(spec, false, &live(4, None)), None, "{spec}");
        assert_eq!(scaled(spec, true, &Fetched::default()), None, "{spec}");
        assert_eq!(scaled(spec, false, &Fetched::default()), None, "{spec}");
    }
    assert_eq!(scaled(OPEN, false, &live(0, Some(4))), Some(Scale::Resume(4)));
    assert_eq!(scaled(FIXED, false, &live(0, Some(4))), Some(Scale::Resume(3)));
    assert_eq!(scaled(SCALED, false, &live(0, Some(9))), Some(Scale::Resume(5)));
    // What a person stopped stays so.
    assert_eq!(scaled(OPEN, false, &live(0, None)), None);
    assert_eq!(scaled(SCALED, false, &live(0, None)), None);
    assert_eq!(scaled(OPEN, false, &live(0, Some(0))), None);
}

const PACED: &str = "services: [{name: s, image: portal:1, replicas: 3, rollout: OneAtATime}]";
const PACED_OPEN: &str = "services: [{name: s, image: portal:1, rollout: OneAtATime}]";
const PACED_SCALED: &str = "services: [{name: s, image: portal:1, rollout: OneAtATime, \
     autoscaling: {minReplicas: 3, maxReplicas: 5, targetCPUUtilization: 70}}]";

/// Pods that all serve.
fn serving(replicas: i32, before: Option<i32>) -> Fetched {
    let mut fetched = live(replicas, before);
    for facts in fetched.deployments.values_mut() {
        facts.complete = true;
    }
    fetched
}

/// Fewest and most pods of the autoscaler.
fn bounds(drive: &RecruitmentDrive, fetched: &Fetched) -> (Option<i32>, i32) {
    let spec = built(drive, fetched).autoscalers.remove(0).spec.unwrap();
    (spec.min_replicas, spec.max_replicas)
}

#[test]
fn one_at_a_time_holds_for_the_first_start_and_for_more_replicas_too() {
    let drive = with_spec(PACED);
    assert_eq!(sent(&drive, &Fetched::default()), Some(1));
    assert_eq!(sent(&drive, &live(1, None)), Some(1), "it does not serve yet");
    assert_eq!(sent(&drive, &serving(1, None)), Some(2));
    assert_eq!(sent(&drive, &live(2, None)), Some(2));
    assert_eq!(sent(&drive, &serving(2, None)), Some(3));
    assert_eq!(sent(&drive, &live(3, None)), Some(3));
    assert_eq!(sent(&drive, &live(5, None)), Some(3), "fewer pods need no pace");
    assert_eq!(sent(&drive, &live(0, None)), Some(1));
}

#[test]
fn the_other_strategies_start_all_replicas_at_once() {
    for spec in [FIXED, &FIXED.replace("replicas: 3", "replicas: 3, rollout: Recreate")] {
        assert_eq!(sent(&with_spec(spec), &Fetched::default()), Some(3));
        assert_eq!(sent(&with_spec(spec), &live(1, None)), Some(3));
    }
}

#[test]
fn a_service_that_nobody_numbered_comes_back_one_at_a_time_to_what_it_had() {
    let drive = with_spec(PACED_OPEN);
    assert_eq!(sent(&drive, &Fetched::default()), None);
    assert_eq!(sent(&drive, &live(4, None)), None, "a running one is left alone");
    assert_eq!(
        sent(&drive, &live(0, None)),
        None,
        "and so is one that a person stopped"
    );
    assert_eq!(sent(&drive, &live(0, Some(3))), Some(1));
    assert_eq!(sent(&drive, &live(1, Some(3))), Some(1));
    assert_eq!(sent(&drive, &serving(1, Some(3))), Some(2));
    assert_eq!(remembered(&drive, &serving(1, Some(3))).as_deref(), Some("3"));
    assert_eq!(
        remembered(&suspended(PACED_OPEN), &live(1, Some(3))).as_deref(),
        Some("3")
    );
    assert_eq!(sent(&drive, &serving(2, Some(3))), Some(3));
    assert_eq!(sent(&drive, &live(3, Some(3))), None, "all are back");
    assert_eq!(remembered(&drive, &live(3, Some(3))), None);
    assert_eq!(handed_over(&drive, &live(3, Some(3))), Some(3));
}

#[test]
fn an_autoscaler_adds_no_pods_while_they_start_one_at_a_time() {
    let drive = with_spec(PACED_SCALED);
    assert_eq!(sent(&drive, &Fetched::default()), Some(1));
    assert_eq!(bounds(&drive, &Fetched::default()), (Some(1), 1));
    assert_eq!(
        (sent(&drive, &live(1, None)), bounds(&drive, &live(1, None))),
        (Some(1), (Some(1), 1))
    );
    assert_eq!(
        (sent(&drive, &serving(2, None)), bounds(&drive, &serving(2, None))),
        (Some(3), (Some(3), 3))
    );
    // From here on it decides.
    for fetched in [live(3, None), live(4, None)] {
        assert_eq!((sent(&drive, &fetched), bounds(&drive, &fetched)), (None, (Some(3), 5)));
    }
    assert_eq!(sent(&drive, &live(0, Some(4))), Some(1), "resumed");
    assert_eq!(sent(&drive, &serving(3, Some(4))), Some(4));
    assert_eq!(sent(&drive, &live(4, Some(4))), None);
    assert_eq!(sent(&drive, &live(0, None)), None, "switched off by a person");
}
