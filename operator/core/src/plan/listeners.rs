//! Which ports a service declares, and what the answers of its pods mean. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use ras_crds::spec::Protocol;

use crate::valid::ValidService;

/// A TCP port that a service declares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    pub number: u16,
    pub name: String,
    /// The readiness probe checks it, so a ready pod listens on it.
    pub proven: bool,
}

/// The TCP ports of a service's program and helpers; none when its readiness probe asks the only one.
pub fn ports(service: &ValidService) -> Vec<Port> {
    // Names of ports differ within a pod.
    let asked: BTreeSet<&str> = service
        .containers()
        .filter_map(|container| container.probe.port())
        .collect();
    let ports: Vec<Port> = service
        .ports()
        .filter(|port| port.protocol == Protocol::Tcp)
        .filter_map(|port| {
            Some(Port {
                number: u16::try_from(port.port).ok()?,
                name: port.name.clone(),
                proven: asked.contains(port.name.as_str()),
            })
        })
        .collect();
    if ports.iter().all(|port| port.proven) {
        return Vec::new();
    }
    ports
}

/// The result of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Accepted,
    /// It was refused: no process listens.
    Refused,
    /// There was no answer in time, or the pod could not be reached.
    Silent,
}

/// One connection: the pod, its address, the port.
pub type Target = (Arc<str>, IpAddr, Port);

/// The results of the pods of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortFindings {
    /// Pods that were asked.
    pub pods: usize,
    /// Ports that refuse connections, and in how many pods.
    pub refused: Vec<(Port, usize)>,
    /// Ports that were not reached, and in how many pods.
    pub silent: Vec<(Port, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Its pods are not ready yet.
    Starting,
    /// It is about to be checked.
    Unchecked,
    /// The answers of its pods.
    Checked(PortFindings),
}

/// The results of all services of a drive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// By their names: those with ports to check, and with pods.
    pub services: BTreeMap<String, Known>,
    /// Since when a port refuses connections.
    pub refused_since: Option<Timestamp>,
    /// The condition in the status still holds, because this process has not checked yet.
    pub keeps: bool,
}

/// Judges the results of one service. A ready pod accepts connections to the port of its readiness probe. If the
/// operator is refused there, the network refuses it, and the result says nothing about the pod.
pub fn judge(answers: &[(Target, Answer)]) -> PortFindings {
    let all: BTreeSet<&Arc<str>> = answers.iter().map(|((pod, ..), _)| pod).collect();
    let unreached: BTreeSet<&Arc<str>> = answers
        .iter()
        .filter(|((.., port), answer)| port.proven && *answer != Answer::Accepted)
        .map(|((pod, ..), _)| pod)
        .collect();
    let ports: BTreeSet<&Port> = answers.iter().map(|((.., port), _)| port).collect();
    let mut found = PortFindings {
        pods: all.len(),
        ..PortFindings::default()
    };
    for port in ports {
        let count = |wanted: Answer| {
            let of_port = answers.iter().filter(|((.., one), _)| one == port);
            of_port
                .filter(|((pod, ..), answer)| match answer {
                    Answer::Refused if unreached.contains(pod) => wanted == Answer::Silent,
                    answer => *answer == wanted,
                })
                .count()
        };
        let (refused, silent) = (count(Answer::Refused), count(Answer::Silent));
        if refused > 0 {
            found.refused.push((port.clone(), refused));
        }
        if silent > 0 {
            found.silent.push((port.clone(), silent));
        }
    }
    found
}

/// When to check again: sooner while a check fails, because a container may begin to listen or the network may recover.
pub fn pause(found: &PortFindings, every: Duration) -> Duration {
    if !found.refused.is_empty() {
        every.min(Duration::from_secs(15))
    } else if !found.silent.is_empty() || found.pods == 0 {
        every.min(Duration::from_mins(1))
    } else {
        every
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(number: u16, proven: bool) -> Port {
        Port {
            number,
            name: format!("p{number}"),
            proven,
        }
    }

    fn answers(of: &[(&str, u16, bool, Answer)]) -> PortFindings {
        let answers: Vec<(Target, Answer)> = of
            .iter()
            .map(|(pod, number, proven, answer)| {
                let address = IpAddr::from([10, 0, 0, 1]);
                (((*pod).into(), address, port(*number, *proven)), *answer)
            })
            .collect();
        judge(&answers)
    }

    #[test]
    fn a_port_that_refuses_is_told_with_the_number_of_pods() {
        let found = answers(&[
            ("a", 80, true, Answer::Accepted),
            ("a", 90, false, Answer::Refused),
            ("a", 91, false, Answer::Accepted),
            ("b", 80, true, Answer::Accepted),
            ("b", 90, false, Answer::Refused),
            ("b", 91, false, Answer::Silent),
        ]);
        assert_eq!(found.pods, 2);
        assert_eq!(found.refused, [(port(90, false), 2)]);
        assert_eq!(found.silent, [(port(91, false), 1)]);
    }

    #[test]
    fn a_network_that_refuses_is_no_program_that_does_not_listen() {
        for answer in [Answer::Refused, Answer::Silent] {
            let found = answers(&[("a", 80, true, answer), ("a", 90, false, Answer::Refused)]);
            assert_eq!(found.refused, [], "{answer:?}");
            assert_eq!(found.silent, [(port(80, true), 1), (port(90, false), 1)]);
        }
        let without_probe = answers(&[("a", 90, false, Answer::Refused)]);
        assert_eq!(without_probe.refused, [(port(90, false), 1)]);
    }

    #[test]
    fn what_is_wrong_is_asked_again_soon_and_never_later_than_the_platform_says() {
        let every = Duration::from_mins(5);
        let good = answers(&[("a", 80, true, Answer::Accepted)]);
        let refused = answers(&[("a", 90, false, Answer::Refused)]);
        let silent = answers(&[("a", 90, false, Answer::Silent)]);
        assert_eq!(pause(&good, every), every);
        assert!(pause(&refused, every) < pause(&silent, every));
        assert!(pause(&silent, every) < every);
        assert_eq!(pause(&refused, Duration::from_secs(2)), Duration::from_secs(2));
    }
}
