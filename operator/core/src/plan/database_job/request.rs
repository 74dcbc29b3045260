//! The request of the Job, and the hash of the work that it asks for. Pure.

use std::collections::BTreeSet;

use crate::database::request::{Database, Drive, Login, Request, SslMode};
use crate::fetched::facts::PASSWORD;
use crate::names;
use crate::plan::input::DatabaseInput;
use crate::url;
use crate::valid::CLUSTER_CA;
use crate::valid::DatabaseServer;

/// Keys of Secrets that the Job reads: the administrator's, then those of the logins.
pub fn keys_of<'a>(at: &DatabaseInput<'a>) -> BTreeSet<(&'a str, &'a str)> {
    let admin: Vec<(&str, &str)> = match &at.database.server {
        DatabaseServer::Standalone(standalone) => vec![(&standalone.superuser.secret_name, PASSWORD)],
        DatabaseServer::CloudNativePG(cluster) => vec![(&cluster.admin, PASSWORD), (&cluster.authority, CLUSTER_CA)],
        DatabaseServer::External(external) => {
            let optional = [
                (external.has_port, "port"),
                (external.has_sslmode, "sslmode"),
                (external.has_ca, "ca"),
            ];
            let optional = optional.into_iter().filter(|(has, _)| *has).map(|(_, key)| key);
            ["host", "username", PASSWORD]
                .into_iter()
                .chain(optional)
                .map(|key| (external.secret.secret_name.as_str(), key))
                .collect()
        }
    };
    let logins = at.turn.accepted().into_iter();
    let logins = logins.map(|login| (login.secret_name.as_str(), PASSWORD));
    admin.into_iter().chain(logins).collect()
}

pub fn request(at: &DatabaseInput<'_>) -> Request {
    Request {
        drive: Drive {
            namespace: at.drive.namespace.clone(),
            name: at.drive.name.clone(),
            uid: at.drive.uid.clone().unwrap_or_default(),
        },
        minimum_version: None,
        sslmode: match &at.database.server {
            DatabaseServer::Standalone(_) => Some(SslMode::Disable),
            DatabaseServer::External(external) if external.has_sslmode => None,
            // The administrator's password is at stake. Programs without `ca` have `require`: see `validate::databases`.
            DatabaseServer::External(_) | DatabaseServer::CloudNativePG(_) => Some(SslMode::VerifyFull),
        },
        host_in_no_url: match &at.database.server {
            DatabaseServer::External(external) => !url::contains(at.services, &external.secret.secret_name, "host"),
            DatabaseServer::Standalone(_) | DatabaseServer::CloudNativePG(_) => false,
        },
        databases: at
            .database
            .databases
            .iter()
            .map(|one| Database {
                name: one.name.clone(),
                owner: one.owner.clone(),
                user: one.user.clone(),
                extensions: one.extensions.clone(),
            })
            .collect(),
        logins: at
            .turn
            .accepted()
            .into_iter()
            .map(|login| Login {
                role: login.role.clone(),
                owner: login.owner.clone(),
                password_file: format!("{}/{PASSWORD}", login.secret_name),
                in_url: is_written_by_others(at, &login.secret_name)
                    && url::contains(at.services, &login.secret_name, PASSWORD),
            })
            .collect(),
    }
}

/// True if another writer may have set the password. The operator's own consist of letters and digits.
fn is_written_by_others(at: &DatabaseInput<'_>, secret: &str) -> bool {
    at.fetched
        .secrets
        .get(secret)
        .is_some_and(|facts| facts.may_be_anothers(PASSWORD))
}

pub fn work(at: &DatabaseInput<'_>, request: &Request) -> String {
    // Written before it is read, by ourselves: it can be.
    let asked = serde_json::to_string(request).unwrap_or_default();
    let mut parts = vec![asked.as_str(), at.database.again.as_deref().unwrap_or_default()];
    let rotation = at.turn.drawn.to_string();
    if at.turn.drawn > 0 {
        // Stamps have whole seconds.
        parts.push(&rotation);
    }
    for (secret, key) in keys_of(at) {
        let facts = at.fetched.secrets.get(secret);
        let stamp = facts.and_then(|facts| facts.keys.as_ref().map_or(Some(&facts.version), |keys| keys.get(key)));
        parts.extend([secret, key, stamp.map_or("", String::as_str)]);
    }
    names::hash(&parts, 16)
}
