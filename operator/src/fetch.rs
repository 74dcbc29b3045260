//! Step 1, `fetch`: gathers what exists and must be kept. Reads the informers' memory; sends no request.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_crds::spec::DatabaseProvider;
use ras_crds::{BucketState, BucketStatus, RecruitmentDrive, RecruitmentDriveStatus};

use crate::controller::context::Context;
use crate::informer::store::DriveKey;
use ras_core::bucket::request::Owner as BucketOwner;
use ras_core::bucket::state::BucketPhase;
use ras_core::cache;
use ras_core::fetched::pods::{PodFailureKind, after};
use ras_core::fetched::record::{ChildKey, DeploymentState, Detail, Owner, Record, StatefulSetState};
use ras_core::fetched::{
    Apis, BucketFacts, Crash, DatabaseFacts, DeploymentFacts, ExternalFacts, ExternalSecretsVersion, Fetched,
    ForeignState, JobFacts, LiveClaim, ProgramFacts, Watch,
};
use ras_core::kind::Kind;
use ras_core::names;
use ras_core::plan::data;
use ras_core::plan::data::Data;
use ras_core::platform::{CacheConfig, PlatformConfig};
use ras_core::report::Observed;

/// Names of the Secrets that a drive makes or uses.
pub fn secrets_of(drive: &RecruitmentDrive, platform: &PlatformConfig) -> BTreeSet<String> {
    let drive = &*cache::expanded(drive, &CacheConfig::default());
    let name = drive.metadata.name.as_deref().unwrap_or_default();
    let mut secrets: BTreeSet<String> = drive
        .spec
        .secrets
        .iter()
        .map(|secret| match &secret.existing {
            Some(existing) => existing.secret_name.clone(),
            None => names::secret(name, &secret.name),
        })
        .collect();
    if let Some(database) = &drive.spec.database {
        secrets.extend(names::database_secrets(name, database));
        secrets.extend(names::second_passwords(name, database));
        secrets.extend(database.external.iter().map(|external| external.secret_name.clone()));
    }
    let uses = drive.spec.services.iter().flat_map(|service| {
        let of_migration = service.migrate.as_ref().and_then(|migrate| migrate.uses.as_ref());
        service.uses.iter().chain(of_migration)
    });
    let bindings = uses.flat_map(|uses| &uses.bindings);
    secrets.extend(bindings.filter_map(|binding| binding.secret_name.clone()));
    if let Some(tls) = drive.spec.exposure.as_ref().and_then(|exposure| exposure.tls.as_ref()) {
        secrets.insert(tls.secret_name.clone().unwrap_or_else(|| names::tls_secret(name)));
    }
    let own = drive
        .spec
        .buckets
        .iter()
        .filter_map(|bucket| bucket.credentials.as_ref());
    secrets.extend(own.map(|secret| secret.secret_name.clone()));
    if !drive.spec.buckets.is_empty() {
        let programs = platform.object_store.as_ref().map(|store| &store.programs);
        secrets.extend(programs.and_then(|programs| programs.secret_name.clone()));
    }
    secrets
}

fn external_of(
    key: &DriveKey,
    drive: &RecruitmentDrive,
    apis: Apis,
    context: &Context,
) -> BTreeMap<String, ExternalFacts> {
    let store = &context.child_client.store;
    let kind = match apis.external_secrets {
        Some(ExternalSecretsVersion::V1) => Some(Kind::ExternalSecret),
        Some(ExternalSecretsVersion::V1Beta1) => Some(Kind::ExternalSecretBeta),
        None => None,
    };
    let known = |name: String| {
        let asked = kind.and_then(|kind| store.get(&ChildKey::new(kind, &key.namespace, &name)));
        let secret = store.get(&ChildKey::new(Kind::Secret, &key.namespace, &name));
        let filler = format!("ExternalSecret/{name}");
        let facts = ExternalFacts {
            unowned: secret.and_then(|secret| match secret.owner {
                Owner::Other { who } if *who == *filler => None,
                Owner::Other { who } => Some(format!("belongs to {who}")),
                Owner::Drive { name, .. } => Some(format!("was generated for the drive {name}")),
                Owner::Nobody => Some(match secret.drive {
                    Some(drive) => format!("was generated for the drive {drive}"),
                    None => "was not created by this operator".to_owned(),
                }),
            }),
            state: asked.and_then(|asked| asked.detail.foreign()),
        };
        (name, facts)
    };
    let external = drive.spec.secrets.iter().filter(|secret| secret.external.is_some());
    external
        .map(|secret| known(names::secret(&key.name, &secret.name)))
        .collect()
}

