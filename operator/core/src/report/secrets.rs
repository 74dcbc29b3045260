//! Conditions of secrets, and the times of rotations. Never a value.

use ras_crds::{ConditionType, Reason, SecretStatus};

use super::condition_update::ConditionUpdate;
use crate::applied::Blocked;
use crate::fetched::record::ChildKey;
use crate::kind::Kind;
use crate::plan::Plan;
use crate::plan::blocked_by::BlockedBy;
use crate::plan::external_secret;
use crate::plan::secret_rotation::RotationSchedule;
use crate::valid::{EnvSource, GeneratedSecret, ValidDrive, ValidService};
use crate::whole_seconds::whole_seconds;

/// True for Secrets of the drive, and for objects that fill one. Passwords of databases are reported with the
/// databases.
pub fn is_of(valid: &ValidDrive, child: &ChildKey) -> bool {
    match child.kind {
        Kind::Secret => valid
            .generated_secrets
            .iter()
            .any(|secret| *secret.secret_name == *child.name),
        Kind::ExternalSecret | Kind::ExternalSecretBeta => true,
        _ => false,
    }
}

/// SecretsReady, where the drive has secrets.
pub fn condition(plan: &Plan<'_>, blocked: &[&Blocked]) -> Option<ConditionUpdate> {
    let valid = plan.drive;
    let type_ = ConditionType::SecretsReady;
    // Before services that wait for them, because the problem is the cause.
    let mut refused = blocked.iter().filter(|one| is_of(valid, &one.child)).peekable();
    if let Some(first) = refused.peek() {
        let reason = first.reason;
        let message: Vec<String> = refused.map(|one| one.text()).collect();
        return Some(ConditionUpdate::new(type_, false, reason, message.join("; ")));
    }
    let mut waiting: Vec<&BlockedBy> = plan.blocked.values().filter(|one| one.condition == type_).collect();
    waiting.dedup();
    if let Some(first) = waiting.first() {
        let message: Vec<&str> = waiting.iter().map(|one| one.message.as_str()).collect();
        return Some(ConditionUpdate::new(type_, false, first.reason, message.join("; ")));
    }
    let pod_failures: Vec<(Reason, String)> = valid
        .external_secrets
        .iter()
        .filter_map(|external| external_secret::trouble(valid, plan.fetched, external))
        .collect();
    if let Some((reason, _)) = pod_failures.first() {
        let message: Vec<&str> = pod_failures.iter().map(|(_, message)| message.as_str()).collect();
        return Some(ConditionUpdate::new(type_, false, *reason, message.join("; ")));
    }
    let uses = plan
        .services
        .iter()
        .flat_map(ValidService::containers)
        .any(|container| {
            !container.env_from.is_empty()
                || container
                    .env
                    .iter()
                    .any(|env| matches!(env.source, EnvSource::Secret { .. }))
        });
    let is_other_use = |service: &ValidService| !service.bindings.is_empty() || service.secret_files().next().is_some();
    let uses = uses || valid.services.iter().any(is_other_use);
    (uses || !valid.generated_secrets.is_empty() || !valid.external_secrets.is_empty()).then(|| {
        let mut message = vec!["every Secret that services use exists"];
        message.extend(valid.warnings.iter().map(String::as_str));
        ConditionUpdate::new(type_, true, Reason::SecretsAvailable, message.join("; "))
    })
}

/// A line for each generated secret that rotates, or was asked to and may not yet.
pub fn statuses(plan: &Plan<'_>) -> Vec<SecretStatus> {
    let line = |secret: &GeneratedSecret| {
        let schedule = plan.secrets.get(&secret.name)?;
        let waits = matches!(schedule, RotationSchedule::Waits { .. });
        (secret.rotates || waits).then(|| line(plan, secret, schedule))
    };
    plan.drive.generated_secrets.iter().filter_map(line).collect()
}

fn line(plan: &Plan<'_>, secret: &GeneratedSecret, schedule: &RotationSchedule) -> SecretStatus {
    let facts = plan.fetched.secrets.get(&secret.secret_name);
    SecretStatus {
        name: secret.name.clone(),
        drawn_at: facts.and_then(|facts| facts.drawn_at).map(whole_seconds),
        next_rotation: schedule.next().map(whole_seconds),
        message: match schedule {
            RotationSchedule::Waits { why, .. } => Some(why.clone()),
            RotationSchedule::Unscheduled | RotationSchedule::At(_) | RotationSchedule::Now => None,
        },
    }
}
