//! An object that was stored under another definition and does not decode harms nobody else.

use ras_tests::{Error, OperatorOptions, ROLES, Season, documents, repository};
use serde_json::{Value, json};

use crate::{
    bad_input::ready_of_any,
    seen::{becomes, kubectl, of_deployment, restart_operator},
};

const IMAGE: &str = "/spec/template/spec/containers/0/image";

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
    let mut season = Season::alone("undecodable", &options).await?;
    season.apply(&drive("well", "1")).await?;
    season.apply(&drive("hurt", "1")).await?;
    season.ready("well").await?;
    season.ready("hurt").await?;
    let running = of_deployment(&season, "hurt-web", "/metadata/uid").await?;
    season.apply(&loose()).await?;
    let broken = r#"{"spec": {"services": {"web": {"image": "registry.example.com/web:2"}}}}"#;
    kubectl(&season, &["patch", "drive", "hurt", "--type=merge", "--patch", broken]).await?;

    for restarted in [false, true] {
        if restarted {
            restart_operator(&mut season, &options).await?;
        }
        let told = ready_of_any(&season, "hurt", "Undecodable").await?;
        assert_eq!(told["status"], "False");
        let message = told["message"].as_str().unwrap();
        for word in ["ras.dev/v1alpha1", "kubectl edit", "goes on running"] {
            assert!(message.contains(word), "{word}: {message}");
        }
        let image = if restarted { "3" } else { "2" };
        season.apply(&drive("well", image)).await?;
        becomes(
            &season,
            "well-web",
            IMAGE,
            &json!(format!("registry.example.com/web:{image}")),
        )
        .await?;
        season.ready("well").await?;
        assert_eq!(
            of_deployment(&season, "hurt-web", IMAGE).await?,
            "registry.example.com/web:1"
        );
    }

    // One that never decoded, and one more that is well, come to the same end.
    season
        .apply(
            &drive("new", "1")
                .replace("[{name: web", "{web: {name: web")
                .replace("'}]}", "'}}}"),
        )
        .await?;
    ready_of_any(&season, "new", "Undecodable").await?;
    season.apply(&drive("other", "1")).await?;
    season.ready("other").await?;

    let mended = r#"{"spec": {"services": [{"name": "web", "image": "registry.example.com/web:4"}]}}"#;
    for hurt in ["hurt", "new"] {
        kubectl(&season, &["patch", "drive", hurt, "--type=merge", "--patch", mended]).await?;
        becomes(
            &season,
            &format!("{hurt}-web"),
            IMAGE,
            &json!("registry.example.com/web:4"),
        )
        .await?;
        season.ready(hurt).await?;
    }
    assert_eq!(
        of_deployment(&season, "hurt-web", "/metadata/uid").await?,
        running,
        "it was rolled, not made anew"
    );
    season.operator.check_running()
}
