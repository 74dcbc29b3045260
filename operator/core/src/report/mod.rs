//! Step 6, `report`: the status of a drive. Pure: it renders what `plan` decided and what `apply` did. The controller sends it.

pub mod buckets;
pub mod database;
pub mod listeners;
pub mod migrations;
pub mod parts;
pub mod secrets;
pub mod services;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_crds::{
    BucketStatus, Condition, ConditionType, DataStatus, Phase, Reason, RecruitmentDrive, RecruitmentDriveStatus,
};

use crate::applied::{Blocked, Outcome};
use crate::fetched::pods::PodFailure;
use crate::fetched::record::{ChildKey, DeploymentState, StatefulSetState};
use crate::kind::Kind;
use crate::names;
use crate::plan::Plan;
use crate::plan::data::Data;
use crate::plan::listeners::Seen;
use crate::validate::FieldErrorList;

/// What was observed of a drive's programs.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Its Deployments, by their name in Kubernetes.
    pub deployments: BTreeMap<String, DeploymentState>,
    /// What is wrong with its pods.
    pub pod_failures: Vec<PodFailure>,
    /// Whether the data that it uses is still there.
    pub data: Data,
    /// Its own database server, where the operator runs one.
    pub server: Option<StatefulSetState>,
    /// When events are read next of a part that has no pod.
    pub reads_at: Option<Timestamp>,
    /// What of a paused drive exists and stays, of the kinds whose presence a condition claims.
    pub children: BTreeSet<ChildKey>,
    /// What is known of the ports of its services. Absent: they are not checked.
    pub listeners: Option<Seen>,
    /// Since when status says that a port refuses connections.
    pub refused_before: Option<Timestamp>,
}

impl Observed {
    /// When what is reported changes next although nothing else does: a start takes too long, or waiting did not help.
    pub fn changes_at(&self, drive: &RecruitmentDrive, plan: Option<&Plan<'_>>, now: Timestamp) -> Option<Timestamp> {
        let name = drive.metadata.name.as_deref().unwrap_or_default();
        let pods = self.pod_failures.iter().filter_map(|trouble| {
            let changed = if trouble.service == crate::plan::database_job::OF {
                self.server.as_ref().and_then(|server| server.written_at)
            } else {
                let child = names::of_service(name, &trouble.service);
                self.deployments.get(&child).and_then(|state| state.written_at)
            };
            trouble.changes_at(changed, now)
        });
        let refused = self.deployments.values().filter_map(services::refused_for_good_at);
        let jobs = plan.into_iter().flat_map(|plan| plan.fetched.jobs.values());
        let jobs = jobs.filter_map(|job| job.trouble.as_ref()?.changes_at(None, now));
        let listeners = self.listeners.as_ref();
        let listeners = listeners.and_then(|seen| listeners::stalls_at(seen, self.refused_before));
        pods.chain(refused)
            .chain(jobs)
            .chain(listeners)
            .chain(self.reads_at)
            .filter(|at| *at > now)
            .min()
    }

    /// Kinds whose presence a condition claims though nothing more of them is watched.
    pub const KINDS: [Kind; 4] = [Kind::Service, Kind::Ingress, Kind::ServiceMonitor, Kind::PrometheusRule];

    /// Whether this child exists and stays.
    pub fn has(&self, kind: Kind, name: &str) -> bool {
        let mut children = self.children.iter();
        children.any(|child| child.kind == kind && *child.name == *name)
    }
}

/// How far the reconcile came.
#[derive(Debug)]
pub enum ReconcileOutcome<'a> {
    /// All that can be is applied.
    Applied {
        /// What was decided.
        plan: &'a Plan<'a>,
        /// What came of it.
        outcome: &'a Outcome,
    },
    /// `spec.paused`: nothing was touched. The plan is absent when the drive is invalid.
    Paused(Option<&'a Plan<'a>>),
    /// The spec asks for something impossible: nothing was touched.
    Invalid(&'a FieldErrorList),
}

impl<'a> ReconcileOutcome<'a> {
    /// What was decided, when the drive is valid.
    pub fn plan(&self) -> Option<&'a Plan<'a>> {
        match self {
            Self::Applied { plan, .. } => Some(plan),
            Self::Paused(plan) => *plan,
            Self::Invalid(_) => None,
        }
    }

