//! The whole system of `examples/ras.yaml`, with the stand-in portal in place of its programs.

use std::sync::Arc;

use http::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
};
use ras_crds::ConditionType;
use ras_tests::{Error, eventually};
use serde_json::{Value, json};

use crate::{
    drive::{Drive, PATIENCE, uids},
    images::{BACKEND, CDN, FRONTEND, POSTGRESQL_VERSION, SMTP},
    runner::{Failure, Scenario, ScenarioResult, Steps},
    scenarios,
    world::World,
};

pub fn all() -> Vec<Scenario> {
    scenarios![the_example_of_a_whole_system_serves_and_survives_what_happens_to_its_pods_and_to_itself]
}

/// Commands that a user would copy.
const EXAMPLE: &str = include_str!("../../../../examples/ras.yaml");
/// Port, path and database of each of the nine servers.
const SERVERS: [(&str, &str, &str); 9] = [
    ("ras", "/api/ras", "rc"),
    ("auth", "/api/auth", "auth"),
    ("student", "/api/student", "student"),
    ("company", "/api/company", "company"),
    ("admin-rc", "/api/admin/rc", "rc"),
    ("admin-app", "/api/admin/application/rc", "application"),
    ("admin-company", "/api/admin/company", "company"),
    ("admin-student", "/api/admin/student", "student"),
    ("verification", "/api/verification", "auth"),
];
/// Those of them by which each database is looked at once.
const OWNERS: [&str; 5] = ["ras", "auth", "student", "company", "admin-app"];

/// The example with other images and another mail server: the campus' own is not here.
fn example() -> Result<String, Failure> {
    let mut text = EXAMPLE.to_owned();
    for (there, here) in [
        ("registry.example.com/ras-backend:2026.07", BACKEND),
        ("registry.example.com/ras-frontend:2026.07", FRONTEND),
        ("registry.example.com/ras-cdn:2026.07", CDN),
        ("HOST: smtp.example.edu, PORT: 465,", "HOST: smtp, PORT: 465,"),
        // Where the object lies, and nothing of what it says.
        ("\n  namespace: spo\n", "\n"),
    ] {
        if !text.contains(there) {
            return Err(format!("examples/ras.yaml has no {there:?}").into());
        }
        text = text.replace(there, here);
    }
    Ok(text)
}

async fn the_example_of_a_whole_system_serves_and_survives_what_happens_to_its_pods_and_to_itself(
    world: Arc<World>,
    steps: Steps,
) -> ScenarioResult {
    let drive = Drive::new(&world, "placements-2026").await?;
    let example = example()?;
    drive.namespace.apply(&mail_server()).await?;
    drive.namespace.apply(&example).await?;
    let message = drive.condition(ConditionType::ExposureReady, "False").await?;
    assert!(message.contains("cert-manager"), "{message}");
    steps.done("told that cert-manager is missing");

    drive.namespace.apply(CERTIFICATE).await?;
    drive.ready().await?;
    steps.done("Ready");
    serves(&drive).await?;
    steps.done("nine servers answer, and their tables belong to five owners");
    sends_all_mail_although_its_pods_are_replaced(&drive).await?;
    steps.done("the pods of the back end were deleted while it sent mail, and all of it arrived");
    survives_a_crash(&drive).await?;
    steps.done("a back end crashed, and is Ready again");
    survives_the_end_of_its_pods(&drive).await?;
    steps.done("the pods of the database and of the file server were deleted, and all is there");
    let key = takes_a_new_key(&drive).await?;
    steps.done("a new key reached every back end, and nobody was refused");

    drive.delete().await?;
    steps.done("the drive was deleted");
    drive.namespace.apply(&example).await?;
    drive.ready().await?;
    keeps(&drive).await?;
    assert_eq!(drive.get_at("backend", "ras", "/api/ras/key").await?, key);
    steps.done("made again, with its rows, its file and its key");
    Ok(())
}

