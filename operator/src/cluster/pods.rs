//! Why a pod does not serve, in words a person can act on. Pure.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

/// What is wrong with one pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodTrouble {
    /// The service it belongs to.
    pub service: String,
    /// Its name.
    pub pod: String,
    /// The kubelet's or the scheduler's word for it, for instance `ImagePullBackOff`.
    pub reason: String,
    /// What they say about it.
    pub message: String,
}

/// Reasons for waiting that are part of every start.
const ORDINARY: &[&str] = &["ContainerCreating", "PodInitializing"];

/// What is wrong with this pod of `service`, if anything is.
pub fn trouble(service: &str, pod: &Pod) -> Option<PodTrouble> {
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let name = pod.metadata.name.clone().unwrap_or_default();
    let status = pod.status.as_ref()?;
    let found = |reason: &str, message: &str| PodTrouble {
        service: service.to_owned(),
        pod: name.clone(),
        reason: reason.to_owned(),
        message: first_line(message),
    };
    let containers = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten());
    for container in containers {
        if let Some((reason, message)) = waiting(container) {
            return Some(found(reason, &message));
        }
    }
    if is_out_of_reach(status) {
        let node = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.node_name.as_deref())
            .unwrap_or_default();
        let message = format!(
            "its node {node} is not heard of: its program may well go on, but nobody is sent there; see `kubectl describe node {node}`"
        );
        return Some(found("NodeNotReady", &message));
    }
    let unschedulable =
        status.conditions.iter().flatten().find(|c| {
            c.type_ == "PodScheduled" && c.status == "False" && c.reason.as_deref() == Some("Unschedulable")
        })?;
    Some(found(
        "Unschedulable",
        unschedulable.message.as_deref().unwrap_or_default(),
    ))
}

/// A kubelet never says that a pod is not ready whose containers are, but for a gate that it then names. Kubernetes takes the one
/// away and leaves the other when it has not heard of a node for a while.
fn is_out_of_reach(status: &PodStatus) -> bool {
    let condition = |name: &str| status.conditions.iter().flatten().find(|one| one.type_ == name);
    condition("ContainersReady").is_some_and(|one| one.status == "True")
        && condition("Ready").is_some_and(|one| one.status == "False" && one.reason.is_none())
}

fn waiting(container: &ContainerStatus) -> Option<(&str, String)> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().filter(|reason| !ORDINARY.contains(reason))?;
    // The kubelet's text on a crash loop names back-off times that change at each try; the exit code is what helps.
    let message = match container
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref())
    {
        Some(last) if reason == "CrashLoopBackOff" => {
            format!(
                "container {} exits with code {}: see its log",
                container.name, last.exit_code
            )
        }
        _ => format!(
            "container {}: {}",
            container.name,
            waiting.message.as_deref().unwrap_or_default()
        ),
    };
    Some((reason, message))
}

/// Long runtime errors fill a terminal; their first line says what is wrong.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(240).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p"}, "status": status})).unwrap()
    }

    #[test]
    fn a_bad_image_is_named() {
        let pod = pod(
            &json!({"containerStatuses": [{"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"x\"\nmore"}}}]}),
        );
        let trouble = trouble("backend", &pod).unwrap();
        assert_eq!(trouble.reason, "ImagePullBackOff");
        assert_eq!(trouble.message, "container c: Back-off pulling image \"x\"");
    }

    #[test]
    fn a_start_is_no_trouble() {
        let pod = pod(
            &json!({"containerStatuses": [{"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ContainerCreating"}}}]}),
        );
        assert_eq!(trouble("backend", &pod), None);
    }

    #[test]
    fn a_node_that_is_not_heard_of_is_told_and_a_gate_that_is_closed_is_not() {
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
            found.message.starts_with("its node n1 is not heard of"),
            "{}",
            found.message
        );
        assert_eq!(lost(Some("ReadinessGatesNotReady")), None);
    }

    #[test]
    fn a_full_cluster_is_told() {
        let pod = pod(
            &json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient cpu."}]}),
        );
        assert_eq!(trouble("backend", &pod).unwrap().reason, "Unschedulable");
    }
}