    /// What came of it, when something was applied.
    fn applied(&self) -> Option<&'a Outcome> {
        match self {
            Self::Applied { outcome, .. } => Some(outcome),
            Self::Paused(_) | Self::Invalid(_) => None,
        }
    }
}

/// One condition before it has its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionUpdate {
    /// What it speaks of.
    pub type_: ConditionType,
    /// Whether it is so.
    pub status: bool,
    /// Whether that is not known. `status` is false then.
    pub unknown: bool,
    /// Why.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
    /// Whether it stays so until a person changes something.
    pub stalls: bool,
}

impl ConditionUpdate {
    fn new(type_: ConditionType, status: bool, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            type_,
            status,
            unknown: false,
            reason,
            message: message.into(),
            stalls: false,
        }
    }

    fn unknown(type_: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            unknown: true,
            ..Self::new(type_, false, reason, message)
        }
    }

    /// The same; `stalls` tells whether it stays so until a person changes something.
    fn stalling(self, stalls: bool) -> Self {
        Self { stalls, ..self }
    }
}

/// The status to show, given what was shown before.
pub fn status(
    drive: &RecruitmentDrive,
    observed: &Observed,
    verdict: &ReconcileOutcome<'_>,
    before: &RecruitmentDriveStatus,
    now: &Time,
) -> RecruitmentDriveStatus {
    let services = services::statuses(drive, observed, verdict, before, now.0);
    // Nothing is ready of a portal that is suspended, although all of it is as the spec says.
    let is_ready = |service: &&services::Shown| service.complete && !drive.spec.is_suspended();
    let complete = services.iter().filter(is_ready).count();
    let buckets = match verdict {
        ReconcileOutcome::Applied { plan, outcome } => buckets::statuses(plan, outcome),
        ReconcileOutcome::Paused(_) | ReconcileOutcome::Invalid(_) => before.buckets.clone(),
    };
    let updates = updates(drive, observed, verdict, &services, &buckets, before, now.0);
    let secrets = match verdict {
        ReconcileOutcome::Applied { plan, .. } => secrets::statuses(plan),
        ReconcileOutcome::Paused(_) | ReconcileOutcome::Invalid(_) => before.secrets.clone(),
    };
    RecruitmentDriveStatus {
        observed_generation: drive.metadata.generation,
        phase: Some(if drive.spec.is_suspended() {
            Phase::Suspended
        } else {
            Phase::Open
        }),
        conditions: conditions(updates, drive.metadata.generation, before, now),
        services_ready: Some(format!("{complete}/{}", services.len())),
        services: services.into_iter().map(|service| service.status).collect(),
        buckets,
        database: match verdict {
            ReconcileOutcome::Applied { plan, .. } => plan.database.as_ref().map(|plan| plan.record.clone()),
            ReconcileOutcome::Paused(_) | ReconcileOutcome::Invalid(_) => before.database.clone(),
        },
        secrets,
        data: data(observed, verdict, before),
        // Of what was applied: a drive that only asks for a host does not have it.
        url: match verdict {
            ReconcileOutcome::Applied { plan, .. } => {
                plan.drive.exposure.as_ref().map(crate::valid::ValidExposure::url)
            }
            ReconcileOutcome::Paused(_) | ReconcileOutcome::Invalid(_) => before.url.clone(),
        },
    }
}

/// What is remembered of the drive's data. A mistake in the spec must not make the operator forget what it leaves out.
fn data(observed: &Observed, verdict: &ReconcileOutcome<'_>, before: &RecruitmentDriveStatus) -> Vec<DataStatus> {
    let found = &observed.data.statuses;
    let is_found = |one: &DataStatus| {
        found
            .iter()
            .any(|found| found.kind == one.kind && found.name == one.name)
    };
    let forgotten = match verdict {
        ReconcileOutcome::Invalid(_) => before.data.as_slice(),
        ReconcileOutcome::Applied { .. } | ReconcileOutcome::Paused(_) => &[],
    };
    let forgotten = forgotten.iter().filter(|one| !is_found(one));
    found.iter().chain(forgotten).cloned().collect()
}

