//! How a pod stops: one that others connect to keeps serving until the cluster has stopped sending it connections.

use k8s_openapi::api::core::v1::{Lifecycle, LifecycleHandler, SleepAction};
use ras_crds::spec::RolloutStrategy;

use crate::valid::ValidService;

/// Seconds between the word that a pod goes and the signal to its programs. Nodes and front doors learn of it at the same
/// moment as the kubelet, and until all of them have, they still open connections to it. A second is usual; five leave room
/// on a busy cluster.
const PAUSE: i64 = 5;

/// For each container of the pod: a helper may be what the program needs to answer.
pub(super) fn lifecycle(service: &ValidService) -> Option<Lifecycle> {
    let seconds = service.pre_stop_sleep_seconds.unwrap_or_else(|| default_pause(service));
    (seconds > 0).then(|| Lifecycle {
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction { seconds }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    })
}

/// None where nobody connects, and where all pods stop before new ones start: there a pause would only make the gap longer.
fn default_pause(service: &ValidService) -> i64 {
    let mut containers = std::iter::once(&service.container).chain(&service.sidecars);
    let reached = containers.any(|container| !container.ports.is_empty());
    if !reached || service.rollout == RolloutStrategy::Recreate {
        return 0;
    }
    // The pause is part of the time to stop, and most of that is the program's.
    PAUSE.min(service.termination_grace_period_seconds / 2)
}
