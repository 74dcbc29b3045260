//! Names of everything a drive makes.
//!
//! Every name is a DNS label (at most 63 characters, beginning with a letter), whatever the parts are:
//! Services demand it, and pods carry the names as label values.

use std::collections::BTreeSet;

use ras_crds::RecruitmentDrive;
use ras_crds::spec::{Database, DatabaseCredentials, DatabaseProvider, LogicalDatabase};
use sha2::{Digest, Sha256};

use crate::bucket::request::Owner;
use crate::cache;
use crate::platform::CacheConfig;

/// Longest DNS label (RFC 1123), and longest label value in Kubernetes.
const MAX: usize = 63;

/// Hexadecimal digits that make names of Jobs unique.
const MARK: usize = 10;

pub use crate::fetched::record::RENDER_CONTAINER;

/// Name of what belongs to a service: Deployment, Service, `ConfigMap`, `NetworkPolicy`, autoscaler and so on.
pub fn of_service(drive: &str, service: &str) -> String {
    join(&[drive, service])
}

/// Name of what there is one of in a drive: `ServiceAccount`, Ingress, `PrometheusRule`.
pub fn of_drive(drive: &str) -> String {
    join(&[drive])
}

/// Name of a Job, and of what goes with it: `<drive>-<of>-<purpose>-<hash>`. The hash is of the drive, too, so that no
/// other drive of the namespace ever makes the same name, and of `identity`: a Job cannot be changed, so one that is to
/// run in another way has another name.
pub fn job(drive: &str, purpose: &str, of: &str, identity: &str) -> String {
    let mark = hash(&[drive, purpose, of, identity], MARK);
    let room = MAX - MARK - 1;
    let mut name: String = join(&[drive, of, purpose]).chars().take(room).collect();
    name.truncate(name.trim_end_matches('-').len());
    format!("{name}-{mark}")
}

/// Name of the `NetworkPolicy` of a service's migrations. It has a hash because a service of the drive may well be named
/// `<service>-migrate`.
pub fn migration(drive: &str, service: &str) -> String {
    job(drive, "migrate", service, "")
}

/// Name of a generated Secret.
pub fn secret(drive: &str, secret: &str) -> String {
    join(&[drive, secret])
}

/// Name of the Secret that cert-manager puts the certificate into.
pub fn tls_secret(drive: &str) -> String {
    join(&[drive, "tls"])
}

/// Name of a drive's database server and of what there is one of around it.
pub fn database(drive: &str) -> String {
    join(&[drive, "database"])
}

/// Name of the Service that leads to the server that is written to, of those that CloudNativePG runs: it names it.
pub fn cluster_service(cluster: &str) -> String {
    format!("{cluster}-rw")
}

/// Name of the Secret with the administrator's password on servers that CloudNativePG runs: it names and makes it.
pub fn cluster_admin(cluster: &str) -> String {
    format!("{cluster}-app")
}

/// Name of the Secret with the authority that signs the certificates of servers that CloudNativePG runs: it names and makes it.
pub fn cluster_authority(cluster: &str) -> String {
    format!("{cluster}-ca")
}

/// Name of the claim of a database server's volume.
pub fn database_claim(drive: &str) -> String {
    volume_claim(drive, "database", "data")
}

/// Name of the Secret with the password of a database server's administrator.
pub fn database_superuser(drive: &str) -> String {
    join(&[drive, "database", "superuser"])
}

/// Name of the Secret with the password as which `role`, an owner or user, logs in.
pub fn database_password(drive: &str, credentials: DatabaseCredentials, role: &str) -> String {
    match credentials {
        DatabaseCredentials::Shared => database(drive),
        DatabaseCredentials::PerDatabase => join(&[drive, "database", "role", role]),
    }
}

/// Name of the Secret with the password of the second login of `role`. No first Secret can have it.
pub fn second_password(drive: &str, credentials: DatabaseCredentials, role: &str) -> String {
    match credentials {
        DatabaseCredentials::Shared => join(&[drive, "database", "second"]),
        DatabaseCredentials::PerDatabase => join(&[drive, "database", "second", role]),
    }
}

