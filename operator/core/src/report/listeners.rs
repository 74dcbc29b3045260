//! `ListenersReady`: whether programs listen on the ports that their services declare.

use k8s_openapi::jiff::Timestamp;
use ras_crds::{Condition, ConditionType, Reason, RecruitmentDrive, RecruitmentDriveStatus};

use super::condition_update::ConditionUpdate;
use crate::fetched::pods::{PodFailureKind, after};
use crate::plan::listeners::{Known, Port, PortFindings, Seen};

const TYPE: ConditionType = ConditionType::ListenersReady;

/// `ListenersReady`, and whether Ready waits for it.
#[derive(Debug, Default)]
pub struct ListenerCondition {
    pub condition: Option<ConditionUpdate>,
    /// Ready waits for it.
    pub gates: bool,
}

/// When it counts as lasting that a port refuses connections.
pub fn stalls_at(seen: &Seen, before: Option<Timestamp>) -> Option<Timestamp> {
    let since = seen.refused_since?;
    // Of a port that refused before this process began, status has the time.
    Some(after(
        before.map_or(since, |before| before.min(since)),
        PodFailureKind::Crashing.patience()?,
    ))
}

/// Since when status says that a port refuses connections.
pub fn refused_since(before: &RecruitmentDriveStatus) -> Option<Timestamp> {
    let condition = stored(before).filter(|condition| condition.status == "False")?;
    Some(condition.last_transition_time.0)
}

/// True if the status is of this generation, and its ports were checked or it was Ready before ports were checked at
/// all.
pub fn speaks_of(before: &RecruitmentDriveStatus, generation: Option<i64>) -> bool {
    let is_checked = |condition: &Condition| condition.reason != Reason::PortsUnchecked.as_str();
    let is_ready = |one: &Condition| one.type_ == ConditionType::Ready.as_str() && one.is_true();
    before.observed_generation.is_some()
        && before.observed_generation == generation
        && stored(before).map_or_else(|| before.conditions.iter().any(is_ready), is_checked)
}

fn stored(before: &RecruitmentDriveStatus) -> Option<&Condition> {
    before.conditions.iter().find(|one| one.type_ == TYPE.as_str())
}

/// `ListenersReady`. Absent where there is nothing to check.
pub fn condition(
    drive: &RecruitmentDrive,
    seen: Option<&Seen>,
    before: &RecruitmentDriveStatus,
    now: Timestamp,
) -> ListenerCondition {
    let Some(seen) = seen else {
        return ListenerCondition::default();
    };
    if drive.spec.is_suspended() {
        // Without its pods nothing is left of what was seen, but that there was something to see.
        let was_reported = stored(before).is_some();
        let message = "nothing runs while the drive is suspended";
        let condition = was_reported.then(|| ConditionUpdate::unknown(TYPE, Reason::Suspended, message));
        return ListenerCondition {
            condition,
            gates: false,
        };
    }
    let refused = refusals(seen);
    if !refused.is_empty() {
        let stalls = stalls_at(seen, refused_since(before)).is_some_and(|at| at <= now);
        let next = "Make the program listen on it on all addresses (0.0.0.0), or remove the port from ports";
        let message = format!("{}. {next}", refused.join("; "));
        let condition = ConditionUpdate::new(TYPE, false, Reason::PortNotListening, message).stalling(stalls);
        return ListenerCondition {
            condition: Some(condition),
            gates: true,
        };
    }
    if seen.keeps {
        return kept(before);
    }
    let of = |wanted: &Known| {
        let services = seen.services.iter().filter(|(_, known)| *known == wanted);
        services.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    };
    for (wanted, gates) in [(Known::Unchecked, true), (Known::Starting, false)] {
        let services = of(&wanted);
        if !services.is_empty() {
            let message = format!("the ports of {services} are checked as soon as all pods are ready");
            let condition = Some(ConditionUpdate::unknown(TYPE, Reason::PortsUnchecked, message));
            return ListenerCondition { condition, gates };
        }
    }
    if seen.services.is_empty() {
        return ListenerCondition::default();
    }
    let silent = silences(seen);
    let condition = if silent.is_empty() {
        let message = "every TCP port that services declare accepts connections";
        ConditionUpdate::new(TYPE, true, Reason::PortsListening, message)
    } else {
        let next = "Let the operator's pods connect to them (NetworkPolicy, firewall), or set listenerChecks.enabled to false \
                    in the platform's settings";
        ConditionUpdate::unknown(TYPE, Reason::PortsUnreachable, format!("{}. {next}", silent.join("; ")))
    };
    ListenerCondition {
        condition: Some(condition),
        gates: false,
    }
}

/// The condition of the status before, until this process has checked.
fn kept(before: &RecruitmentDriveStatus) -> ListenerCondition {
    let condition = stored(before).and_then(|condition| {
        let reason = *Reason::ALL.iter().find(|reason| reason.as_str() == condition.reason)?;
        let message = condition.message.clone();
        Some(match condition.status.as_str() {
            "Unknown" => ConditionUpdate::unknown(TYPE, reason, message),
            status => {
                let is_stalled = |one: &Condition| one.type_ == ConditionType::Stalled.as_str() && one.is_true();
                let stalls = before.conditions.iter().any(is_stalled);
                ConditionUpdate::new(TYPE, status == "True", reason, message).stalling(status == "False" && stalls)
            }
        })
    });
    let gates = condition
        .as_ref()
        .is_some_and(|condition| !condition.status && !condition.unknown);
    ListenerCondition { condition, gates }
}

fn checked(seen: &Seen) -> impl Iterator<Item = (&String, &PortFindings)> {
    seen.services.iter().filter_map(|(name, known)| match known {
        Known::Checked(found) => Some((name, found)),
        Known::Starting | Known::Unchecked => None,
    })
}

fn refusals(seen: &Seen) -> Vec<String> {
    let text = |name: &str, (port, pods): &(Port, usize), of: usize| {
        let Port { name: port, number, .. } = port;
        format!("service {name}: port {port} ({number}) refuses connections in {pods} of {of} ready pods")
    };
    checked(seen)
        .flat_map(|(name, found)| found.refused.iter().map(move |one| text(name, one, found.pods)))
        .collect()
}

fn silences(seen: &Seen) -> Vec<String> {
    let text = |name: &str, found: &PortFindings| {
        if found.pods == 0 {
            return Some(format!("service {name}: no address of a ready pod is known"));
        }
        let ports: Vec<String> = found
            .silent
            .iter()
            .map(|(port, _)| format!("{} ({})", port.name, port.number))
            .collect();
        (!ports.is_empty()).then(|| format!("service {name}: no answer from ports {}", ports.join(", ")))
    };
    checked(seen).filter_map(|(name, found)| text(name, found)).collect()
}
