//! Where drives' buckets live: one S3 service for the whole platform.

use std::path::PathBuf;

use ras_crds::Duration;
use serde::{Deserialize, Serialize};

use super::error::{PlatformError, unusable};
use crate::cidr;

/// Region of S3-compatible servers that know none, and of AWS when nothing is said.
const DEFAULT_REGION: &str = "us-east-1";
/// Longest prefix. The rest of a bucket's 63 characters has to identify the drive.
const LONGEST_PREFIX: usize = 20;

/// The S3 service that drives' buckets are made in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObjectStoreConfig {
    /// Address of an S3-compatible server, for instance `https://s3.example.edu`. Absent: AWS S3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Address under which programs reach the same server. Absent: `endpoint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_endpoint: Option<String>,
    /// Region of the buckets. Absent: `us-east-1`.
    pub region: String,
    /// The bucket's name is in the path of an address (true) or in its host name (false). Absent: in the path if there
    /// is an `endpoint`, in the host name on AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// PEM file with the certificate authorities to trust in addition to the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Folder with the operator's own credentials, a mounted Secret with the keys `AWS_ACCESS_KEY_ID` and
    /// `AWS_SECRET_ACCESS_KEY` (and `AWS_SESSION_TOKEN`); read anew when they change. Absent: workload identity, in
    /// the AWS SDK's order (environment, web identity, EKS Pod Identity, instance role).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_directory: Option<PathBuf>,
    /// Put before the name of every bucket that is made, so that a policy can name them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_prefix: Option<String>,
    /// Most requests a second, for all drives together. Absent: 20.
    pub requests_per_second: u32,
    /// How often the settings of a bucket at rest are looked at, give or take a tenth. Absent: `12h`.
    pub check_every: Duration,
    /// How long the deletion of a drive waits for an object store that does not answer. After that its buckets are
    /// kept and the drive is let go. Absent: `1h`.
    pub give_up_after: Duration,
    /// How the bytes and objects of buckets are counted. Absent: they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageConfig>,
    /// How drives' programs get at their buckets.
    pub programs: ProgramsConfig,
}

impl Default for ObjectStoreConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            program_endpoint: None,
            region: DEFAULT_REGION.to_owned(),
            path_style: None,
            ca_file: None,
            credentials_directory: None,
            bucket_prefix: None,
            requests_per_second: 20,
            check_every: Duration::new("12h"),
            give_up_after: Duration::new("1h"),
            usage: None,
            programs: ProgramsConfig::default(),
        }
    }
}

impl ObjectStoreConfig {
    /// True if addresses have the bucket's name in their path.
    pub fn is_path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint.is_some())
    }

    /// Address under which programs reach the store; nothing on AWS, where every SDK knows it.
    pub fn endpoint_of_programs(&self) -> Option<&str> {
        self.program_endpoint.as_deref().or(self.endpoint.as_deref())
    }
}

/// How the bytes and objects of buckets are counted: by listing them, because S3 has no other way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UsageConfig {
    /// How often, give or take a tenth. Absent: `24h`.
    pub every: Duration,
    /// Most requests for one count of one bucket. Each lists 1,000 objects. The usage of a larger bucket is reported as
    /// "at least". Absent: 100.
    pub max_pages: u32,
}

impl Default for UsageConfig {
    fn default() -> Self {
        Self {
            every: Duration::new("24h"),
            max_pages: 100,
        }
    }
}

/// How drives' programs get at their buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProgramsConfig {
    /// Name of a Secret in each drive's namespace with the keys `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    /// Absent: workload identity (EKS Pod Identity), and no keys anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// Networks of the object store. Services that restrict their egress and use a bucket may connect to them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
}

