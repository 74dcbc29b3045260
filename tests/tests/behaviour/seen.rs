//! What several behaviours look at: objects as JSON, what the operator asked for, `kubectl`.

use std::{
    fmt::Debug,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    },
};
use kube::{Api, Resource, api::PostParams};
use ras_crds::{Condition, ConditionType, Reason};
use ras_tests::{AuditEvent, AuditMark, Cluster, Error, Operator, OperatorOptions, PATIENCE, TestEnv, eventually};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// JSON pointers into a Deployment.
pub(crate) const IMAGE: &str = "/spec/template/spec/containers/0/image";
pub(crate) const TEMPLATE: &str = "/spec/template";
pub(crate) const REPLICAS: &str = "/spec/replicas";

/// Runs `kubectl` in the test namespace and returns what it printed. A refusal is an error with its own sentence.
pub async fn kubectl(test_env: &TestEnv, arguments: &[&str]) -> Result<String, Error> {
    kubectl_with_input(test_env, arguments, "").await
}

/// The same, with text on its standard input.
pub async fn kubectl_with_input(test_env: &TestEnv, arguments: &[&str], input: &str) -> Result<String, Error> {
    let mut all = vec!["--namespace", test_env.namespace.name()];
    all.extend_from_slice(arguments);
    let output = test_env.cluster.kubectl_with_input(&all, input).await?;
    if output.success {
        return Ok(output.stdout);
    }
    Err(Error::Api {
        what: format!("kubectl {}", arguments.join(" ")),
        message: output.stderr,
    })
}

/// An object of the test namespace as JSON; nothing when it is not there.
pub async fn look<K>(test_env: &TestEnv, name: &str) -> Result<Option<Value>, Error>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize,
    K::DynamicType: Default,
{
    let what = || format!("looking at {name}");
    let found = test_env.namespace.api::<K>().get_opt(name).await;
    let object = found.map_err(|error| Error::Api {
        what: what(),
        message: error.to_string(),
    })?;
    object
        .map(|object| serde_json::to_value(object))
        .transpose()
        .map_err(|error| Error::Unreadable {
            what: what(),
            message: error.to_string(),
        })
}

/// A part of a Deployment that has to be there, such as `/spec/template`: the pods restart when that changes.
pub async fn of_deployment(test_env: &TestEnv, name: &str, pointer: &str) -> Result<Value, Error> {
    let found = look::<Deployment>(test_env, name).await?;
    found
        .as_ref()
        .and_then(|object| object.pointer(pointer))
        .cloned()
        .ok_or_else(|| Error::Api {
            what: format!("Deployment {name}"),
            message: format!("it has no {pointer}, or is not there"),
        })
}

/// How long Kubernetes may take to remove what a deleted drive owned: its garbage collector learns of kinds that were
/// installed a moment ago in rounds of 30 s.
pub const COLLECTED: Duration = Duration::from_mins(2);

/// Waits until a part of a Deployment has a value.
pub async fn becomes(test_env: &TestEnv, name: &str, pointer: &str, value: &Value) -> Result<(), Error> {
    becomes_within(PATIENCE, test_env, name, pointer, value).await
}

