//! The shipped admission policies, so that every behaviour test runs under them.

use kube::Client;
use serde_json::{Value, json};

use crate::{Error, apply::apply_document, documents, repository};

const POLICIES: &str = "deploy/policies.yaml";

/// Installs them under names of their own, because a test may install the shipped ones, too. In tests the operator runs in the
/// namespace of its drives, so its account is recognised by name in any namespace.
pub(crate) async fn install(client: &Client) -> Result<(), Error> {
    let path = repository().join(POLICIES);
    let text = std::fs::read_to_string(&path).map_err(Error::io(format!("reading {}", path.display())))?;
    for mut document in documents(&text)? {
        for pointer in ["/metadata/name", "/spec/policyName"] {
            let name = document.pointer_mut(pointer);
            if let Some(Value::String(name)) = name {
                *name = format!("tests.{name}");
            }
        }
        replace(
            &mut document,
            "/spec/matchConditions",
            "operator",
            "request.userInfo.username.endsWith(':ras-operator')",
        );
        let own = "request.userInfo.username.split(':')[2]";
        replace(&mut document, "/spec/variables", "ownNamespace", own);
        apply_document(client, "default", document).await?;
    }
    Ok(())
}

/// Gives the expression called `name` in a list another text.
fn replace(document: &mut Value, list: &str, name: &str, expression: &str) {
    let entries = document.pointer_mut(list).and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten() {
        if entry.get("name") == Some(&json!(name))
            && let Some(fields) = entry.as_object_mut()
        {
            fields.insert("expression".to_owned(), json!(expression));
        }
    }
}
