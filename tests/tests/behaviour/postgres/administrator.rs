//! What a server of a drive's own does each time it starts: its administrator's password becomes what the Secret says. The
//! pod's hook itself runs here, beside a real server.

use ras_core::build::build;
use ras_core::fetched::Fetched;
use ras_core::plan::plan;
use ras_core::platform::PlatformConfig;
use ras_core::validate::validate;
use ras_crds::RecruitmentDrive;
use ras_tests::{
    Error,
    postgres::{PostgresOptions, PostgresServer},
};
use tokio::process::Command;

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring, namespace: spo}
spec:
  services: [{name: web, image: 'registry.example.com/web:1'}]
  database:
    managed: {provider: Standalone, version: 17, size: 1Gi}
    databases: [{name: portal}]
";

/// The file in the pod.
fn hook() -> Vec<String> {
    let drive: RecruitmentDrive = {
        let value: serde_json::Value = serde_yaml::from_str(DRIVE).expect("YAML");
        serde_json::from_value(value).expect("a drive")
    };
    let fetched = Fetched::default();
    let valid = validate(&drive, &fetched, &PlatformConfig::default()).expect("a valid drive");
    let server = build(&plan(&valid, &fetched)).stateful_sets.pop().expect("a server");
    let pod = server.spec.expect("a spec").template.spec.expect("a pod");
    let container = pod.containers.into_iter().next().expect("a container");
    let handler = container.lifecycle.expect("hooks").post_start.expect("a hook");
    handler.exec.expect("a program").command.expect("its words")
}

/// Runs it, and gives what it said to the container's log.
async fn starts(server: &PostgresServer, password: &str) -> String {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let words = hook();
    let (program, arguments) = words.split_first().expect("a program");
    let arguments = arguments
        .iter()
        .map(|word| word.replace("/proc/1/fd/2", &log.path().display().to_string()));
    let output = Command::new(program)
        .args(arguments)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", server.port().to_string())
        .env("POSTGRES_PASSWORD", password)
        .output()
        .await
        .expect("a shell");
    assert!(
        output.status.success(),
        "a hook that fails would take the server down: {output:?}"
    );
    std::fs::read_to_string(log.path()).expect("what it said")
}

#[tokio::test]
async fn a_server_takes_its_administrators_password_from_the_secret_and_never_an_empty_one() -> Result<(), Error> {
    let server = PostgresServer::start(PostgresOptions {
        // As by the socket of the official image; to every other database a password is needed.
        rules: vec!["host postgres postgres 127.0.0.1/32 trust".to_owned()],
        ..PostgresOptions::default()
    })
    .await?;
    server
        .execute("postgres", "CREATE ROLE postgres SUPERUSER LOGIN")
        .await?;
    let lets_in = async |password: &str| server.connect("postgres", password, "template1").await.is_ok();

    for password in ["correct-horse", "it's \"$HOME\" `id` \\ :'x' 100%s"] {
        assert_eq!(starts(&server, password).await, "");
        assert!(lets_in(password).await, "{password}");
        let said = starts(&server, "").await;
        assert!(said.contains("stays"), "{said}");
        assert!(lets_in(password).await, "an empty one changed it");
        assert!(!server.log().contains(password), "{password} is in the server's log");
    }
    Ok(())
}
