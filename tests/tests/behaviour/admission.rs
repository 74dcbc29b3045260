//! What the API server refuses: what waits for it, what goes on without it, and what is told.

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    batch::v1::Job,
    core::v1::PersistentVolumeClaim,
    networking::v1::NetworkPolicy,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use ras_crds::{Condition, ConditionType, Reason};
use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, Shared, TestEnv, cluster, eventually};
use serde_json::{Value, json};
use std::time::Duration;

use crate::{
    children::{EVERY_CHILD, at_rest, failed, uids},
    seen::{
        asked, because, because_with, becomes, kubectl, kubectl_with_input, look, mark, of_deployment, restart_operator,
    },
};

const IMAGE: &str = "/spec/template/spec/containers/0/image";

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: api
    image: registry.example.com/api:1
    ports: [{name: http, port: 8080, path: /api}]
    egress: [{cidr: 10.20.0.0/24}]
  - name: site
    image: registry.example.com/site:1
    ports: [{name: http, port: 8080, path: /}]
  exposure: {host: spring.example.edu}
";

/// What the API server says of what it refuses here.
const WORDS: &str = "a test refuses it";

/// A rule of the API server of this namespace alone, under which it refuses objects.
struct Rule<'a> {
    test_env: &'a TestEnv,
    name: String,
}

impl<'a> Rule<'a> {
    /// Refuses each object of these resources of which the expression is false, from the moment that this returns.
    async fn refuse(
        test_env: &'a TestEnv,
        group: &str,
        resource: &str,
        unless: &str,
        probe: &str,
    ) -> Result<Self, Error> {
        let rule = Self::of(test_env, group, resource, &["CREATE", "UPDATE"], unless).await?;
        eventually(PATIENCE, "the API server to know the rule", async || {
            let tried = ["create", "--dry-run=server", "--filename=-"];
            match kubectl_with_input(test_env, &tried, probe).await {
                Err(error) if error.to_string().contains(WORDS) => Ok(()),
                other => Err(format!("{other:?}").into()),
            }
        })
        .await?;
        Ok(rule)
    }

    async fn of(
        test_env: &'a TestEnv,
        group: &str,
        resource: &str,
        operations: &[&str],
        unless: &str,
    ) -> Result<Self, Error> {
        let name = format!("{}-{resource}", test_env.namespace.name());
        let rule = json!({
            "apiVersion": "v1",
            "kind": "List",
            "items": [
                {
                    "apiVersion": "admissionregistration.k8s.io/v1",
                    "kind": "ValidatingAdmissionPolicy",
                    "metadata": {"name": name},
                    "spec": {
                        "matchConstraints": {"resourceRules": [{
                            "apiGroups": [group], "apiVersions": ["*"], "resources": [resource],
                            "operations": operations,
                        }]},
                        "validations": [{"expression": unless, "message": WORDS}],
                    },
                },
                {
                    "apiVersion": "admissionregistration.k8s.io/v1",
                    "kind": "ValidatingAdmissionPolicyBinding",
                    "metadata": {"name": name},
                    "spec": {
                        "policyName": name,
                        "validationActions": ["Deny"],
                        "matchResources": {"namespaceSelector": {
                            "matchLabels": {"kubernetes.io/metadata.name": test_env.namespace.name()},
                        }},
                    },
                },
            ],
        });
        kubectl_with_input(test_env, &["apply", "--filename=-"], &rule.to_string()).await?;
        Ok(Self { test_env, name })
    }

    /// The same for network policies with a name that the expression allows.
    async fn policies(test_env: &'a TestEnv, unless: &str, refused: &str) -> Result<Self, Error> {
        let probe = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": refused}, "spec": {"podSelector": {}},
        });
        Self::refuse(
            test_env,
            "networking.k8s.io",
            "networkpolicies",
            unless,
            &probe.to_string(),
        )
        .await
    }

    /// Refuses nothing from now on.
    async fn lift(self) -> Result<(), Error> {
        for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
            kubectl(self.test_env, &["delete", kind, &self.name]).await?;
        }
        Ok(())
    }
}

fn has(condition: &Condition, words: &[&str]) {
    for word in words {
        assert!(condition.message.contains(word), "{word}: {}", condition.message);
    }
}

