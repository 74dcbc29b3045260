//! Migrations: what runs when, what waits for it, and what is kept of it.

mod job;
mod runs;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::batch::v1::Job;
use proptest::prelude::*;
use ras_core::build::Desired;
use ras_core::fetched::{Fetched, JobOutcome};
use ras_core::plan::migration::MigrationPhase;
use ras_core::platform::PlatformConfig;

use self::world::{World, drive, valid};
use crate::drives::{facts_for, valid_drive};
use crate::planned::{build, validate};
use crate::seeds::run_of;

/// An event between two reconciles.
#[derive(Clone, Debug)]
enum Event {
    Image(u8),
    DriveCache(u8),
    Asked(u8),
    NotAsked,
    Suspended(bool),
    Starts,
    Ends(bool),
    Deleted,
    /// The operator, and all it remembered, starts anew; status stays.
    Nothing,
    /// An operator looks whose informers tell of a status of so many writes ago.
    LagsBehind(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..4_u8).prop_map(Event::Image),
        1 => (1..4_u8).prop_map(Event::DriveCache),
        1 => (0..3_u8).prop_map(Event::Asked),
        1 => Just(Event::NotAsked),
        1 => any::<bool>().prop_map(Event::Suspended),
        3 => Just(Event::Starts),
        6 => any::<bool>().prop_map(Event::Ends),
        1 => Just(Event::Deleted),
        2 => Just(Event::Nothing),
        2 => (1..6_usize).prop_map(Event::LagsBehind),
    ]
}

/// The Jobs that migrate, and not those that prepare databases.
fn migration_jobs(desired: &Desired) -> impl Iterator<Item = &Job> {
    let is_migration = |job: &&Job| job.metadata.labels.as_ref().unwrap()["ras.dev/job"] == "migrate";
    desired.jobs.iter().filter(is_migration)
}

proptest! {
    #![proptest_config(run_of("no_version_runs_before_its_migration_succeeded", 1_000))]

    /// Whatever happens: no program of a version starts before its migration succeeded, no two run at once, nothing that
    /// runs is stopped, and what succeeded does not run again unless somebody asks.
    #[test]
    fn no_version_runs_before_its_migration_succeeded(events in prop::collection::vec(event(), 1..40)) {
        let mut world = World::new(drive());
        let mut succeeded: BTreeSet<String> = BTreeSet::new();
        for event in events {
            let open: Vec<String> = world.jobs.iter()
                .filter(|(_, job)| job.outcome == JobOutcome::Open).map(|(name, _)| name.clone()).collect();
            match event {
                Event::Image(image) => world.image(&format!("ats:{image}")),
                Event::DriveCache(gigabytes) => {
                    let amounts = serde_yaml::from_str(&format!("{{limits: {{memory: {gigabytes}Gi}}}}")).unwrap();
                    world.drive.spec.services[0].migrate.as_mut().unwrap().resources = Some(amounts);
                }
                Event::Asked(word) => world.asks(Some(&format!("api@{word}"))),
                Event::NotAsked => world.asks(None),
                Event::Suspended(suspended) => world.drive.spec.suspend = Some(suspended),
                Event::Starts => open.iter().for_each(|name| world.starts(name)),
                Event::Ends(succeeds) => {
                    for name in &open {
                        world.starts(name);
                        world.ends(name, succeeds);
                        if succeeds {
                            succeeded.insert(name.clone());
                        }
                    }
                }
                Event::Deleted => world.jobs.retain(|_, job| job.outcome == JobOutcome::Open),
                Event::Nothing | Event::LagsBehind(_) => {}
            }
            let seen = match event {
                Event::LagsBehind(ago) => world.old(ago),
                _ => world.status.clone(),
            };
            let is_current = seen == world.status;
            let before = world.valid_by(&seen);
            let running: Vec<String> = world.jobs.iter()
                .filter(|(_, job)| job.outcome == JobOutcome::Open && !job.pods.is_empty()).map(|(name, _)| name.clone()).collect();
            let made = world.made.len();
            let desired = world.walk_by(&seen);

            let migration = before.migration();
            let is_done = matches!(migration.phase, MigrationPhase::Done { .. });
            prop_assert_eq!(desired.blocked.contains_key("d-api"), !is_done);
            if is_done {
                let recorded = before.fetched.migrations.get("api").is_some_and(|status| {
                    status.succeeded.iter().any(|past| past.content == migration.identity.content)
                });
                let job = before.fetched.jobs.values().any(|job| {
                    matches!(job.outcome, JobOutcome::Succeeded { .. }) && job.work == migration.identity.work
                });
                prop_assert!(recorded || job, "nothing says that it succeeded");
                let is_kept = !is_current || world.status["api"].succeeded.iter().any(|past| past.content == migration.identity.content);
                prop_assert!(is_kept, "what succeeded is forgotten");
                prop_assert_eq!(world.made.len(), made, "what is done is done again");
            }
            for name in &running {
                prop_assert!(world.jobs.contains_key(name), "{} was stopped", name);
            }
            let open = world.jobs.values().filter(|job| job.outcome == JobOutcome::Open).count();
            prop_assert!(open <= 1, "{} at once", open);
            prop_assert!(!before.suspended || world.made.len() == made);
            prop_assert!(is_current || world.made.len() == made, "a Job starts by an old status");
            prop_assert!(world.jobs.len() <= 6, "{} Jobs are kept", world.jobs.len());
            prop_assert!(world.status.get("api").is_none_or(|status| status.succeeded.len() <= 10));
        }
    }

}

