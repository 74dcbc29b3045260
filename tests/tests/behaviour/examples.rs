//! What a user copies: every example reaches Ready, and what is printed of them is read by `kubectl` as it was meant.

use std::fs;

use k8s_openapi::api::core::v1::Secret;
use ras_core::build::build;
use ras_core::fetched::{Apis, Fetched};
use ras_core::plan::plan;
use ras_core::platform::parse as settings_of;
use ras_core::validate::validate;
use ras_crds::{RecruitmentDrive, schema};
use ras_tests::{
    Cluster, Error, FakeKubelet, ForeignProject, Operator, documents,
    object_store::{StoreKind, shared},
    postgres::{self, PostgresServer},
    read_yaml_with_go, repository,
};
use serde_json::{Value, json};

use crate::databases::connection_secret;
use crate::manifest::to_yaml;
use crate::storage::platform;

/// Names and texts of the examples.
fn examples() -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = fs::read_dir(repository().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    found.sort();
    assert!(found.len() >= 4, "{found:?}");
    found
}

#[tokio::test]
async fn every_example_becomes_ready() -> Result<(), Error> {
    // A control plane of its own: certificates are issued here, and elsewhere tests wait for them in vain on purpose.
    let cluster = Cluster::start().await?;
    cluster.install_crd().await?;
    cluster.install(ForeignProject::PrometheusOperator).await?;
    let issuer = cluster.issue_certificates().await?;
    let in_store = [
        ("spo/mail", r#"{"username": "spo", "password": "from-a-store"}"#),
        ("spo/maps", r#"{"key": "from-a-store"}"#),
    ];
    let _vault = cluster.fetch_from_stores("campus-vault", &in_store).await?;
    let home = cluster.namespace("ras-system").await?;
    let store = shared(StoreKind::Minio).await?;
    let (_settings, options) = platform(
        store,
        store.endpoint(),
        "bucketPrefix: examples, programs: {secretName: s3}",
    );
    let operator = Operator::start(&cluster, &home, &options.cluster_wide()).await?;

    let jobs = FakeKubelet::start(cluster.client()?, None);
    let server = postgres::shared().await?;

    let mut applied = Vec::new();
    for (example, text) in examples() {
        let namespace = cluster.namespace(&example).await?;
        // A host belongs to one drive of the cluster, and each example is written as if it were alone.
        let text = text
            .replace("namespace: spo", &format!("namespace: {}", namespace.name()))
            .replace("placement.example.edu", &format!("{example}.example.edu"));
        for drive in documents(&text)? {
            namespace.apply(&what_it_needs(&drive, server).join("---\n")).await?;
            applied.push((example.clone(), namespace.name().to_owned(), name_of(&drive)));
        }
        namespace.apply(&text).await?;
    }
    for (example, namespace, drive) in applied {
        // As the examples tell their reader to.
        let wait = [
            "wait",
            "--namespace",
            &namespace,
            &format!("drive/{drive}"),
            "--for=condition=Ready",
            "--timeout=55s",
        ];
        let waited = cluster.kubectl(&wait).await?;
        let described = cluster
            .kubectl(&["describe", "--namespace", &namespace, "drive", &drive])
            .await?
            .stdout;
        let logs = [operator.log(), issuer.end_of_log(), format!("{:#?}", jobs.runs())].join("\n");
        assert!(waited.success, "{example}: {}\n{described}\n{logs}", waited.stderr);
    }
    a_certificate_was_issued(&cluster).await
}

/// Existing Secrets that an example needs.
fn what_it_needs(drive: &Value, server: &PostgresServer) -> Vec<String> {
    let mut needed = Vec::new();
    if let Some(name) = drive["spec"]["database"]["external"]["secretName"].as_str() {
        needed.push(connection_secret(name, server, server.password()));
    }
    for secret in drive["spec"]["secrets"].as_array().into_iter().flatten() {
        let Some(name) = secret["existing"]["secretName"].as_str() else {
            continue;
        };
        let mut keys = json!({"url": "postgres://10.20.0.7/alumni", "password": "from-somebody"});
        for used in uses(drive, &secret["name"]) {
            keys[used] = json!("from-somebody");
        }
        let metadata = json!({"name": name});
        needed.push(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": keys}));
    }
    if !drive["spec"]["buckets"].is_null() {
        let (metadata, keys) = (
            json!({"name": "s3"}),
            json!({"AWS_ACCESS_KEY_ID": "from-somebody", "AWS_SECRET_ACCESS_KEY": "from-somebody"}),
        );
        needed.push(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": keys}));
    }
    if let Some(name) = drive["spec"]["exposure"]["tls"]["secretName"].as_str() {
        let pair = json!({"tls.crt": "", "tls.key": ""});
        let (metadata, type_) = (json!({"name": name}), "kubernetes.io/tls");
        needed.push(
            json!({"apiVersion": "v1", "kind": "Secret", "type": type_, "metadata": metadata, "stringData": pair}),
        );
    }
    needed.iter().map(|object| format!("{object}\n")).collect()
}

/// Keys of a secret that services' variables name.
fn uses<'a>(drive: &'a Value, secret: &Value) -> Vec<&'a str> {
    let services = drive["spec"]["services"].as_array().into_iter().flatten();
    let variables = services.flat_map(|service| service["env"].as_array().into_iter().flatten());
    let of_secret = variables.filter(|variable| variable["secret"]["name"] == *secret);
    of_secret
        .filter_map(|variable| variable["secret"]["key"].as_str())
        .collect()
}

fn name_of(drive: &Value) -> String {
    drive["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

/// Ready means it: the certificate is one that cert-manager made.
async fn a_certificate_was_issued(cluster: &Cluster) -> Result<(), Error> {
    let secrets = cluster
        .kubectl(&["get", "secrets", "--all-namespaces", "--output", "json"])
        .await?;
    let list: Value = serde_json::from_str(&secrets.stdout).unwrap();
    let secrets: Vec<Secret> = serde_json::from_value(list["items"].clone()).unwrap();
    let issued = secrets.iter().filter(|secret| {
        let annotations = secret.metadata.annotations.as_ref();
        let issuer = annotations.and_then(|all| all.get("cert-manager.io/issuer-name"));
        let certificate = secret.data.as_ref().and_then(|data| data.get("tls.crt"));
        issuer.is_some_and(|name| name == "letsencrypt") && certificate.is_some_and(|bytes| !bytes.0.is_empty())
    });
    let issued: Vec<_> = issued.filter_map(|secret| secret.metadata.name.as_deref()).collect();
    let asked = examples()
        .iter()
        .filter(|(_, text)| text.contains("issuer: letsencrypt"))
        .count();
    assert_eq!(issued.len(), asked, "{issued:?}");
    assert!(asked > 0, "no example asks for a certificate any more");
    Ok(())
}

/// Texts that one version of YAML or another takes for something else, or loses a part of.
#[rustfmt::skip] // One a line would be a hundred lines.
const NASTY: &[&str] = &[
    "", " ", "~", "null", "Null", "y", "Y", "n", "N", "yes", "No", "on", "OFF", "true", "False", "1_000", "12:30:45",
    "1:2", "0o7", "0777", "0x1F", "0b11", "1e3", "1.", ".5", "+1", "-0", "1__2", ".inf", "-.INF", ".nan", "=", "<<",
    "!", "!!str x", "&a", "*a", "%TAG", "@x", "`x`", "- a", "-", "--", "---", "...", "--- a", "a: b", "a:", ": a",
    "a #b", "#a", "[a", "{a", "]", "}", ",", "? a", "|", ">", "'", "\"", "'a'", "\"a\"", "a'b\"c", "\\", "\\n", "\t",
    "a\tb", " a", "a ", "\n", "\n\n", "a\n", "a\n\n", "\na", " a\nb", "a\n b", "a\n\tb", "a \nb", "a\r\nb", "\r",
    "\u{0}", "\u{1b}[0m", "\u{7f}", "\u{85}", "\u{a0}", "\u{2028}", "\u{feff}a", "\u{fffd}", "ü", "नमस्ते", "🎓",
    "2026-07-15", "2026-07-15T09:00:00Z", "20Gi", "250m", "25%", "100", "1.5", "-1", "$(KEY)", "a\u{2029}b",
    "key: |\n  text\n", "#!/bin/sh\nset -eu\n", "---\na: 1\n---\n",
];

#[tokio::test]
async fn every_manifest_survives_gos_yaml_reader() -> Result<(), Error> {
    let definition = schema::custom_resource_definition_json().unwrap();
    let mut yaml = vec![schema::custom_resource_definition_yaml().unwrap()];
    let mut meant = vec![definition];
    for (_, text) in examples() {
        for document in documents(&text)? {
            for child in children(document) {
                yaml.push(to_yaml(&child).unwrap());
                meant.push(child);
            }
        }
    }
    assert!(meant.len() > 40, "{}", meant.len());
    let as_keys: Value = NASTY
        .iter()
        .map(|text| ((*text).to_owned(), json!(text)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let long = format!("{} {}", "k".repeat(1_100), "v".repeat(5_000));
    for nasty in [
        json!({"texts": NASTY, "deep": {"er": [[NASTY]]}}),
        as_keys,
        json!({long.clone(): long}),
    ] {
        yaml.push(to_yaml(&nasty).unwrap());
        meant.push(nasty);
    }
    let read = read_yaml_with_go(&yaml.join("---\n")).await?;
    assert_eq!(read.len(), meant.len(), "a text was taken for the end of a document");
    for ((read, meant), yaml) in read.iter().zip(&meant).zip(&yaml) {
        assert_eq!(read, meant, "{yaml}");
    }
    Ok(())
}

/// Every object that an example becomes where all optional APIs are there.
fn children(example: Value) -> Vec<Value> {
    let mut drive: RecruitmentDrive = serde_json::from_value(example).unwrap();
    drive.metadata.uid = Some("6f1e7a52-0b1c-4c4e-9d57-3a6f0c2b9e11".to_owned());
    let apis = Apis {
        service_monitors: true,
        prometheus_rules: true,
        certificates: true,
        ..Apis::default()
    };
    let fetched = Fetched {
        apis,
        ..Fetched::default()
    };
    let settings = "objectStore: {endpoint: 'https://s3.example.edu', programs: {secretName: s3}}";
    let valid = validate(&drive, &fetched, &settings_of(settings).unwrap()).unwrap();
    build(&plan(&valid, &fetched)).manifests().unwrap()
}
