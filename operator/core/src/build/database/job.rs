//! The Job that makes databases and logins on a server, and the `ConfigMap` that tells it which.
//!
//! It reads everything from files, which Kubernetes puts there: neither the operator nor the manifest has a password.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{
    Job, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapProjection, Container, KeyToPath, PodSpec, ProjectedVolumeSource, SecretProjection,
    SecretVolumeSource, SecurityContext, Volume, VolumeMount, VolumeProjection,
};
use ras_crds::spec::PodSecurity;

use super::constants::PORT;
use crate::build::job;
use crate::build::job::Task;
use crate::build::{container, labels, metadata, pod};
use crate::database::report::ExitCode;
use crate::fetched::facts::PASSWORD;
use crate::fetched::jobs::PREPARE;
use crate::plan::database_job::{DatabaseJob, OF};
use crate::plan::input::DatabaseInput;
use crate::valid::{CA, CLUSTER_ADMIN, DatabaseServer, ValidDatabase, ValidDrive, authority, host_of};

/// Where the request is.
const REQUEST_PATH: &str = "/ras/request";
/// Name of its file, and its key in the `ConfigMap`.
const REQUEST_FILE: &str = "request.json";
/// Where the administrator's connection is, one file each.
const ADMIN_PATH: &str = "/ras/admin";
/// Where the passwords are, one folder a Secret.
const PASSWORDS_PATH: &str = "/ras/passwords";
/// How often it is tried again when that may help; each time it is patient for two minutes itself.
const RETRIES: i32 = 2;
/// Seconds it may take, its retries included.
const TIMEOUT: i64 = 1_800;
/// Seconds after which Kubernetes removes it. One that failed is then made anew, which mends by itself whatever
/// somebody mended on the server meanwhile; one that succeeded is not.
const FORGOTTEN_AFTER: i32 = 300;

pub(super) fn config_map(drive: &ValidDrive, database: &ValidDatabase, preparation: &DatabaseJob) -> ConfigMap {
    let mut data = BTreeMap::from([(
        REQUEST_FILE.to_owned(),
        serde_json::to_string(&preparation.request).unwrap_or_default(),
    )]);
    data.extend(connection(database));
    ConfigMap {
        metadata: metadata::part(drive, database.child.clone(), labels::of_drive(drive)),
        data: Some(data),
        ..ConfigMap::default()
    }
}

/// What of the connection to a server of our own is no secret.
fn connection(database: &ValidDatabase) -> BTreeMap<String, String> {
    match &database.server {
        DatabaseServer::External(_) => BTreeMap::new(),
        DatabaseServer::Standalone(_) => known(database, "postgres"),
        DatabaseServer::CloudNativePG(_) => known(database, CLUSTER_ADMIN),
    }
}

fn known(database: &ValidDatabase, user: &str) -> BTreeMap<String, String> {
    [
        ("host", host_of(database)),
        ("port", PORT.to_string()),
        ("username", user.to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

pub(super) fn build(at: &DatabaseInput<'_>, preparation: &DatabaseJob) -> Job {
    let task = Task {
        name: preparation.job.clone(),
        purpose: PREPARE,
        of: OF,
        work: &preparation.work,
        pod: pod(at),
        retries: RETRIES,
        timeout_seconds: TIMEOUT,
    };
    let mut job = job::build(at.drive, task);
    if let Some(spec) = &mut job.spec {
        spec.ttl_seconds_after_finished = Some(FORGOTTEN_AFTER);
        spec.pod_failure_policy = Some(PodFailurePolicy {
            rules: vec![PodFailurePolicyRule {
                action: "FailJob".to_owned(),
                on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                    container_name: None,
                    operator: "In".to_owned(),
                    values: vec![i32::from(ExitCode::NeedsSomebody.number())],
                }),
                on_pod_conditions: None,
            }],
        });
    }
    job
}

fn pod(at: &DatabaseInput<'_>) -> PodSpec {
    let (drive, database) = (at.drive, at.database);
    PodSpec {
        containers: vec![program(drive)],
        volumes: Some(vec![
            projected("request", vec![from_config_map(database, [REQUEST_FILE])]),
            admin(database),
            projected("passwords", passwords(at)),
        ]),
        ..pod::of_drive(drive, &PodSecurity::default())
    }
}

fn program(drive: &ValidDrive) -> Container {
    let request = format!("{REQUEST_PATH}/{REQUEST_FILE}");
    let arguments = [
        "prepare-database",
        "--request",
        request.as_str(),
        "--admin",
        ADMIN_PATH,
        "--passwords",
        PASSWORDS_PATH,
    ];
    let mount = |name: &str, path: &str| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    };
    Container {
        name: "prepare-database".to_owned(),
        image: Some(drive.operator_image.clone()),
        args: Some(arguments.map(str::to_owned).to_vec()),
        resources: Some(container::of_operator(drive)),
        security_context: Some(SecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(container::RENDER_USER),
            ..container::restricted(&PodSecurity::default())
        }),
        volume_mounts: Some(vec![
            mount("request", REQUEST_PATH),
            mount("admin", ADMIN_PATH),
            mount("passwords", PASSWORDS_PATH),
        ]),
        ..Container::default()
    }
}

fn admin(database: &ValidDatabase) -> Volume {
    match &database.server {
        DatabaseServer::External(external) => Volume {
            name: "admin".to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(external.secret.secret_name.clone()),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        },
        DatabaseServer::Standalone(standalone) => known_admin(database, &standalone.superuser.secret_name),
        DatabaseServer::CloudNativePG(cluster) => known_admin(database, &cluster.admin),
    }
}

/// The administrator of a server of which all but the password is known.
fn known_admin(database: &ValidDatabase, secret: &str) -> Volume {
    let keys = connection(database);
    let mut sources = vec![
        from_config_map(database, keys.keys().map(String::as_str)),
        from_secret(secret, PASSWORD, PASSWORD.to_owned()),
    ];
    let authority = authority(&database.server);
    sources.extend(authority.map(|of| from_secret(&of.secret_name, &of.key, CA.to_owned())));
    projected("admin", sources)
}

/// Each Secret's password, once, in a folder of the Secret's name.
fn passwords(at: &DatabaseInput<'_>) -> Vec<VolumeProjection> {
    let logins = at.turn.accepted().into_iter();
    let mut names: Vec<&str> = logins.map(|login| login.secret_name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| from_secret(name, PASSWORD, format!("{name}/{PASSWORD}")))
        .collect()
}

fn from_secret(name: &str, key: &str, path: String) -> VolumeProjection {
    VolumeProjection {
        secret: Some(SecretProjection {
            name: name.to_owned(),
            items: Some(vec![KeyToPath {
                key: key.to_owned(),
                path,
                mode: None,
            }]),
            optional: None,
        }),
        ..VolumeProjection::default()
    }
}

fn from_config_map<'a>(database: &ValidDatabase, keys: impl IntoIterator<Item = &'a str>) -> VolumeProjection {
    let items = keys.into_iter().map(|key| KeyToPath {
        key: key.to_owned(),
        path: key.to_owned(),
        mode: None,
    });
    VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: database.child.clone(),
            items: Some(items.collect()),
            optional: None,
        }),
        ..VolumeProjection::default()
    }
}

fn projected(name: &str, sources: Vec<VolumeProjection>) -> Volume {
    Volume {
        name: name.to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources),
            default_mode: None,
        }),
        ..Volume::default()
    }
}