proptest! {
    #![proptest_config(run_of("what holds for the migrations of every drive", 200))]

    #[test]
    fn names_of_jobs_do_not_change_with_what_the_operator_alone_decides(drive in valid_drive()) {
        let names = |fetched: &Fetched, platform: &PlatformConfig| -> Vec<_> {
            let desired = build(&validate(&drive, fetched, platform).unwrap());
            migration_jobs(&desired).map(|job| job.metadata.name.clone().unwrap()).collect()
        };
        let (facts, platform) = (facts_for(&drive), PlatformConfig::default());
        let other = PlatformConfig { operator_image: "ras-operator:2".to_owned(), ..platform.clone() };
        let mut rotated = facts.clone();
        for secret in rotated.secrets.values_mut() {
            for stamp in secret.keys.iter_mut().flat_map(BTreeMap::values_mut) {
                stamp.push('x');
            }
        }
        let names_now = names(&facts, &platform);
        prop_assert_eq!(&names(&facts, &other), &names_now);
        prop_assert_eq!(&names(&rotated, &platform), &names_now);
        if !drive.spec.is_suspended() {
            let migrating = drive.spec.services.iter().filter(|service| service.migrate.is_some()).count();
            prop_assert_eq!(names_now.len(), migrating);
        }
    }

    #[test]
    fn a_migration_is_as_restricted_as_its_service(drive in valid_drive()) {
        let desired = build(&valid(&drive, &facts_for(&drive)));
        let services = drive.spec.services.iter().filter(|service| service.migrate.is_some());
        for (service, job) in services.zip(migration_jobs(&desired)) {
            let spec = job.spec.clone().unwrap();
            prop_assert!(spec.active_deadline_seconds.is_some_and(|seconds| seconds > 0));
            prop_assert!(spec.backoff_limit.is_some());
            let pod = spec.template.spec.unwrap();
            let asked = service.pod_security.clone().unwrap_or_default();
            prop_assert_eq!(pod.security_context.unwrap().run_as_non_root, (asked.allow_root != Some(true)).then_some(true));
            prop_assert_eq!(pod.automount_service_account_token, Some(false));
            prop_assert_eq!(pod.containers.len(), 1);
            prop_assert!(pod.containers[0].ports.is_none() && pod.containers[0].readiness_probe.is_none());
            let security = pod.containers[0].security_context.clone().unwrap();
            prop_assert_eq!(security.allow_privilege_escalation, Some(false));
            prop_assert_eq!(security.read_only_root_filesystem, Some(asked.writable_root_filesystem != Some(true)));
        }
    }
}