/// The same, with a limit of one's own.
pub async fn becomes_within(
    limit: Duration,
    test_env: &TestEnv,
    name: &str,
    pointer: &str,
    value: &Value,
) -> Result<(), Error> {
    eventually(
        limit,
        &format!("{pointer} of Deployment {name} to be {value}"),
        async || {
            let seen = of_deployment(test_env, name, pointer).await?;
            if seen == *value { Ok(()) } else { Err(seen.into()) }
        },
    )
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

/// Waits until a part of a Deployment is no longer as it was, and returns what it is now.
pub async fn changes(test_env: &TestEnv, name: &str, pointer: &str, before: &Value) -> Result<Value, Error> {
    eventually(
        PATIENCE,
        &format!("{pointer} of Deployment {name} to change"),
        async || {
            let seen = of_deployment(test_env, name, pointer).await?;
            if seen == *before {
                Err("as before".into())
            } else {
                Ok(seen)
            }
        },
    )
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

/// Waits until a drive's condition has a reason, for the present generation.
pub async fn because(
    test_env: &TestEnv,
    drive: &str,
    type_: ConditionType,
    reason: Reason,
) -> Result<Condition, Error> {
    because_with(test_env, drive, type_, reason, &[]).await
}

/// Waits until a drive's condition has a reason and a message with all of these words, for the present generation.
pub async fn because_with(
    test_env: &TestEnv,
    drive: &str,
    type_: ConditionType,
    reason: Reason,
    words: &[&str],
) -> Result<Condition, Error> {
    let what = format!("{type_} of {drive} to be {reason} with {words:?}");
    eventually(PATIENCE, &what, async || {
        let found = test_env.drives().get(drive).await?;
        let generation = found.metadata.generation;
        let conditions = found.status.unwrap_or_default().conditions;
        match conditions
            .into_iter()
            .find(|condition| condition.type_ == type_.as_str())
        {
            Some(condition)
                if condition.reason == reason.as_str()
                    && condition.observed_generation == generation
                    && words.iter().all(|word| condition.message.contains(word)) =>
            {
                Ok(condition)
            }
            Some(condition) => Err(format!("{}: {}: {}", condition.status, condition.reason, condition.message).into()),
            None => Err("no such condition yet".into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

/// Waits until the next whole second has begun. Times in `managedFields` and creation times are whole seconds: of two writes
/// within one second Kubernetes does not say which one was later.
pub async fn next_second() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let passed = Duration::from_nanos(u64::from(now.subsec_nanos()));
    tokio::time::sleep(Duration::from_millis(1_050).saturating_sub(passed)).await;
}

/// Where the audit log ends now.
pub async fn mark(test_env: &TestEnv) -> Result<AuditMark, Error> {
    test_env.cluster.audit()?.settle().await
}

/// Requests of the operator to the API server since the mark.
pub async fn asked(
    test_env: &TestEnv,
    since: AuditMark,
    keep: impl Fn(&AuditEvent) -> bool,
) -> Result<Vec<AuditEvent>, Error> {
    let audit = test_env.cluster.audit()?;
    audit.settle().await?;
    let user = test_env.operator.user();
    audit.events_since(since, |event| {
        event.username == user && event.user_agent.starts_with("ras-operator/") && keep(event)
    })
}

/// True for writes of children: not of the drive's status, and not of events.
pub fn writes_children(event: &AuditEvent) -> bool {
    event.is_write() && event.resource != "recruitmentdrives" && event.resource != "events"
}

/// Stops the operator and starts another in its place, which knows nothing of what the first one saw.
pub async fn restart_operator(test_env: &mut TestEnv, options: &OperatorOptions) -> Result<(), Error> {
    test_env.operator.stop().await?;
    test_env.operator = Operator::start(&test_env.cluster, &test_env.namespace, options).await?;
    test_env.operator.logs(PATIENCE, r#""message":"ready""#).await
}

/// True if a ServiceAccount may do this, by a `SubjectAccessReview`. A resource may be `kind/subresource`, or
/// `kind:name` for one object.
pub async fn may_do(
    cluster: &Cluster,
    user: &str,
    verb: &str,
    group: &str,
    resource: &str,
    namespace: &str,
) -> Result<bool, Error> {
    let (resource, name) = resource
        .split_once(':')
        .map_or((resource, None), |(kind, name)| (kind, Some(name)));
    let (resource, subresource) = resource
        .split_once('/')
        .map_or((resource, None), |(resource, sub)| (resource, Some(sub)));
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            groups: Some(
                ["system:serviceaccounts", "system:authenticated"]
                    .map(str::to_owned)
                    .to_vec(),
            ),
            resource_attributes: Some(ResourceAttributes {
                verb: Some(verb.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: subresource.map(str::to_owned),
                name: name.map(str::to_owned),
                namespace: Some(namespace.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(cluster.client()?);
    let answer = reviews.create(&PostParams::default(), &review).await;
    let answer = answer.map_err(|error| Error::Api {
        what: "a SubjectAccessReview".to_owned(),
        message: error.to_string(),
    })?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
