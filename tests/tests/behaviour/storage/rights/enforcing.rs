//! Stores that check every request against a policy, and users who may do what the shipped policy says, or all but one of
//! it.

use std::{collections::BTreeMap, fs, path::Path};

use ras_tests::{
    Error,
    object_store::{ObjectStore, StoreKind, StoreOptions},
    repository,
};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::super::write;

/// A policy that is shipped for the operator.
#[derive(Clone)]
pub struct Policy(Value);

/// A store that enforces policies, with its users.
pub struct Enforcing {
    /// The store.
    pub store: ObjectStore,
    /// A user for each right of the policy, who has all rights but that one; and one who has all.
    users: BTreeMap<Option<String>, (String, String)>,
}

impl Policy {
    /// The policy in `deploy/iam` for AWS, which moto simulates, or for `MinIO`.
    pub fn shipped(kind: StoreKind) -> Self {
        Self(Self::read(match kind {
            StoreKind::Minio => "object-store-minio.json",
            _ => "object-store.json",
        }))
    }

    /// A file of `deploy/iam`.
    pub fn read(name: &str) -> Value {
        let path = repository().join("deploy/iam").join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).expect("JSON")
    }

    /// Every right that it gives.
    pub fn actions(&self) -> Vec<String> {
        self.with_effect("Allow")
    }

    /// Every right that it denies, whatever else gives it.
    pub fn denied(&self) -> Vec<String> {
        self.with_effect("Deny")
    }

    fn with_effect(&self, effect: &str) -> Vec<String> {
        let statements = self.0["Statement"].as_array().expect("statements");
        let allowed = statements.iter().filter(|statement| statement["Effect"] == effect);
        let actions = allowed.flat_map(|statement| statement["Action"].as_array().expect("a list of actions"));
        actions
            .map(|action| action.as_str().expect("a text").to_owned())
            .collect()
    }

    /// moto looks for the right to delete many objects at once on the bucket, where AWS looks on each object.
    fn name_buckets_for_objects(&mut self) {
        for statement in self.0["Statement"].as_array_mut().expect("statements") {
            let resource = statement["Resource"].as_str().expect("one resource").to_owned();
            if let Some(bucket) = resource.strip_suffix("/*") {
                statement["Resource"] = Value::from(vec![bucket, &resource]);
            }
        }
    }

    /// The same without one of its rights.
    fn without(mut self, action: Option<&str>) -> Self {
        let statements = self.0["Statement"].as_array_mut().expect("statements");
        for statement in statements.iter_mut().filter(|statement| statement["Effect"] == "Allow") {
            let actions = statement["Action"].as_array_mut().expect("a list of actions");
            actions.retain(|one| one.as_str() != action);
        }
        statements.retain(|statement| statement["Action"] != Value::Array(Vec::new()));
        self
    }
}

impl Enforcing {
    async fn start(kind: StoreKind) -> Result<Self, Error> {
        let options = StoreOptions::new(kind).enforcing().kms();
        let store = ObjectStore::start_with(&match kind {
            // Or the policy that refuses requests without TLS would keep the operator out.
            StoreKind::Minio => options.tls(),
            _ => options,
        })
        .await?;
        let mut policy = Policy::shipped(kind);
        if kind == StoreKind::Moto {
            policy.name_buckets_for_objects();
        }
        // All of them now: while moto makes one it lets everybody in.
        let mut users = BTreeMap::new();
        for action in policy.actions().into_iter().map(Some).chain([None]) {
            let policy = policy.clone().without(action.as_deref());
            let keys = store.restricted_user(&policy.0.to_string()).await?;
            users.insert(action, keys);
        }
        Ok(Self { store, users })
    }

    /// The keys of the user who has all rights but this one.
    pub fn keys(&self, without: Option<&str>) -> &(String, String) {
        &self.users[&without.map(str::to_owned)]
    }

    /// Writes the keys of the user who has all rights but this one, as they are mounted into the operator's pod.
    pub fn write_keys(&self, without: Option<&str>, folder: &Path) {
        let (access_key, secret_key) = self.keys(without);
        write(&folder.join("AWS_ACCESS_KEY_ID"), access_key);
        write(&folder.join("AWS_SECRET_ACCESS_KEY"), secret_key);
    }
}

/// This test process' enforcing store of a kind.
pub async fn enforcing(kind: StoreKind) -> Result<&'static Enforcing, Error> {
    static MINIO: OnceCell<Result<Enforcing, Error>> = OnceCell::const_new();
    static MOTO: OnceCell<Result<Enforcing, Error>> = OnceCell::const_new();
    let cell = if kind == StoreKind::Minio { &MINIO } else { &MOTO };
    let started = cell.get_or_init(|| Enforcing::start(kind)).await;
    started.as_ref().map_err(Clone::clone)
}