#[tokio::test]
async fn a_service_starts_only_with_its_network_policy_and_the_others_without_waiting() -> Result<(), Error> {
    let test_env = TestEnv::start("policy-first").await?;
    let rule = Rule::policies(&test_env, "object.metadata.name != 'spring-api'", "spring-api").await?;
    test_env.apply(DRIVE).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::Ready,
        Reason::Refused,
        &["NetworkPolicy/spring-api", WORDS],
    )
    .await?;
    becomes(&test_env, "spring-site", IMAGE, &json!("registry.example.com/site:1")).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::ServicesReady,
        Reason::Refused,
        &[
            "service api",
            "Deployment/spring-api waits for NetworkPolicy/spring-api",
        ],
    )
    .await?;
    at_rest(&test_env, "spring").await?;
    assert!(look::<Deployment>(&test_env, "spring-api").await?.is_none());

    rule.lift().await?;
    test_env.ready("spring").await?;
    assert!(look::<NetworkPolicy>(&test_env, "spring-api").await?.is_some());
    Ok(())
}

#[tokio::test]
async fn a_service_does_not_roll_out_under_the_policy_of_the_version_before() -> Result<(), Error> {
    let test_env = TestEnv::start("policy-update").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    let running = of_deployment(&test_env, "spring-api", "/spec").await?;
    let policy = look::<NetworkPolicy>(&test_env, "spring-api").await?;

    let rule = Rule::policies(&test_env, "object.metadata.name != 'spring-api'", "spring-api").await?;
    let next = DRIVE
        .replace("api:1", "api:2")
        .replace("site:1", "site:2")
        .replace("10.20.0.0/24", "10.30.0.0/24");
    test_env.apply(&next).await?;
    becomes(&test_env, "spring-site", IMAGE, &json!("registry.example.com/site:2")).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::ServicesReady,
        Reason::Refused,
        &[
            "service api",
            "the version asked for is not rolled out",
            "NetworkPolicy/spring-api",
        ],
    )
    .await?;
    at_rest(&test_env, "spring").await?;
    assert_eq!(of_deployment(&test_env, "spring-api", "/spec").await?, running);
    assert_eq!(look::<NetworkPolicy>(&test_env, "spring-api").await?, policy);

    // What is to stop needs no policy.
    let spec = "spec:\n  suspend: true\n";
    test_env.apply(&next.replace("spec:\n", spec)).await?;
    becomes(&test_env, "spring-api", "/spec/replicas", &0.into()).await?;
    test_env.apply(&next).await?;
    becomes(&test_env, "spring-site", "/spec/replicas", &1.into()).await?;
    at_rest(&test_env, "spring").await?;
    assert_eq!(of_deployment(&test_env, "spring-api", "/spec/replicas").await?, 0);

    rule.lift().await?;
    test_env.ready("spring").await?;
    becomes(&test_env, "spring-api", IMAGE, &json!("registry.example.com/api:2")).await
}

const SERVER: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: api
    image: registry.example.com/api:1
    migrate: {command: [api, migrate]}
  database:
    managed: {provider: Standalone, version: 16, size: 1Gi}
    databases: [{name: portal}]
";

