use serde_json::json;

use super::*;

fn pod(status: &serde_json::Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p"}, "status": status})).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A pod with one container in this state.
fn with_container(state: &serde_json::Value, more: &serde_json::Value) -> Pod {
    let mut container = json!({"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
        "state": state});
    let fields = more.as_object().cloned().unwrap_or_default();
    container.as_object_mut().unwrap().extend(fields);
    let mut pod = pod(
        &json!({"phase": "Running", "containerStatuses": [container], "conditions": [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-07-01T10:00:00Z"},
        {"type": "Ready", "status": "False", "lastTransitionTime": "2026-07-01T10:05:00Z"}]}),
    );
    pod.metadata.namespace = Some("spo".to_owned());
    pod.metadata.creation_timestamp = Some(Time(at("2026-07-01T09:00:00Z")));
    pod.spec = serde_json::from_value(json!({"nodeName": "n1",
        "initContainers": [{"name": "render-files", "image": "ras-operator:1"}],
        "containers": [{"name": "c", "image": "registry.example.com/web:1"}]}))
    .unwrap();
    pod
}

#[test]
fn a_bad_image_is_named_with_the_next_step() {
    let words = "Back-off pulling image \"x\"\nmore";
    let pod = with_container(
        &json!({"waiting": {"reason": "ImagePullBackOff", "message": words}}),
        &json!({}),
    );
    let trouble = trouble("backend", &pod).unwrap();
    assert_eq!(trouble.reason, "ImagePullBackOff");
    assert_eq!(
        trouble.message,
        "container c: Back-off pulling image \"x\". Correct the image registry.example.com/web:1, push it, or name a \
         Secret for its registry in spec.imagePullSecrets"
    );
    assert_eq!(trouble.unpulled.as_deref(), Some("registry.example.com/web:1"));
    assert_eq!(trouble.since, Some(at("2026-07-01T10:05:00Z")));
}

#[test]
fn a_container_that_would_run_as_root_is_told_how_not_to() {
    for words in [
        "container has runAsNonRoot and image will run as root (pod: \"p\", container: c)",
        "container has runAsNonRoot and image has non-numeric user (node), cannot verify user is non-root",
    ] {
        let pod = with_container(
            &json!({"waiting": {"reason": "CreateContainerConfigError", "message": words}}),
            &json!({}),
        );
        let trouble = trouble("backend", &pod).unwrap();
        assert_eq!(trouble.course, PodFailureKind::Refused);
        assert!(trouble.message.contains("podSecurity.runAsUser"), "{}", trouble.message);
    }
}

#[test]
fn waiting_does_not_help_forever_and_the_time_begins_anew_with_each_change() {
    let pod = with_container(
        &json!({"waiting": {"reason": "ErrImagePull", "message": "m"}}),
        &json!({}),
    );
    let trouble = trouble("backend", &pod).unwrap();
    let lasting = |changed: Option<&str>, now: &str| trouble.is_lasting(changed.map(at), at(now));
    assert!(!lasting(None, "2026-07-01T10:05:29Z"));
    assert!(lasting(None, "2026-07-01T10:05:30Z"));
    assert!(!lasting(Some("2026-07-01T10:06:00Z"), "2026-07-01T10:06:29Z"));
    let next = trouble.changes_at(None, at("2026-07-01T10:05:10Z"));
    assert_eq!(next, Some(at("2026-07-01T10:05:30Z")));
    assert_eq!(
        trouble.changes_at(None, at("2026-07-01T10:05:30Z")),
        None,
        "nothing more happens"
    );
}

#[test]
fn a_start_is_ordinary_for_a_while_and_then_told() {
    for reason in ["ContainerCreating", "PodInitializing"] {
        let pod = with_container(&json!({"waiting": {"reason": reason}}), &json!({}));
        let trouble = trouble("backend", &pod).unwrap();
        assert_eq!(trouble.course, PodFailureKind::Creating);
        assert!(!trouble.is_shown(at("2026-07-01T10:00:29Z")));
        assert!(trouble.is_shown(at("2026-07-01T10:00:30Z")));
        assert!(
            trouble.message.contains("kubectl -n spo describe pod p"),
            "{}",
            trouble.message
        );
        assert!(!trouble.is_lasting(None, at("2026-07-01T10:09:59Z")));
        assert!(trouble.is_lasting(None, at("2026-07-01T10:10:00Z")));
    }
    let unready = with_container(&json!({"running": {}}), &json!({}));
    let unready = trouble("backend", &unready).unwrap();
    assert_eq!(unready.course, PodFailureKind::Unready);
    assert!(
        !unready.is_lasting(None, at("2027-07-01T10:10:00Z")),
        "a program may take long to start"
    );
}

#[test]
fn a_crash_loop_is_one_between_two_crashes_as_well_and_tells_the_last_words_without_credentials() {
    let last = json!({"terminated": {"exitCode": 3, "startedAt": "2026-07-01T10:04:50Z",
        "finishedAt": "2026-07-01T10:05:00Z", "message": "connecting to postgres://o:hunter2@db/x\nrelation exists"}});
    let more = |restarts: i32| json!({"restartCount": restarts, "lastState": last});
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}});
    let failure = |state: &serde_json::Value, restarts| trouble("backend", &with_container(state, &more(restarts)));
    let found = failure(&waiting, 5).unwrap();
    assert_eq!(found.reason, "CrashLoopBackOff");
    assert_eq!(
        found.message,
        "container c exits with code 3: connecting to postgres://[redacted]@db/x / relation exists. \
         `kubectl -n spo logs p -c c --previous` shows its log"
    );
    assert_eq!(
        failure(&json!({"running": {}}), 5),
        Some(found.clone()),
        "nothing flaps"
    );
    assert_eq!(found.since, Some(at("2026-07-01T09:00:00Z")));
    // The first crashes of a start.
    assert_eq!(
        failure(&json!({"running": {}}), 1).unwrap().course,
        PodFailureKind::Unready
    );
    assert_eq!(failure(&waiting, 1).unwrap().since, Some(at("2026-07-01T10:05:00Z")));
}