/// Everything that its users do.
async fn serves(drive: &Drive) -> Result<(), Failure> {
    for (port, path, _) in SERVERS {
        let answer = drive.get_at("backend", port, path).await?;
        let name = port.replace('-', ".").to_uppercase();
        assert_eq!(answer, json!({"server": name}));
    }
    assert_eq!(drive.get("frontend", "/").await?, json!({"version": "1"}));
    let status = drive.drives().get(&drive.name).await?.status.unwrap_or_default();
    let version = status.database.and_then(|database| database.server_version);
    let version = version.unwrap_or_default();
    assert!(version.starts_with(&POSTGRESQL_VERSION.to_string()), "{version}");

    for (port, path, _) in owners() {
        let seasons = format!("{path}/seasons");
        drive.done("backend", port, Method::POST, &seasons, "").await?;
    }
    let resume = "%PDF-1.7 of a student";
    let upload = "/cdn/upload?name=0006_resume.pdf";
    drive.done("cdn", "http", Method::POST, upload, resume).await?;
    keeps(drive).await?;
    let refused = drive
        .ask("cdn", Method::POST, "/cdn/upload?name=x.pdf", "GIF89a")
        .await?;
    assert_eq!(refused.0, 415, "{}", refused.1);
    let largest = format!("%PDF-{}", " ".repeat((2 << 20) - 5));
    let uploaded = drive
        .ask(
            "cdn",
            Method::POST,
            "/cdn/upload?name=large.pdf",
            &format!("{largest} "),
        )
        .await?;
    assert_eq!(uploaded.0, 413, "{}", uploaded.1);

    let batches = drive
        .done("backend", "ras", Method::POST, "/api/ras/mail", "450")
        .await?;
    assert_eq!(batches, 3);
    arrive(drive, &[200, 200, 50]).await
}

/// Waits until these mails, each to so many people, and no others are with the mail server.
async fn arrive(drive: &Drive, expected: &[u64]) -> Result<(), Failure> {
    eventually(PATIENCE, "the mail to arrive", async || {
        let mails = drive.get("smtp", "/mails").await?;
        let mails = mails.as_array().into_iter().flatten();
        let people: Vec<u64> = mails.filter_map(|mail| mail["to"].as_u64()).collect();
        if people == expected {
            Ok(())
        } else {
            Err(format!("{people:?}").into())
        }
    })
    .await?;
    Ok(())
}

/// The back end exits at SIGTERM at once, and mail is in its memory.
async fn sends_all_mail_although_its_pods_are_replaced(drive: &Drive) -> Result<(), Failure> {
    let batches = drive
        .done("backend", "ras", Method::POST, "/api/ras/mail", "2200")
        .await?;
    assert_eq!(batches, 11);
    drive.replace_pods_of("backend").await?;
    let mut expected = vec![200, 200, 50];
    expected.extend([200; 11]);
    arrive(drive, &expected).await?;
    drive.ready().await?;
    Ok(())
}

/// The row of each database, with its owner, and the file.
async fn keeps(drive: &Drive) -> Result<(), Error> {
    for (port, path, database) in owners() {
        let path = format!("{path}/seasons");
        let answer = drive.get_at("backend", port, &path).await?;
        let owner = format!("{database}admin");
        let row = json!({"year": 2026, "database": database, "role": owner, "owner": owner});
        assert_eq!(answer, json!([row]));
    }
    assert_eq!(
        drive.get("cdn", "/cdn/view/0006_resume.pdf").await?,
        "%PDF-1.7 of a student"
    );
    assert_eq!(drive.get("cdn", "/cdn/count").await?, 1);
    Ok(())
}

fn owners() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    SERVERS.into_iter().filter(|(port, ..)| OWNERS.contains(port))
}

async fn survives_a_crash(drive: &Drive) -> Result<(), Failure> {
    let before = drive.pods_of("backend").await?;
    // No answer comes of it, by design.
    let _ = drive.ask_at("backend", "ras", Method::POST, "/api/ras/exit", "").await;
    eventually(PATIENCE, "the back end to run again", async || {
        let now = drive.pods_of("backend").await?;
        if restarts(&now) > restarts(&before) && now.iter().all(is_ready) {
            Ok(())
        } else {
            Err(format!("{} restarts", restarts(&now)).into())
        }
    })
    .await?;
    drive.ready().await?;
    assert_eq!(
        uids(&before),
        uids(&drive.pods_of("backend").await?),
        "in the same pods"
    );
    Ok(())
}

