use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::certificates::Certificates;
use crate::Error;

/// Who a kubeconfig is for.
pub(crate) enum Credentials<'a> {
    /// A client certificate and its key.
    Certificate { certificate: PathBuf, key: PathBuf },
    /// A `ServiceAccount`'s token.
    Token(&'a str),
}

/// Writes a kubeconfig with one cluster, one user and one context. (JSON is YAML, so no emitter's quoting matters.)
pub(crate) fn write(
    path: &Path,
    server: &str,
    certificate_authority: &Path,
    credentials: &Credentials<'_>,
    namespace: Option<&str>,
) -> Result<(), Error> {
    let user = match credentials {
        Credentials::Certificate { certificate, key } => {
            json!({"client-certificate": certificate, "client-key": key})
        }
        Credentials::Token(token) => json!({"token": token}),
    };
    let mut context = json!({"cluster": "test", "user": "test"});
    if let (Some(namespace), Value::Object(fields)) = (namespace, &mut context) {
        fields.insert("namespace".to_owned(), json!(namespace));
    }
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": certificate_authority}}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": context}],
        "current-context": "test",
    });
    fs::write(path, config.to_string()).map_err(Error::io(format!("writing {}", path.display())))
}

/// A new user with a client certificate, and the kubeconfig for it: `<folder>/<file>.kubeconfig`.
pub(super) fn for_new_user(
    folder: &Path,
    file: &str,
    server: &str,
    certificates: &Certificates,
    user: &str,
    group: Option<&str>,
) -> Result<PathBuf, Error> {
    certificates.for_user(file, user, group)?;
    let path = folder.join(format!("{file}.kubeconfig"));
    let credentials = Credentials::Certificate {
        certificate: certificates.path(&format!("{file}.crt")),
        key: certificates.path(&format!("{file}.key")),
    };
    write(&path, server, &certificates.path("ca.crt"), &credentials, None)?;
    Ok(path)
}
