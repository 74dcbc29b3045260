//! What the operator tells about a drive.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::{Condition, date_time};
use crate::spec::BucketDeletionPolicy;

/// What the operator observed when it last looked.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RecruitmentDriveStatus {
    /// Generation of the spec that everything below speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Where the season stands. Shown to people, never the source of a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,

    /// Ready, Reconciling and Stalled (as kstatus, Argo CD and Flux read them), and one for each part of the drive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// Services that run the version asked for with all their pods ready / services in the drive, for instance `3/3`. Of a
    /// suspended drive none is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services_ready: Option<String>,

    /// Each service as it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 72))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub services: Vec<ServiceStatus>,

    /// Each bucket as it is, with its name in the store; also those that the drive no longer asks for and that are
    /// kept or being removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub buckets: Vec<BucketStatus>,

    /// The database server and each database on it. Absent without `spec.database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseStatus>,
    /// Each generated secret that rotates, or was asked to and may not yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub secrets: Vec<SecretStatus>,

    /// Each object with data that the drive uses, by which the operator notices that one was lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1200))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into(), "name".into()]))]
    pub data: Vec<DataStatus>,

    /// Address people type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Where the season stands.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The portal is there for people.
    Open,
    /// Every service is scaled to nothing, because `spec.suspend` says so.
    Suspended,
}

/// One service as it runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Name of the service.
    pub name: String,
    /// Pods that run the version asked for and are ready. Those of the version before do not count: less than `desired` as long
    /// as a rollout is not complete.
    pub ready: i32,
    /// Pods there should be, also while the Deployment waits for something before it is made. 0 while the drive is suspended.
    pub desired: i32,
    /// Image that the drive asks for.
    pub image: String,
    /// Why it is not ready, when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What ran, or has to run, before this version starts. Absent where the service never had `migrate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<MigrationStatus>,
    /// Each volume that outlives pods, with the PVC it is on: another drive of the namespace uses the same data with
    /// `existing.claimName`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volumes: Vec<VolumeStatus>,
    /// Where its public ports are reached from outside the cluster, for instance `203.0.113.7:10000/UDP`. Absent: it has none, or
    /// the load balancer has no address yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub public_addresses: Vec<String>,
}

/// A volume of a service that outlives pods.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct VolumeStatus {
    /// Name of the volume in the service.
    pub name: String,
    /// Name of its PVC.
    pub claim_name: String,
}

/// What ran, or has to run, before a version of a service starts.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MigrationStatus {
    /// Image that it is of.
    pub image: String,
    /// How far it is.
    pub state: MigrationState,
    /// Name of its Job, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub finished_at: Option<Time>,
    /// What its program returned, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why it failed, with the last lines it said (without what looks like a credential), or what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What of the annotation `ras.dev/run-migration` was followed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What succeeded and is not run again, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub succeeded: Vec<Migrated>,
}

/// A migration that succeeded.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Migrated {
    /// Hash of what it did.
    pub content: String,
    /// Image that it was of.
    pub image: String,
    /// Hash of the identities of the databases that it ran on. It runs again when they are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub databases: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub finished_at: Option<Time>,
}

/// How far a migration is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MigrationState {
    /// It waits for something before it may run.
    #[default]
    Waiting,
    /// It runs.
    Running,
    /// It did what it is for.
    Succeeded,
    /// It did not.
    Failed,
}

/// When a generated secret rotates.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretStatus {
    /// Name of the secret in the drive.
    pub name: String,
    /// When its values were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub drawn_at: Option<Time>,
    /// When they are drawn anew, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub next_rotation: Option<Time>,
    /// What a rotation that is due waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// An object with data that the drive uses.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DataStatus {
    /// Kind of the object.
    pub kind: DataKind,
    /// Name of the object.
    pub name: String,
    /// UID of the object that the drive used last. An object of the same name with another UID has other data.
    pub uid: String,
    /// How it stands.
    pub state: DataState,
    /// What happens to it, and the next step, when it is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Kind of an object with data.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataKind {
    /// A volume of a service or of a database server.
    #[default]
    PersistentVolumeClaim,
    /// A generated Secret, or the password of a database login.
    Secret,
    /// Database servers that CloudNativePG runs.
    Cluster,
}

impl std::fmt::Display for DataKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// How an object with data stands.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataState {
    /// It is there.
    #[default]
    Kept,
    /// It is being deleted.
    Deleting,
    /// It is gone, or another object has its name.
    Lost,
}

/// One bucket as it is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BucketStatus {
    /// Name of the bucket in the drive.
    pub name: String,
    /// Name of the bucket in the store.
    pub bucket: String,
    /// Region it is in, where the store tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// How far it is.
    pub state: BucketState,
    /// Which bucket it is among those that had this name, one after the other: the value of its tag `ras.dev/bucket-identity`. Begins
    /// with `untagged-` where the bucket has no such tag and is known by its name only. Absent: it was never there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// When it was last seen in the store. Written when its state changes, and about once a day otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub last_seen: Option<Time>,
    /// true: it was there before the drive, and is never deleted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub existing: bool,
    /// What happens to it when the drive no longer asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<BucketDeletionPolicy>,
    /// Hash of the settings it has, by which a restarted operator knows without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    /// What the drive asks for and the store cannot do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub unsupported: Vec<String>,
    /// Why it is not as it should be, when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Objects, versions and unfinished uploads removed so far, while it is being emptied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<i64>,
    /// What is in it, where the platform counts usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<BucketUsage>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes references.