/// The status of a stored object that does not decode. What was shown of its services is left as it is, and no
/// condition is kept that nobody looks after.
pub fn undecodable(
    error: &str,
    generation: Option<i64>,
    before: &RecruitmentDriveStatus,
    now: &Time,
) -> RecruitmentDriveStatus {
    let message = format!(
        "the stored object does not read as ras.dev/v1alpha1 ({error}): mend it with `kubectl edit`, or apply a correct manifest; what runs goes on running"
    );
    let updates = vec![
        ConditionUpdate::new(ConditionType::Ready, false, Reason::Undecodable, &message),
        ConditionUpdate::new(
            ConditionType::Reconciling,
            false,
            Reason::Undecodable,
            "nothing is done before the object can be read",
        ),
        ConditionUpdate::new(ConditionType::Stalled, true, Reason::Undecodable, &message),
    ];
    RecruitmentDriveStatus {
        observed_generation: generation,
        conditions: conditions(updates, generation, before, now),
        ..before.clone()
    }
}

/// The status of a drive that is being deleted and has buckets to be removed first.
pub fn deleting(
    before: &RecruitmentDriveStatus,
    buckets: Vec<BucketStatus>,
    blocked: &[(Reason, String)],
    generation: Option<i64>,
    now: &Time,
) -> RecruitmentDriveStatus {
    use ConditionType::{DeletionBlocked, Ready, Reconciling, Stalled};
    let told: Vec<&str> = blocked.iter().map(|(_, message)| message.as_str()).collect();
    let (reason, message) = match blocked.first() {
        Some((reason, _)) => (*reason, told.join("; ")),
        None => (
            Reason::Emptying,
            "the drive is being deleted, and first its buckets are removed".to_owned(),
        ),
    };
    // What the store does not answer may be answered later; everything else wants a person.
    let stalled = blocked
        .iter()
        .any(|(reason, _)| !matches!(reason, Reason::StoreUnavailable | Reason::StoreThrottled));
    let updates = vec![
        ConditionUpdate::new(Ready, false, reason, message.clone()),
        ConditionUpdate::new(Reconciling, !stalled, reason, message.clone()),
        ConditionUpdate::new(Stalled, stalled, reason, message.clone()),
        ConditionUpdate::new(DeletionBlocked, !blocked.is_empty(), reason, message),
    ];
    RecruitmentDriveStatus {
        observed_generation: generation,
        conditions: conditions(updates, generation, before, now),
        buckets,
        ..before.clone()
    }
}

fn updates(
    drive: &RecruitmentDrive,
    observed: &Observed,
    verdict: &ReconcileOutcome<'_>,
    services: &[services::Shown],
    buckets: &[BucketStatus],
    before: &RecruitmentDriveStatus,
    now: Timestamp,
) -> Vec<ConditionUpdate> {
    let lost_buckets = buckets::at_risk(buckets);
    let programs = services::condition(drive, services);
    let outcome = verdict.applied();
    let refused = outcome.map_or(&[][..], |outcome| outcome.blocked.as_slice());
    // Monitoring never holds up a portal.
    let (beside, blocked): (Vec<&Blocked>, Vec<&Blocked>) =
        refused.iter().partition(|one| one.child.kind.is_monitoring());
    let mut found = Vec::new();
    let mut gates = Vec::new();
    if let Some(plan) = verdict.plan() {
        let valid = plan.drive;
        // A store that gives no news holds up nobody who has what it gave before.
        let is_held = plan
            .blocked
            .values()
            .any(|one| one.condition == ConditionType::SecretsReady)
            || blocked.iter().any(|one| secrets::is_of(valid, &one.child));
        let place = if is_held { &mut gates } else { &mut found };
        place.extend(secrets::condition(plan, &blocked));
        let database = database::condition(plan, observed, outcome, &blocked, before);
        gates.extend(database.map(|found| of_database(drive, observed).unwrap_or(found)));
        gates.extend(buckets::storage(plan, outcome, lost_buckets.as_ref()));
        gates.extend(migrations::condition(plan, outcome));
        gates.push(programs);
        let listeners = listeners::told(drive, observed.listeners.as_ref(), before, now);
        let place = if listeners.gates { &mut gates } else { &mut found };
        place.extend(listeners.condition);
        gates.extend(parts::exposure(plan, observed, outcome));
        found.extend(parts::monitoring(plan, observed, outcome, &beside));
        found.extend(outcome.and_then(conflict));
        found.extend(outcome.and_then(|outcome| buckets::blocked(plan, outcome)));
    } else {
        gates.push(programs);
    }
    let at_risk = both(observed.data.at_risk(), lost_buckets);
    let mut all = head(drive, verdict, &blocked, &gates, at_risk.as_ref());
    let at_risk =
        at_risk.map(|(reason, message)| ConditionUpdate::new(ConditionType::DataAtRisk, true, reason, message));
    all.extend(at_risk);
    all.extend(gates);
    all.extend(found);
    all
}