/// Whose the Secret is into which cert-manager would write, unless cert-manager made it for this drive's `Certificate`, which has
/// the Secret's name.
fn certificate_unowned(key: &DriveKey, drive: &RecruitmentDrive, context: &Context) -> Option<String> {
    let tls = drive.spec.exposure.as_ref()?.tls.as_ref()?;
    tls.issuer.as_ref()?;
    let name = names::tls_secret(&key.name);
    let store = &context.child_client.store;
    let secret = store.get(&ChildKey::new(Kind::Secret, &key.namespace, &name))?;
    let certificate = match &secret.detail {
        Detail::Secret(facts) => facts.certificate.as_deref(),
        _ => None,
    };
    match (secret.owner, secret.drive) {
        (Owner::Other { who }, _) if *who == *format!("Certificate/{name}") => None,
        (Owner::Other { who }, _) => Some(format!("belongs to {who}")),
        (Owner::Drive { name, .. }, _) | (Owner::Nobody, Some(name)) => Some(format!("was made for the drive {name}")),
        (Owner::Nobody, None) if certificate == Some(&name) => None,
        (Owner::Nobody, None) => Some(match certificate {
            Some(other) => format!("holds the certificate of the Certificate {other}"),
            None => "was not created by this operator".to_owned(),
        }),
    }
}

/// Buckets that status names, with what the object store said of them last.
fn buckets_of(
    key: &DriveKey,
    drive: &RecruitmentDrive,
    before: &RecruitmentDriveStatus,
    context: &Context,
) -> BTreeMap<String, BucketFacts> {
    let known = |bucket: &BucketStatus| {
        let owner = BucketOwner {
            namespace: key.namespace.to_string(),
            drive: key.name.to_string(),
            uid: drive.metadata.uid.clone().unwrap_or_default(),
            bucket: bucket.name.clone(),
        };
        context.child_client.bucket_controller.as_ref()?.state(key, &owner)
    };
    before
        .buckets
        .iter()
        .map(|recorded| {
            let (was_there, was_lost) = match recorded.state {
                BucketState::Ready | BucketState::Failing => (true, false),
                BucketState::Lost | BucketState::Replaced => (false, true),
                BucketState::Pending | BucketState::Removing | BucketState::Retained => (false, false),
            };
            let known = known(recorded);
            let lost = known.as_ref().map(|state| matches!(state, BucketPhase::Lost { .. }));
            let facts = BucketFacts {
                there: lost != Some(true) && (was_there || known.as_ref().is_some_and(BucketPhase::is_there)),
                lost: lost.unwrap_or(was_lost),
                accepted: data::accepts(drive, &recorded.name, recorded.identity.as_deref().unwrap_or_default()),
                recorded: recorded.clone(),
            };
            (recorded.name.clone(), facts)
        })
        .collect()
}

/// A drive's own database server.
fn database_server(key: &DriveKey, context: &Context) -> Option<StatefulSetState> {
    let child = ChildKey::new(Kind::StatefulSet, &key.namespace, &names::database(&key.name));
    context.child_client.store.get(&child)?.detail.stateful_set()
}

/// The state of a drive's `Cluster`.
fn database_cluster(key: &DriveKey, context: &Context) -> Option<ForeignState> {
    let child = ChildKey::new(Kind::Cluster, &key.namespace, &names::database(&key.name));
    context.child_client.store.get(&child)?.detail.foreign()
}

