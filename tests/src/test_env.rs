use std::time::Duration;

use kube::Api;
use ras_crds::{Condition, ConditionType, RecruitmentDrive};

use crate::{
    Cluster, Error, FakeKubelet, Operator, OperatorOptions, TestNamespace, apply_yaml, cluster, eventually, repository,
};

/// The roles the operator is shipped with, from the repository's root.
pub const ROLES: &str = "deploy/rbac/operator.yaml";

/// How long a drive may take to become Ready on these simulated nodes. Generous, because tests run side by side.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A namespace with an operator that watches only this namespace.
pub struct TestEnv {
    /// The control plane, shared by all tests of the process or owned by one test.
    pub cluster: Shared,
    pub namespace: TestNamespace,
    /// The operator, under exactly the rights it is shipped with.
    pub operator: Operator,
    /// Runs the Jobs that prepare databases, because the simulated nodes run nothing.
    pub jobs: FakeKubelet,
}

/// A control plane that is shared or belongs to one test.
pub enum Shared {
    /// Shared by all tests of the process.
    All(&'static Cluster),
    /// Owned by one test.
    Own(Box<Cluster>),
}

impl std::ops::Deref for Shared {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        match self {
            Self::All(cluster) => cluster,
            Self::Own(cluster) => cluster,
        }
    }
}

impl TestEnv {
    /// A test environment on the shared control plane.
    pub async fn start(prefix: &str) -> Result<Self, Error> {
        Self::with(
            Shared::All(cluster().await?),
            prefix,
            &OperatorOptions::with_roles(ROLES),
        )
        .await
    }

    /// A test environment with a control plane of its own, for tests that change cluster-scoped objects.
    pub async fn alone(prefix: &str, options: &OperatorOptions) -> Result<Self, Error> {
        Self::with(Shared::Own(Box::new(Cluster::start().await?)), prefix, options).await
    }

    /// A test environment with other operator options.
    pub async fn with(cluster: Shared, prefix: &str, options: &OperatorOptions) -> Result<Self, Error> {
        cluster.install_crd().await?;
        let namespace = cluster.namespace(prefix).await?;
        let operator = Operator::start(&cluster, &namespace, options).await?;
        let jobs = FakeKubelet::start(namespace.client(), Some(namespace.name()));
        Ok(Self {
            cluster,
            namespace,
            operator,
            jobs,
        })
    }

    /// Applies YAML in the namespace, as a user would.
    pub async fn apply(&self, text: &str) -> Result<(), Error> {
        self.namespace.apply(text).await.map(drop)
    }

    pub fn drives(&self) -> Api<RecruitmentDrive> {
        self.namespace.api()
    }

    /// Waits until a drive's condition is as given, for the present generation, and returns the condition.
    pub async fn condition(&self, drive: &str, type_: ConditionType, status: &str) -> Result<Condition, Error> {
        eventually(PATIENCE, &format!("{type_} of {drive} to be {status}"), async || {
            let found = self.drives().get(drive).await?;
            let generation = found.metadata.generation;
            let status_now = found.status.unwrap_or_default();
            match status_now
                .conditions
                .iter()
                .find(|condition| condition.type_ == type_.as_str())
            {
                Some(condition) if condition.status == status && condition.observed_generation == generation => {
                    Ok(condition.clone())
                }
                Some(condition) => {
                    Err(format!("{}: {}: {}", condition.status, condition.reason, condition.message).into())
                }
                None => Err("no such condition yet".into()),
            }
        })
        .await
        .map_err(|error| error.with_log(&self.operator.log()))
    }

    /// Waits until a drive is Ready.
    pub async fn ready(&self, drive: &str) -> Result<Condition, Error> {
        self.condition(drive, ConditionType::Ready, "True").await
    }
}

impl Cluster {
    /// Installs the CRD of `RecruitmentDrive`, as it is shipped.
    pub async fn install_crd(&self) -> Result<(), Error> {
        let path = repository().join("crds/recruitmentdrives.yaml");
        let text = std::fs::read_to_string(&path).map_err(Error::io(format!("reading {}", path.display())))?;
        let client = self.client()?;
        for object in apply_yaml(&client, "default", &text).await? {
            crate::foreign::established(&client, &object.metadata.name.unwrap_or_default()).await?;
        }
        Ok(())
    }
}