/// What is at risk of volumes and of buckets.
fn both(data: Option<(Reason, String)>, buckets: Option<(Reason, String)>) -> Option<(Reason, String)> {
    match (data, buckets) {
        (Some((reason, data)), Some((_, buckets))) => Some((reason, format!("{data}; {buckets}"))),
        (data, buckets) => data.or(buckets),
    }
}

/// `DatabaseReady`, while the data of the drive's own server is being deleted or is gone.
fn of_database(drive: &RecruitmentDrive, observed: &Observed) -> Option<ConditionUpdate> {
    let server = names::database(drive.metadata.name.as_deref().unwrap_or_default());
    let (of_server, of_cluster) = (observed.data.freezes(&server), observed.data.of_cluster(&server));
    let (reason, message) = of_server.or(of_cluster)?;
    Some(ConditionUpdate::new(
        ConditionType::DatabaseReady,
        false,
        reason,
        message,
    ))
}

/// `FieldConflict`. It never holds up Ready: the drive serves with the other manager's value, too.
fn conflict(outcome: &Outcome) -> Option<ConditionUpdate> {
    let told: Vec<&str> = outcome.conflicts.iter().map(|one| one.message.as_str()).collect();
    (!told.is_empty()).then(|| {
        ConditionUpdate::new(
            ConditionType::FieldConflict,
            true,
            Reason::FieldConflict,
            told.join("; "),
        )
    })
}

/// Ready, Reconciling and Stalled while data is being deleted or is gone. It comes before anything else, and of a paused drive, too:
/// whatever else is wrong can wait, and data cannot.
fn head_at_risk(
    verdict: &ReconcileOutcome<'_>,
    blocked: &[&Blocked],
    reason: Reason,
    message: &str,
) -> Vec<ConditionUpdate> {
    use ConditionType::{Ready, Reconciling, Stalled};
    let besides = match verdict {
        ReconcileOutcome::Invalid(problems) => format!("; {problems}"),
        ReconcileOutcome::Applied { .. } if !blocked.is_empty() => format!("; {}", told(blocked)),
        ReconcileOutcome::Applied { .. } | ReconcileOutcome::Paused(_) => String::new(),
    };
    let message = format!("{message}{besides}");
    let next = "manual action required: see condition Stalled";
    vec![
        ConditionUpdate::new(Ready, false, reason, message.clone()),
        ConditionUpdate::new(Reconciling, false, reason, next),
        ConditionUpdate::new(Stalled, true, reason, message),
    ]
}

