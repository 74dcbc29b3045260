//! `Cluster`: asks CloudNativePG for PostgreSQL servers. It makes the servers, their volumes, Services and certificates, and
//! the administrator with a password of its own drawing; databases and logins are made by the same Job as on any server,
//! because a managed role of CloudNativePG cannot become another one when it connects, which rotation needs.
//!
//! Nor is the administrator a managed role: CloudNativePG takes from such a role every membership that is not written in the
//! `Cluster`, and the Job makes the administrator a member of each owner while it works. It lost that race now and then.

use k8s_openapi::api::core::v1::LocalObjectReference;

use super::backup;
use crate::build::{container, labels, metadata};
use crate::foreign::cloud_native_pg::{Bootstrap, Cluster, ClusterSpec, InitDb, Monitoring, Postgresql, Storage};
use crate::plan::Plan;
use crate::valid::{CLUSTER_ADMIN, ValidCluster, ValidDatabase};

/// Stops the servers and keeps their volumes: <https://cloudnative-pg.io/documentation/current/declarative_hibernation/>.
const HIBERNATION: &str = "cnpg.io/hibernation";

pub(super) fn build(plan: &Plan<'_>, database: &ValidDatabase, cluster: &ValidCluster) -> Option<Cluster> {
    let (drive, apis) = (plan.drive, &plan.fetched.apis);
    if !apis.clusters {
        return None;
    }
    // CloudNativePG deletes the volumes with the Cluster, so what has to stay is the Cluster.
    let mut metadata = metadata::kept(
        drive,
        database.child.clone(),
        labels::of_drive(drive),
        cluster.deletion_policy,
    );
    if drive.suspended {
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(HIBERNATION.to_owned(), "on".to_owned());
    }
    let pull_secrets = drive.image_pull_secrets.iter();
    Some(Cluster::new(
        metadata,
        ClusterSpec {
            instances: cluster.instances,
            image_name: cluster.image.clone(),
            image_pull_secrets: pull_secrets
                .map(|name| LocalObjectReference { name: name.clone() })
                .collect(),
            bootstrap: Bootstrap {
                initdb: InitDb {
                    database: CLUSTER_ADMIN.to_owned(),
                    owner: CLUSTER_ADMIN.to_owned(),
                    post_init_sql: vec![format!("ALTER ROLE {CLUSTER_ADMIN} CREATEDB CREATEROLE")],
                },
            },
            enable_superuser_access: false,
            storage: Storage {
                size: cluster.size.clone(),
                storage_class: cluster.storage_class.clone(),
            },
            resources: container::resources(&cluster.resources.requests, &cluster.resources.limits),
            postgresql: (!cluster.parameters.is_empty()).then(|| Postgresql {
                parameters: cluster.parameters.clone(),
            }),
            monitoring: (drive.monitoring.is_some() && apis.service_monitors).then_some(Monitoring {
                enable_pod_monitor: true,
            }),
            backup: backup::of_cluster(cluster.backup.as_ref()),
            plugins: backup::plugins(cluster.backup.as_ref()),
        },
    ))
}
