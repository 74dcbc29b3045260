//! The steps from a server's observed state to a request. Pure.
//!
//! Roles come before the databases that they own, and a login gets its password last: it never works as another role than the
//! owner. The order guarantees that wherever it is interrupted.

use std::collections::BTreeSet;

use crate::ownership::{Ownership, ownership, ownership_comment};
use crate::snapshot::{DatabaseSnapshot, Role, ServerSnapshot};
use crate::statement::{identifier, literal};
use crate::step::ServerStep;
use ras_core::database::report::{Cause, Problem};
use ras_core::database::request::{Database, Login, Request};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerPlan {
    /// In order.
    pub steps: Vec<ServerStep>,
    /// Parts of the request that cannot be fulfilled. The others still are.
    pub problems: Vec<Problem>,
    /// Databases that this drive created and no longer requests.
    pub no_longer_managed: Vec<String>,
}

pub fn plan(request: &Request, observed: &ServerSnapshot) -> ServerPlan {
    let mut planner = Planner {
        request,
        observed,
        plan: ServerPlan::default(),
        acting: BTreeSet::new(),
        reported: BTreeSet::new(),
    };
    for role in worked_as(request) {
        planner.worked_as(role);
    }
    for login in &request.logins {
        planner.login(login);
    }
    for database in &request.databases {
        planner.database(database);
    }
    let asked: BTreeSet<&String> = request.databases.iter().map(|database| &database.name).collect();
    planner.plan.no_longer_managed = observed
        .databases
        .iter()
        .filter(|(name, seen)| !asked.contains(name) && planner.was_ours(seen))
        .map(|(name, _)| name.clone())
        .collect();
    planner.plan
}

/// The owners and users of the databases, each once, in the order of the request.
fn worked_as(request: &Request) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let databases = request.databases.iter();
    let roles = databases.flat_map(|database| std::iter::once(database.owner.as_str()).chain(database.user.as_deref()));
    roles.filter(|role| seen.insert(*role)).collect()
}

struct Planner<'a> {
    request: &'a Request,
    observed: &'a ServerSnapshot,
    plan: ServerPlan,
    /// Owners with a step that lets the administrator act as them.
    acting: BTreeSet<&'a str>,
    /// Roles that already have a problem.
    reported: BTreeSet<&'a str>,
}

impl<'a> Planner<'a> {
    fn worked_as(&mut self, role: &'a str) {
        match self.observed.roles.get(role) {
            None => self.step(ServerStep::CreateRole { role: role.to_owned() }),
            Some(seen) => {
                if matches!(self.ownership(seen), Ownership::Namesake { .. }) && self.is_proven(role) {
                    self.step(ServerStep::ClaimRole { role: role.to_owned() });
                }
            }
        }
    }

    fn login(&mut self, login: &'a Login) {
        let is_owner = login.role == login.owner;
        let seen = self.observed.roles.get(&login.role);
        if !is_owner && seen.and_then(|role| role.login_works) == Some(true) && works_as(seen, &login.owner) {
            if seen.is_some_and(|role| matches!(self.ownership(role), Ownership::Namesake { .. })) {
                self.step(ServerStep::ClaimRole {
                    role: login.role.clone(),
                });
            }
            return;
        }
        if is_owner && seen.and_then(|role| role.login_works) == Some(true) {
            return;
        }
        if !is_owner {
            // A login that works as a role gives that role away.
            if !self.is_ours(&login.owner) {
                self.report_not_ours(&login.owner, login);
                return;
            }
            if seen.is_none() {
                self.step(ServerStep::CreateRole {
                    role: login.role.clone(),
                });
            }
        }
        if let Some(role) = seen
            && self.ownership(role) != Ownership::Ours
        {
            self.report_not_ours(&login.role, login);
            return;
        }
        if !is_owner {
            if !seen.is_some_and(|role| role.is_member) {
                self.step(ServerStep::JoinOwner {
                    role: login.role.clone(),
                    owner: login.owner.clone(),
                });
            }
            if seen.and_then(|role| role.becomes.as_ref()) != Some(&login.owner) {
                self.step(ServerStep::BecomeOwner {
                    role: login.role.clone(),
                    owner: login.owner.clone(),
                });
            }
        }
        if seen.and_then(|role| role.login_works) != Some(true) {
            self.step(ServerStep::SetPassword {
                role: login.role.clone(),
            });
        }
    }

    fn database(&mut self, database: &'a Database) {
        match self.observed.databases.get(&database.name) {
            None if self.is_ours(&database.owner) || self.is_proven(&database.owner) => {
                self.act_as(&database.owner);
                self.step(ServerStep::CreateDatabase {
                    database: database.name.clone(),
                    owner: database.owner.clone(),
                    utf8: !self.observed.is_utf8,
                });
                self.step(ServerStep::ClaimDatabase {
                    database: database.name.clone(),
                });
                self.allow_use(database);
            }
            None => {
                if self.reported.insert(&database.owner) {
                    let said = self.not_ours(&database.owner);
                    self.problem(
                        Some(&database.name),
                        Some(&database.owner),
                        format!(
                            "database {} cannot be made, because its owner should be {said}: choose another owner, or \
                             {}",
                            database.name,
                            self.how_to_hand_over(&database.owner),
                        ),
                    );
                }
            }
            Some(seen) if seen.owner != database.owner => {
                let (name, owner) = (&database.name, &database.owner);
                self.problem(
                    Some(name),
                    None,
                    format!(
                        "database {name} is there and belongs to the role {}, not to {owner}: name that role as its \
                         owner, choose another name, or let an administrator run ALTER DATABASE {} OWNER TO {}",
                        seen.owner,
                        identifier(name),
                        identifier(owner),
                    ),
                );
            }
            Some(seen) => self.existing(database, seen),
        }
    }