/// Names of the Secrets of all second logins, which are made when the passwords rotate for the first time.
pub fn second_passwords(drive: &str, spec: &Database) -> BTreeSet<String> {
    let credentials = spec.credentials.unwrap_or_default();
    let roles = spec.databases.iter().flat_map(LogicalDatabase::roles);
    roles.map(|role| second_password(drive, credentials, role)).collect()
}

/// Names of the Secrets that are made for a drive's databases, but for second logins.
pub fn database_secrets(drive: &str, spec: &Database) -> BTreeSet<String> {
    let credentials = spec.credentials.unwrap_or_default();
    let passwords = spec
        .databases
        .iter()
        .flat_map(LogicalDatabase::roles)
        .map(|role| database_password(drive, credentials, role));
    let of_server = spec.managed.iter().flat_map(|managed| match managed.provider {
        DatabaseProvider::Standalone => vec![database_superuser(drive)],
        DatabaseProvider::CloudNativePG => {
            let cluster = database(drive);
            vec![cluster_admin(&cluster), cluster_authority(&cluster)]
        }
    });
    passwords.chain(of_server).collect()
}

/// Longest name of a bucket (S3's naming rules).
const MAX_BUCKET: usize = 63;

/// Name of a bucket in the store: `<prefix>-<namespace>-<drive>-<bucket>-<proof>`, cut before the proof where it is too
/// long. The proof keeps drives apart that share everything else, in other clusters and in other years.
pub fn bucket(prefix: Option<&str>, owner: &Owner) -> String {
    let proof = owner.proof();
    let parts = [
        prefix.unwrap_or_default(),
        &owner.namespace,
        &owner.drive,
        &owner.bucket,
    ];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let room = MAX_BUCKET.saturating_sub(proof.len() + 1);
    let name: String = parts.join("-").chars().take(room).collect();
    format!("{}-{proof}", name.trim_end_matches('-'))
}

/// Name of a volume's `PersistentVolumeClaim`.
///
/// Service `a-b` with volume `c` and service `a` with volume `b-c` would share a name, and with it their
/// data: such names get a hash of the parts. Without a '-' in either there is one way to read the name.
pub fn volume_claim(drive: &str, service: &str, volume: &str) -> String {
    if service.contains('-') || volume.contains('-') {
        let mark = hash(&[drive, service, volume], 6);
        // The mark may be cut off a long name, but then `join` adds a longer one.
        return join_hashing(&[drive, service, volume, &mark], &[drive, service, volume]);
    }
    join(&[drive, service, volume])
}

/// Name of the Service that makes ports of a service reachable from outside the cluster. It has a hash because a service of the
/// drive may well be named `<service>-public`.
pub fn public_service(drive: &str, service: &str) -> String {
    job(drive, "public", service, "")
}

/// Name of the container that fills a volume from the image.
pub fn fill_container(volume: &str) -> String {
    format!("fill-{volume}")
}

/// Name of the claim of a volume that several services may mount. Without a '-' in the volume's name there is one way to read
/// it: a claim of one service has another part.
pub fn shared_claim(drive: &str, volume: &str) -> String {
    if volume.contains('-') {
        let mark = hash(&[drive, volume], 6);
        return join_hashing(&[drive, volume, &mark], &[drive, volume]);
    }
    join(&[drive, volume])
}

/// Every name that a drive claims, as `Kind/name`. Works for drives that are not valid, too: a younger drive
/// must not take a name just because the elder has a mistake in it.
pub fn children(drive: &RecruitmentDrive) -> BTreeSet<String> {
    claims(drive).into_iter().collect()
}

