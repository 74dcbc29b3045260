//! Somebody applies a copy of a whole child, as tools that restore or hibernate do, and then owns all of it with the operator.
//! What the drive no longer asks for goes all the same, and what they added stays.

use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
};
use ras_core::kind::Kind;
use ras_tests::{Error, ForeignProject, Operator, OperatorOptions, PATIENCE, ROLES, TestEnv, cluster, eventually};
use serde_json::{Value, json};

use crate::children::{api, at_rest, failed};

const BEFORE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: web
    image: registry.example.com/web:1
    ports: [{name: http, port: 8080, path: /}, {name: admin, port: 9090}]
    env: [{name: KEPT, value: '1'}, {name: GONE, value: '2'}]
    files: [{path: /app/kept.yaml, content: 'a: 1'}, {path: /app/gone.yaml, content: 'b: 2'}]
    egress: [{cidr: 10.20.0.0/24, port: 5432}]
  - name: worker
    image: registry.example.com/worker:1
    ports: [{name: http, port: 8080}]
  exposure: {host: spring.example.edu, annotations: {example.com/gone: '60', example.com/kept: '1'}}
";

const AFTER: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: web
    image: registry.example.com/web:1
    ports: [{name: http, port: 8080, path: /}]
    env: [{name: KEPT, value: '1'}]
    files: [{path: /app/kept.yaml, content: 'a: 1'}]
  - name: worker
    image: registry.example.com/worker:1
  exposure: {host: spring.example.edu, annotations: {example.com/kept: '1'}}
";

const COPIED: [(Kind, &str); 7] = [
    (Kind::Deployment, "spring-web"),
    (Kind::Deployment, "spring-worker"),
    (Kind::ConfigMap, "spring-web"),
    (Kind::NetworkPolicy, "spring-web"),
    (Kind::NetworkPolicy, "spring-worker"),
    (Kind::Service, "spring-web"),
    (Kind::Ingress, "spring"),
];

/// A test environment with the drive of [`BEFORE`], all of whose children somebody applied once more, with additions.
async fn copied(prefix: &str) -> Result<TestEnv, Error> {
    cluster().await?.install(ForeignProject::PrometheusOperator).await?;
    let test_env = TestEnv::start(prefix).await?;
    test_env.apply(BEFORE).await?;
    test_env.ready("spring").await?;
    for (kind, name) in COPIED {
        copy(&api(&test_env, kind), name).await?;
    }
    at_rest(&test_env, "spring").await?;
    Ok(test_env)
}

async fn copy(api: &Api<DynamicObject>, name: &str) -> Result<(), Error> {
    let mut copy = live(api, name).await?;
    copy.as_object_mut().unwrap().remove("status");
    let metadata = copy["metadata"].as_object_mut().unwrap();
    for field in [
        "managedFields",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
    ] {
        metadata.remove(field);
    }
    copy["metadata"]["annotations"]["example.com/added"] = json!("by-a-tool");
    if copy["kind"] == "Deployment" {
        let env = &mut copy["spec"]["template"]["spec"]["containers"][0]["env"];
        let mut variables = env.as_array().cloned().unwrap_or_default();
        variables.push(json!({"name": "TRACE", "value": "on"}));
        *env = json!(variables);
    }
    let params = PatchParams::apply("restore-tool").force();
    let applied = api.patch(name, &params, &Patch::Apply(&copy)).await;
    applied.map(drop).map_err(failed(format!("applying a copy of {name}")))
}

async fn live(api: &Api<DynamicObject>, name: &str) -> Result<Value, Error> {
    let object = api.get(name).await.map_err(failed(format!("looking at {name}")))?;
    Ok(serde_json::to_value(object).unwrap())
}

/// Objects that the drive of [`AFTER`] does not have.
async fn not_removed(test_env: &TestEnv) -> Result<Vec<String>, Error> {
    let mut left = Vec::new();
    let mut unless = |gone: bool, what: &str| {
        if !gone {
            left.push(what.to_owned());
        }
    };
    let web = live(&api(test_env, Kind::Deployment), "spring-web").await?;
    unless(!web["spec"]["template"].to_string().contains("GONE"), "the variable");
    unless(
        !web["spec"]["template"].to_string().contains("9090"),
        "the container's port",
    );
    let files = live(&api(test_env, Kind::ConfigMap), "spring-web").await?;
    unless(!files["data"].to_string().contains("b: 2"), "the file");
    let policy = live(&api(test_env, Kind::NetworkPolicy), "spring-worker").await?;
    unless(
        policy.pointer("/spec/ingress").is_none(),
        "the rule that lets others in",
    );
    let policy = live(&api(test_env, Kind::NetworkPolicy), "spring-web").await?;
    unless(
        !policy["spec"]["egress"].to_string().contains("10.20.0.0/24"),
        "the rule for what it may reach",
    );
    let service = live(&api(test_env, Kind::Service), "spring-web").await?;
    unless(
        !service["spec"]["ports"].to_string().contains("9090"),
        "the Service's port",
    );
    let ingress = live(&api(test_env, Kind::Ingress), "spring").await?;
    unless(
        ingress.pointer("/metadata/annotations/example.com~1gone").is_none(),
        "the annotation",
    );
    Ok(left)
}

async fn nothing_is_left_but_what_was_added(test_env: &TestEnv) -> Result<(), Error> {
    eventually(
        PATIENCE,
        "what the drive no longer asks for to be gone",
        async || match not_removed(test_env).await?.as_slice() {
            [] => Ok(()),
            left => Err(format!("{left:?} stays").into()),
        },
    )
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    test_env.ready("spring").await?;
    for (kind, name) in COPIED {
        let now = live(&api(test_env, kind), name).await?;
        let added = &now["metadata"]["annotations"]["example.com/added"];
        assert_eq!(*added, json!("by-a-tool"), "{kind} {name}");
        if kind == Kind::Deployment {
            let template = now["spec"]["template"].to_string();
            assert!(template.contains("TRACE"), "{name}: {template}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_the_drive_no_longer_asks_for_goes_although_somebody_applied_a_copy_of_it_and_in_one_rollout()
-> Result<(), Error> {
    let test_env = copied("copied").await?;
    let deployments = api(&test_env, Kind::Deployment);
    let before = live(&deployments, "spring-web").await?["metadata"]["generation"].as_i64();
    test_env.apply(AFTER).await?;
    nothing_is_left_but_what_was_added(&test_env).await?;
    let after = live(&deployments, "spring-web").await?["metadata"]["generation"].as_i64();
    assert_eq!(after, before.map(|before| before + 1), "the pods are replaced once");
    at_rest(&test_env, "spring").await.map(drop)
}

#[tokio::test]
async fn what_the_drive_ceased_to_ask_for_while_no_operator_ran_goes_although_somebody_applied_a_copy_of_it()
-> Result<(), Error> {
    let mut test_env = copied("copied-away").await?;
    test_env.operator.stop().await?;
    test_env.apply(AFTER).await?;
    let options = OperatorOptions::with_roles(ROLES);
    test_env.operator = Operator::start(&test_env.cluster, &test_env.namespace, &options).await?;
    nothing_is_left_but_what_was_added(&test_env).await
}
