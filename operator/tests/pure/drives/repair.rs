//! Random valid drives: the parts that `validate` refuses are removed.

use proptest::prelude::*;
use ras_core::platform::PlatformConfig;
use ras_crds::RecruitmentDrive;

use super::facts_for;
use super::random::any_drive;
use crate::planned::validate;

/// Drives that can be built: any drive, with the parts left out that `validate` complains about.
pub fn valid_drive() -> impl Strategy<Value = RecruitmentDrive> {
    any_drive().prop_filter_map("cannot be mended", |mut drive| {
        for _ in 0..12 {
            let Err(problems) = validate(&drive, &facts_for(&drive), &PlatformConfig::default()) else {
                return Some(drive);
            };
            let fields: Vec<_> = problems.iter().map(|problem| problem.field.clone()).collect();
            for field in fields.iter().rev() {
                mend(&mut drive, field);
            }
            if drive.spec.services.is_empty() {
                return None;
            }
        }
        None
    })
}

/// Takes away what a problem is about.
fn mend(drive: &mut RecruitmentDrive, field: &str) {
    let index =
        |list: &str| -> Option<usize> { field.split_once(&format!("{list}["))?.1.split_once(']')?.0.parse().ok() };
    let spec = &mut drive.spec;
    if field == "metadata.name" {
        drive.metadata.name = Some("d".to_owned());
    } else if let Some(index) = field
        .starts_with("spec.buckets")
        .then(|| index("spec.buckets"))
        .flatten()
    {
        if index < spec.buckets.len() {
            spec.buckets.remove(index);
        }
    } else if let Some(service) = index("services").and_then(|index| spec.services.get_mut(index)) {
        let remove = |list: &str, length: usize| index(list).filter(|index| *index < length);
        if field.contains(".uses") {
            service.uses = None;
            return;
        }
        let whole = field.ends_with(']') && field.matches('[').count() == 1;
        if field.contains(".migrate") {
            service.migrate = None;
        } else if whole || field.contains(".replicas") || field.contains(".autoscaling") {
            (service.replicas, service.autoscaling) = (None, None);
        } else if let Some(index) = remove("sidecars", service.sidecars.len()) {
            service.sidecars.remove(index);
        } else if let Some(index) = remove("ports", service.ports.len()) {
            service.ports.remove(index);
        } else if let Some(index) = remove("env", service.env.len()) {
            service.env.remove(index);
        } else if let Some(index) = remove("files", service.files.len()) {
            service.files.remove(index);
        } else if let Some(index) = remove("egress", usize::MAX) {
            service
                .egress
                .as_mut()
                .map(|rules| (index < rules.len()).then(|| rules.remove(index)));
        } else if let Some(index) = remove("volumes", service.volumes.len()) {
            service.volumes.remove(index);
        } else if field.contains(".probe") {
            service.probe = None;
        } else if field.contains(".metrics") {
            service.metrics = None;
        } else if field.contains(".resources") {
            service.resources = None;
        } else if field.contains(".rollout") {
            service.rollout = None;
        } else if field.contains(".preStopSleepSeconds") {
            service.pre_stop_sleep_seconds = None;
        } else if field.contains(".termination") {
            service.termination_grace_period_seconds = None;
        } else if field.contains(".podSecurity") {
            service.pod_security = None;
        } else {
            let number = index("services").unwrap_or_default();
            spec.services.remove(number);
        }
    } else if let Some(index) = index("secrets").filter(|index| *index + 1 < spec.secrets.len()) {
        spec.secrets.remove(index);
    } else if field.starts_with("spec.exposure") {
        spec.exposure = None;
    } else if field.starts_with("spec.monitoring") {
        spec.monitoring = None;
    } else if let Some(database) = &mut spec.database
        && field.starts_with("spec.database")
    {
        match index("databases").filter(|index| *index < database.databases.len()) {
            Some(index) if database.databases.len() > 1 => drop(database.databases.remove(index)),
            _ if field.ends_with(".instances") => {
                if let Some(managed) = &mut database.managed {
                    managed.instances = None;
                }
            }
            _ if field.ends_with(".deletionPolicy") => database.deletion_policy = None,
            _ => spec.database = None,
        }
    } else {
        spec.services.clear();
    }
}
