//! Reads a server's state.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::connection::with_timeout;
use super::{Facts, Lock, Postgres};
use crate::failure::{Action, Fault, classify};
use crate::ownership::{Ownership, ownership};
use crate::snapshot::{DatabaseSnapshot, Inside, Role, ServerSnapshot};
use ras_core::database::report::Problem;
use ras_core::database::request::{Database as Asked, Login};

/// First major version that distinguishes membership from the privilege to become the role.
const SET_OPTION: u16 = 16;

/// Facts about the server and the administrator.
pub async fn facts(client: &Client) -> Result<Facts, Fault> {
    let rows = query(
        client,
        "SELECT current_setting('server_version'), current_setting('server_version_num')::int4, current_user::text, \
         coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false), \
         pg_is_in_recovery() OR current_setting('transaction_read_only')::bool, \
         coalesce((SELECT pg_encoding_to_char(encoding) = 'UTF8' FROM pg_database WHERE datname = 'template1'), true)",
        &[],
    )
    .await?;
    let row = rows.first().ok_or(Fault::Closed)?;
    let number: i32 = get(row, 1)?;
    Ok(Facts {
        version: get(row, 0)?,
        major: u16::try_from(number / 10_000).unwrap_or_default(),
        user: get(row, 2)?,
        is_superuser: get(row, 3)?,
        is_read_only: get(row, 4)?,
        is_utf8: get(row, 5)?,
    })
}

/// Takes the advisory lock `key` if it is free. Otherwise returns its holder.
pub(super) async fn lock(client: &Client, key: i64) -> Result<Lock, Fault> {
    let taken = query(client, "SELECT pg_try_advisory_lock($1)", &[(&key, Type::INT8)]).await?;
    if taken.first().map_or(Ok(false), |row| get(row, 0))? {
        return Ok(Lock::Ours);
    }
    // `usesysid` is the role that logged in, which `SET ROLE` does not change.
    let rows = query(
        client,
        "SELECT coalesce(rolname::text, '?'), coalesce(rolname = session_user OR rolsuper OR rolcreaterole, true) FROM pg_locks \
         JOIN pg_stat_activity USING (pid) LEFT JOIN pg_roles ON pg_roles.oid = usesysid WHERE locktype = 'advisory' AND granted AND \
         pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND objsubid = 1 AND \
         (classid::int8 << 32) | objid::int8 = $1",
        &[(&key, Type::INT8)],
    )
    .await?;
    match rows.first() {
        Some(row) if !get::<bool>(row, 1)? => Ok(Lock::HeldByAnother(get(row, 0)?)),
        // It is free again, or the holder is not visible.
        _ => Ok(Lock::Administrator),
    }
}

/// Returns also what could not be read.
pub async fn observe(postgres: &mut Postgres<'_>) -> Result<(ServerSnapshot, Vec<Problem>), Problem> {
    let mut problems = Vec::new();
    let request = postgres.request;
    let databases = databases(postgres)
        .await
        .map_err(|fault| postgres.query_problem(&fault))?;
    let mut roles = roles(postgres).await.map_err(|fault| postgres.query_problem(&fault))?;
    for login in &request.logins {
        let Some((role, can_login)) = roles.get_mut(&login.role) else {
            continue;
        };
        match membership(postgres, login).await {
            Ok(is_member) => role.is_member = is_member,
            Err(fault) => return Err(postgres.query_problem(&fault)),
        }
        if !*can_login {
            continue;
        }
        match login_works(postgres, login, &databases).await {
            Ok(works) => role.login_works = works,
            Err(problem) if problem.cause.may_pass() => return Err(problem),
            // A refusal by pg_hba.conf does not mean that the password is wrong: leave it.
            Err(problem) => {
                role.login_works = Some(true);
                problems.push(problem);
            }
        }
    }
    let mut observed = ServerSnapshot {
        major: postgres.facts.major,
        admin: postgres.facts.user.clone(),
        is_superuser: postgres.facts.is_superuser,
        is_utf8: postgres.facts.is_utf8,
        roles: roles.into_iter().map(|(name, (role, _))| (name, role)).collect(),
        databases,
    };
    for asked in &request.databases {
        let Some(seen) = observed.databases.get_mut(&asked.name) else {
            continue;
        };
        if seen.owner != asked.owner {
            continue;
        }
        match inside(postgres, asked).await {
            Ok(inside) => seen.inside = Some(inside),
            Err(fault) => {
                let problem = classify(
                    &fault,
                    Action::Query {
                        server: postgres.server.name(),
                        user: &postgres.facts.user,
                        database: &asked.name,
                    },
                );
                if problem.cause.may_pass() {
                    return Err(problem);
                }
                problems.push(Problem {
                    database: Some(asked.name.clone()),
                    ..problem
                });
            }
        }
    }
    Ok((observed, problems))
}

