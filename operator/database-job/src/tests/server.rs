//! A model of a server, as far as plans depend on it.

use std::collections::BTreeSet;

use crate::ownership::ownership_comment;
use crate::snapshot::{DatabaseSnapshot, Inside, Role, ServerSnapshot};
use crate::step::ServerStep;
use ras_core::database::request::Request;

/// Executes `step` on `observed`. Fails if a server would refuse the step.
pub fn take(step: &ServerStep, observed: &mut ServerSnapshot, request: &Request) -> Result<(), String> {
    let ours = ownership_comment(&request.drive);
    let is_superuser = observed.is_superuser;
    let acts = |observed: &ServerSnapshot, role: &str| {
        is_superuser || observed.admin == role || observed.roles.get(role).is_some_and(|seen| seen.is_ours_to_act_as)
    };
    let missing = |what: &str| format!("{step:?}: {what} is not there");
    for role in step.roles() {
        if matches!(step, ServerStep::CreateRole { .. }) == observed.roles.contains_key(role) {
            return Err(format!("{step:?}: {role}"));
        }
    }
    match step {
        ServerStep::CreateRole { role } => {
            let made = Role {
                comment: Some(ours),
                ..Role::default()
            };
            observed.roles.insert(role.clone(), made);
        }
        ServerStep::ClaimRole { role } => {
            observed.roles.get_mut(role).ok_or_else(|| missing(role))?.comment = Some(ours.clone());
            for database in observed
                .databases
                .values_mut()
                .filter(|database| database.owner == *role)
            {
                database.owner_comment = Some(ours.clone());
            }
        }
        ServerStep::JoinOwner { role, .. } => {
            observed.roles.get_mut(role).ok_or_else(|| missing(role))?.is_member = true;
        }
        ServerStep::BecomeOwner { role, owner } => {
            observed.roles.get_mut(role).ok_or_else(|| missing(role))?.becomes = Some(owner.clone());
        }
        ServerStep::ActAsOwner { owner, .. } => {
            observed
                .roles
                .get_mut(owner)
                .ok_or_else(|| missing(owner))?
                .is_ours_to_act_as = true;
        }
        ServerStep::CreateDatabase { database, owner, .. } => {
            if !acts(observed, owner) || observed.databases.contains_key(database) {
                return Err(format!("{step:?}"));
            }
            let asked = request.databases.iter().find(|asked| asked.name == *database);
            let made = DatabaseSnapshot {
                owner: owner.clone(),
                owner_comment: observed.roles.get(owner).and_then(|role| role.comment.clone()),
                comment: None,
                inside: Some(Inside {
                    extensions: BTreeSet::new(),
                    available: asked.into_iter().flat_map(|asked| asked.extensions.clone()).collect(),
                    owner_may_create: Some(observed.major >= 15),
                    user_may_use: asked.and_then(|asked| asked.user.as_ref()).map(|_| false),
                }),
            };
            observed.databases.insert(database.clone(), made);
        }
        ServerStep::ClaimDatabase { database } => {
            let seen = observed.databases.get(database).ok_or_else(|| missing(database))?;
            if !acts(observed, &seen.owner) {
                return Err(format!("{step:?}"));
            }
            observed.databases.get_mut(database).expect("seen").comment = Some(ours);
        }
        ServerStep::AllowCreate { database, .. } => {
            inside(observed, database)?.owner_may_create = Some(true);
        }
        ServerStep::AllowUse { database, owner, .. } => {
            if !acts(observed, owner) {
                return Err(format!("{step:?}"));
            }
            inside(observed, database)?.user_may_use = Some(true);
        }
        ServerStep::CreateExtension { database, extension } => {
            inside(observed, database)?.extensions.insert(extension.clone());
        }
        ServerStep::SetPassword { role } => {
            observed.roles.get_mut(role).ok_or_else(|| missing(role))?.login_works = Some(true);
        }
    }
    Ok(())
}

fn inside<'a>(observed: &'a mut ServerSnapshot, database: &str) -> Result<&'a mut Inside, String> {
    let seen = observed.databases.get_mut(database);
    seen.and_then(|seen| seen.inside.as_mut())
        .ok_or_else(|| format!("database {database} is not there"))
}
