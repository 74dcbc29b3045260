//! Probes: when a pod has started, when it serves, and when it is beyond help.

use k8s_openapi::api::core::v1::{
    ExecAction, GRPCAction, HTTPGetAction, HTTPHeader, Probe as KubernetesProbe, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::build::lists::unless_empty;
use crate::valid::{Check, Probe};

/// Failed checks after which a container is restarted: twice as many as take it out of the Service (3, by
/// default), so that a busy program is first relieved and only then restarted.
const LIVENESS_FAILURES: i32 = 6;

/// Seconds between two checks of a program that starts. They end with the first that succeeds, so they may be frequent:
/// with Kubernetes' ten, a program that starts at once would serve ten seconds later.
const STARTUP_PERIOD: i32 = 1;

/// Seconds between two checks of a port that nobody said to check: often enough that a program serves soon after it started,
/// and seldom enough for logs that tell of each connection.
const GUESSED_PERIOD: i32 = 5;

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
                period_seconds: Some(GUESSED_PERIOD),
                ..KubernetesProbe::default()
            }),
            ..Probes::default()
        },
        Probe::Asked {
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
                Check::Tcp(port) => common.tcp_socket = Some(connection(&port.name)),
                Check::Http { port, path, headers } => {
                    common.http_get = Some(HTTPGetAction {
                        path: Some(path.clone()),
                        port: IntOrString::String(port.name.clone()),
                        http_headers: unless_empty(headers.iter().map(|header| HTTPHeader {
                            name: header.name.clone(),
                            value: header.value.clone(),
                        })),
                        ..HTTPGetAction::default()
                    });
                }
                // gRPC probes know no port names.
                Check::Grpc(port) => {
                    common.grpc = Some(GRPCAction {
                        port: port.port,
                        service: None,
                    });
                }
                Check::Exec(command) => {
                    common.exec = Some(ExecAction {
                        command: Some(command.clone()),
                    });
                }
            }
            Probes {
                startup: Some(KubernetesProbe {
                    period_seconds: Some(STARTUP_PERIOD),
                    failure_threshold: Some((*startup_seconds / STARTUP_PERIOD).max(1)),
                    ..common.clone()
                }),
                liveness: Some(KubernetesProbe {
                    failure_threshold: Some(LIVENESS_FAILURES),
                    ..common.clone()
                }),
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