fn database_of(
    key: &DriveKey,
    drive: &RecruitmentDrive,
    before: &RecruitmentDriveStatus,
    now: Timestamp,
    context: &Context,
) -> DatabaseFacts {
    let cluster = database_cluster(key, context);
    let server = database_server(key, context);
    let is_ready = |state: &StatefulSetState| state.observed_generation >= state.generation && state.ready > 0;
    DatabaseFacts {
        recorded: before.database.clone().unwrap_or_default(),
        serves: server.as_ref().is_some_and(is_ready)
            || cluster.as_ref().is_some_and(|state| state.ready == Some(true)),
        cluster,
        started_by: server.map(|server| server.started_by).unwrap_or_default(),
        storage: database_storage(key, drive, context),
        watch: Some(Watch {
            since: context.began,
            drives: u64::try_from(context.drives.len()).unwrap_or(u64::MAX),
        }),
        programs: programs_of(key, drive, now, context),
    }
}

/// Identity of the volume or `Cluster` with the data of a managed server.
fn database_storage(key: &DriveKey, drive: &RecruitmentDrive, context: &Context) -> Option<String> {
    let managed = drive.spec.database.as_ref()?.managed.as_ref()?;
    let (kind, name) = match managed.provider {
        DatabaseProvider::Standalone => (Kind::PersistentVolumeClaim, names::database_claim(&key.name)),
        DatabaseProvider::CloudNativePG => (Kind::Cluster, names::database(&key.name)),
    };
    let record = context
        .child_client
        .store
        .get(&ChildKey::new(kind, &key.namespace, &name))?;
    Some(format!("{kind}/{}", record.uid))
}

/// The passwords that the drive's Deployments use. One that is going may have pods for as long as it is there.
fn programs_of(
    key: &DriveKey,
    drive: &RecruitmentDrive,
    now: Timestamp,
    context: &Context,
) -> BTreeMap<String, ProgramFacts> {
    let pod_failures = context.child_client.store.pod_failures(key);
    let crashes = |child: &str, state: &DeploymentState| {
        let services = drive.spec.services.iter();
        let service = services.filter(|service| names::of_service(&key.name, &service.name) == child);
        let of_service =
            service.flat_map(|service| pod_failures.iter().filter(|trouble| trouble.service == service.name));
        of_service
            .filter(|trouble| trouble.course == PodFailureKind::Crashing && trouble.is_lasting(state.written_at, now))
            .map(|trouble| Crash {
                passwords: trouble.passwords.iter().map(ToString::to_string).collect(),
                text: trouble.text(),
            })
            .collect()
    };
    let children = context.child_client.store.of_drive(key).into_iter();
    children
        .filter_map(|(child, record)| {
            let state = record.detail.deployment()?;
            let facts = ProgramFacts {
                passwords: state.passwords.iter().map(ToString::to_string).collect(),
                settled: state.is_settled() && !record.deleting,
                wanted: state.replicas > 0 || state.replicas_before_suspend.is_some_and(|before| before > 0),
                serves: state.replicas > 0 && state.is_complete() && !record.deleting,
                crashes: crashes(&child.name, &state),
            };
            Some((child.name.to_string(), facts))
        })
        .collect()
}

/// The existing children of [`Observed::KINDS`].
fn children_of(key: &DriveKey, drive: &RecruitmentDrive, context: &Context) -> BTreeSet<ChildKey> {
    let uid = drive.metadata.uid.as_deref().unwrap_or_default();
    let children = context.child_client.store.of_drive(key).into_iter();
    children
        .filter(|(child, record)| {
            let is_ours = matches!(&record.owner, Owner::Drive { uid: owner, .. } if **owner == *uid);
            Observed::KINDS.contains(&child.kind) && is_ours && !record.deleting
        })
        .map(|(child, _)| child)
        .collect()
}