    fn existing(&mut self, database: &'a Database, seen: &DatabaseSnapshot) {
        let marks = match ownership(seen.comment.as_deref(), &self.request.drive) {
            // An existing comment is kept.
            Ownership::Unknown => seen.comment.is_none() && self.is_ours(&database.owner),
            Ownership::Namesake { .. } => self.is_ours(&database.owner) || self.is_proven(&database.owner),
            Ownership::Ours | Ownership::OtherDrive { .. } => false,
        };
        if marks {
            self.act_as(&database.owner);
            self.step(ServerStep::ClaimDatabase {
                database: database.name.clone(),
            });
        }
        let Some(inside) = &seen.inside else { return };
        if inside.owner_may_create == Some(false) {
            self.act_as(&database.owner);
            self.step(ServerStep::AllowCreate {
                database: database.name.clone(),
                owner: database.owner.clone(),
            });
        }
        if inside.user_may_use == Some(false) {
            self.allow_use(database);
        }
        let mut asked = BTreeSet::new();
        for extension in &database.extensions {
            if inside.extensions.contains(extension) || !asked.insert(extension) {
                continue;
            }
            if inside.available.contains(extension) {
                self.act_as(&database.owner);
                self.step(ServerStep::CreateExtension {
                    database: database.name.clone(),
                    extension: extension.clone(),
                });
            } else {
                self.plan.problems.push(Problem {
                    cause: Cause::ExtensionMissing,
                    database: Some(database.name.clone()),
                    role: None,
                    message: format!(
                        "extension {extension} of database {} is not installed on the server: install its package \
                         there, or take it off the list",
                        database.name
                    ),
                });
            }
        }
    }

    /// Only for a role that we may give privileges to.
    fn allow_use(&mut self, database: &'a Database) {
        let Some(user) = database.user.as_ref() else { return };
        if self.is_ours(user) || self.is_proven(user) {
            self.act_as(&database.owner);
            self.step(ServerStep::AllowUse {
                database: database.name.clone(),
                owner: database.owner.clone(),
                user: user.clone(),
            });
        }
    }

    /// Lets the administrator act as `owner`, unless it already may.
    fn act_as(&mut self, owner: &'a str) {
        let acts = self.observed.is_superuser
            || self.observed.admin == owner
            || self
                .observed
                .roles
                .get(owner)
                .is_some_and(|role| role.is_ours_to_act_as);
        if !acts && self.acting.insert(owner) {
            self.step(ServerStep::ActAsOwner {
                owner: owner.to_owned(),
                admin: self.observed.admin.clone(),
            });
        }
    }

    /// This drive created the database. The comment on a database is its owner's to write, that on the owner's role is not: it
    /// takes CREATEROLE. So another drive's owner cannot pass its database off as one of this drive.
    fn was_ours(&self, seen: &DatabaseSnapshot) -> bool {
        let is_ours = |comment: Option<&str>| ownership(comment, &self.request.drive) == Ownership::Ours;
        is_ours(seen.comment.as_deref()) && (is_ours(seen.owner_comment.as_deref()) || self.is_proven(&seen.owner))
    }

    /// This drive created the role, or is about to.
    fn is_ours(&self, role: &str) -> bool {
        self.observed
            .roles
            .get(role)
            .is_none_or(|seen| self.ownership(seen) == Ownership::Ours)
    }

    /// A password of this drive works for the role, so the drive may use it as it is.
    fn is_proven(&self, owner: &str) -> bool {
        self.request.logins.iter().any(|login| {
            let seen = self.observed.roles.get(&login.role);
            login.owner == owner
                && seen.and_then(|role| role.login_works) == Some(true)
                && (login.role == owner || works_as(seen, owner))
        })
    }

    fn ownership(&self, role: &Role) -> Ownership {
        ownership(role.comment.as_deref(), &self.request.drive)
    }

    fn report_not_ours(&mut self, role: &'a str, login: &Login) {
        if !self.reported.insert(role) {
            return;
        }
        let message = format!(
            "{}, and {} does not open it: put the role's own password there, choose another owner, or {}",
            self.not_ours(role),
            login.password_file,
            self.how_to_hand_over(role),
        );
        self.problem(None, Some(role), message);
    }

    fn not_ours(&self, role: &str) -> String {
        let comment = self.observed.roles.get(role).and_then(|seen| seen.comment.as_deref());
        match ownership(comment, &self.request.drive) {
            Ownership::OtherDrive { drive } => format!("role {role}, which belongs to the drive {drive}"),
            Ownership::Namesake { uid } => {
                format!("role {role}, which belongs to a drive of this name with the UID {uid}")
            }
            Ownership::Unknown | Ownership::Ours => {
                format!("role {role}, which is there and was not made for this drive")
            }
        }
    }

    fn how_to_hand_over(&self, role: &str) -> String {
        format!(
            "let an administrator give the role to this drive: COMMENT ON ROLE {} IS {}",
            identifier(role),
            literal(&ownership_comment(&self.request.drive)).trim_start(),
        )
    }

    fn problem(&mut self, database: Option<&str>, role: Option<&str>, message: String) {
        self.plan.problems.push(Problem {
            cause: Cause::NotOurs,
            database: database.map(str::to_owned),
            role: role.map(str::to_owned),
            message,
        });
    }

    fn step(&mut self, step: ServerStep) {
        if !self.plan.steps.contains(&step) {
            self.plan.steps.push(step);
        }
    }
}

/// The login becomes `owner` when it connects.
fn works_as(role: Option<&Role>, owner: &str) -> bool {
    role.is_some_and(|role| role.is_member && role.becomes.as_deref() == Some(owner))
}
