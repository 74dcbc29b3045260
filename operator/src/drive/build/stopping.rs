//! How a pod that others connect to stops: it serves on until the cluster knows that it goes.

use k8s_openapi::api::core::v1::{Lifecycle, LifecycleHandler, SleepAction};
use ras_crds::spec::RolloutStrategy;

use crate::drive::valid::ValidService;

/// Seconds between the word that a pod goes and the signal to its programs. Nodes and front doors learn of it at the same
/// moment as the kubelet, and until all of them have, they still open connections to it. A second is usual; five leave room
/// on a busy cluster.
const PAUSE: i64 = 5;

/// For each container of the pod: a helper may be what the program needs to answer. `None` where nobody connects, and
/// where all pods stop before new ones start: there a pause would only make the gap longer.
pub(super) fn lifecycle(service: &ValidService) -> Option<Lifecycle> {
    let mut containers = std::iter::once(&service.container).chain(&service.sidecars);
    let reached = containers.any(|container| !container.ports.is_empty());
    // The pause is part of the time to stop, and most of that is the program's.
    let seconds = PAUSE.min(service.termination_grace_period_seconds / 2);
    let pauses = reached && service.rollout != RolloutStrategy::Recreate && seconds > 0;
    pauses.then(|| Lifecycle {
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction { seconds }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    })
}
