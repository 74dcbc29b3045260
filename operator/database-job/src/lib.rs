//! `ras-operator prepare-database`: gives a drive its databases, roles and passwords on a PostgreSQL server that is
//! there. It runs in a Job's pod, which alone has the administrator's Secret mounted, so that the operator itself never
//! reads a password.
//!
//! What it is told: a [`Request`](request::Request) (a file without secrets, from a ConfigMap), a folder with the
//! administrator's connection and a folder with the passwords of the logins. What it says: a [`Report`](report::Report)
//! of at most 4,096 bytes in the container's termination message, and an [exit code](report::ExitCode).
//!
//! # What it promises
//!
//! - Nothing is ever dropped, and no right, owner or password is ever taken from anyone: there is no step that could.
//! - It may be run again, by several at the same time, and be killed at any moment: the next run carries on.
//! - No password reaches the server's log or ours: the server is sent SCRAM verifiers, which are computed here.
//!
//! # How passwords change without locking anyone out
//!
//! PostgreSQL has one password a role, so a new password needs a second role. A request names the *logins that must
//! work now*; roles it does not name are left alone, with whatever password they have.
//!
//! | generation | `logins` | what works |
//! |---|---|---|
//! | 0 | `{role: appadmin, owner: appadmin, passwordFile: p0}` | `appadmin` with p0 |
//! | 1 | `{role: appadmin_2, owner: appadmin, passwordFile: p1}` | that, and `appadmin` with p0, as long as old pods live |
//! | 2 | `{role: appadmin, owner: appadmin, passwordFile: p2}` | that, and `appadmin_2` with p1; p0 does not any more |
//! | 3 | `{role: appadmin_2, owner: appadmin, passwordFile: p3}` | … |
//!
//! So the user's name changes with the password, both belong into one Secret, and what a rotation replaces works until the
//! next one. After a leak, rotate twice. A login that is not the owner itself is a member of the owner and *becomes* the
//! owner as it connects (`ALTER ROLE appadmin_2 SET role = appadmin`): what it makes belongs to the owner, and
//! `current_user` is the owner, while `session_user`, `pg_stat_activity` and connection limits know the login's own name.
//! Settings of the owner role itself (`ALTER ROLE appadmin SET search_path …`) do not follow; put them on the database.
//!
//! A password is set when the login does not work with it: whether it does is found out by logging in.

#![allow(
    missing_docs,
    reason = "the crate is not public: a comment that adds nothing costs a reader more than its absence"
)]

mod failure;
mod inputs;
mod observed;
mod ownership;
mod plan;
mod postgres;
pub mod run;
mod statement;
mod step;

#[cfg(test)]
mod tests;
