//! The drive's own cache: a service like any other, written by us instead of by a person. So it has what every service has
//! (network policy, restricted pod, probes, status) and no code of its own in the later rooms. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ras_crds::spec::{
    Cache, DeletionPolicy, EnvVar, File, Generate, PodSecurity, Port, Probe, Resources, RolloutStrategy, SecretKeyRef,
    SecretSource, Service, WhenFull,
};
use ras_crds::{Quantity, RecruitmentDrive};

/// Name of the service and of the secret.
pub const NAME: &str = "cache";
/// Key of the password.
pub const PASSWORD: &str = "password";
/// Port, by Redis' custom.
pub const PORT: i32 = 6_379;
/// Memory of the pod when the spec says nothing.
const MEMORY: &str = "128Mi";
/// Where the program finds its settings.
const SETTINGS: &str = "/etc/valkey/valkey.conf";
/// User of the official image, which would start as root and change to it.
const USER: i64 = 999;

/// The drive with its cache as a service and a secret among the others. `image` runs it.
pub fn expanded<'a>(drive: &'a RecruitmentDrive, image: &str) -> Cow<'a, RecruitmentDrive> {
    let Some(cache) = &drive.spec.cache else {
        return Cow::Borrowed(drive);
    };
    let mut drive = drive.clone();
    drive.spec.services.push(service(cache, image));
    drive.spec.secrets.push(SecretSource {
        name: NAME.to_owned(),
        generate: Some(Generate {
            keys: vec![PASSWORD.to_owned()],
            ..Generate::default()
        }),
        // Nothing is lost with it: the next cache has another.
        deletion_policy: Some(DeletionPolicy::Delete),
        ..SecretSource::default()
    });
    drive.spec.cache = None;
    Cow::Owned(drive)
}

fn service(cache: &Cache, image: &str) -> Service {
    let memory = cache.memory.clone().unwrap_or_else(|| Quantity::new(MEMORY));
    let amounts = |amounts: &[(&str, Quantity)]| -> BTreeMap<String, Quantity> {
        amounts
            .iter()
            .map(|(name, amount)| ((*name).to_owned(), amount.clone()))
            .collect()
    };
    Service {
        name: NAME.to_owned(),
        image: image.to_owned(),
        command: vec!["valkey-server".to_owned(), SETTINGS.to_owned()],
        ports: vec![Port {
            name: "redis".to_owned(),
            port: PORT,
            ..Port::default()
        }],
        replicas: Some(1),
        // Two at a time would be two caches, of which a program sees now the one and now the other.
        rollout: Some(RolloutStrategy::Recreate),
        env: vec![EnvVar {
            name: "CACHE_PASSWORD".to_owned(),
            secret: Some(SecretKeyRef {
                name: NAME.to_owned(),
                key: PASSWORD.to_owned(),
            }),
            ..EnvVar::default()
        }],
        // In a file, for whoever sees the processes of a node sees their arguments.
        files: vec![File {
            path: SETTINGS.to_owned(),
            content: settings(cache, &memory),
        }],
        probe: Some(Probe {
            port: "redis".to_owned(),
            ..Probe::default()
        }),
        resources: Some(Resources {
            requests: amounts(&[("cpu", Quantity::new("50m")), ("memory", memory.clone())]),
            limits: amounts(&[("memory", memory)]),
        }),
        pod_security: Some(PodSecurity {
            run_as_user: Some(USER),
            ..PodSecurity::default()
        }),
        // It answers and never asks.
        egress: Some(Vec::new()),
        ..Service::default()
    }
}

fn settings(cache: &Cache, memory: &Quantity) -> String {
    // The rest is for connections, and for what the allocator loses.
    let most = memory.millis().unwrap_or_default() / 1_000 * 3 / 4;
    let policy = match cache.when_full.unwrap_or_default() {
        WhenFull::Evict => "allkeys-lru",
        WhenFull::Refuse => "noeviction",
    };
    format!(
        "port {PORT}\nprotected-mode yes\nrequirepass $(CACHE_PASSWORD)\nmaxmemory {most}\nmaxmemory-policy {policy}\nsave \"\"\nappendonly no\ndir /tmp\n"
    )
}
