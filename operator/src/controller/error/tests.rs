//! Answers as API servers of Kubernetes 1.34 to 1.37 give them.

use kube::Error;
use kube::core::Status;
use ras_crds::Reason;
use serde_json::{Value, json};

use super::{Cause, Retry, cause, refusal};

fn status(code: u16, message: &str, causes: &Value) -> Status {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message,
        "details": {"causes": causes},
    });
    serde_json::from_value(status).unwrap()
}

fn refused(code: u16, message: &str, causes: &Value) -> (Reason, Retry, String) {
    let refused = refusal(&Error::Api(status(code, message, causes).boxed()));
    (refused.reason, refused.retry, refused.message)
}

const CANNOT: &str = "deployments.apps \"spring-api\" is forbidden: User \"system:serviceaccount:ras-system:ras-operator\" cannot \
    patch resource \"deployments\" in API group \"apps\" in the namespace \"spo\"";

#[test]
#[allow(clippy::too_many_lines)] // One table: each answer beside its cause.
fn each_refusal_is_told_by_what_helps() {
    for (code, message, expected) in [
        (403, CANNOT, Cause::Permission),
        (
            403,
            "secrets is forbidden: User \"u\" cannot create resource \"secrets\" in API group \"\" in the namespace \"spo\": \
             RBAC: role.rbac.authorization.k8s.io \"ras\" not found",
            Cause::Permission,
        ),
        (
            403,
            "ingresses.networking.k8s.io \"spring\" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a \
             resource you can't set finalizers on: , <nil>",
            Cause::OwnerPermission,
        ),
        (
            403,
            "persistentvolumeclaims \"spring-api-data\" is forbidden: only dynamically provisioned pvc can be resized and the \
             storageclass that provisions the pvc must support resize",
            Cause::Expansion,
        ),
        (
            403,
            "services \"spring-api\" is forbidden: exceeded quota: counts, requested: services=1, used: services=2, limited: services=2",
            Cause::Quota,
        ),
        (
            403,
            "pods \"spring-api-0\" is forbidden: failed quota: compute: must specify limits.cpu for: api",
            Cause::Quota,
        ),
        (
            403,
            "persistentvolumeclaims \"spring-api-data\" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, but \
             request is 2Gi",
            Cause::LimitRange,
        ),
        (
            403,
            "pods \"a\" is forbidden: [maximum memory usage per Container is 256Mi, but limit is 512Mi, minimum cpu usage per Pod is \
             100m, but request is 10m]",
            Cause::LimitRange,
        ),
        (
            403,
            "pods \"a\" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
            Cause::LimitRange,
        ),
        (
            403,
            "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true (pod or container \"a\" must \
             set securityContext.runAsNonRoot=true)",
            Cause::Policy,
        ),
        (
            422,
            "networkpolicies.networking.k8s.io \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            Cause::Policy,
        ),
        (
            403,
            "admission webhook \"validate.example.com\" denied the request: User \"x\" cannot have this",
            Cause::Policy,
        ),
        (
            400,
            "admission webhook \"validate.example.com\" denied the request: no",
            Cause::Policy,
        ),
        (
            403,
            "configmaps \"spring-api\" is forbidden: unable to create new content in namespace spo because it is being terminated",
            Cause::NamespaceTerminating,
        ),
        (
            403,
            "pods \"a\" is forbidden: error looking up service account spo/a: serviceaccount \"a\" not found",
            Cause::Admission,
        ),
        (404, "namespaces \"spo\" not found", Cause::NamespaceGone),
        (404, "deployments.apps \"spring-api\" not found", Cause::Gone),
        (
            404,
            "the server could not find the requested resource",
            Cause::UnknownKind,
        ),
        (404, "404 page not found", Cause::UnknownKind),
        (401, "Unauthorized", Cause::Token),
        (
            409,
            "Operation cannot be fulfilled on services \"a\": the object has been modified",
            Cause::Conflict,
        ),
        (413, "Request entity too large: limit is 3145728", Cause::Invalid),
        (
            500,
            "failed to create typed patch object (spo/a; apps/v1, Kind=Deployment): errors",
            Cause::Misfit,
        ),
        (
            500,
            "Internal error occurred: failed calling webhook \"x\": context deadline exceeded",
            Cause::Trouble,
        ),
        (
            503,
            "the server is currently unable to handle the request",
            Cause::Trouble,
        ),
        (
            422,
            "Service \"a\" is invalid: spec.clusterIPs[0]: Invalid value: [\"None\"]: may not change once set: field is immutable",
            Cause::Immutable,
        ),
        (
            422,
            "Service \"a\" is invalid: spec.ports: Required value",
            Cause::Invalid,
        ),
    ] {
        assert_eq!(cause(&status(code, message, &json!([]))), expected, "{code} {message}");
    }
    // Whatever the words are in another language or version.
    let closing = json!([{"reason": "NamespaceTerminating", "message": "namespace spo is being terminated", "field": "metadata.namespace"}]);
    assert_eq!(cause(&status(403, "no", &closing)), Cause::NamespaceTerminating);
}

