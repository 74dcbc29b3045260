//! `StatefulSet` of one PostgreSQL server, by the conventions of the official image
//! (<https://hub.docker.com/_/postgres>).
//!
//! Of a `StatefulSet` there is never a second pod before the first is known to be gone, and two servers on one volume
//! would destroy it.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, ExecAction, Lifecycle, LifecycleHandler,
    PersistentVolumeClaimVolumeSource, PodSpec, PodTemplateSpec, Probe, SecretKeySelector, TCPSocketAction, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use ras_crds::spec::PodSecurity;

use super::constants::{PORT, PORT_NAME, SERVICE};
use crate::build::lists::unless_empty;
use crate::build::{container, labels, metadata, pod};
use crate::fetched::facts::PASSWORD;
use crate::plan::Plan;
use crate::plan::restarts::Hashes;
use crate::valid::{ValidDatabase, ValidDrive, ValidStandalone};

/// User and group `postgres` of the official image.
const USER: i64 = 999;
/// Where the volume is, and below it the files. A folder of their own, because the root of some volumes holds
/// `lost+found`; and one that is the same for every version, so that the volume of a server that was written by hand as
/// in earlier examples is found.
const VOLUME: &str = "/var/lib/postgresql/data";
/// See [`VOLUME`].
const FILES: &str = "/var/lib/postgresql/data/pgdata";
/// Seconds for the last checkpoint before the server stops.
const GRACE_PERIOD: i64 = 120;
/// Seconds between two checks.
const PERIOD: i32 = 10;
/// The same while it starts: the first check that succeeds ends them.
const STARTUP_PERIOD: i32 = 2;
/// An hour: so long may a server recover after a crash before anybody restarts it.
const STARTUP_FAILURES: i32 = 3_600 / STARTUP_PERIOD;
/// A minute without as much as an open port.
const LIVENESS_FAILURES: i32 = 6;