#[tokio::test]
async fn a_database_server_and_the_job_of_a_migration_wait_for_their_network_policies() -> Result<(), Error> {
    let test_env = TestEnv::start("policy-jobs").await?;
    let rule = Rule::policies(&test_env, "object.metadata.name == 'spring-api'", "spring-x").await?;
    test_env.apply(SERVER).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::Refused,
        &["NetworkPolicy/spring-database", WORDS],
    )
    .await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::MigrationsReady,
        Reason::MigrationRunning,
        &[
            "the migration of service api has not begun: Job/",
            "waits for NetworkPolicy/",
        ],
    )
    .await?;
    at_rest(&test_env, "spring").await?;
    assert!(look::<StatefulSet>(&test_env, "spring-database").await?.is_none());
    let jobs: Api<Job> = test_env.namespace.api();
    let all = jobs
        .list(&ListParams::default())
        .await
        .map_err(failed("listing Jobs"))?;
    assert!(all.items.is_empty(), "{:?}", all.items);

    rule.lift().await?;
    eventually(PATIENCE, "the database server and the migration", async || {
        let server = look::<StatefulSet>(&test_env, "spring-database").await?;
        let migrations = ListParams::default().labels("ras.dev/job=migrate");
        let migrations = jobs.list(&migrations).await?.items.len();
        match (server.is_some(), migrations) {
            (true, 1) => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

#[tokio::test]
async fn what_a_service_reads_and_serves_holds_it_when_it_is_refused() -> Result<(), Error> {
    let test_env = TestEnv::start("needs").await?;
    let drive = DRIVE.replace(
        "    egress: [{cidr: 10.20.0.0/24}]\n",
        "    files: [{path: /app/config.yaml, content: 'version: 1'}]\n    volumes: [{name: data, path: /data, size: 1Gi}]\n",
    );
    for (resource, kind, name) in [
        ("configmaps", "ConfigMap", "spring-api"),
        ("services", "Service", "spring-api"),
        ("serviceaccounts", "ServiceAccount", "spring"),
        ("persistentvolumeclaims", "PersistentVolumeClaim", "spring-api-data"),
    ] {
        let spec = match kind {
            "Service" => json!({"ports": [{"port": 80}]}),
            "PersistentVolumeClaim" => {
                json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}})
            }
            _ => json!(null),
        };
        let mut probe = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
        if !spec.is_null() {
            probe["spec"] = spec;
        }
        let unless = format!("object.metadata.name != '{name}'");
        let rule = Rule::refuse(&test_env, "", resource, &unless, &probe.to_string()).await?;
        test_env.apply(&drive).await?;
        because_with(
            &test_env,
            "spring",
            ConditionType::ServicesReady,
            Reason::Refused,
            &["service api", &format!("waits for {kind}/{name}")],
        )
        .await?;
        assert!(look::<Deployment>(&test_env, "spring-api").await?.is_none(), "{kind}");
        rule.lift().await?;
        test_env.ready("spring").await?;
        let api = test_env.drives();
        let gone = api.delete("spring", &DeleteParams::default()).await;
        gone.map_err(failed("deleting the drive"))?;
        kubectl(
            &test_env,
            &["delete", "persistentvolumeclaim", "spring-api-data", "--wait=false"],
        )
        .await?;
        eventually(PATIENCE, "all of it to be gone", async || {
            let of_drive = ["get", "--output=name", "--selector=ras.dev/drive=spring"];
            let kinds =
                "deployments,services,configmaps,serviceaccounts,networkpolicies,ingresses,persistentvolumeclaims";
            let left = kubectl(&test_env, &[&of_drive[..], &[kinds]].concat()).await?;
            if left.is_empty() { Ok(()) } else { Err(left.into()) }
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_ingress_that_is_refused_and_a_certificate_under_other_keys_are_not_told_as_a_route() -> Result<(), Error> {
    let test_env = TestEnv::start("route").await?;
    let probe = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "x"},
        "spec": {"defaultBackend": {"service": {"name": "x", "port": {"number": 80}}}},
    });
    let rule = Rule::refuse(&test_env, "networking.k8s.io", "ingresses", "false", &probe.to_string()).await?;
    test_env.apply(DRIVE).await?;
    let condition = because_with(
        &test_env,
        "spring",
        ConditionType::ExposureReady,
        Reason::Refused,
        &["Ingress/spring", WORDS],
    )
    .await?;
    assert_eq!(condition.status, "False");
    rule.lift().await?;
    test_env.ready("spring").await?;

    let secured = DRIVE.replace(
        "exposure: {host: spring.example.edu}",
        "exposure: {host: spring.example.edu, tls: {secretName: campus-tls}}",
    );
    test_env
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: campus-tls}, stringData: {cert.pem: a, key.pem: b}}")
        .await?;
    test_env.apply(&secured).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::ExposureReady,
        Reason::SecretKeyMissing,
        &[
            "Secret campus-tls",
            "lacks tls.crt and tls.key",
            "cert.pem, key.pem",
            "create secret tls",
        ],
    )
    .await?;
    let ready = because(&test_env, "spring", ConditionType::Ready, Reason::SecretKeyMissing).await?;
    assert_eq!(ready.status, "False");

    // One of the two is not enough.
    kubectl(
        &test_env,
        &[
            "patch",
            "secret",
            "campus-tls",
            "--patch",
            r#"{"stringData": {"tls.crt": "a"}}"#,
        ],
    )
    .await?;
    eventually(PATIENCE, "the key alone to be missed", async || {
        let condition = because(
            &test_env,
            "spring",
            ConditionType::ExposureReady,
            Reason::SecretKeyMissing,
        )
        .await?;
        if condition.message.contains("lacks tls.key,") {
            Ok(())
        } else {
            Err(condition.message.into())
        }
    })
    .await?;
    kubectl(
        &test_env,
        &[
            "patch",
            "secret",
            "campus-tls",
            "--patch",
            r#"{"stringData": {"tls.key": "b"}}"#,
        ],
    )
    .await?;
    test_env.ready("spring").await.map(drop)
}

