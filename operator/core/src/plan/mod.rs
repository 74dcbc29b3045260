//! Step 3, `plan`: every decision about a drive, taken once. Pure. `build` and `report` only render the result.
//!
//! Each state machine is one file, with its states and transitions in the module comment:
//!
//! | file | decides |
//! |---|---|
//! | [`secret_rotation`] | when generated values rotate |
//! | [`turn`], [`login_rotation`], [`login_record`] | which database login services use, and when they get the other |
//! | [`database_job`], [`database_record`] | whether the Job that prepares databases has to run, and how far it is |
//! | [`migration`] | which migration runs, and which version of a service waits for it |
//! | [`bucket_removal`] | whether a bucket that is no longer in the spec is kept or removed |
//! | [`data`] | whether data of the drive is being deleted or lost |
//! | [`blocked`] | which workloads must not be applied yet, and why |
//! | [`scales`] | how many pods there are |
//! | [`restarts`] | which Secrets restart which pods |
//! | [`hosts`] | which addresses the names in `spec.hosts` lead to |
//! | [`first_start`] | which services a service waits for before it starts for the first time |
//! | [`listeners`] | which ports are checked, and whether their services count as listening |
//! | [`external_secret`] | the problem of a Secret from an external store |

pub mod blocked;
pub mod blocked_by;
pub mod bucket_removal;
pub mod data;
pub mod database_job;
pub mod database_record;
pub mod external_secret;
pub mod first_start;
pub mod hosts;
pub mod input;
pub mod listeners;
pub mod login_record;
pub mod login_rotation;
pub mod migration;
pub mod restarts;
pub mod scales;
pub mod secret_rotation;
pub mod turn;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use ras_crds::{DatabaseStatus, LogicalDatabaseStatus};

use crate::fetched::{Fetched, OwnPods};
use crate::valid::{DatabaseServer, ValidDrive, ValidService};

use blocked_by::BlockedBy;
use bucket_removal::BucketRemoval;
use database_job::DatabaseJob;
use hosts::HostAliases;
use input::{DatabaseInput, Input};
use login_rotation::{LoginSecret, RotationPhase};
use migration::{MigrationPhase, MigrationPlan};
use restarts::Hashes;
use scales::{Replicas, Scale};
use secret_rotation::{Calendar, RotationSchedule};
use turn::Turn;

/// Everything that is decided about a drive.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    pub drive: &'a ValidDrive,
    pub fetched: &'a Fetched,
    pub calendar: Calendar,
    /// The services, with the variables of the database logins whose turn it is.
    pub services: Cow<'a, [ValidService]>,
    /// When each generated secret rotates, by its name in the drive.
    pub secrets: BTreeMap<String, RotationSchedule>,
    /// Absent: the drive has no databases.
    pub database: Option<DatabasePlan>,
    pub migrations: Vec<MigrationPlan>,
    /// Services whose migration starts now.
    pub migrating: BTreeSet<String>,
    /// Names of Jobs that stay where they are there, with the `ConfigMap`s of the same names: what has ended and is evidence, and
    /// what runs and must not be stopped half-way. Every other Job of the drive is removed.
    pub kept_jobs: BTreeSet<String>,
    /// Buckets that are no longer in the spec.
    pub bucket_removals: Vec<BucketRemoval>,
    /// Deployments and database servers that must not be applied yet, by name, with what they wait for.
    pub blocked: BTreeMap<String, BlockedBy>,
    /// How many pods each Deployment has, by its name.
    pub replicas: BTreeMap<String, Replicas>,
    /// For Deployments that are blocked and are there: another number of pods, and nothing else.
    pub scales: BTreeMap<String, Scale>,
    /// The hashes that restart the pods of each Deployment and database server, by name.
    pub restarts: BTreeMap<String, Hashes>,
    /// Names that pods find besides those of Services, by their addresses.
    pub host_aliases: HostAliases,
    /// The operator's pods, from which the ports of services are checked. Absent: they are not.
    pub operator_pods: Option<&'a OwnPods>,
    /// When time alone changes a decision.
    pub next_wake_up: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct DatabasePlan {
    /// Which of the two logins of each owner programs have.
    pub turn: Turn,
    /// How far the rotation of the logins is.
    pub phase: RotationPhase,
    /// The Secrets of the logins.
    pub secrets: Vec<LoginSecret>,
    /// The Job that prepares the databases.
    pub job: DatabaseJob,
    /// The existing Job is replaced, because it cannot start.
    pub job_is_outdated: bool,
    /// Each database as it is known.
    pub databases: Vec<LogicalDatabaseStatus>,
    /// The record for the status. The next reconcile decides by it.
    pub record: DatabaseStatus,
    /// How far a rotation is, for people.
    pub rotation_message: Option<String>,
}

