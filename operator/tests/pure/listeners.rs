//! What is checked of a service's ports, who may connect for it, and what is reported.

use crate::planned::{build, validate};
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_core::fetched::{Fetched, OwnPods};
use ras_core::plan::listeners::{Known, Port, PortFindings, Seen, ports};
use ras_core::platform;
use ras_core::platform::PlatformConfig;
use ras_core::report;
use ras_core::report::listeners::{self, speaks_of};
use ras_core::report::{Observed, ReconcileOutcome};
use ras_crds::{ConditionType, Reason, RecruitmentDrive, RecruitmentDriveStatus};
use serde_json::json;

use crate::drives::with_spec;

const DRIVE: &str = "
services:
- name: backend
  image: portal:1
  ports: [{name: rc, port: 3490, path: /}, {name: dns, port: 53, protocol: UDP}, {name: metrics, port: 9100}]
  sidecars: [{name: agent, image: agent:1, ports: [{name: agent, port: 7000}]}]
- name: frontend
  image: portal:1
  ports: [{name: http, port: 3000}]
";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + seconds).unwrap()
}

fn facts() -> Fetched {
    Fetched {
        operator_pods: Some(OwnPods {
            namespace: "ras-system".to_owned(),
            labels: [("app.kubernetes.io/name".to_owned(), "ras-operator".to_owned())].into(),
        }),
        ..Fetched::default()
    }
}

fn metrics() -> Port {
    Port {
        number: 9100,
        name: "metrics".to_owned(),
        proven: false,
    }
}

fn refused() -> Known {
    Known::Checked(PortFindings {
        pods: 3,
        refused: vec![(metrics(), 2)],
        silent: vec![],
    })
}

fn silent() -> Known {
    Known::Checked(PortFindings {
        pods: 3,
        refused: vec![],
        silent: vec![(metrics(), 3)],
    })
}

fn good() -> Known {
    Known::Checked(PortFindings {
        pods: 3,
        ..PortFindings::default()
    })
}

fn seen(services: &[(&str, Known)]) -> Seen {
    let services: BTreeMap<String, Known> = services
        .iter()
        .map(|(name, known)| ((*name).to_owned(), known.clone()))
        .collect();
    let refuses = |known: &Known| matches!(known, Known::Checked(found) if !found.refused.is_empty());
    Seen {
        refused_since: services.values().any(refuses).then(|| at(0)),
        services,
        keeps: false,
    }
}

/// The status that is shown of a drive, and the text, reason and message of one condition.
fn shown(drive: &RecruitmentDrive, seen: Option<Seen>, before: &RecruitmentDriveStatus) -> RecruitmentDriveStatus {
    let observed = Observed {
        listeners: seen,
        ..Observed::default()
    };
    let valid = validate(drive, &facts(), &PlatformConfig::default()).unwrap();
    let plan = valid.plan();
    let result = ReconcileOutcome::Paused(Some(&plan));
    report::status(drive, &observed, &result, before, &Time(at(10)))
}

fn condition(status: &RecruitmentDriveStatus, type_: ConditionType) -> Option<(&str, &str, &str)> {
    let found = status.conditions.iter().find(|one| one.type_ == type_.as_str())?;
    Some((&found.status, &found.reason, &found.message))
}

#[test]
fn every_tcp_port_of_a_service_is_checked_unless_its_readiness_probe_asks_the_only_one() {
    let valid = validate(&with_spec(DRIVE), &facts(), &PlatformConfig::default()).unwrap();
    let checked: Vec<(u16, bool)> = ports(&valid.services[0])
        .into_iter()
        .map(|port| (port.number, port.proven))
        .collect();
    assert_eq!(checked, [(3490, true), (9100, false), (7000, false)]);
    assert_eq!(ports(&valid.services[1]), []);
}

#[test]
fn the_operators_pods_may_connect_to_what_they_check_and_no_pod_is_started_anew_by_that() {
    let drive = with_spec(DRIVE);
    let built = |facts: &Fetched, settings: &str| {
        let desired = build(&validate(&drive, facts, &platform::parse(settings).unwrap()).unwrap());
        let policies = serde_json::to_value(&desired.network_policies).unwrap();
        (policies, serde_json::to_value(&desired.deployments).unwrap())
    };
    let (policies, deployments) = built(&facts(), "");
    let (without, before) = built(&Fetched::default(), "");
    let ports = [3490, 9100, 7000].map(|port| json!({"port": port, "protocol": "TCP"}));
    let rule = json!({
        "from": [{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ras-system"}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "ras-operator"}},
        }],
        "ports": ports,
    });
    assert_eq!(policies[0]["spec"]["ingress"].as_array().unwrap().last(), Some(&rule));
    assert_eq!(policies[1], without[1], "nothing is checked of it");
    assert_eq!(deployments, before);
    assert_ne!(policies[0], without[0]);
    assert_eq!(built(&facts(), "listenerChecks: {enabled: false}").0, without);
}