#[tokio::test]
async fn a_drive_that_is_paused_from_its_first_moment_claims_no_route() -> Result<(), Error> {
    let test_env = TestEnv::start("paused-route").await?;
    test_env
        .apply(&DRIVE.replace("spec:\n", "spec:\n  paused: true\n"))
        .await?;
    let condition = because_with(
        &test_env,
        "spring",
        ConditionType::ExposureReady,
        Reason::Progressing,
        &["Ingress/spring has not been created yet"],
    )
    .await?;
    assert_eq!(condition.status, "False");
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    test_env
        .apply(&DRIVE.replace("spec:\n", "spec:\n  paused: true\n"))
        .await?;
    let condition = because(
        &test_env,
        "spring",
        ConditionType::ExposureReady,
        Reason::RouteConfigured,
    )
    .await?;
    assert_eq!(condition.status, "True");
    Ok(())
}

#[tokio::test]
async fn a_namespace_that_is_being_deleted_is_written_to_once_and_never_again() -> Result<(), Error> {
    let test_env = TestEnv::start("closing").await?;
    test_env.apply(EVERY_CHILD).await?;
    test_env.ready("season").await?;
    // The drive stays as long as the rule does, while Kubernetes takes its children away one after the other.
    let rule = Rule::of(&test_env, "ras.dev", "recruitmentdrives", &["DELETE"], "false").await?;
    eventually(PATIENCE, "the API server to know the rule", async || {
        match kubectl(&test_env, &["delete", "drive", "season", "--dry-run=server"]).await {
            Err(error) if error.to_string().contains(WORDS) => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;
    let since = mark(&test_env).await?;
    kubectl(
        &test_env,
        &["delete", "namespace", test_env.namespace.name(), "--wait=false"],
    )
    .await?;
    eventually(PATIENCE, "the children to be gone", async || {
        match uids(&test_env, "season").await?.len() {
            0 => Ok(()),
            left => Err(format!("{left} are left").into()),
        }
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let refused = asked(&test_env, since, |event| event.is_write() && event.code == 403).await?;
    // As many as are under way at a time.
    assert!(refused.len() <= 8, "{}: {refused:?}", refused.len());
    assert!(
        test_env
            .drives()
            .get_opt("season")
            .await
            .map_err(failed("looking at the drive"))?
            .is_some()
    );
    rule.lift().await
}

const OWN_PASSWORD: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services: [{name: api, image: 'registry.example.com/api:1', uses: {databases: [portal]}}]
  database: {managed: {provider: Standalone, version: 16, size: 1Gi}, databases: [{name: portal}]}
";

#[tokio::test]
async fn a_password_that_somebody_brings_is_handed_over_by_a_label_as_the_one_message_says() -> Result<(), Error> {
    let test_env = TestEnv::start("own-password").await?;
    let name = "spring-database-role-portal";
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"password": "mine"}});
    test_env.apply(&secret.to_string()).await?;
    test_env.apply(OWN_PASSWORD).await?;
    let condition = because(&test_env, "spring", ConditionType::DatabaseReady, Reason::ForeignObject).await?;
    let label = format!("label secret {name} ras.dev/drive=spring");
    has(
        &condition,
        &[
            &format!("Secret/{name} exists and it was not made by ras-operator"),
            &label,
        ],
    );
    for wrong in ["is being made", "prepares the databases"] {
        assert!(!condition.message.contains(wrong), "{}", condition.message);
    }
    kubectl(&test_env, &["label", "secret", name, "ras.dev/drive=spring"]).await?;
    eventually(PATIENCE, "the Secret to be the drive's", async || {
        let drive = test_env.drives().get("spring").await?;
        let conditions = drive.status.unwrap_or_default().conditions;
        let foreign = conditions
            .iter()
            .find(|one| one.reason == Reason::ForeignObject.as_str());
        foreign.map_or(Ok(()), |one| Err(one.message.clone().into()))
    })
    .await?;
    let data = kubectl(
        &test_env,
        &["get", "secret", name, "--output=jsonpath={.data.password}"],
    )
    .await?;
    assert_eq!(data, "bWluZQ==", "the password is the one that was brought");
    Ok(())
}

const VOLUME: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: api
    image: registry.example.com/api:1
    volumes: [{name: data, path: /data, size: 1Gi}]
";

async fn claim(test_env: &TestEnv, pointer: &str) -> Result<Value, Error> {
    let found = look::<PersistentVolumeClaim>(test_env, "spring-api-data").await?;
    Ok(found
        .and_then(|found| found.pointer(pointer).cloned())
        .unwrap_or_default())
}

const CLASS: &str = "/spec/storageClassName";
const REQUEST: &str = "/spec/resources/requests/storage";

#[tokio::test]
async fn another_storage_class_of_the_platform_is_for_new_volumes_alone() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let options = |class: &str| {
        let path = folder.path().join(format!("{class}.yaml"));
        std::fs::write(&path, format!("storage: {{className: {class}}}\n")).expect("settings");
        let options = OperatorOptions::with_roles(ROLES).argument("--platform-config");
        options.argument(path.display().to_string())
    };
    // The class of these simulated volumes, and one that nobody provides.
    let (old, new) = (options("kwok-volume"), options("gp3"));
    let mut test_env = TestEnv::with(Shared::All(cluster().await?), "class", &old).await?;
    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    restart_operator(&mut test_env, &new).await?;
    test_env.apply(&VOLUME.replace("api:1", "api:2")).await?;
    becomes(&test_env, "spring-api", IMAGE, &json!("registry.example.com/api:2")).await?;
    test_env.ready("spring").await?;
    assert_eq!(claim(&test_env, CLASS).await?, "kwok-volume");

    // The drive may name the class that its volume has, and no other.
    let named = |class: &str| VOLUME.replace("size: 1Gi", &format!("size: 1Gi, storageClassName: {class}"));
    test_env.apply(&named("gp3")).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::Stalled,
        Reason::InvalidSpec,
        &[
            "spec.services[0].volumes[0].storageClassName",
            "has the storage class \"kwok-volume\"",
            "remove the field",
        ],
    )
    .await?;
    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    let drives = test_env.drives();
    let gone = drives.delete("spring", &DeleteParams::default()).await;
    gone.map_err(failed("deleting the drive"))?;
    eventually(
        PATIENCE,
        "the Deployment to be gone",
        async || match look::<Deployment>(&test_env, "spring-api").await? {
            None => Ok(()),
            Some(_) => Err("it is there".into()),
        },
    )
    .await?;
    // The volume stays, and a drive of the same name finds it with its class.
    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    test_env.apply(&named("kwok-volume")).await?;
    test_env.ready("spring").await?;
    assert_eq!(claim(&test_env, CLASS).await?, "kwok-volume");
    Ok(())
}

