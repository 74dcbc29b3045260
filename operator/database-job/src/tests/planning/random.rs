//! Random requests and servers.

use proptest::prelude::*;
use ras_core::database::request::{Login, Request};

use super::{database, drive, login, request};
use crate::ownership::ownership_comment;
use crate::snapshot::{DatabaseSnapshot, Inside, Role, ServerSnapshot};

const ROLES: [&str; 7] = ["app", "app_2", "auth", "auth_2", "use", "use_2", "adm"];

const DATABASES: [&str; 3] = ["application", "auth", "old"];

const EXTENSIONS: [&str; 3] = ["pg_trgm", "citext", "timescaledb"];

pub fn any_request() -> impl Strategy<Value = Request> {
    let owners = prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 2);
    let extensions = prop::collection::vec(prop::sample::select(EXTENSIONS.to_vec()), 0..3);
    let user = any::<Option<(bool, bool)>>();
    (owners, extensions, any::<bool>(), user).prop_map(|(owners, extensions, one_owner, user)| {
        let names = [("application", "app"), ("auth", if one_owner { "app" } else { "auth" })];
        let mut databases = Vec::new();
        let mut logins: Vec<Login> = Vec::new();
        for ((name, owner), (is_asked, has_login, is_second)) in names.into_iter().zip(owners) {
            if !is_asked {
                continue;
            }
            let mut database = database(name, owner);
            database.extensions = extensions.iter().map(|name| (*name).to_owned()).collect();
            databases.push(database);
            let role = if is_second {
                format!("{owner}_2")
            } else {
                owner.to_owned()
            };
            if has_login && logins.iter().all(|login| login.role != role) {
                logins.push(login(&role, owner));
            }
        }
        if let (Some((has_login, is_second)), Some(first)) = (user, databases.first_mut()) {
            first.user = Some("use".to_owned());
            if has_login {
                logins.push(login(if is_second { "use_2" } else { "use" }, "use"));
            }
        }
        request(databases, logins)
    })
}

fn any_comment() -> impl Strategy<Value = Option<String>> {
    prop::sample::select(vec![
        None,
        Some(ownership_comment(&drive("spring", "1"))),
        Some(ownership_comment(&drive("spring", "2"))),
        Some(ownership_comment(&drive("summer", "3"))),
        Some("somebody's".to_owned()),
    ])
}

fn any_role() -> impl Strategy<Value = Role> {
    (
        any_comment(),
        any::<bool>(),
        prop::sample::select(vec![
            None,
            Some("app".to_owned()),
            Some("auth".to_owned()),
            Some("use".to_owned()),
        ]),
        any::<bool>(),
        any::<Option<bool>>(),
    )
        .prop_map(|(comment, is_ours_to_act_as, becomes, is_member, login_works)| Role {
            comment,
            is_ours_to_act_as,
            becomes,
            is_member,
            login_works,
        })
}

fn any_database() -> impl Strategy<Value = DatabaseSnapshot> {
    let names = || prop::collection::btree_set(prop::sample::select(EXTENSIONS.map(str::to_owned).to_vec()), 0..3);
    (
        prop::sample::select(ROLES.to_vec()),
        any_comment(),
        names(),
        names(),
        any::<(Option<bool>, Option<bool>)>(),
        any::<bool>(),
    )
        .prop_map(
            |(owner, comment, extensions, available, (owner_may_create, user_may_use), is_seen)| DatabaseSnapshot {
                owner: owner.to_owned(),
                owner_comment: None,
                comment,
                inside: is_seen.then_some(Inside {
                    extensions,
                    available,
                    owner_may_create,
                    user_may_use,
                }),
            },
        )
}

pub fn any_server() -> impl Strategy<Value = ServerSnapshot> {
    (
        prop::sample::select(vec![13, 15, 17]),
        any::<bool>(),
        any::<bool>(),
        prop::collection::btree_map(
            prop::sample::select(ROLES.map(str::to_owned).to_vec()),
            any_role(),
            0..5,
        ),
        prop::collection::btree_map(
            prop::sample::select(DATABASES.map(str::to_owned).to_vec()),
            any_database(),
            0..3,
        ),
    )
        .prop_map(|(major, is_superuser, is_utf8, mut roles, mut databases)| {
            // An owner is an existing role, and the server shows that role's comment with the database.
            for database in databases.values_mut() {
                let owner = roles.entry(database.owner.clone()).or_default();
                database.owner_comment.clone_from(&owner.comment);
            }
            roles.entry("adm".to_owned()).or_default();
            ServerSnapshot {
                major,
                admin: "adm".to_owned(),
                is_superuser,
                is_utf8,
                roles,
                databases,
            }
        })
}