#[test]
fn a_program_that_is_killed_for_its_memory_is_told_as_such() {
    let last = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
    let pod = with_container(
        &json!({"waiting": {"reason": "CrashLoopBackOff"}}),
        &json!({"restartCount": 4, "lastState": last}),
    );
    let message = trouble("backend", &pod).unwrap().message;
    assert!(message.contains("resources.limits.memory"), "{message}");
}

#[test]
fn pods_that_serve_go_or_have_ended_are_no_trouble() {
    let ready = pod(&json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}));
    assert_eq!(trouble("backend", &ready), None);
    let mut going = with_container(&json!({"waiting": {"reason": "ErrImagePull"}}), &json!({}));
    going.metadata.deletion_timestamp = Some(Time(at("2026-07-01T10:00:00Z")));
    assert_eq!(trouble("backend", &going), None);
    assert_eq!(
        trouble("backend", &pod(&json!({"phase": "Failed", "reason": "Evicted"}))),
        None
    );
}

#[test]
fn a_pod_has_an_address_for_checks_while_it_is_ready_and_stays() {
    let with = |ready: &str| pod(&json!({"podIP": "10.0.0.7", "conditions": [{"type": "Ready", "status": ready}]}));
    let known = ready("backend", &with("True")).unwrap();
    assert_eq!(
        (&*known.service, known.address.to_string()),
        ("backend", "10.0.0.7".to_owned())
    );
    assert_eq!(ready("backend", &with("False")), None);
    let mut going = with("True");
    going.metadata.deletion_timestamp = Some(Time(at("2026-07-01T10:00:00Z")));
    assert_eq!(ready("backend", &going), None);
}

#[test]
fn a_node_that_does_not_report_is_told_from_a_gate_that_is_closed() {
    let lost = |reason: Option<&str>| {
        let mut pod = pod(&json!({"conditions": [
            {"type": "ContainersReady", "status": "True"},
            {"type": "Ready", "status": "False", "reason": reason},
        ]}));
        pod.spec = serde_json::from_value(json!({"nodeName": "n1", "containers": []})).unwrap();
        trouble("backend", &pod)
    };
    let found = lost(None).unwrap();
    assert_eq!(found.reason, "NodeNotReady");
    assert!(
        found.message.starts_with("node n1 does not report"),
        "{}",
        found.message
    );
    assert_ne!(lost(Some("ReadinessGatesNotReady")).unwrap().reason, "NodeNotReady");
}

#[test]
fn a_full_cluster_is_told() {
    let pod = pod(
        &json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient cpu."}]}),
    );
    assert_eq!(trouble("backend", &pod).unwrap().reason, "Unschedulable");
}