async fn databases(postgres: &Postgres<'_>) -> Result<BTreeMap<String, DatabaseSnapshot>, Fault> {
    let asked: BTreeSet<&str> = postgres
        .request
        .databases
        .iter()
        .map(|asked| asked.name.as_str())
        .collect();
    let rows = query(
        &postgres.client,
        "SELECT datname::text, pg_get_userbyid(datdba)::text, shobj_description(oid, 'pg_database'), shobj_description(datdba, \
         'pg_authid') FROM pg_database",
        &[],
    )
    .await?;
    let mut databases = BTreeMap::new();
    for row in &rows {
        let name: String = get(row, 0)?;
        let comment: Option<String> = get(row, 2)?;
        if asked.contains(name.as_str()) || ownership(comment.as_deref(), &postgres.request.drive) == Ownership::Ours {
            let seen = DatabaseSnapshot {
                owner: get(row, 1)?,
                owner_comment: get(row, 3)?,
                comment,
                inside: None,
            };
            databases.insert(name, seen);
        }
    }
    Ok(databases)
}

/// Identifiers of the server and of each database of the request.
pub async fn identities(postgres: &Postgres<'_>) -> (Option<String>, BTreeMap<String, u32>) {
    // A provider may have revoked this function; the others still work.
    let text = "SELECT system_identifier::text FROM pg_control_system()";
    let server = match query(&postgres.client, text, &[]).await {
        Ok(rows) => rows.first().and_then(|row| get(row, 0).ok()),
        Err(Fault::Answer { code, .. }) if code == "42501" || code == "42883" => None,
        // The next run reads it.
        Err(_) => return (None, BTreeMap::new()),
    };
    let names: Vec<&str> = postgres
        .request
        .databases
        .iter()
        .map(|asked| asked.name.as_str())
        .collect();
    let text = "SELECT datname::text, oid FROM pg_database WHERE datname::text = ANY($1)";
    let rows = query(&postgres.client, text, &[(&names, Type::TEXT_ARRAY)]).await;
    let oids = rows.unwrap_or_default();
    let oids = oids
        .iter()
        .filter_map(|row| Some((get(row, 0).ok()?, get(row, 1).ok()?)));
    (server, oids.collect())
}

/// Roles, and whether they may log in.
async fn roles(postgres: &Postgres<'_>) -> Result<BTreeMap<String, (Role, bool)>, Fault> {
    let request = postgres.request;
    let databases = request.databases.iter();
    let names: BTreeSet<&str> = databases
        .flat_map(|asked| std::iter::once(asked.owner.as_str()).chain(asked.user.as_deref()))
        .chain(
            request
                .logins
                .iter()
                .flat_map(|login| [login.role.as_str(), login.owner.as_str()]),
        )
        .collect();
    let names: Vec<&str> = names.into_iter().collect();
    let acts = if postgres.facts.major >= SET_OPTION {
        "pg_has_role(oid, 'SET') AND pg_has_role(oid, 'USAGE')"
    } else {
        "pg_has_role(oid, 'MEMBER')"
    };
    let text = format!(
        "SELECT rolname::text, rolcanlogin, shobj_description(oid, 'pg_authid'), rolconfig, {acts} FROM pg_roles WHERE \
         rolname::text = ANY($1)"
    );
    let mut roles = BTreeMap::new();
    for row in &query(&postgres.client, &text, &[(&names, Type::TEXT_ARRAY)]).await? {
        let settings: Option<Vec<String>> = get(row, 3)?;
        let becomes = settings
            .into_iter()
            .flatten()
            .find_map(|setting| setting.strip_prefix("role=").map(str::to_owned));
        let role = Role {
            comment: get(row, 2)?,
            is_ours_to_act_as: get(row, 4)?,
            becomes,
            is_member: false,
            login_works: None,
        };
        roles.insert(get(row, 0)?, (role, get(row, 1)?));
    }
    Ok(roles)
}

