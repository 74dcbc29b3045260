//! An object that was stored under another definition and does not decode harms nobody else.

use std::time::Duration;

use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, TestEnv, documents, eventually, repository};
use serde_json::{Value, json};

use crate::{
    bad_input::ready_of_any,
    seen::{IMAGE, asked, becomes, kubectl, mark, of_deployment, restart_operator},
};

fn drive(name: &str, image: &str) -> String {
    format!(
        "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {{name: {name}}}
spec: {{services: [{{name: web, image: 'registry.example.com/web:{image}'}}]}}
"
    )
}

/// Our definition as some other version may have been, which lets anything into `spec`.
fn loose() -> String {
    let text = std::fs::read_to_string(repository().join("crds/recruitmentdrives.yaml")).unwrap();
    let mut definition = documents(&text).unwrap().remove(0);
    for version in definition
        .pointer_mut("/spec/versions")
        .and_then(Value::as_array_mut)
        .unwrap()
    {
        let spec = version.pointer_mut("/schema/openAPIV3Schema/properties/spec").unwrap();
        *spec = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    }
    definition.to_string()
}

#[tokio::test]
async fn a_stored_object_that_does_not_decode_is_reported_and_skipped() -> Result<(), Error> {
    // It changes the definition, which is everybody's.
    let options = OperatorOptions::with_roles(ROLES);
    let mut test_env = TestEnv::alone("undecodable", &options).await?;
    test_env.apply(&drive("well", "1")).await?;
    test_env.apply(&drive("hurt", "1")).await?;
    test_env.ready("well").await?;
    test_env.ready("hurt").await?;
    let running = of_deployment(&test_env, "hurt-web", "/metadata/uid").await?;
    test_env.apply(&loose()).await?;
    let broken = r#"{"spec": {"services": {"web": {"image": "registry.example.com/web:2"}}}}"#;
    kubectl(
        &test_env,
        &["patch", "drive", "hurt", "--type=merge", "--patch", broken],
    )
    .await?;

    for restarted in [false, true] {
        if restarted {
            restart_operator(&mut test_env, &options).await?;
        }
        let condition = ready_of_any(&test_env, "hurt", "Undecodable").await?;
        assert_eq!(condition["status"], "False");
        let message = condition["message"].as_str().unwrap();
        for word in ["ras.dev/v1alpha1", "kubectl edit", "running workloads are not changed"] {
            assert!(message.contains(word), "{word}: {message}");
        }
        let image = if restarted { "3" } else { "2" };
        test_env.apply(&drive("well", image)).await?;
        becomes(
            &test_env,
            "well-web",
            IMAGE,
            &json!(format!("registry.example.com/web:{image}")),
        )
        .await?;
        test_env.ready("well").await?;
        assert_eq!(
            of_deployment(&test_env, "hurt-web", IMAGE).await?,
            "registry.example.com/web:1"
        );
    }

    // One that never decoded, and one more that is well, come to the same end.
    test_env
        .apply(
            &drive("new", "1")
                .replace("[{name: web", "{web: {name: web")
                .replace("'}]}", "'}}}"),
        )
        .await?;
    ready_of_any(&test_env, "new", "Undecodable").await?;
    test_env.apply(&drive("other", "1")).await?;
    test_env.ready("other").await?;

    let mended = r#"{"spec": {"services": [{"name": "web", "image": "registry.example.com/web:4"}]}}"#;
    for hurt in ["hurt", "new"] {
        kubectl(&test_env, &["patch", "drive", hurt, "--type=merge", "--patch", mended]).await?;
        becomes(
            &test_env,
            &format!("{hurt}-web"),
            IMAGE,
            &json!("registry.example.com/web:4"),
        )
        .await?;
        test_env.ready(hurt).await?;
    }
    assert_eq!(
        of_deployment(&test_env, "hurt-web", "/metadata/uid").await?,
        running,
        "it was rolled, not made anew"
    );
    test_env.operator.check_running()
}

#[tokio::test]
async fn an_object_that_the_definition_no_longer_lets_in_is_told_of_once() -> Result<(), Error> {
    let options = OperatorOptions::with_roles(ROLES);
    let mut test_env = TestEnv::alone("no-longer-let-in", &options).await?;
    test_env.operator.stop().await?;
    test_env.apply(&loose()).await?;
    // Of the one the API server takes a status all the same; of the other, whose rules it cannot even work out, none.
    let image = "registry.example.com/web:1";
    test_env
        .apply(&drive("mild", "1").replace("spec: {", "spec: {suspend: 'yes', "))
        .await?;
    test_env
        .apply(
            &drive("wild", "1")
                .replace("[{name: web", "{web: {name: web")
                .replace("'}]}", "'}}}"),
        )
        .await?;
    test_env.cluster.install_crd().await?;
    let before = mark(&test_env).await?;
    test_env.apply(&drive("well", "1")).await?;
    restart_operator(&mut test_env, &options).await?;

    test_env.ready("well").await?;
    assert_eq!(of_deployment(&test_env, "well-web", IMAGE).await?, image);
    ready_of_any(&test_env, "mild", "Undecodable").await?;
    eventually(PATIENCE, "an event about the other", async || {
        let events = kubectl(&test_env, &["events", "--for=drive/wild", "--types=Warning"]).await?;
        if events.contains("Undecodable") && events.contains("kubectl edit") {
            Ok(())
        } else {
            Err(events.into())
        }
    })
    .await?;
    // The promise is that nothing more happens: a second try would come after half a second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let writes = asked(&test_env, before, |event| {
        event.subresource == "status" && event.name != "well"
    })
    .await?;
    let mut names: Vec<&str> = writes.iter().map(|event| event.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["mild", "wild"], "{writes:?}");

    for broken in ["mild", "wild"] {
        let mended =
            r#"{"spec": {"suspend": null, "services": [{"name": "web", "image": "registry.example.com/web:1"}]}}"#;
        kubectl(
            &test_env,
            &["patch", "drive", broken, "--type=merge", "--patch", mended],
        )
        .await?;
        test_env.ready(broken).await?;
    }
    Ok(())
}
