//! Step 6, `report`: the status of a drive. Pure: it renders what `plan` decided and what `apply` did. The controller sends it.

pub mod buckets;
pub mod condition_update;
pub mod database;
pub mod exposure;
pub mod listeners;
pub mod migrations;
pub mod monitoring;
pub mod observed;
pub mod outcome;
pub mod secrets;
pub mod services;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_crds::{
    BucketStatus, Condition, ConditionType, DataStatus, Phase, Reason, RecruitmentDrive, RecruitmentDriveStatus,
};

pub use condition_update::ConditionUpdate;
pub use observed::Observed;
pub use outcome::ReconcileOutcome;

use crate::applied::{ApplyOutcome, Blocked};
use crate::names;

/// The status to show, given what was shown before.
pub fn status(
    drive: &RecruitmentDrive,
    observed: &Observed,
    result: &ReconcileOutcome<'_>,
    before: &RecruitmentDriveStatus,
    now: &Time,
) -> RecruitmentDriveStatus {
    let services = services::statuses(drive, observed, result, before, now.0);
    // Nothing is ready of a portal that is suspended, although all of it is as the spec says.
    let is_ready = |service: &&services::Shown| service.complete && !drive.spec.is_suspended();
    let complete = services.iter().filter(is_ready).count();
    let buckets = match result {
        ReconcileOutcome::Applied { plan, outcome } => buckets::statuses(plan, outcome),
        ReconcileOutcome::Paused(_) | ReconcileOutcome::Invalid(_) => before.buckets.clone(),
    };
    let updates = updates(drive, observed, result, &services, &buckets, before, now.0);
    let secrets = match result {
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
        database: match result {
            ReconcileOutcome::Applied { plan, .. } => plan.database.as_ref().map(|plan| plan.record.clone()),
            ReconcileOutcome::Paused(_) | ReconcileOutcome::Invalid(_) => before.database.clone(),
        },
        secrets,
        data: data(observed, result, before),
        // From the applied objects: a drive that only requests a host does not have it.
        url: match result {
            ReconcileOutcome::Applied { plan, .. } => {
                plan.drive.exposure.as_ref().map(crate::valid::ValidExposure::url)
            }
            ReconcileOutcome::Paused(_) | ReconcileOutcome::Invalid(_) => before.url.clone(),
        },
    }
}

/// The record of the drive's data. An invalid spec does not remove entries from it.
fn data(observed: &Observed, result: &ReconcileOutcome<'_>, before: &RecruitmentDriveStatus) -> Vec<DataStatus> {
    let found = &observed.data.statuses;
    let is_found = |one: &DataStatus| {
        found
            .iter()
            .any(|found| found.kind == one.kind && found.name == one.name)
    };
    let forgotten = match result {
        ReconcileOutcome::Invalid(_) => before.data.as_slice(),
        ReconcileOutcome::Applied { .. } | ReconcileOutcome::Paused(_) => &[],
    };
    let forgotten = forgotten.iter().filter(|one| !is_found(one));
    found.iter().chain(forgotten).cloned().collect()
}

/// The status of a stored object that does not decode. The status of its services stays, and conditions that are no
/// longer updated are removed.
pub fn undecodable(
    error: &str,
    generation: Option<i64>,
    before: &RecruitmentDriveStatus,
    now: &Time,
) -> RecruitmentDriveStatus {
    let message = format!(
        "the stored object cannot be decoded as ras.dev/v1alpha1 ({error}): fix it with `kubectl edit`, or apply a correct manifest; running workloads are not changed"
    );
    let updates = vec![
        ConditionUpdate::new(ConditionType::Ready, false, Reason::Undecodable, &message),
        ConditionUpdate::new(
            ConditionType::Reconciling,
            false,
            Reason::Undecodable,
            "nothing is changed until the object can be decoded",
        ),
        ConditionUpdate::new(ConditionType::Stalled, true, Reason::Undecodable, &message),
    ];
    RecruitmentDriveStatus {
        observed_generation: generation,
        conditions: conditions(updates, generation, before, now),
        ..before.clone()
    }
}