/// A login can become its owner, which may not exist.
async fn membership(postgres: &Postgres<'_>, login: &Login) -> Result<bool, Fault> {
    let option = if postgres.facts.major >= SET_OPTION {
        "SET"
    } else {
        "MEMBER"
    };
    let text = format!(
        "SELECT pg_has_role(member.oid, owner.oid, '{option}') FROM pg_roles AS member, pg_roles AS owner WHERE \
         member.rolname::text = $1 AND owner.rolname::text = $2"
    );
    let rows = query(
        &postgres.client,
        &text,
        &[(&login.role, Type::TEXT), (&login.owner, Type::TEXT)],
    )
    .await?;
    rows.first().map_or(Ok(false), |row| get(row, 0))
}

/// `None`: the login has no password, or none was given.
async fn login_works(
    postgres: &Postgres<'_>,
    login: &Login,
    databases: &BTreeMap<String, DatabaseSnapshot>,
) -> Result<Option<bool>, Problem> {
    let Some(password) = postgres.passwords.get(&login.role) else {
        return Ok(None);
    };
    let its_own = postgres.request.databases.iter().find(|asked| {
        (asked.owner == login.owner || asked.user.as_ref() == Some(&login.owner))
            && databases.get(&asked.name).is_some_and(|seen| seen.owner == asked.owner)
    });
    let database = its_own.map_or(postgres.server.admin().database.as_str(), |asked| asked.name.as_str());
    match postgres.login_works(&login.role, password, database).await {
        Ok(works) => Ok(Some(works)),
        Err(fault) => Err(classify(
            &fault,
            Action::Login {
                server: postgres.server.name(),
                role: &login.role,
            },
        )),
    }
}

async fn inside(postgres: &mut Postgres<'_>, asked: &Asked) -> Result<Inside, Fault> {
    let client = postgres.connect_to(&asked.name).await?;
    let extensions = query(client, "SELECT extname::text FROM pg_extension", &[]).await?;
    let available = query(
        client,
        "SELECT name::text FROM pg_available_extensions WHERE name::text = ANY($1)",
        &[(&asked.extensions, Type::TEXT_ARRAY)],
    )
    .await?;
    let public = query(
        client,
        "SELECT has_schema_privilege(pg_roles.oid, pg_namespace.oid, 'CREATE') AND has_schema_privilege(pg_roles.oid, \
         pg_namespace.oid, 'USAGE') FROM pg_namespace, pg_roles WHERE nspname = 'public' AND rolname::text = $1",
        &[(&asked.owner, Type::TEXT)],
    )
    .await?;
    let user_may_use = match &asked.user {
        Some(user) if !public.is_empty() => Some(may_use(client, &asked.owner, user).await?),
        _ => None,
    };
    Ok(Inside {
        extensions: extensions.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?,
        available: available.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?,
        owner_may_create: public.first().map(|row| get(row, 0)).transpose()?,
        user_may_use,
    })
}

/// `user` may read and write tables that `owner` creates from now on. Existing tables were granted in the same statement, and a
/// privilege that somebody revoked from one table since is not granted again.
async fn may_use(client: &Client, owner: &str, user: &str) -> Result<bool, Fault> {
    let rows = query(
        client,
        "SELECT count(DISTINCT (defaclobjtype, privilege_type)) = 6 FROM pg_default_acl, aclexplode(defaclacl), pg_roles AS \
         owner, pg_roles AS member WHERE defaclrole = owner.oid AND grantee = member.oid AND owner.rolname::text = $1 AND \
         member.rolname::text = $2 AND defaclnamespace = 'public'::regnamespace AND (defaclobjtype = 'r' AND privilege_type \
         IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') OR defaclobjtype = 'S' AND privilege_type IN ('USAGE', 'SELECT'))",
        &[(&owner, Type::TEXT), (&user, Type::TEXT)],
    )
    .await?;
    rows.first().map_or(Ok(false), |row| get(row, 0))
}

async fn query(client: &Client, text: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, Fault> {
    with_timeout(client.query_typed(text, parameters)).await
}

fn get<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, Fault> {
    row.try_get(at).map_err(|error| super::errors::fault(&error))
}
