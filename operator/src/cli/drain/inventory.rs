//! The inventory of a cluster: every object that stands for something outside the cluster. Plain data, which `read` fills and
//! `plan` uses.

use std::fmt;

use ras_crds::BucketStatus;

use ras_core::plan::bucket_removal::BucketRemoval;

/// Names one object, and its life: an object of the same name with another UID is another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// Kind, as people write it.
    pub kind: String,
    /// Group and version, for a request.
    pub api_version: String,
    /// Name of the kind in an address.
    pub plural: String,
    /// Namespace; nothing for kinds without.
    pub namespace: Option<String>,
    pub name: String,
    pub uid: String,
}

impl Id {
    /// Namespace and name, as people write them.
    pub fn path(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }

    /// The command that deletes it.
    pub fn delete_command(&self) -> String {
        let group = self.api_version.split_once('/').map(|(group, _)| group);
        let kind = match group {
            // Kinds of others may share a name with one of ours.
            Some(group) => format!("{}.{group}", self.plural),
            None => self.plural.clone(),
        };
        match &self.namespace {
            Some(namespace) => format!("kubectl -n {namespace} delete {kind} {}", self.name),
            None => format!("kubectl delete {kind} {}", self.name),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.path())
    }
}

/// Every object of a cluster that stands for something outside of it.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub drives: Vec<Drive>,
    /// Routes whose controller made a load balancer for them alone: Ingresses and Gateways.
    pub routes: Vec<LoadBalancer>,
    /// Services with a load balancer.
    pub services: Vec<LoadBalancer>,
    pub claims: Vec<Claim>,
    /// Volumes that are not a folder of a node.
    pub volumes: Vec<Volume>,
    /// Things that other controllers made outside.
    pub foreign: Vec<Foreign>,
    /// Secrets that drives left behind. Their names alone.
    pub credentials: Vec<Id>,
    /// Buckets that outlived their drive, from events.
    pub retained_buckets: Vec<RetainedBucket>,
    /// Kinds that could not be listed, and why.
    pub unseen: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Drive {
    pub id: Id,
    pub going: bool,
    pub finalizers: Vec<String>,
    /// The operator's decisions about its buckets.
    pub buckets: Vec<BucketRemoval>,
    /// Its databases on an external server.
    pub databases: Vec<OutsideDatabase>,
    /// Reason and message of its condition `DeletionBlocked`.
    pub blocked: Option<(String, String)>,
}

/// A database that a drive created on an external server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutsideDatabase {
    /// Name of the database.
    pub name: String,
    /// Name of the Secret with the address of the server. This command does not read it.
    pub secret: String,
}

/// A load balancer's object.
#[derive(Clone, Debug, Default)]
pub struct LoadBalancer {
    pub id: Id,
    pub going: bool,
    /// Address that people reach it by.
    pub address: Option<String>,
    /// UID of the drive that it goes with.
    pub of_drive: Option<String>,
    pub finalizers: Vec<String>,
}

/// A claim on a volume.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    pub id: Id,
    pub going: bool,
    /// Volume it is bound to.
    pub volume: Option<String>,
    /// UID of the drive that it goes with.
    pub of_drive: Option<String>,
    /// Name of the drive that made it and keeps it.
    pub kept_by: Option<String>,
    /// Kind and name of another object that it belongs to, such as a database's cluster.
    pub of_other: Option<String>,
    /// Pods that use it, by namespace and name, and whether a drive's controller will take them away.
    pub users: Vec<(String, bool)>,
}

#[derive(Clone, Debug, Default)]
pub struct Volume {
    pub id: Id,
    /// Its disk is deleted with its claim.
    pub reclaimed: bool,
    /// `Bound`, `Released`, `Failed`, ...
    pub phase: String,
    /// Why its disk could not be deleted.
    pub message: Option<String>,
    /// Name of the disk, where it lives.
    pub disk: String,
    /// How large it is.
    pub size: String,
    /// Claim that it is or was bound to, by namespace and name.
    pub claim: Option<(String, String)>,
}

/// A thing outside that another controller made for an object here.
#[derive(Clone, Debug, Default)]
pub struct Foreign {
    pub id: Id,
    /// The thing outside the cluster.
    pub what: String,
    /// Its controller would not delete that thing.
    pub kept: bool,
}

/// A bucket that outlived its drive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetainedBucket {
    /// UID of the drive.
    pub drive: String,
    /// Name of the bucket.
    pub bucket: String,
    pub reason: String,
}

/// False for a record without a bucket.
pub fn names_a_bucket(recorded: &BucketStatus) -> bool {
    !recorded.bucket.is_empty()
}
