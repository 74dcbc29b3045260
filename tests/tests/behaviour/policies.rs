//! The shipped admission policies: with the operator's token no more can be done than drives need, a namespace's limits hold, and
//! data is deleted only after somebody with the right to it has confirmed that. All other behaviour tests run under them, too.

mod attacks;
mod limits;

use ras_tests::{Error, KubectlOutput, OperatorOptions, PATIENCE, ROLES, TestEnv, cluster, eventually};

use self::attacks::{attacks, object};
use self::limits::{IMAGE, service};

/// Runs `kubectl` with a token and nothing else.
pub async fn with_token(test_env: &TestEnv, arguments: &[&str], input: &str) -> Result<KubectlOutput, Error> {
    let description = test_env.cluster.description();
    let authority = format!(
        "--certificate-authority={}",
        description.certificate_authority.display()
    );
    let (server, token) = (
        format!("--server={}", description.server),
        format!("--token={}", test_env.operator.token()),
    );
    let mut all = vec!["--kubeconfig=/dev/null", &server, &authority, &token];
    all.extend(arguments);
    test_env.cluster.kubectl_with_input(&all, input).await
}

const APPLY: [&str; 4] = ["apply", "--server-side", "--force-conflicts", "--filename=-"];

#[tokio::test]
async fn with_the_operators_token_no_more_can_be_done_than_drives_need() -> Result<(), Error> {
    let options = OperatorOptions::with_roles(ROLES).cluster_wide();
    let test_env = TestEnv::alone("policies", &options).await?;
    let here = test_env.namespace.name();
    test_env
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: theirs}, data: {a: b}}")
        .await?;
    let apply = |namespace: &'static str| [&["--namespace", namespace][..], &APPLY].concat();
    let mut arguments = vec!["--namespace", here];
    arguments.extend(APPLY);
    for (attack, manifest, words) in attacks() {
        let output = with_token(&test_env, &arguments, &manifest).await?;
        assert!(!output.success, "{attack}: {}", output.stdout);
        assert!(
            output.stderr.contains("ValidatingAdmissionPolicy") && output.stderr.contains(words),
            "{attack}: {}",
            output.stderr
        );
    }
    let deleted = with_token(&test_env, &["--namespace", here, "delete", "configmap", "theirs"], "").await?;
    assert!(
        !deleted.success && deleted.stderr.contains("only objects of drives"),
        "{}",
        deleted.stderr
    );
    for forbidden in ["kube-system", "kube-public", "kube-node-lease"] {
        let output = with_token(&test_env, &apply(forbidden), &object("v1, kind: ConfigMap", "")).await?;
        assert!(
            !output.success && output.stderr.contains("does not write in the namespace"),
            "{}",
            output.stderr
        );
    }
    // The same object is allowed where drives may be, or all of this means nothing.
    let output = with_token(&test_env, &arguments, &object("v1, kind: ConfigMap", "")).await?;
    assert!(output.success, "{}", output.stderr);
    a_drive_is_its_users(&test_env).await
}

/// The operator may patch drives, for their finalizer.
async fn a_drive_is_its_users(test_env: &TestEnv) -> Result<(), Error> {
    test_env
        .apply("{apiVersion: ras.dev/v1alpha1, kind: RecruitmentDrive, metadata: {name: d}, spec: {services: [{name: web, image: 'r.example.com/web:1'}]}}")
        .await?;
    test_env.ready("d").await?;
    let patch = async |patch: &str| {
        let arguments = [
            "--namespace",
            test_env.namespace.name(),
            "patch",
            "drive",
            "d",
            "--type=merge",
            "--patch",
            patch,
        ];
        with_token(test_env, &arguments, "").await
    };
    for attack in [
        r#"{"spec": {"suspend": true}}"#,
        r#"{"metadata": {"annotations": {"ras.dev/confirm-delete": "bucket"}}}"#,
        r#"{"metadata": {"labels": {"a": "b"}}}"#,
    ] {
        let output = patch(attack).await?;
        assert!(
            // Of two policies that refuse, either may answer.
            !output.success
                && ["only the finalizers", "needs the verb confirm-delete"]
                    .iter()
                    .any(|words| output.stderr.contains(words)),
            "{attack}: {}",
            output.stderr
        );
    }
    Ok(())
}

const ROLES_OF_PEOPLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: editor}
rules: [{apiGroups: [ras.dev], resources: [recruitmentdrives], verbs: [get, create, update, patch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: administrator}
rules: [{apiGroups: [ras.dev], resources: [recruitmentdrives], verbs: [get, patch, confirm-delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: editor}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: editor}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: editor}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: administrator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: administrator}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: administrator}]
";

#[tokio::test]
async fn only_who_has_the_verb_confirms_that_data_is_deleted() -> Result<(), Error> {
    let cluster = cluster().await?;
    cluster.install_crd().await?;
    let namespace = cluster.namespace("confirm").await?;
    namespace.apply(ROLES_OF_PEOPLE).await?;
    namespace.apply(&service(IMAGE, "")).await?;
    let patch = async |user: &str, patch: &str| {
        let user = format!("--as={user}");
        let arguments = [
            "--namespace",
            namespace.name(),
            &user,
            "patch",
            "drive",
            "d",
            "--type=merge",
            "--patch",
            patch,
        ];
        cluster.kubectl(&arguments).await
    };
    let confirm =
        |key: &str, value: &str| format!(r#"{{"metadata": {{"annotations": {{"ras.dev/{key}": "{value}"}}}}}}"#);
    eventually(PATIENCE, "the roles to hold", async || {
        let output = patch("editor", &confirm("rotate", "none@1")).await?;
        if output.success {
            Ok(())
        } else {
            Err(output.stderr.into())
        }
    })
    .await?;
    for key in ["confirm-delete", "accept-data-loss"] {
        let refused = patch("editor", &confirm(key, "a")).await?;
        assert!(
            !refused.success && refused.stderr.contains("needs the verb confirm-delete"),
            "{}",
            refused.stderr
        );
        let allowed = patch("administrator", &confirm(key, "a")).await?;
        assert!(allowed.success, "{}", allowed.stderr);
        // What is confirmed stays so when others change the drive, and cannot be widened by them.
        let other = patch("editor", &confirm("rotate", key)).await?;
        assert!(other.success, "{}", other.stderr);
        assert!(!patch("editor", &confirm(key, "a,b")).await?.success);
    }
    // One request with the confirmation and the removal of the bucket.
    let both = r#"{"metadata": {"annotations": {"ras.dev/confirm-delete": "c"}}, "spec": {"buckets": null}}"#;
    let refused = patch("editor", both).await?;
    assert!(
        !refused.success && refused.stderr.contains("ras.dev/confirm-delete"),
        "{}",
        refused.stderr
    );
    // Taking a confirmation back needs no right of its own.
    let withdrawn = patch(
        "editor",
        r#"{"metadata": {"annotations": {"ras.dev/confirm-delete": null}}}"#,
    )
    .await?;
    assert!(withdrawn.success, "{}", withdrawn.stderr);
    Ok(())
}
