//! What the charts render.

use std::{collections::BTreeSet, fs};

use ras_core::platform;
use ras_tests::{Error, ForeignProject, Helm, cluster, documents, repository};
use serde_json::{Value, json};

use super::{CRDS, OPERATOR, VALUES, of_kind, restricted, rules, template, values};

#[tokio::test]
async fn both_charts_pass_helms_lint_with_all_values() -> Result<(), Error> {
    let helm = Helm::offline()?;
    helm.done(&["lint", "--strict", CRDS]).await?;
    for (name, text) in VALUES {
        let file = values(&text.replace("NAMESPACE", "ras-system"));
        let path = file.path().display().to_string();
        let linted = helm.done(&["lint", "--strict", OPERATOR, "--values", &path]).await;
        linted.map_err(|error| Error::Api {
            what: format!("the values {name:?}"),
            message: error.to_string(),
        })?;
    }
    Ok(())
}

#[tokio::test]
async fn the_api_server_takes_whatever_the_chart_makes_without_a_warning() -> Result<(), Error> {
    let cluster = cluster().await?;
    cluster.install(ForeignProject::PrometheusOperator).await?;
    let namespace = restricted(cluster, "chart-dry").await?;
    for (name, text) in VALUES {
        let made = template("ras-operator", namespace.name(), text).await?;
        let arguments = [
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "--filename=-",
        ];
        let output = cluster.kubectl_with_input(&arguments, &made).await?;
        assert!(output.success, "{name}: {}", output.stderr);
        assert!(!output.stderr.contains("Warning"), "{name}: {}", output.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn the_operator_reads_the_settings_as_the_chart_writes_them() -> Result<(), Error> {
    for (name, text) in VALUES {
        let made = documents(&template("ras-operator", "ras-system", text).await?)?;
        let mut maps = of_kind(&made, "ConfigMap");
        let written = maps.find_map(|map| map["data"]["platform.yaml"].as_str());
        let written = written.expect("the platform's settings");
        let settings = platform::parse(written).unwrap_or_else(|error| panic!("{name}: {error}\n{written}"));
        let pod = &of_kind(&made, "Deployment").next().unwrap()["spec"]["template"]["spec"];
        if name == "handed over" {
            let store = settings.object_store.unwrap();
            assert_eq!(settings.operator_image, "registry.example.com/ras-operator:9");
            assert_eq!((store.region.as_str(), store.requests_per_second), ("ap-south-1", 5));
            assert_eq!(settings.ingress.class_name.as_deref(), Some("traefik"));
        } else {
            assert_eq!(
                json!(settings.operator_image),
                pod["containers"][0]["image"],
                "{name}: files are rendered by the operator's own image"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_operator_takes_every_argument_that_the_chart_gives_it() -> Result<(), Error> {
    let program = ras_tests::program_beside("ras-operator")?;
    for (name, text) in VALUES {
        let made = documents(&template("ras-operator", "ras-system", text).await?)?;
        let pod = &of_kind(&made, "Deployment").next().unwrap()["spec"]["template"]["spec"];
        let arguments = pod["containers"][0]["args"].as_array().unwrap();
        let arguments = arguments.iter().map(|argument| argument.as_str().unwrap());
        let output = tokio::process::Command::new(&program)
            .args(arguments)
            .output()
            .await
            .unwrap();
        // There is no such file here, which it says once it has understood everything before.
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("/etc/ras-operator/platform.yaml cannot be read"),
            "{name}: {said}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_changed_setting_starts_the_operator_anew_and_the_same_ones_do_not() -> Result<(), Error> {
    let pod = async |text: &str| -> Result<Value, Error> {
        let made = documents(&template("ras-operator", "ras-system", text).await?)?;
        Ok(of_kind(&made, "Deployment").next().unwrap()["spec"]["template"].clone())
    };
    let before = pod("platform: {ingress: {className: a}}").await?;
    assert_eq!(before, pod("platform: {ingress: {className: a}}").await?);
    assert_ne!(before, pod("platform: {ingress: {className: b}}").await?);
    Ok(())
}

#[test]
fn charts_are_of_the_programs_version() {
    for chart in [OPERATOR, CRDS] {
        let path = repository().join(chart).join("Chart.yaml");
        let chart = documents(&fs::read_to_string(path).unwrap()).unwrap().remove(0);
        assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    }
}

const DEPLOY: &str = "deploy/operator.yaml";
const POLICIES: &str = "deploy/policies.yaml";
const HEADER: &str = "# What the chart ras-operator makes of its own values, without its roles, which stand in rbac/.\n\
    # Made by `UPDATE_GOLDEN=1 cargo test -p ras-tests charts::rendered`: change the chart instead.\n";

#[tokio::test]
async fn deploy_is_what_the_chart_makes() -> Result<(), Error> {
    let (mut operator, mut policies) = (HEADER.to_owned(), HEADER.to_owned());
    for mut object in documents(&template("ras-operator", "ras-system", "").await?)? {
        let text = match object["kind"].as_str() {
            Some("Role" | "ClusterRole") => continue,
            Some(kind) if kind.starts_with("ValidatingAdmissionPolicy") => &mut policies,
            _ => &mut operator,
        };
        strip(&mut object);
        text.push_str("---\n");
        text.push_str(&serde_yaml::to_string(&object).unwrap());
    }
    for (name, text) in [(DEPLOY, operator), (POLICIES, policies)] {
        let path = repository().join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let now = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            now == text,
            "{name} is stale: run this test with UPDATE_GOLDEN=1 and commit the result"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_policy_of_the_operator_covers_every_right_to_write() -> Result<(), Error> {
    let made = documents(&template("ras-operator", "ras-system", "").await?)?;
    let mut policies = of_kind(&made, "ValidatingAdmissionPolicy");
    let policy = policies.find(|policy| policy["metadata"]["name"] == "ras-operator.ras-system.operator");
    let pairs = |rule: &Value| -> Vec<(String, String)> {
        let words = |field: &str| {
            let words = rule[field].as_array().cloned().unwrap_or_default();
            words.into_iter().map(|word| word.as_str().unwrap().to_owned())
        };
        words("apiGroups")
            .flat_map(|group| words("resources").map(move |resource| (group.clone(), resource)))
            .collect()
    };
    let covered = policy.unwrap()["spec"]["matchConstraints"]["resourceRules"]
        .as_array()
        .unwrap();
    let covered: BTreeSet<_> = covered.iter().flat_map(pairs).collect();
    let writes = ["create", "update", "patch", "delete", "deletecollection"];
    let rules: Vec<Value> = ["operator.yaml", "leader-election.yaml"]
        .into_iter()
        .flat_map(rules)
        .collect();
    let may_write = rules.iter().filter(|rule| {
        let verbs = rule["verbs"].as_array().unwrap();
        verbs.iter().any(|verb| writes.contains(&verb.as_str().unwrap()))
    });
    let needed: BTreeSet<_> = may_write.flat_map(pairs).collect();
    assert_eq!(
        covered, needed,
        "charts/ras-operator/templates/policies.yaml lists what deploy/rbac lets it write"
    );
    Ok(())
}

/// Takes out what says that Helm looks after an object.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("helm.sh/chart");
            if fields.get("app.kubernetes.io/managed-by") == Some(&json!("Helm")) {
                fields.remove("app.kubernetes.io/managed-by");
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