/// As [`children`], with what is claimed twice twice.
pub fn claims(drive: &RecruitmentDrive) -> Vec<String> {
    let drive = cache::expanded(drive, &CacheConfig::default());
    let name = drive.metadata.name.as_deref().unwrap_or_default();
    let spec = &drive.spec;
    let mut all = vec![format!("ServiceAccount/{}", of_drive(name))];
    if let Some(exposure) = &spec.exposure {
        all.push(format!("Ingress/{}", of_drive(name)));
        if exposure.tls.as_ref().is_some_and(|tls| tls.issuer.is_some()) {
            all.push(format!("Secret/{}", tls_secret(name)));
        }
    }
    if spec.monitoring.is_some() {
        all.push(format!("PrometheusRule/{}", of_drive(name)));
    }
    if let Some(server) = &spec.database {
        all.extend(
            database_secrets(name, server)
                .union(&second_passwords(name, server))
                .map(|secret| format!("Secret/{secret}")),
        );
        all.push(format!("ConfigMap/{}", database(name)));
        let provider = server.managed.as_ref().map(|managed| managed.provider);
        if provider == Some(DatabaseProvider::CloudNativePG) {
            let cluster = database(name);
            all.extend(["Cluster", "ScheduledBackup"].map(|kind| format!("{kind}/{cluster}")));
            all.extend(["rw", "ro", "r"].map(|role| format!("Service/{cluster}-{role}")));
        }
        if provider == Some(DatabaseProvider::Standalone) {
            let kinds = ["StatefulSet", "Service", "NetworkPolicy"];
            all.extend(kinds.map(|kind| format!("{kind}/{}", database(name))));
            all.push(format!("PersistentVolumeClaim/{}", database_claim(name)));
        }
    }
    for source in spec.secrets.iter().filter(|source| source.existing.is_none()) {
        all.push(format!("Secret/{}", secret(name, &source.name)));
        if source.external.is_some() {
            all.push(format!("ExternalSecret/{}", secret(name, &source.name)));
        }
    }
    let shared = spec.volumes.iter().map(|volume| shared_claim(name, &volume.name));
    all.extend(shared.map(|claim| format!("PersistentVolumeClaim/{claim}")));
    for service in &spec.services {
        let child = of_service(name, &service.name);
        let has_ports = !service.ports.is_empty() || service.sidecars.iter().any(|sidecar| !sidecar.ports.is_empty());
        let kinds = [
            ("Deployment", true),
            ("NetworkPolicy", true),
            ("PodDisruptionBudget", true),
            ("ConfigMap", service.files.iter().any(|file| file.content.is_some())),
            ("Service", has_ports),
            ("HorizontalPodAutoscaler", service.autoscaling.is_some()),
            ("ServiceMonitor", service.metrics.is_some() && spec.monitoring.is_some()),
        ];
        all.extend(
            kinds
                .into_iter()
                .filter(|(_, claimed)| *claimed)
                .map(|(kind, _)| format!("{kind}/{child}")),
        );
        let sidecars = service.sidecars.iter().flat_map(|sidecar| &sidecar.ports);
        if service.ports.iter().chain(sidecars).any(|port| port.public.is_some()) {
            all.push(format!("Service/{}", public_service(name, &service.name)));
        }
        if service.migrate.is_some() {
            // Jobs need not be claimed: the hash in their names is of the drive, too.
            all.push(format!("NetworkPolicy/{}", migration(name, &service.name)));
        }
        for volume in service.volumes.iter().filter(|volume| volume.size.is_some()) {
            all.push(format!(
                "PersistentVolumeClaim/{}",
                volume_claim(name, &service.name, &volume.name)
            ));
        }
    }
    all
}

/// Key of a file in its `ConfigMap`, which is its file name on the way to the container, too.
///
/// `/` becomes `_`; a path that has a `_` already could then be read in two ways and gets a hash.
pub fn file_key(path: &str) -> String {
    // Longest key is 253 and longest file name 255 characters.
    const MAX_KEY: usize = 200;
    let plain = path.trim_start_matches('/');
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let key: String = plain.chars().map(|c| if legal(c) { c } else { '_' }).collect();
    let unambiguous = plain.chars().all(|c| c == '/' || c != '_' && legal(c));
    if unambiguous && !key.is_empty() && key.len() <= MAX_KEY && !key.starts_with("..") && key != "." {
        return key;
    }
    let end: String = key.trim_start_matches('.').chars().rev().take(MAX_KEY).collect();
    let end: String = end.chars().rev().collect();
    format!("{}-{end}", hash(&[path], 8))
}

/// The parts joined by '-', shortened and marked by a hash of the parts where that is no legal name.
fn join(parts: &[&str]) -> String {
    join_hashing(parts, parts)
}

fn join_hashing(parts: &[&str], identity: &[&str]) -> String {
    let joined = parts.join("-");
    if is_label(&joined) && parts.iter().all(|part| is_label(part) || is_hex(part)) {
        return joined;
    }
    let mut cleaned: String = joined
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .skip_while(|c| !c.is_ascii_lowercase())
        .take(MAX - 9)
        .collect();
    cleaned.truncate(cleaned.trim_end_matches('-').len());
    if cleaned.is_empty() {
        cleaned.push('x');
    }
    format!("{cleaned}-{}", hash(identity, 8))
}

