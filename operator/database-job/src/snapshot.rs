//! The observed state of a server, as far as a request concerns it.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSnapshot {
    pub major: u16,
    pub admin: String,
    /// The administrator is a superuser.
    pub is_superuser: bool,
    /// New databases are UTF-8 by default.
    pub is_utf8: bool,
    /// Existing roles of the request, by name.
    pub roles: BTreeMap<String, Role>,
    /// Existing databases of the request, and all with an ownership comment, by name.
    pub databases: BTreeMap<String, DatabaseSnapshot>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    pub comment: Option<String>,
    /// The administrator may act as it. Always true for a superuser.
    pub is_ours_to_act_as: bool,
    /// The role that it becomes when it connects.
    pub becomes: Option<String>,
    /// It can become the owner that the request names. Known for logins only.
    pub is_member: bool,
    /// The login works with the password of the request. Absent: the request has no password for it.
    pub login_works: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseSnapshot {
    pub owner: String,
    /// The comment on the role that owns it.
    pub owner_comment: Option<String>,
    /// Its owner may write anything there.
    pub comment: Option<String>,
    /// Absent: not read.
    pub inside: Option<Inside>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    pub extensions: BTreeSet<String>,
    /// Requested extensions that the server can add.
    pub available: BTreeSet<String>,
    /// The owner may create tables in the schema `public`. Absent: there is no such schema.
    pub owner_may_create: Option<bool>,
    /// The user may use tables that the owner creates in the schema `public`. Absent: there is no user, or no such schema.
    pub user_may_use: Option<bool>,
}