/// Refuses what cannot work.
pub(super) fn check(store: &ObjectStoreConfig) -> Result<(), PlatformError> {
    for (field, address) in [
        ("objectStore.endpoint", &store.endpoint),
        ("objectStore.programEndpoint", &store.program_endpoint),
    ] {
        if address.as_deref().is_some_and(|address| !is_address(address)) {
            return unusable(
                field,
                "is no address: write it like https://s3.example.edu, with nothing after the host and the port",
            );
        }
    }
    if store.region.is_empty() || !store.region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return unusable("objectStore.region", "is no region: write it like ap-south-1");
    }
    if store.bucket_prefix.as_deref().is_some_and(|prefix| !is_prefix(prefix)) {
        return unusable(
            "objectStore.bucketPrefix",
            "must hold 1 to 20 of a-z, 0-9 and '-', and begin and end with a letter or digit",
        );
    }
    if !(1..=1_000).contains(&store.requests_per_second) {
        return unusable("objectStore.requestsPerSecond", "is out of range: 1 to 1000");
    }
    for (field, duration) in [
        ("objectStore.checkEvery", Some(&store.check_every)),
        ("objectStore.giveUpAfter", Some(&store.give_up_after)),
        (
            "objectStore.usage.every",
            store.usage.as_ref().map(|usage| &usage.every),
        ),
    ] {
        if duration.is_some_and(|duration| duration.seconds().is_none_or(|seconds| seconds == 0)) {
            return unusable(field, "is no duration: write it like 12h, 30m or 90s");
        }
    }
    if store.usage.as_ref().is_some_and(|usage| usage.max_pages == 0) {
        return unusable("objectStore.usage.maxPages", "is 0: name at least 1");
    }
    // One that the API server refuses would hold every service that restricts its egress and uses a bucket.
    for range in &store.programs.cidrs {
        if let Err(why) = cidr::check(range) {
            return unusable("objectStore.programs.cidrs", format!("{range:?} {why}"));
        }
    }
    Ok(())
}

fn is_address(address: &str) -> bool {
    address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"))
        .is_some_and(|host| !host.is_empty() && !host.trim_end_matches('/').contains(['/', '?', '#', '@', ' ']))
}

fn is_prefix(prefix: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    prefix.len() <= LONGEST_PREFIX
        && prefix
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && is_edge(prefix.chars().next())
        && is_edge(prefix.chars().last())
}

#[cfg(test)]
mod tests {
    use crate::platform::parse;

    #[test]
    fn a_server_with_an_endpoint_is_asked_by_path_and_aws_by_host_name() {
        let store = |text: &str| parse(text).unwrap().object_store.unwrap();
        assert!(store("objectStore: {endpoint: 'http://minio.storage:9000'}").is_path_style());
        assert!(!store("objectStore: {region: ap-south-1}").is_path_style());
        assert!(!store("objectStore: {endpoint: 'https://s3.example.edu', pathStyle: false}").is_path_style());
    }

    #[test]
    fn what_cannot_work_is_refused_by_the_name_of_its_field() {
        for (text, field) in [
            ("{endpoint: minio}", "objectStore.endpoint"),
            ("{endpoint: 'https://s3.example.edu/bucket'}", "objectStore.endpoint"),
            ("{programEndpoint: 'ftp://s3'}", "objectStore.programEndpoint"),
            ("{region: ''}", "objectStore.region"),
            ("{bucketPrefix: Ras}", "objectStore.bucketPrefix"),
            ("{bucketPrefix: '-ras'}", "objectStore.bucketPrefix"),
            ("{requestsPerSecond: 0}", "objectStore.requestsPerSecond"),
            ("{checkEvery: soon}", "objectStore.checkEvery"),
            ("{giveUpAfter: 0s}", "objectStore.giveUpAfter"),
            ("{usage: {maxPages: 0}}", "objectStore.usage.maxPages"),
            ("{programs: {cidrs: [everywhere]}}", "objectStore.programs.cidrs"),
            ("{programs: {cidrs: [10.0.0.0/33]}}", "objectStore.programs.cidrs"),
            (
                "{programs: {cidrs: [10.0.0.0/8, 10.20.0.5/24]}}",
                "write 10.20.0.0/24 or 10.20.0.5/32",
            ),
        ] {
            let error = parse(&format!("objectStore: {text}")).unwrap_err().to_string();
            assert!(error.contains(field), "{text}: {error}");
        }
    }
}