/// Ready, Reconciling and Stalled, as kstatus reads them: Stalled wants a person, Reconciling wants time.
fn head(
    drive: &RecruitmentDrive,
    verdict: &ReconcileOutcome<'_>,
    blocked: &[&Blocked],
    gates: &[ConditionUpdate],
    at_risk: Option<&(Reason, String)>,
) -> Vec<ConditionUpdate> {
    use ConditionType::{Ready, Reconciling, Stalled};
    if let Some((reason, message)) = at_risk {
        return head_at_risk(verdict, blocked, *reason, message);
    }
    if let ReconcileOutcome::Invalid(problems) = verdict {
        let message = format!("{problems}. What runs goes on running as it is");
        return vec![
            ConditionUpdate::new(Ready, false, problems.reason(), message.clone()),
            ConditionUpdate::new(
                Reconciling,
                false,
                problems.reason(),
                "nothing is changed before the spec is mended",
            ),
            ConditionUpdate::new(Stalled, true, problems.reason(), message),
        ];
    }
    if let ReconcileOutcome::Paused(_) = verdict {
        let open = gates.iter().find(|gate| !gate.status);
        let message = "the operator changes nothing while spec.paused is true";
        let ready = match open {
            None => ConditionUpdate::new(Ready, true, Reason::Paused, format!("all is ready; {message}")),
            Some(gate) => ConditionUpdate::new(Ready, false, gate.reason, format!("{}; {message}", gate.message)),
        };
        return vec![
            ready,
            ConditionUpdate::new(Reconciling, false, Reason::Paused, message),
            ConditionUpdate::new(Stalled, false, Reason::Paused, message),
        ];
    }
    if let Some(first) = blocked.iter().find(|one| wants_a_person(one)) {
        let message = told(blocked);
        return vec![
            ConditionUpdate::new(Ready, false, first.reason, message.clone()),
            ConditionUpdate::new(Reconciling, false, first.reason, "a person is needed"),
            ConditionUpdate::new(Stalled, true, first.reason, message),
        ];
    }
    // Unlike what starts, or is waited for, it never gets better by itself.
    if let Some(stalled) = gates.iter().find(|gate| gate.stalls) {
        let open = gates.iter().filter(|gate| is_open(gate));
        let message: Vec<&str> = open.map(|gate| gate.message.as_str()).collect();
        let message = message.join("; ");
        let reason = stalled.reason;
        return vec![
            ConditionUpdate::new(Ready, false, reason, message.clone()),
            ConditionUpdate::new(Reconciling, false, reason, "a person is needed"),
            ConditionUpdate::new(Stalled, true, reason, message),
        ];
    }
    let not_stalled = ConditionUpdate::new(Stalled, false, Reason::NotStalled, "nothing is in the way");
    if let Some(first) = blocked.first() {
        let message = told(blocked);
        return vec![
            ConditionUpdate::new(Ready, false, first.reason, message.clone()),
            ConditionUpdate::new(Reconciling, true, first.reason, message),
            not_stalled,
        ];
    }
    if let Some(gate) = gates.iter().find(|gate| is_open(gate)) {
        let message: Vec<&str> = gates
            .iter()
            .filter(|gate| is_open(gate))
            .map(|gate| gate.message.as_str())
            .collect();
        return vec![
            ConditionUpdate::new(Ready, false, gate.reason, message.join("; ")),
            ConditionUpdate::new(Reconciling, true, gate.reason, gate.message.clone()),
            not_stalled,
        ];
    }
    let at_rest = ConditionUpdate::new(Reconciling, false, Reason::AllReady, "the cluster is as the spec says");
    if drive.spec.is_suspended() {
        let message = "the portal is suspended: nothing runs, everything is kept. Set spec.suspend to false to go on";
        return vec![
            ConditionUpdate::new(Ready, false, Reason::Suspended, message),
            at_rest,
            not_stalled,
        ];
    }
    vec![
        ConditionUpdate::new(
            Ready,
            true,
            Reason::AllReady,
            "all services run and the portal is as the spec says",
        ),
        at_rest,
        not_stalled,
    ]
}

/// Whether something is not as the spec says. What stands still because the drive is suspended is.
fn is_open(gate: &ConditionUpdate) -> bool {
    !gate.status && gate.reason != Reason::Suspended
}

fn wants_a_person(blocked: &Blocked) -> bool {
    matches!(
        blocked.reason,
        Reason::ForeignObject | Reason::Refused | Reason::Forbidden | Reason::NameTaken
    )
}

/// What is in the way, all of it.
fn told(blocked: &[&Blocked]) -> String {
    let lines: Vec<String> = blocked.iter().map(|one| one.told()).collect();
    lines.join("; ")
}

/// Gives findings their times: a condition keeps the time of its last change of status.
fn conditions(
    updates: Vec<ConditionUpdate>,
    generation: Option<i64>,
    before: &RecruitmentDriveStatus,
    now: &Time,
) -> Vec<Condition> {
    updates
        .into_iter()
        .map(|found| {
            let mut condition = Condition::new(
                found.type_,
                found.status,
                found.reason,
                cut(found.message),
                generation,
                now,
            );
            if found.unknown {
                "Unknown".clone_into(&mut condition.status);
            }
            if let Some(old) = before
                .conditions
                .iter()
                .find(|old| old.type_ == condition.type_ && old.status == condition.status)
            {
                condition.last_transition_time = old.last_transition_time.clone();
            }
            condition
        })
        .collect()
}

/// The API server refuses messages over 32,768 bytes, and nobody reads them.
fn cut(message: String) -> String {
    const MOST: usize = 4_000;
    if message.chars().count() <= MOST {
        return message;
    }
    message.chars().take(MOST).chain("…".chars()).collect()
}