#[test]
fn a_port_that_refuses_is_not_ready_and_stalls_after_a_while() {
    let drive = with_spec(DRIVE);
    let before = RecruitmentDriveStatus::default();
    let seen = seen(&[("backend", refused())]);
    let of = |seconds| {
        let reported = listeners::condition(&drive, Some(&seen), &before, at(seconds));
        assert!(reported.gates);
        reported.condition.unwrap()
    };
    let update = of(10);
    assert_eq!((update.status, update.unknown, update.stalls), (false, false, false));
    assert_eq!(update.reason, Reason::PortNotListening);
    assert_eq!(
        update.message,
        "service backend: port metrics (9100) refuses connections in 2 of 3 ready pods. Make the program listen on it on all \
         addresses (0.0.0.0), or remove the port from ports"
    );
    assert!(of(60).stalls);
    let observed = Observed {
        listeners: Some(seen.clone()),
        ..Observed::default()
    };
    assert_eq!(observed.changes_at(&drive, None, at(10)), Some(at(45)));
    let status = shown(&drive, Some(seen.clone()), &before);
    let listeners = condition(&status, ConditionType::ListenersReady).unwrap();
    assert_eq!((listeners.0, listeners.1), ("False", "PortNotListening"));
}

#[test]
fn ready_waits_for_the_first_check_and_for_no_answer_of_a_network() {
    let drive = with_spec(DRIVE);
    let before = RecruitmentDriveStatus::default();
    for (known, status, reason, gates) in [
        (Known::Unchecked, "Unknown", "PortsUnchecked", true),
        (Known::Starting, "Unknown", "PortsUnchecked", false),
        (silent(), "Unknown", "PortsUnreachable", false),
        (good(), "True", "PortsListening", false),
    ] {
        let seen = seen(&[("backend", known.clone())]);
        assert_eq!(
            listeners::condition(&drive, Some(&seen), &before, at(10)).gates,
            gates,
            "{known:?}"
        );
        let shown = shown(&drive, Some(seen), &before);
        let listeners = condition(&shown, ConditionType::ListenersReady).unwrap();
        assert_eq!((listeners.0, listeners.1), (status, reason), "{known:?}");
    }
    let both = seen(&[("a", silent()), ("b", refused()), ("c", Known::Unchecked)]);
    let reported = listeners::condition(&drive, Some(&both), &before, at(10));
    assert_eq!(reported.condition.unwrap().reason, Reason::PortNotListening);
    for nothing in [None, Some(seen(&[]))] {
        let shown = shown(&drive, nothing, &before);
        assert_eq!(condition(&shown, ConditionType::ListenersReady), None);
    }
}

#[test]
fn what_status_says_stays_until_an_operator_that_just_started_has_checked() {
    let mut drive = with_spec(DRIVE);
    drive.metadata.generation = Some(2);
    let empty = RecruitmentDriveStatus::default();
    let fresh = || Seen {
        keeps: true,
        ..seen(&[("backend", Known::Unchecked)])
    };
    for known in [refused(), silent(), good()] {
        let before = shown(&drive, Some(seen(&[("backend", known.clone())])), &empty);
        assert!(speaks_of(&before, Some(2)) && !speaks_of(&before, Some(3)));
        let after = shown(&drive, Some(fresh()), &before);
        assert_eq!(after.conditions, before.conditions, "{known:?}");
    }
    let unchecked = shown(&drive, Some(seen(&[("backend", Known::Unchecked)])), &empty);
    assert!(!speaks_of(&unchecked, Some(2)), "nothing was checked");
}

#[test]
fn a_suspended_drive_is_not_checked() {
    let drive = with_spec(DRIVE);
    let before = shown(
        &drive,
        Some(seen(&[("backend", good())])),
        &RecruitmentDriveStatus::default(),
    );
    let suspended = with_spec(&format!("suspend: true{DRIVE}"));
    let after = shown(&suspended, Some(seen(&[])), &before);
    let listeners = condition(&after, ConditionType::ListenersReady).unwrap();
    assert_eq!((listeners.0, listeners.1), ("Unknown", "Suspended"));
}
