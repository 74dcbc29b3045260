//! Requests with the operator's token that go beyond what drives need, each with the policy that refuses it.

const LABELS: &str = "labels: {app.kubernetes.io/managed-by: ras-operator, ras.dev/drive: d}";

/// The expected pods of a drive.
const POD: &str = "serviceAccountName: d, automountServiceAccountToken: false";

pub fn object(kind: &str, rest: &str) -> String {
    format!("{{apiVersion: {kind}, metadata: {{name: attack, {LABELS}}}{rest}}}")
}

fn deployment(pod: &str, container: &str) -> String {
    let pod = format!("{pod}, containers: [{{name: a, image: a{container}}}]");
    let template = format!("{{metadata: {{labels: {{ras.dev/drive: d}}}}, spec: {{{pod}}}}}");
    let spec = format!(", spec: {{selector: {{matchLabels: {{ras.dev/drive: d}}}}, template: {template}}}");
    object("apps/v1, kind: Deployment", &spec)
}

fn job(pod: &str) -> String {
    let pod = format!("{pod}, restartPolicy: Never, containers: [{{name: a, image: a}}]");
    let template = format!("{{metadata: {{labels: {{ras.dev/drive: d}}}}, spec: {{{pod}}}}}");
    object("batch/v1, kind: Job", &format!(", spec: {{template: {template}}}"))
}

/// Uses of a stolen token, each with a part of the refusal.
#[allow(clippy::too_many_lines, reason = "a table: one row an attack")]
pub fn attacks() -> Vec<(&'static str, String, &'static str)> {
    let of_account = "metadata: {name: attack, annotations: {kubernetes.io/service-account.name: default}, \
        labels: {app.kubernetes.io/managed-by: ras-operator, ras.dev/drive: d}}";
    let (outsiders, nodes) = ("only with volumes of the kinds", "privileges on their node");
    vec![
        (
            "the token of any account",
            format!("{{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, {of_account}}}"),
            "only Secrets of type Opaque",
        ),
        (
            "another type of Secret",
            object(
                "v1, kind: Secret",
                ", type: bootstrap.kubernetes.io/token, stringData: {token-id: abcdef}",
            ),
            "only Secrets of type Opaque",
        ),
        (
            "an object of nobody",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: attack}}".to_owned(),
            "only objects with the labels",
        ),
        (
            "somebody's ConfigMap",
            object("v1, kind: ConfigMap", "").replace("name: attack", "name: theirs"),
            "only objects of drives",
        ),
        (
            "a role in the cloud",
            object("v1, kind: ServiceAccount", "").replace(
                "name: attack",
                "name: attack, annotations: {eks.amazonaws.com/role-arn: a}",
            ),
            "identity outside the cluster",
        ),
        (
            "another account",
            deployment("serviceAccountName: other, automountServiceAccountToken: false", ""),
            "the name of their drive",
        ),
        (
            "another account in a Job",
            job("serviceAccountName: other, automountServiceAccountToken: false"),
            "the name of their drive",
        ),
        (
            "a mounted token",
            deployment("serviceAccountName: d", ""),
            "no pod with a token",
        ),
        (
            "a projected token",
            deployment(
                &format!(
                    "{POD}, volumes: [{{name: v, projected: {{sources: [{{serviceAccountToken: {{path: t}}}}]}}}}]"
                ),
                "",
            ),
            outsiders,
        ),
        (
            "the node's files",
            deployment(&format!("{POD}, volumes: [{{name: v, hostPath: {{path: /}}}}]"), ""),
            outsiders,
        ),
        (
            "the node's files in a Job",
            job(&format!("{POD}, volumes: [{{name: v, hostPath: {{path: /}}}}]")),
            outsiders,
        ),
        (
            "the node's network",
            deployment(&format!("{POD}, hostNetwork: true"), ""),
            nodes,
        ),
        (
            "the node's processes",
            deployment(&format!("{POD}, hostPID: true"), ""),
            nodes,
        ),
        (
            "a node of one's choice",
            deployment(&format!("{POD}, nodeName: node-1"), ""),
            nodes,
        ),
        (
            "a capability",
            deployment(POD, ", securityContext: {capabilities: {add: [NET_ADMIN]}}"),
            nodes,
        ),
        (
            "a port of the node",
            deployment(POD, ", ports: [{containerPort: 1, hostPort: 1}]"),
            nodes,
        ),
        (
            "others' traffic",
            object(
                "v1, kind: Service",
                ", spec: {externalIPs: [10.1.2.3], ports: [{port: 1}]}",
            ),
            "only Services of type ClusterIP",
        ),
        (
            "the ingress controller",
            object(
                "networking.k8s.io/v1, kind: Ingress",
                ", spec: {defaultBackend: {service: {name: a, port: {number: 1}}}}",
            )
            .replace(
                "name: attack",
                "name: attack, annotations: {nginx.ingress.kubernetes.io/server-snippet: a}",
            ),
            "contains snippet",
        ),
    ]
}