/// True for a DNS label that begins with a letter (RFC 1035), as names of Services must.
pub fn is_label(text: &str) -> bool {
    text.len() <= MAX
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_hex(text: &str) -> bool {
    text.len() == 6 && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// First `digits` hexadecimal digits of the SHA-256 of the parts. Each part is preceded by its length, so
/// that two lists of parts never read the same.
pub fn hash(parts: &[&str], digits: usize) -> String {
    let mut context = Sha256::new();
    for part in parts {
        context.update((part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let nibbles = context
        .finalize()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .collect::<Vec<_>>();
    nibbles
        .into_iter()
        .take(digits)
        .filter_map(|nibble| char::from_digit(u32::from(nibble), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_stay_pretty() {
        assert_eq!(of_service("placements-2026", "backend"), "placements-2026-backend");
        assert_eq!(secret("placements-2026", "jwt"), "placements-2026-jwt");
        assert_eq!(
            volume_claim("placements-2026", "cdn", "files"),
            "placements-2026-cdn-files"
        );
        assert_eq!(file_key("/app/secret.yml"), "app_secret.yml");
    }

    #[test]
    fn volumes_of_different_services_never_share_a_claim() {
        let one = volume_claim("d", "a-b", "c");
        let other = volume_claim("d", "a", "b-c");
        assert_ne!(one, other);
        assert!(one.starts_with("d-a-b-c-"), "{one}");
    }

    #[test]
    fn a_bucket_has_a_legal_name_of_its_own_however_long_its_drive_s_is() {
        let owner = |drive: &str, uid: &str| Owner {
            namespace: "spo".to_owned(),
            drive: drive.to_owned(),
            uid: uid.to_owned(),
            bucket: "resumes".to_owned(),
        };
        let short = bucket(Some("ras"), &owner("placements-2026", "a"));
        assert!(short.starts_with("ras-spo-placements-2026-resumes-"), "{short}");
        assert_eq!(bucket(None, &owner("d", "a")).find("spo-d-resumes-"), Some(0));
        let long = bucket(Some("ras"), &owner(&"d".repeat(40), "a"));
        assert!(long.len() <= MAX_BUCKET && !long.contains("--"), "{long}");
        assert_ne!(long, bucket(Some("ras"), &owner(&"d".repeat(40), "b")));
    }

    /// Users write these names into `existing.claimName`, and data is found by them: they are documented, and never change.
    #[test]
    fn the_names_of_claims_are_those_that_are_documented() {
        let long = "s".repeat(40);
        for (parts, name) in [
            (["placements-2026", "cdn", "files"], "placements-2026-cdn-files"),
            (["d", "file-server", "files"], "d-file-server-files-cc1340"),
            (["d", "cdn", "old-files"], "d-cdn-old-files-3824bb"),
            (
                ["placements-2026", &long, "files"],
                "placements-2026-ssssssssssssssssssssssssssssssssssssssss-files",
            ),
            (
                ["placements-2026", "a-b", &long],
                "placements-2026-a-b-ssssssssssssssssssssssssssssssssss-264a1891",
            ),
        ] {
            let [drive, service, volume] = parts;
            assert_eq!(volume_claim(drive, service, volume), name, "{parts:?}");
        }
        assert_eq!(database_claim("placements-2026"), "placements-2026-database-data");
    }

    #[test]
    fn long_names_keep_their_beginning_and_differ() {
        let long = "s".repeat(60);
        let one = of_service("placements-2026", &format!("{long}a"));
        let other = of_service("placements-2026", &format!("{long}b"));
        assert_eq!(one.len(), 63);
        assert!(one.starts_with("placements-2026-s"));
        assert_ne!(one, other);
    }

    #[test]
    fn files_never_share_a_key() {
        assert_ne!(file_key("/a/b"), file_key("/a_b"));
        assert_ne!(
            file_key(&format!("/a/{}", "x".repeat(300))),
            file_key(&format!("/b/{}", "x".repeat(300)))
        );
    }
}