/// The status of a drive that is too large to be kept in memory: `why` continues a sentence about its spec.
pub fn too_large(
    why: &str,
    generation: Option<i64>,
    before: &RecruitmentDriveStatus,
    now: &Time,
) -> RecruitmentDriveStatus {
    let message = format!("spec: {why}; running workloads are not changed");
    let update = |kind, is_true| ConditionUpdate::new(kind, is_true, Reason::InvalidSpec, &message);
    let updates = vec![
        update(ConditionType::Ready, false),
        update(ConditionType::Reconciling, false),
        update(ConditionType::Stalled, true),
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
    let messages: Vec<&str> = blocked.iter().map(|(_, message)| message.as_str()).collect();
    let (reason, message) = match blocked.first() {
        Some((reason, _)) => (*reason, messages.join("; ")),
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
    result: &ReconcileOutcome<'_>,
    services: &[services::Shown],
    buckets: &[BucketStatus],
    before: &RecruitmentDriveStatus,
    now: Timestamp,
) -> Vec<ConditionUpdate> {
    let lost_buckets = buckets::at_risk(buckets);
    let programs = services::condition(drive, services);
    let outcome = result.applied();
    let refused = outcome.map_or(&[][..], |outcome| outcome.blocked.as_slice());
    // Monitoring never holds up a portal.
    let (beside, blocked): (Vec<&Blocked>, Vec<&Blocked>) =
        refused.iter().partition(|one| one.child.kind.is_monitoring());
    let mut found = Vec::new();
    let mut gates = Vec::new();
    if let Some(plan) = result.plan() {
        let valid = plan.drive;
        // A store that does not answer does not block services that have its previous values.
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
        let listeners = listeners::condition(drive, observed.listeners.as_ref(), before, now);
        let place = if listeners.gates { &mut gates } else { &mut found };
        place.extend(listeners.condition);
        gates.extend(exposure::condition(plan, observed, outcome));
        found.extend(monitoring::condition(plan, observed, outcome, &beside));
        found.extend(outcome.and_then(conflict));
        found.extend(outcome.and_then(|outcome| buckets::blocked(plan, outcome)));
    } else {
        gates.push(programs);
    }
    let at_risk = both(observed.data.at_risk(), lost_buckets);
    let mut all = head(drive, result, &blocked, &gates, at_risk.as_ref());
    let at_risk =
        at_risk.map(|(reason, message)| ConditionUpdate::new(ConditionType::DataAtRisk, true, reason, message));
    all.extend(at_risk);
    all.extend(gates);
    all.extend(found);
    all
}

/// Joins the risks of volumes and of buckets.
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
fn conflict(outcome: &ApplyOutcome) -> Option<ConditionUpdate> {
    let messages: Vec<&str> = outcome.conflicts.iter().map(|one| one.message.as_str()).collect();
    (!messages.is_empty()).then(|| {
        ConditionUpdate::new(
            ConditionType::FieldConflict,
            true,
            Reason::FieldConflict,
            messages.join("; "),
        )
    })
}

/// Ready, Reconciling and Stalled while data is being deleted or is gone. It comes before anything else, and of a paused drive, too:
/// whatever else is wrong can wait, and data cannot.
fn head_at_risk(
    result: &ReconcileOutcome<'_>,
    blocked: &[&Blocked],
    reason: Reason,
    message: &str,
) -> Vec<ConditionUpdate> {
    use ConditionType::{Ready, Reconciling, Stalled};
    let besides = match result {
        ReconcileOutcome::Invalid(problems) => format!("; {problems}"),
        ReconcileOutcome::Applied { .. } if !blocked.is_empty() => format!("; {}", obstacles(blocked)),
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
    result: &ReconcileOutcome<'_>,
    blocked: &[&Blocked],
    gates: &[ConditionUpdate],
    at_risk: Option<&(Reason, String)>,
) -> Vec<ConditionUpdate> {
    use ConditionType::{Ready, Reconciling, Stalled};
    if let Some((reason, message)) = at_risk {
        return head_at_risk(result, blocked, *reason, message);
    }
    if let ReconcileOutcome::Invalid(problems) = result {
        let message = format!("{problems}. Running workloads are not changed");
        return vec![
            ConditionUpdate::new(Ready, false, problems.reason(), message.clone()),
            ConditionUpdate::new(
                Reconciling,
                false,
                problems.reason(),
                "nothing is changed until the spec is fixed",
            ),
            ConditionUpdate::new(Stalled, true, problems.reason(), message),
        ];
    }
    if let ReconcileOutcome::Paused(_) = result {
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
        let message = obstacles(blocked);
        return vec![
            ConditionUpdate::new(Ready, false, first.reason, message.clone()),
            ConditionUpdate::new(Reconciling, false, first.reason, "a person is needed"),
            ConditionUpdate::new(Stalled, true, first.reason, message),
        ];
    }
    // Unlike a start, it never recovers without a change.
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
    let not_stalled = ConditionUpdate::new(Stalled, false, Reason::NotStalled, "no manual action is required");
    if let Some(first) = blocked.first() {
        let message = obstacles(blocked);
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
        let message = "the portal is suspended: nothing runs, everything is kept. Set spec.suspend to false to resume";
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

/// True if a part is not as the spec says. A suspended part is as the spec says.
fn is_open(gate: &ConditionUpdate) -> bool {
    !gate.status && gate.reason != Reason::Suspended
}

fn wants_a_person(blocked: &Blocked) -> bool {
    matches!(
        blocked.reason,
        Reason::ForeignObject | Reason::Refused | Reason::Forbidden | Reason::NameTaken
    )
}

/// All obstacles, as one text.
fn obstacles(blocked: &[&Blocked]) -> String {
    let lines: Vec<String> = blocked.iter().map(|one| one.text()).collect();
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

/// The API server refuses messages over 32,768 bytes.
fn cut(message: String) -> String {
    const MOST: usize = 4_000;
    if message.chars().count() <= MOST {
        return message;
    }
    message.chars().take(MOST).chain("…".chars()).collect()
}
