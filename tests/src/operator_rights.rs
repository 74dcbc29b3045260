use std::{fs, path::Path};

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};

use crate::{Error, apply::apply_document, documents};

/// Longer than any test; the API server allows up to what it is configured with.
const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// Makes a `ServiceAccount` that may do exactly what the roles in a file say, and returns a token for it.
///
/// A `ClusterRole` is bound in `namespace` alone, or everywhere when `cluster_wide`; a `Role` always in `namespace`.
/// Other documents in the file are not looked at, so a whole manifest can be given.
pub(crate) async fn grant(
    client: &Client,
    namespace: &str,
    account: &str,
    roles: &Path,
    cluster_wide: bool,
) -> Result<String, Error> {
    apply_document(
        client,
        namespace,
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}),
    )
    .await?;
    let text = fs::read_to_string(roles).map_err(Error::io(format!("reading {}", roles.display())))?;
    let mut bound = 0;
    for role in documents(&text)? {
        let Some(kind @ ("Role" | "ClusterRole")) = role.get("kind").and_then(Value::as_str) else {
            continue;
        };
        let everywhere = cluster_wide && kind == "ClusterRole";
        bind(client, namespace, account, kind, &role, everywhere).await?;
        bound += 1;
    }
    if bound == 0 {
        return Err(Error::Unreadable {
            what: roles.display().to_string(),
            message: "there is no Role or ClusterRole in it for the operator to run under".to_owned(),
        });
    }
    token(client, namespace, account).await
}

async fn bind(
    client: &Client,
    namespace: &str,
    account: &str,
    kind: &str,
    role: &Value,
    everywhere: bool,
) -> Result<(), Error> {
    let original = role.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("role");
    // All tests of the process share cluster-scoped objects, so the name of a ClusterRole contains its owner.
    let name = format!("{original}-{namespace}-{account}");
    let rules = role.get("rules").cloned().unwrap_or_else(|| json!([]));
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let copy = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "rules": rules});
    let binding = json!({
        "apiVersion": version,
        "kind": if everywhere { "ClusterRoleBinding" } else { "RoleBinding" },
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    });
    apply_document(client, namespace, copy).await?;
    apply_document(client, namespace, binding).await?;
    Ok(())
}

async fn token(client: &Client, namespace: &str, account: &str) -> Result<String, Error> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let asking = format!("asking for a token of ServiceAccount {account}");
    let answer = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await
        .map_err(Error::api(asking.clone()))?;
    let status = answer.status.ok_or(Error::Api {
        what: asking,
        message: "the answer has no token".to_owned(),
    })?;
    Ok(status.token)
}