#[test]
fn only_what_the_authorizer_refuses_is_told_as_a_missing_permission() {
    let (reason, retry, message) = refused(403, CANNOT, &json!([]));
    assert_eq!((reason, retry), (Reason::Forbidden, Retry::Soon));
    assert!(message.contains("cannot patch resource") && message.ends_with("give the operator's role this permission"));
    for said in [
        "persistentvolumeclaims \"a\" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that \
         provisions the pvc must support resize",
        "services \"a\" is forbidden: exceeded quota: counts, requested: services=1, used: services=2, limited: services=2",
        "widgets \"a\" is forbidden: some plug-in does not like it",
        "admission webhook \"x\" denied the request: User \"x\" cannot have this",
    ] {
        let (reason, retry, message) = refused(403, said, &json!([]));
        assert_eq!((reason, retry), (Reason::Refused, Retry::Soon), "{said}");
        assert!(
            message.starts_with(said) && message.len() > said.len() + 10,
            "{message}"
        );
        assert!(!message.contains("role"), "{message}");
    }
}

#[test]
fn what_a_closing_namespace_refuses_is_never_tried_again() {
    let said =
        "configmaps \"a\" is forbidden: unable to create new content in namespace spo because it is being terminated";
    let (reason, retry, _) = refused(403, said, &json!([]));
    assert_eq!((reason, retry), (Reason::Progressing, Retry::Never));
}

#[test]
fn a_refused_field_is_told_without_the_structures_of_the_api_server() {
    let claim = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n  \
        core.PersistentVolumeClaimSpec{\n  \t... // 2 identical fields\n- \tStorageClassName: &\"old\",\n+ \tStorageClassName: \
        &\"new\",\n  }\n";
    let template = "core.PodTemplateSpec{ObjectMeta:v1.ObjectMeta{Name:\"\", Labels:map[string]string{\"a\":\"b: c\"}}, \
        Spec:core.PodSpec{Volumes:[]core.Volume(nil)}}: field is immutable";
    let server = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
        'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
    for (field, said, expected) in [
        (
            "spec",
            format!("Forbidden: {claim}"),
            "spec: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        ),
        (
            "spec.template",
            format!("Invalid value: {template}"),
            "spec.template: field is immutable",
        ),
        ("spec", format!("Forbidden: {server}"), &format!("spec: {server}")),
        (
            "spec.selector",
            "Invalid value: {\"matchLabels\":{\"a\":\"b\"}}: field is immutable".to_owned(),
            "spec.selector: field is immutable",
        ),
        (
            "spec.rules[0].host",
            "Invalid value: \"A.example\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters".to_owned(),
            "spec.rules[0].host: Invalid value: \"A.example\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
             characters",
        ),
        ("spec.ports", "Required value".to_owned(), "spec.ports: Required value"),
    ] {
        let reason = if said.contains("Forbidden") { "FieldValueForbidden" } else { "FieldValueInvalid" };
        let whole = format!("Kind \"a\" is invalid: {field}: {said}");
        let (kind, _, message) = refused(422, &whole, &json!([{"reason": reason, "message": said, "field": field}]));
        assert_eq!(kind, Reason::Refused);
        assert!(message.starts_with(expected), "{message}");
        for dump in ["core.", "map[", "\n", "&\""] {
            assert!(!message.contains(dump), "{message}");
        }
    }
}

#[test]
fn a_long_answer_is_cut() {
    let (_, _, message) = refused(422, &"x".repeat(10_000), &json!([]));
    assert!(message.chars().count() < 700, "{message}");
}