/// The existing volumes of the drive, by the names of their claims, with those that an earlier drive of the name
/// created.
fn claims_of(key: &DriveKey, drive: &RecruitmentDrive, context: &Context) -> BTreeMap<String, LiveClaim> {
    let services = drive.spec.services.iter();
    let volumes = services.flat_map(|service| service.volumes.iter().map(move |volume| (service, volume)));
    let names = volumes
        .filter(|(_, volume)| volume.size.is_some())
        .map(|(service, volume)| names::volume_claim(&key.name, &service.name, &volume.name));
    let shared = drive.spec.volumes.iter();
    let shared = shared.map(|volume| names::shared_claim(&key.name, &volume.name));
    let of_server = drive
        .spec
        .database
        .as_ref()
        .and_then(|database| database.managed.as_ref());
    names
        .chain(shared)
        .chain(of_server.map(|_| names::database_claim(&key.name)))
        .filter_map(|name| {
            let record =
                context
                    .child_client
                    .store
                    .get(&ChildKey::new(Kind::PersistentVolumeClaim, &key.namespace, &name))?;
            let is_ours = record.drive.as_deref() == Some(&*key.name) && !record.deleting;
            let state = record.detail.claim().filter(|_| is_ours)?;
            let claim = LiveClaim {
                facts: state.facts?,
                applies_class: state.applies_class,
            };
            Some((name, claim))
        })
        .collect()
}

/// The addresses of the drive's own Services, where names lead to them.
fn service_addresses_of(key: &DriveKey, drive: &RecruitmentDrive, context: &Context) -> BTreeMap<String, Vec<String>> {
    if drive.spec.hosts.is_empty() {
        return BTreeMap::new();
    }
    let uid = drive.metadata.uid.as_deref().unwrap_or_default();
    let children = context.child_client.store.of_drive(key).into_iter();
    children
        .filter_map(|(child, record)| {
            let is_ours =
                matches!(&record.owner, Owner::Drive { uid: owner, .. } if **owner == *uid) && !record.deleting;
            let state = record.detail.service().filter(|_| is_ours)?;
            Some((
                child.name.to_string(),
                state.addresses.iter().map(ToString::to_string).collect(),
            ))
        })
        .collect()
}

/// The live objects with data that a drive uses.
pub fn live_data(
    key: &DriveKey,
    uid: &str,
    used: &BTreeMap<data::Key, data::Used>,
    before: &RecruitmentDriveStatus,
    context: &Context,
) -> BTreeMap<data::Key, data::Live> {
    let store = &context.child_client.store;
    // Unowned objects are reported elsewhere, and children of an earlier drive of the name are deleted with it. Data
    // that lost its label still belongs to the drive if the status records it; data of an unowned object never did.
    let is_remembered = |uid: &str| before.data.iter().any(|one| one.uid == *uid);
    let is_ours = |record: &Record| match &record.owner {
        Owner::Drive { uid: owner, .. } => **owner == *uid,
        Owner::Other { .. } => false,
        Owner::Nobody => match record.drive.as_deref() {
            Some(name) => *name == *key.name,
            None => record.touched || is_remembered(&record.uid),
        },
    };
    let was_ready = |child: &String| {
        let kinds = [Kind::Deployment, Kind::StatefulSet].into_iter();
        let mut records = kinds.filter_map(|kind| store.get(&ChildKey::new(kind, &key.namespace, child)));
        records.any(|record| match record.detail {
            Detail::Deployment(state) => state.ready > 0,
            Detail::StatefulSet(state) => state.ready > 0,
            Detail::None
            | Detail::Secret(_)
            | Detail::Job(_)
            | Detail::Claim(_)
            | Detail::Service(_)
            | Detail::Foreign(_) => false,
        })
    };
    let live = used.iter().filter_map(|(one, used)| {
        let child = ChildKey::new(data::child_kind(one.0), &key.namespace, &one.1);
        let record = store.get(&child).filter(|record| !used.own || is_ours(record))?;
        let may_hold_data = match &record.detail {
            Detail::Foreign(state) => state.ready == Some(true),
            Detail::Secret(_) => true,
            Detail::None
            | Detail::Deployment(_)
            | Detail::StatefulSet(_)
            | Detail::Job(_)
            | Detail::Service(_)
            | Detail::Claim(_) => record.marks.is_bound || used.by.iter().any(was_ready),
        };
        let live = data::Live {
            uid: record.uid.to_string(),
            deleting: record.deleting,
            may_hold_data,
        };
        Some((one.clone(), live))
    });
    live.collect()
}

/// The drive's Jobs, with why their pods are refused.
fn jobs_of(key: &DriveKey, drive: &RecruitmentDrive, context: &Context) -> BTreeMap<String, JobFacts> {
    let uid = drive.metadata.uid.as_deref().unwrap_or_default();
    let mut jobs = context.child_client.store.jobs(key, uid);
    for (name, job) in &mut jobs {
        if job.trouble.is_none() {
            job.trouble = context
                .rejections
                .of(key, &ChildKey::new(Kind::Job, &key.namespace, name));
        }
    }
    jobs
}

