//! What a server has, as far as it bears on a request.

use std::collections::{BTreeMap, BTreeSet};

/// What a server has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Major version.
    pub major: u16,
    /// The role that the administrator connects as.
    pub admin: String,
    /// Whether it may do everything.
    pub is_superuser: bool,
    /// Whether new databases keep text as UTF-8 without being told to.
    pub is_utf8: bool,
    /// The roles of the request that are there, by name.
    pub roles: BTreeMap<String, Role>,
    /// The databases of the request that are there, and all that bear a mark of ours, by name.
    pub databases: BTreeMap<String, Database>,
}

/// A role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Its comment.
    pub comment: Option<String>,
    /// Whether the administrator may act as it. Always so for a superuser.
    pub is_ours_to_act_as: bool,
    /// The role it becomes when it connects.
    pub becomes: Option<String>,
    /// The owner in the request that it can become, being a member of it. Only known of logins.
    pub is_member: bool,
    /// Whether the login works with the password of the request. Absent: it has none there.
    pub login_works: Option<bool>,
}

/// A database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Database {
    /// The role that owns it.
    pub owner: String,
    /// Its comment.
    pub comment: Option<String>,
    /// What is in it. Absent: it was not looked into.
    pub inside: Option<Inside>,
}

/// What is in a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// Its extensions.
    pub extensions: BTreeSet<String>,
    /// Which of the extensions that are asked for the server could add.
    pub available: BTreeSet<String>,
    /// Whether the owner may make tables in the schema `public`. Absent: there is no such schema.
    pub owner_may_create: Option<bool>,
    /// Whether the user may use what the owner makes in the schema `public`. Absent: there is no user, or no such schema.
    pub user_may_use: Option<bool>,
}