/// Makes the administrator's password what the Secret says. The image does so only when the volume is empty, and a Secret
/// that was lost and made anew would otherwise lock everybody out for good. Connections by the socket need no password.
/// The shell's own `printf` keeps the password out of the list of processes, and the settings out of the log should it be
/// refused.
///
/// PostgreSQL takes an empty password for none and lets nobody in by it, so one that is empty is never set: the server
/// goes on with the one it had, for programs need it, and says so in its log (that of the container's first process; a
/// hook has none of its own). The Job then tells which key of which Secret is empty.
const SET_PASSWORD: &str = "\
say() { echo \"ras-operator: $1\" >/proc/1/fd/2; } 2>/dev/null
if [ -z \"$POSTGRES_PASSWORD\" ]; then
  say 'the administrator has no password in POSTGRES_PASSWORD: the one that the server knows stays'
  exit 0
fi
i=0
until psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres --dbname postgres >/dev/null 2>&1 <<'END'
SET log_statement = none;
SET log_min_duration_statement = -1;
SET log_min_error_statement = panic;
\\set password `printf '%s\\n' \"$POSTGRES_PASSWORD\"`
SELECT :'password' <> '' AS given \\gset
\\if :given
ALTER ROLE postgres PASSWORD :'password';
\\endif
END
do
  i=$((i + 1))
  if [ \"$i\" -ge 300 ]; then
    say 'the server did not take the administrator password within five minutes: the one that it knows stays'
    exit 0
  fi
  sleep 1
done
";

pub(super) fn build(plan: &Plan<'_>, database: &ValidDatabase, standalone: &ValidStandalone) -> StatefulSet {
    let drive = plan.drive;
    let hashes = plan.restarts.get(&database.child);
    let own = hashes
        .and_then(Hashes::annotation)
        .map(|annotation| BTreeMap::from([annotation]));
    let annotations = hashes
        .and_then(|hashes| hashes.template.clone())
        .map(|hash| BTreeMap::from([(labels::SECRETS_HASH.to_owned(), hash)]));
    StatefulSet {
        metadata: ObjectMeta {
            annotations: own,
            ..metadata::part(drive, database.child.clone(), labels::of_service(drive, SERVICE))
        },
        spec: Some(StatefulSetSpec {
            replicas: Some(i32::from(!drive.suspended)),
            service_name: Some(database.child.clone()),
            selector: labels::select_service(drive, SERVICE),
            // In order, a pod that never becomes ready would have to be deleted by hand before a mended one takes its
            // place ("Forced rollback" in Kubernetes' documentation of StatefulSets).
            pod_management_policy: Some("Parallel".to_owned()),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels::of_pod(drive, SERVICE)),
                    annotations,
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(drive, standalone)),
            },
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

fn pod(drive: &ValidDrive, standalone: &ValidStandalone) -> PodSpec {
    let security = PodSecurity {
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        ..PodSecurity::default()
    };
    PodSpec {
        containers: vec![server(standalone)],
        volumes: Some(vec![
            Volume {
                name: "data".to_owned(),
                persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                    claim_name: standalone.claim.clone(),
                    read_only: None,
                }),
                ..Volume::default()
            },
            in_memory("socket", "16Mi"),
            // The runtime's own is 64 MB, which parallel queries fill.
            in_memory("shared-memory", "256Mi"),
            scratch("tmp"),
        ]),
        termination_grace_period_seconds: Some(GRACE_PERIOD),
        ..pod::of_drive(drive, &security)
    }
}

fn server(standalone: &ValidStandalone) -> Container {
    let variable = |name: &str, value: &str| EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    };
    let is_ready = ["pg_isready", "--quiet", "--host=127.0.0.1", "--username=postgres"];
    let answers = Probe {
        exec: Some(ExecAction {
            command: Some(is_ready.map(str::to_owned).to_vec()),
        }),
        period_seconds: Some(PERIOD),
        timeout_seconds: Some(5),
        ..Probe::default()
    };
    Container {
        name: "postgres".to_owned(),
        image: Some(standalone.image.clone()),
        // The image's entry point takes arguments that begin with `-` for those of `postgres`.
        args: unless_empty(
            standalone
                .parameters
                .iter()
                .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]),
        ),
        env: Some(vec![
            variable("PGDATA", FILES),
            EnvVar {
                name: "POSTGRES_PASSWORD".to_owned(),
                value: None,
                value_from: Some(EnvVarSource {
                    secret_key_ref: Some(SecretKeySelector {
                        name: standalone.superuser.secret_name.clone(),
                        key: PASSWORD.to_owned(),
                        optional: None,
                    }),
                    ..EnvVarSource::default()
                }),
            },
        ]),
        ports: Some(vec![ContainerPort {
            name: Some(PORT_NAME.to_owned()),
            container_port: PORT,
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        lifecycle: Some(Lifecycle {
            post_start: Some(LifecycleHandler {
                exec: Some(ExecAction {
                    command: Some(["/bin/sh", "-c", SET_PASSWORD].map(str::to_owned).to_vec()),
                }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        startup_probe: Some(Probe {
            period_seconds: Some(STARTUP_PERIOD),
            failure_threshold: Some(STARTUP_FAILURES),
            ..answers.clone()
        }),
        readiness_probe: Some(answers),
        // Not the same question: a server that recovers refuses connections, and restarting it would begin that anew.
        liveness_probe: Some(Probe {
            tcp_socket: Some(TCPSocketAction {
                port: IntOrString::String(PORT_NAME.to_owned()),
                host: None,
            }),
            period_seconds: Some(PERIOD),
            timeout_seconds: Some(5),
            failure_threshold: Some(LIVENESS_FAILURES),
            ..Probe::default()
        }),
        resources: Some(container::resources(
            &standalone.resources.requests,
            &standalone.resources.limits,
        )),
        security_context: Some(container::restricted(&PodSecurity::default())),
        volume_mounts: Some(vec![
            mount("data", VOLUME),
            mount("socket", "/var/run/postgresql"),
            mount("shared-memory", "/dev/shm"),
            mount("tmp", "/tmp"),
        ]),
        ..Container::default()
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}

fn in_memory(name: &str, limit: &str) -> Volume {
    empty(name, limit, Some("Memory".to_owned()))
}

fn scratch(name: &str) -> Volume {
    empty(name, "1Gi", None)
}

fn empty(name: &str, limit: &str, medium: Option<String>) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium,
            size_limit: Some(Quantity(limit.to_owned())),
        }),
        ..Volume::default()
    }
}