#[tokio::test]
async fn a_growth_that_the_storage_class_refuses_is_told_as_it_is_and_taken_back() -> Result<(), Error> {
    let test_env = TestEnv::start("no-growth").await?;
    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    let larger = VOLUME.replace("1Gi", "2Gi").replace("api:1", "api:2");
    test_env.apply(&larger).await?;
    let condition = because_with(
        &test_env,
        "spring",
        ConditionType::Ready,
        Reason::Refused,
        &[
            "PersistentVolumeClaim/spring-api-data",
            "must support resize",
            "set the size that the volume has",
        ],
    )
    .await?;
    assert!(
        !condition.message.contains("role") && !condition.message.contains("permission"),
        "{}",
        condition.message
    );
    // A volume that stays as it is serves the next version as well.
    becomes(&test_env, "spring-api", IMAGE, &json!("registry.example.com/api:2")).await?;

    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    test_env.apply(&VOLUME.replace("1Gi", "512Mi")).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::Stalled,
        Reason::InvalidSpec,
        &["spec.services[0].volumes[0].size", "set 1Gi or more"],
    )
    .await?;
    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    assert_eq!(claim(&test_env, REQUEST).await?, "1Gi");
    Ok(())
}

#[tokio::test]
async fn a_growth_that_never_came_is_taken_back_to_what_the_volume_has() -> Result<(), Error> {
    let test_env = TestEnv::alone("pending-growth", &OperatorOptions::with_roles(ROLES)).await?;
    // It says that it can, and nobody makes it so.
    kubectl(
        &test_env,
        &[
            "patch",
            "storageclass",
            "kwok-volume",
            "--patch",
            "{\"allowVolumeExpansion\": true}",
        ],
    )
    .await?;
    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    test_env.apply(&VOLUME.replace("1Gi", "4Gi")).await?;
    let asks_for = async |size: &str| {
        eventually(PATIENCE, &format!("the claim to ask for {size}"), async || {
            let seen = claim(&test_env, REQUEST).await?;
            if seen == size {
                Ok(())
            } else {
                Err(seen.to_string().into())
            }
        })
        .await
        .map_err(|error| error.with_log(&test_env.operator.log()))
    };
    asks_for("4Gi").await?;
    assert_eq!(claim(&test_env, "/status/capacity/storage").await?, "1Gi");
    test_env.apply(&VOLUME.replace("1Gi", "2Gi")).await?;
    asks_for("2Gi").await?;
    // Kubernetes takes a request back to more than the volume has, and not to just that.
    test_env.apply(VOLUME).await?;
    asks_for("1073741825").await?;
    test_env.ready("spring").await?;
    at_rest(&test_env, "spring").await.map(drop)
}
