//! Probes: when a pod has started, when it serves, and when it is beyond help.

use k8s_openapi::api::core::v1::{GRPCAction, HTTPGetAction, Probe as KubernetesProbe, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::drive::valid::{Check, Probe};

/// Failed checks after which a container is restarted: twice as many as take it out of the Service (3, by
/// default), so that a busy program is first relieved and only then restarted.
const LIVENESS_FAILURES: i32 = 6;

/// Startup, readiness and liveness probe of a container.
#[derive(Debug, Default)]
pub(super) struct Probes {
    pub(super) startup: Option<KubernetesProbe>,
    pub(super) readiness: Option<KubernetesProbe>,
    pub(super) liveness: Option<KubernetesProbe>,
}

pub(super) fn build(probe: &Probe) -> Probes {
    match probe {
        Probe::None => Probes::default(),
        // Nobody said that the port tells whether the program lives, so nothing is restarted by it.
        Probe::Guessed(port) => Probes {
            readiness: Some(KubernetesProbe {
                tcp_socket: Some(connection(port)),
                ..KubernetesProbe::default()
            }),
            ..Probes::default()
        },
        Probe::Asked {
            port,
            check,
            startup_seconds,
            period_seconds,
            timeout_seconds,
        } => {
            let mut common = KubernetesProbe {
                period_seconds: Some(*period_seconds),
                timeout_seconds: Some(*timeout_seconds),
                ..KubernetesProbe::default()
            };
            match check {
                Check::Tcp => common.tcp_socket = Some(connection(&port.name)),
                Check::Http(path) => {
                    common.http_get = Some(HTTPGetAction {
                        path: Some(path.clone()),
                        port: IntOrString::String(port.name.clone()),
                        ..HTTPGetAction::default()
                    });
                }
                // gRPC probes know no port names.
                Check::Grpc => {
                    common.grpc = Some(GRPCAction {
                        port: port.port,
                        service: None,
                    });
                }
            }
            let failing = |failures: i32| KubernetesProbe {
                failure_threshold: Some(failures),
                ..common.clone()
            };
            let period = (*period_seconds).max(1);
            let startup_failures = startup_seconds.saturating_add(period - 1) / period;
            Probes {
                startup: Some(failing(startup_failures.max(1))),
                liveness: Some(failing(LIVENESS_FAILURES)),
                readiness: Some(common),
            }
        }
    }
}

fn connection(port: &str) -> TCPSocketAction {
    TCPSocketAction {
        port: IntOrString::String(port.to_owned()),
        host: None,
    }
}

/// Seconds a pod may take to become ready for the first time.
pub(super) fn startup_budget(probe: &Probe) -> i32 {
    match probe {
        Probe::Asked { startup_seconds, .. } => *startup_seconds,
        Probe::None | Probe::Guessed(_) => 0,
    }
}