/// Gathers what exists around a drive: what is decided by.
pub fn fetch(
    key: &DriveKey,
    drive: &RecruitmentDrive,
    before: &RecruitmentDriveStatus,
    now: &Time,
    context: &Context,
) -> Fetched {
    let store = &context.child_client.store;
    let secrets = secrets_of(drive, &context.platform.now())
        .into_iter()
        .filter_map(|name| store.secret(&key.namespace, &name).map(|facts| (name, facts)))
        .collect();
    let states = deployments_of(key, drive, context);
    let deployments = states
        .iter()
        .map(|(name, state)| {
            let facts = DeploymentFacts {
                replicas: state.replicas,
                replicas_before_suspend: state.replicas_before_suspend,
                started_by: state.started_by.clone(),
                ready: state.ready,
                complete: state.is_complete(),
            };
            (name.clone(), facts)
        })
        .collect();
    let apis = context.apis.borrow().unwrap_or_default();
    Fetched {
        now: now.0,
        secrets,
        deployments,
        jobs: jobs_of(key, drive, context),
        job_pods: store.job_pods(key),
        migrations: before
            .services
            .iter()
            .filter_map(|service| Some((service.name.clone(), service.migration.clone()?)))
            .collect(),
        older_claimants: context.claims.older_claimants(key),
        host_taken_by: context.claims.host_taken_by(key),
        certificate_unowned: certificate_unowned(key, drive, context),
        operator_pods: context.own_pods.clone(),
        apis,
        external: external_of(key, drive, apis, context),
        claims: claims_of(key, drive, context),
        service_addresses: service_addresses_of(key, drive, context),
        buckets: buckets_of(key, drive, before, context),
        database: match drive.spec.database {
            Some(_) => database_of(key, drive, before, now.0, context),
            None => DatabaseFacts::default(),
        },
    }
}

/// The running state of a drive, for the status.
pub fn observe(key: &DriveKey, drive: &RecruitmentDrive, data: Data, now: &Time, context: &Context) -> Observed {
    let server = ChildKey::new(Kind::StatefulSet, &key.namespace, &names::database(&key.name));
    let mut pod_failures = context.child_client.store.pod_failures(key);
    pod_failures.extend(context.rejections.of(key, &server));
    Observed {
        deployments: deployments_of(key, drive, context),
        public_addresses: public_addresses_of(key, drive, context),
        pod_failures,
        server: drive.spec.database.as_ref().and_then(|_| database_server(key, context)),
        reads_at: context.rejections.next(key).map(|wait| after(now.0, wait)),
        data,
        // Otherwise the applied objects have it.
        children: if drive.spec.is_paused() {
            children_of(key, drive, context)
        } else {
            BTreeSet::new()
        },
        listeners: None,
        refused_before: None,
    }
}

/// Where load balancers publish ports of the drive's services, by their names in the drive.
fn public_addresses_of(key: &DriveKey, drive: &RecruitmentDrive, context: &Context) -> BTreeMap<String, Vec<String>> {
    let services = drive.spec.services.iter();
    services
        .filter_map(|service| {
            let name = names::public_service(&key.name, &service.name);
            let child = ChildKey::new(Kind::Service, &key.namespace, &name);
            let state = context.child_client.store.get(&child)?.detail.service()?;
            Some((
                service.name.clone(),
                state.public.iter().map(ToString::to_string).collect(),
            ))
        })
        .collect()
}

/// The Deployments of a drive's services.
fn deployments_of(key: &DriveKey, drive: &RecruitmentDrive, context: &Context) -> BTreeMap<String, DeploymentState> {
    let store = &context.child_client.store;
    drive
        .spec
        .services
        .iter()
        .map(|service| names::of_service(&key.name, &service.name))
        .filter_map(|name| {
            let record = store.get(&ChildKey::new(Kind::Deployment, &key.namespace, &name))?;
            Some((name, record.detail.deployment()?))
        })
        .collect()
}
