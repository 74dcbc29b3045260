//! The drive's own cache: a service like any other, written by us instead of by a person. So it has what every service has
//! (network policy, restricted pod, probes, status) and no code of its own in the later rooms. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ras_crds::spec::{
    Cache, DeletionPolicy, EnvVar, File, Generate, PodSecurity, Port, Probe, Resources, RolloutStrategy, SecretKeyRef,
    SecretSource, Service, WhenFull,
};
use ras_crds::{Quantity, RecruitmentDrive};

use crate::platform::CacheConfig;

/// Name of the service and of the secret.
pub const NAME: &str = "cache";
/// Key of the password.
pub const PASSWORD: &str = "password";
/// Port, by Redis' custom.
pub const PORT: i32 = 6_379;
/// Name of the variable with the password, in the cache's own pod.
pub const VARIABLE: &str = "CACHE_PASSWORD";
/// The line of the settings that has the password.
const PASSWORD_LINE: &str = "requirepass $(CACHE_PASSWORD)";
/// Memory of the pod when the spec says nothing.
const MEMORY: &str = "128Mi";
/// Where the program finds its settings.
const SETTINGS: &str = "/etc/valkey/valkey.conf";
/// User of the official image, which would start as root and change to it.
const USER: i64 = 999;

/// The drive with its cache as a service and a secret among the others, which runs as the platform says.
pub fn expanded<'a>(drive: &'a RecruitmentDrive, platform: &CacheConfig) -> Cow<'a, RecruitmentDrive> {
    let Some(cache) = &drive.spec.cache else {
        return Cow::Borrowed(drive);
    };
    let mut drive = drive.clone();
    drive.spec.services.push(service(cache, platform));
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

fn service(cache: &Cache, platform: &CacheConfig) -> Service {
    let memory = cache.memory.clone().unwrap_or_else(|| Quantity::new(MEMORY));
    let amounts = |amounts: &[(&str, Quantity)]| -> BTreeMap<String, Quantity> {
        amounts
            .iter()
            .map(|(name, amount)| ((*name).to_owned(), amount.clone()))
            .collect()
    };
    let settings = settings(cache, &memory);
    let (requests, limits) = platform.resources.over(
        amounts(&[("cpu", Quantity::new("50m")), ("memory", memory.clone())]),
        amounts(&[("memory", memory)]),
    );
    Service {
        name: NAME.to_owned(),
        image: platform.image.clone(),
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
            name: VARIABLE.to_owned(),
            secret: Some(SecretKeyRef {
                name: NAME.to_owned(),
                key: PASSWORD.to_owned(),
            }),
            ..EnvVar::default()
        }],
        // In a file, for whoever sees the processes of a node sees their arguments.
        files: vec![File {
            path: SETTINGS.to_owned(),
            content: Some(settings),
            ..File::default()
        }],
        probe: Some(Probe {
            port: Some("redis".to_owned()),
            ..Probe::default()
        }),
        resources: Some(Resources { requests, limits }),
        pod_security: Some(PodSecurity {
            run_as_user: Some(USER),
            ..PodSecurity::default()
        }),
        // It answers and never asks.
        egress: Some(Vec::new()),
        ..Service::default()
    }
}

/// True if a template is the cache's configuration. It and `REDIS_URL` hold the password unescaped, so the password
/// must be valid in both.
pub fn is_settings(template: &str) -> bool {
    let head = format!("port {PORT}\nprotected-mode yes\n{PASSWORD_LINE}\n");
    template.starts_with(&head)
}

/// True if a password needs no escaping in the cache's configuration or in a URL.
pub fn is_plain(password: &str) -> bool {
    !password.is_empty()
        && password
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

fn settings(cache: &Cache, memory: &Quantity) -> String {
    // The rest is for connections, and for what the allocator loses.
    let most = memory.millis().unwrap_or_default() / 1_000 * 3 / 4;
    let policy = match cache.when_full.unwrap_or_default() {
        WhenFull::Evict => "allkeys-lru",
        WhenFull::Refuse => "noeviction",
    };
    format!(
        "port {PORT}\nprotected-mode yes\n{PASSWORD_LINE}\nmaxmemory {most}\nmaxmemory-policy {policy}\nsave \"\"\nappendonly no\ndir /tmp\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_known_by_what_they_begin_with() {
        assert!(is_settings(&settings(&Cache::default(), &Quantity::new(MEMORY))));
        assert!(!is_settings("requirepass $(CACHE_PASSWORD)\n"));
    }
}