/// Decides everything about a drive.
pub fn plan<'a>(drive: &'a ValidDrive, fetched: &'a Fetched) -> Plan<'a> {
    let calendar = Calendar::of(drive, fetched.now);
    let turn = drive.database.as_ref().map(|database| Turn::of(database, fetched));
    let services = turn::services(drive, turn.as_ref());
    let input = Input {
        drive,
        fetched,
        calendar: &calendar,
        services: &services,
    };
    let at = input.database(turn.as_ref());
    let database = at.as_ref().map(database);
    let known = database.as_ref().map(|plan| plan.databases.as_slice());
    let all: Vec<_> = migration::all(input, known).collect();
    let migrations: Vec<_> = all.iter().map(MigrationPlan::of).collect();
    let of_database = at.as_ref().zip(database.as_ref().map(|plan| &plan.job));
    let kept_job = database.as_ref().filter(|plan| !plan.job_is_outdated);
    let kept_jobs = migration::kept(input, &all)
        .into_iter()
        .chain(kept_job.map(|plan| plan.job.job.clone()))
        .collect();
    let is_due = |plan: &&MigrationPlan| {
        let mut services = services.iter().filter(|service| service.name == plan.service);
        // A suspended drive starts nothing. A program that could not start anyway need not have its tables changed.
        !drive.suspended
            && plan.phase == MigrationPhase::Due
            && services.all(|service| blocked::lacking(&input, of_database, service).is_none())
    };
    let migrating = migrations
        .iter()
        .filter(is_due)
        .map(|plan| plan.service.clone())
        .collect();
    let secrets = secret_rotation::schedules(drive, fetched, &calendar);
    let blocked = blocked::blocked(&input, of_database, &migrations);
    let check = database.as_ref().and_then(|plan| plan.job.next_check);
    let rotation = database.as_ref().and_then(|plan| plan.phase.next());
    let next_rotation = secrets
        .values()
        .filter_map(RotationSchedule::next)
        .chain(rotation)
        .min();
    Plan {
        next_wake_up: next_rotation.into_iter().chain(check).min(),
        replicas: scales::replicas(&input),
        scales: scales::scales(&input, &blocked),
        restarts: restarts(&input),
        host_aliases: hosts::aliases(drive, fetched),
        bucket_removals: bucket_removal::removals(drive, fetched),
        operator_pods: fetched.operator_pods.as_ref().filter(|_| drive.listener_checks),
        drive,
        fetched,
        secrets,
        database,
        migrations,
        migrating,
        kept_jobs,
        blocked,
        services,
        calendar,
    }
}

fn database(at: &DatabaseInput<'_>) -> DatabasePlan {
    let job = database_job::of(at);
    let phase = login_rotation::phase(at, &job);
    let login = login_record::record(at, &phase, &job);
    DatabasePlan {
        secrets: login_rotation::secrets(at, &phase),
        job_is_outdated: job.is_outdated(at),
        databases: job.databases(at),
        record: database_record::record(at, &job, login),
        rotation_message: login_record::message(at, &phase, &job),
        turn: at.turn.clone(),
        phase,
        job,
    }
}

fn restarts(input: &Input<'_>) -> BTreeMap<String, Hashes> {
    let services = input.services.iter();
    let of_services = services.map(|service| (service.child.clone(), restarts::of_service(input.fetched, service)));
    let server = input
        .drive
        .database
        .as_ref()
        .and_then(|database| match &database.server {
            DatabaseServer::Standalone(server) => {
                let hashes = restarts::of_server(input.fetched, &server.superuser.secret_name);
                Some((database.child.clone(), hashes))
            }
            DatabaseServer::CloudNativePG(_) | DatabaseServer::External(_) => None,
        });
    of_services.chain(server).collect()
}

impl Plan<'_> {
    /// Input and decisions of the state machines of the databases.
    pub fn database(&self) -> Option<(DatabaseInput<'_>, &DatabasePlan)> {
        let plan = self.database.as_ref()?;
        let input = Input {
            drive: self.drive,
            fetched: self.fetched,
            calendar: &self.calendar,
            services: &self.services,
        };
        Some((input.database(Some(&plan.turn))?, plan))
    }

    /// True if a rotation of database logins only waits for its record in the status.
    pub fn awaits_record(&self) -> bool {
        self.database.as_ref().is_some_and(|plan| plan.phase.goes_on())
    }
}