fn is_false(value: &bool) -> bool {
    !value
}

/// How far a bucket is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BucketState {
    /// It is not known to be there yet.
    #[default]
    Pending,
    /// It is there and set up.
    Ready,
    /// It is there, and something of it is not as it should be.
    Failing,
    /// It was there and is gone. It is not made again before a person accepts the loss.
    Lost,
    /// Another bucket has its name. That one is not used before a person accepts the loss.
    Replaced,
    /// It is being removed, or waits for a confirmation.
    Removing,
    /// The drive no longer asks for it, and it is kept with all that is in it.
    Retained,
}

/// The database server and what is on it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseStatus {
    /// Version of the server in its own words, for instance `17.6`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    /// The server that is written to now, of those that CloudNativePG runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// What CloudNativePG says of its backups, where the drive asks for some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<DatabaseBackupStatus>,
    /// Hash of what was last set up, by which a restarted operator knows without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared: Option<String>,
    /// Hash of what could last not be set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// When a Job last checked on the server that every database is there and its login works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub checked_at: Option<Time>,
    /// The object that held the data of a server in the cluster when its databases were set up, as `Kind/UID`. Another one
    /// there has everything set up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// Each database; also those that the drive no longer asks for, which are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub databases: Vec<LogicalDatabaseStatus>,
    /// What the last Job changed on the server, in words. Absent: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub done: Vec<String>,
    /// What is not as asked, when something is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What is weak in how the server is reached, for instance that its certificate is not verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Which login programs have. Absent: the passwords neither rotate nor ever did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<DatabaseLoginStatus>,
}

impl DatabaseStatus {
    /// Names of the databases that are others than `before`, as far as is known.
    pub fn replaced_since(&self, before: &Self) -> Vec<String> {
        let is_moved = matches!((&self.storage, &before.storage), (Some(now), Some(then)) if now != then);
        let others = self.databases.iter().filter(|line| {
            let then = before.databases.iter().find(|then| then.name == line.name);
            let then = then.and_then(|then| then.identity.as_ref());
            match (&line.identity, then) {
                (Some(now), Some(then)) => now != then,
                // A copy of the volume, for instance, holds the same databases, and says so.
                _ => is_moved,
            }
        });
        others.map(|line| line.name.clone()).collect()
    }
}

/// Which of the two logins of each owner programs have, and when they get the other one.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseLoginStatus {
    /// How many rotations there were; one that is rolled back counts twice. With an even number programs log in as the owner
    /// itself, with an odd one as `<owner>_2`.
    #[schemars(range(min = 0))]
    pub generation: i64,
    /// Since when services are rolled out with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub since: Option<Time>,
    /// Since when no pod is left that was started with the login before: the next rotation changes that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub settled_at: Option<Time>,
    /// Services that worked with the login before and are not ready with this one yet. The rotation is rolled back if pods of
    /// one of them crash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub awaits: Vec<String>,
    /// The rotation before this generation, if it was rolled back: services use the login before it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<DatabaseRollbackStatus>,
    /// The last wish of the annotation `ras.dev/rotate` that was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<String>,
    /// When the next rotation begins, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub next_rotation: Option<Time>,
    /// How far a rotation is, or what one that is due waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A rotation of database logins that was rolled back.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseRollbackStatus {
    /// Its number.
    #[schemars(range(min = 0))]
    pub generation: i64,
    /// When it was rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub at: Option<Time>,
    /// Which pod crashed, and what it printed last.
    pub message: String,
}

/// What CloudNativePG says of its backups.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseBackupStatus {
    /// When the last one was done. Absent: none yet, or it goes to an object store, whose `ObjectStore` tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub last_successful: Option<Time>,
    /// What is wrong, in CloudNativePG's words. Absent: nothing that it knows of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// One database as it is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LogicalDatabaseStatus {
    /// Name of the database.
    pub name: String,
    /// How far it is.
    pub state: DatabaseState,
    /// What tells it from every other: the system identifier of the PostgreSQL server and the object identifier of the
    /// database on it. Another one means that the database was made again, or that another server answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Role that programs log in as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Why it is not as it should be, when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How far a database is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabaseState {
    /// It is not known to be there yet.
    #[default]
    Pending,
    /// It is there, its login works, and the server is ready as far as the operator runs it.
    Ready,
    /// It was there, and its server is not ready, or something of it is not as asked.
    Failing,
    /// The drive no longer asks for it, and it is kept with all that is in it.
    Retained,
}

/// What is in a bucket, counted now and then.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BucketUsage {
    /// Bytes of all objects and versions.
    pub bytes: i64,
    /// Number of objects and versions.
    pub objects: i64,
    /// Bytes that the bucket's `expire` rules remove in the next 30 days.
    pub expiring_bytes: i64,
    /// Objects and versions that the bucket's `expire` rules remove in the next 30 days.
    pub expiring_objects: i64,
    /// true: there was more than one count may read, so every number is "at least".
    #[serde(default, skip_serializing_if = "is_false")]
    pub at_least: bool,
    /// When it was counted.
    #[schemars(schema_with = "date_time")]
    pub counted_at: Time,
}