async fn survives_the_end_of_its_pods(drive: &Drive) -> Result<(), Failure> {
    // With a second to say good-bye, not the two minutes that it has; and not with none, which nobody may do to a database: its
    // successor would start on the same files while it still runs.
    let server = drive.pods_of("database").await?;
    let server = server.first().ok_or("no pod of the database")?;
    let hurried = DeleteParams::default().grace_period(1);
    drive.pods().delete(&server.name_any(), &hurried).await?;
    drive.replace_pods_of("cdn").await?;
    eventually(PATIENCE, "another pod of the database", async || {
        match drive.pods_of("database").await?.first() {
            Some(new) if new.uid() != server.uid() => Ok(()),
            _ => Err("the old one".into()),
        }
    })
    .await?;
    keeps(drive).await?;
    drive.ready().await
}

/// Rotates the key that the back end signs with, and returns the hash of the new one: nobody is told the key itself.
async fn takes_a_new_key(drive: &Drive) -> Result<Value, Failure> {
    let path = "/api/ras/key";
    let old = drive.get_at("backend", "ras", path).await?;
    let before = drive.pods_of("backend").await?;
    let untouched = drive.pods_of("cdn").await?;
    let request = json!({"metadata": {"annotations": {"ras.dev/rotate": "jwt@1"}}});
    drive
        .drives()
        .patch(&drive.name, &PatchParams::default(), &Patch::Merge(request))
        .await?;
    eventually(PATIENCE, "other back ends", async || {
        let (code, key) = drive.ask_at("backend", "ras", Method::GET, path, "").await?;
        assert_eq!(code, 200, "nobody answered while the key changed: {key}");
        let now = drive.pods_of("backend").await?;
        let is_new = |pod: &Pod| before.iter().all(|old| old.uid() != pod.uid());
        if now.len() == before.len() && now.iter().all(|pod| is_new(pod) && is_ready(pod)) {
            Ok(())
        } else {
            Err(format!("{} pods", now.len()).into())
        }
    })
    .await?;
    drive.ready().await?;
    let new = drive.get_at("backend", "ras", path).await?;
    assert_ne!(new, old);
    // Whichever of the pods answers.
    for _ in 0..10 {
        assert_eq!(drive.get_at("backend", "ras", path).await?, new, "one has another key");
    }
    let after = drive.pods_of("cdn").await?;
    assert_eq!(uids(&untouched), uids(&after), "the file server has no such key");
    Ok(new)
}

fn restarts(pods: &[Pod]) -> i32 {
    let of = |pod: &Pod| {
        pod.status
            .as_ref()?
            .container_statuses
            .as_ref()?
            .first()
            .map(|one| one.restart_count)
    };
    pods.iter().filter_map(of).sum()
}

fn is_ready(pod: &Pod) -> bool {
    let status = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    status.is_some_and(|containers| containers.iter().all(|one| one.ready))
}

/// The Secret that cert-manager would create. It is not served: there is no ingress controller.
const CERTIFICATE: &str = "
apiVersion: v1
kind: Secret
metadata: {name: placements-2026-tls, annotations: {cert-manager.io/certificate-name: placements-2026-tls}}
type: kubernetes.io/tls
stringData: {tls.crt: a certificate, tls.key: a key}
";

/// The campus' mail server, outside the drive.
fn mail_server() -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: smtp}}
spec: {{selector: {{app: smtp}}, ports: [{{name: smtp, port: 465, targetPort: 2525}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: placements-2026-smtp}}
spec: {{selector: {{app: smtp}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: smtp, labels: {{app: smtp}}}}
spec:
  automountServiceAccountToken: false
  securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
  - name: smtp
    image: {SMTP}
    securityContext: {{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {{drop: [ALL]}}}}
    readinessProbe: {{tcpSocket: {{port: 2525}}, periodSeconds: 1}}
"
    )
}
