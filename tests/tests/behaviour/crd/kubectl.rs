//! How the kind looks in `kubectl`.

use super::{LIMIT, a_good_drive, cluster_with_drives, drives};
use kube::api::{Patch, PatchParams};
use ras_tests::{Error, cluster, eventually, repository};
use serde_json::{Value, json};

#[tokio::test]
async fn the_definition_can_be_applied_from_the_client_without_a_warning() -> Result<(), Error> {
    let cluster = cluster().await?;
    // A copy under another name: the real one is in use by other tests, and `kubectl get drive` must find it alone.
    let text = std::fs::read_to_string(repository().join("crds/recruitmentdrives.yaml")).unwrap();
    let mut copy: Value = serde_yaml::from_str(&text).unwrap();
    copy["metadata"]["name"] = json!("copies.client-side.example.com");
    copy["spec"]["group"] = json!("client-side.example.com");
    copy["spec"]["names"] = json!({"kind": "Copy", "plural": "copies", "singular": "copy"});
    for word in ["created", "unchanged"] {
        let output = cluster
            .kubectl_with_input(&["apply", "-f", "-"], &copy.to_string())
            .await?;
        assert!(output.success && output.stderr.is_empty(), "{output:?}");
        assert!(output.stdout.contains(word), "{output:?}");
    }
    let output = cluster
        .kubectl(&["delete", "crd", "copies.client-side.example.com"])
        .await?;
    assert!(output.success, "{output:?}");
    Ok(())
}

#[tokio::test]
async fn kubectl_explain_tells_what_a_field_means() -> Result<(), Error> {
    let cluster = cluster_with_drives().await?;
    for (field, sentences) in [
        (
            "spec.services.files",
            &[
                "Files put in place before the program starts, written inside the pod from this service's environment.",
                "It is written inside the pod, into memory, so that secrets in it are seen by the pod alone, and mounted as a \
                 single file: what the image has beside it stays.",
                "Never write a secret here: put it under `spec.secrets`, give it a name in `env`, and refer to that.",
            ][..],
        ),
        (
            "spec.exposure.tls.issuerKind",
            &[
                "Kind of that issuer. Absent: the platform's, or `ClusterIssuer`.",
                "- `Issuer`: Of the drive's namespace.",
            ],
        ),
        (
            "spec.services.rollout",
            &[
                "How a new version replaces the old one.",
                "- `OneAtATime`: One pod at a time",
            ],
        ),
    ] {
        // A definition that has just been installed is explained a moment later.
        let output = eventually(LIMIT, &format!("kubectl to explain {field}"), async || {
            let output = cluster.kubectl(&["explain", &format!("drive.{field}")]).await?;
            if output.success {
                return Ok(output);
            }
            Err(format!("{output:?}").into())
        })
        .await?;
        // kubectl breaks lines where the terminal ends.
        let text = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        for sentence in sentences {
            assert!(
                text.contains(sentence),
                "{field}: {sentence:?} is not in {}",
                output.stdout
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn kubectl_get_shows_a_drive_by_its_short_names_and_what_people_look_for() -> Result<(), Error> {
    let cluster = cluster_with_drives().await?;
    let namespace = cluster.namespace("columns").await?;
    namespace.apply(&a_good_drive().to_string()).await?;
    let status = json!({"status": {
        "phase": "Open",
        "servicesReady": "1/1",
        "url": "https://placement.example.edu",
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "AllReady", "message": "All services are ready.",
            "lastTransitionTime": "2026-07-15T09:00:00Z",
        }],
    }});
    drives(&namespace)
        .patch_status("placements-2026", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    for name in ["drive", "rd", "ras", "recruitmentdrives", "recruitmentdrive"] {
        let output = cluster.kubectl(&["get", name, "-n", namespace.name()]).await?;
        assert!(output.success, "{output:?}");
        let lines: Vec<Vec<&str>> = output
            .stdout
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let [head, row] = lines.as_slice() else {
            panic!("{}", output.stdout)
        };
        assert_eq!(head, &["NAME", "PHASE", "READY", "SERVICES", "URL", "AGE"]);
        let name = row.first().copied().unwrap_or_default();
        assert!(
            name == "placements-2026" || name == "recruitmentdrive.ras.dev/placements-2026",
            "{}",
            output.stdout
        );
        assert_eq!(
            row.get(1..5),
            Some(&["Open", "True", "1/1", "https://placement.example.edu"][..])
        );
    }
    let wide = cluster
        .kubectl(&["get", "drive", "-n", namespace.name(), "-o", "wide"])
        .await?
        .stdout;
    for word in ["REASON", "MESSAGE", "AllReady", "All services are ready."] {
        assert!(wide.contains(word), "{wide}");
    }
    namespace.delete().await
}
