//! `ras-operator prepare-database`: creates a drive's databases, roles and passwords on an existing PostgreSQL server. It runs
//! in a Job, whose pod alone mounts the administrator's Secret, so the operator itself never reads a password.
//!
//! Input: a [`Request`](ras_core::database::request::Request) (a file without secrets, from a ConfigMap), a folder with the
//! administrator's connection and a folder with the passwords of the logins. Output: a
//! [`Report`](ras_core::database::report::Report) of at most 4,096 bytes in the container's termination message, and an [exit
//! code](ras_core::database::report::ExitCode).
//!
//! # Guarantees
//!
//! - Nothing is dropped, and no privilege, owner or password is taken away: none of its steps could.
//! - It may run again, several times at once, and be killed at any moment: the next run continues.
//! - No password reaches a log: the server gets SCRAM verifiers, which are computed here.
//!
//! # How passwords change without locking anyone out
//!
//! PostgreSQL has one password a role, so a new password needs a second role. A request names the *logins that must work now*;
//! other roles are not touched and keep their passwords.
//!
//! | generation | `logins` | logins that work |
//! |---|---|---|
//! | 0 | `{role: appadmin, owner: appadmin, passwordFile: p0}` | `appadmin` with p0 |
//! | 1 | `{role: appadmin_2, owner: appadmin, passwordFile: p1}` | this one, and `appadmin` with p0 while old pods run |
//! | 2 | `{role: appadmin, owner: appadmin, passwordFile: p2}` | this one, and `appadmin_2` with p1; p0 no longer works |
//! | 3 | `{role: appadmin_2, owner: appadmin, passwordFile: p3}` | … |
//!
//! So the user name changes with the password, both belong into one Secret, and a replaced password works until the next
//! rotation. After a leak, rotate twice. A login that is not the owner itself is a member of the owner and *becomes* the owner
//! when it connects (`ALTER ROLE appadmin_2 SET role = appadmin`): the owner owns what it creates, and `current_user` is the
//! owner, while `session_user`, `pg_stat_activity` and connection limits show the login's own name. Settings of the owner role
//! (`ALTER ROLE appadmin SET search_path …`) do not apply to it; set them on the database.
//!
//! A password is set only if logging in with it fails.

#![allow(
    missing_docs,
    reason = "the crate is not public: a comment that adds nothing costs a reader more than its absence"
)]

mod failure;
mod inputs;
mod ownership;
mod plan;
mod postgres;
pub mod run;
mod snapshot;
mod statement;
mod step;

#[cfg(test)]
mod tests;
