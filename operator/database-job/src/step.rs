//! The steps there are. None of them drops anything, or takes a right, an owner or a member from anyone.

use std::fmt;

/// One step, which the server takes whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Makes a role that cannot log in, with our mark.
    CreateRole {
        /// Its name.
        role: String,
    },
    /// Writes our mark on a role of this drive's earlier life.
    ClaimRole {
        /// Its name.
        role: String,
    },
    /// Makes a login a member of the owner it works as.
    JoinOwner {
        /// The login.
        role: String,
        /// The owner.
        owner: String,
    },
    /// Lets a login become its owner whenever it connects.
    BecomeOwner {
        /// The login.
        role: String,
        /// The owner.
        owner: String,
    },
    /// Lets the administrator, who may not do everything, act as an owner: databases can then be made for it.
    ActAsOwner {
        /// The owner.
        owner: String,
        /// The administrator.
        admin: String,
    },
    /// Makes a database.
    CreateDatabase {
        /// Its name.
        database: String,
        /// Its owner.
        owner: String,
        /// Text must be told to be UTF-8, because the server's template is not.
        utf8: bool,
    },
    /// Writes our mark on a database.
    ClaimDatabase {
        /// Its name.
        database: String,
    },
    /// Lets the owner make tables in the schema `public`, which it may not in databases older than PostgreSQL 15.
    AllowCreate {
        /// The database.
        database: String,
        /// Its owner.
        owner: String,
    },
    /// Lets a role read and write what its owner made and will make in the schema `public`.
    AllowUse {
        /// The database.
        database: String,
        /// Its owner.
        owner: String,
        /// Who uses it.
        user: String,
    },
    /// Adds an extension.
    CreateExtension {
        /// The database.
        database: String,
        /// The extension.
        extension: String,
    },
    /// Lets a role log in, with the password of the request.
    SetPassword {
        /// Its name.
        role: String,
    },
}

impl Step {
    /// The roles that have to be there for it.
    pub fn roles(&self) -> Vec<&str> {
        match self {
            Self::CreateRole { role } | Self::ClaimRole { role } | Self::SetPassword { role } => vec![role],
            Self::JoinOwner { role, owner } | Self::BecomeOwner { role, owner } => vec![role, owner],
            Self::ActAsOwner { owner, .. } | Self::CreateDatabase { owner, .. } | Self::AllowCreate { owner, .. } => {
                vec![owner]
            }
            Self::AllowUse { owner, user, .. } => vec![owner, user],
            Self::ClaimDatabase { .. } | Self::CreateExtension { .. } => Vec::new(),
        }
    }

    /// The database it is about.
    pub fn database(&self) -> Option<&str> {
        match self {
            Self::CreateDatabase { database, .. }
            | Self::ClaimDatabase { database }
            | Self::AllowCreate { database, .. }
            | Self::AllowUse { database, .. }
            | Self::CreateExtension { database, .. } => Some(database),
            _ => None,
        }
    }

    /// The role it is about.
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::CreateRole { role }
            | Self::ClaimRole { role }
            | Self::JoinOwner { role, .. }
            | Self::BecomeOwner { role, .. }
            | Self::SetPassword { role } => Some(role),
            Self::ActAsOwner { owner, .. } => Some(owner),
            _ => None,
        }
    }

    /// The database it has to be taken in. Absent: any.
    pub fn inside(&self) -> Option<&str> {
        match self {
            Self::AllowCreate { database, .. }
            | Self::AllowUse { database, .. }
            | Self::CreateExtension { database, .. } => Some(database),
            _ => None,
        }
    }

    /// What the administrator needs for it, for people.
    pub fn needs(&self) -> String {
        match self {
            Self::CreateRole { .. } => "CREATEROLE".to_owned(),
            Self::ClaimRole { role } | Self::SetPassword { role } => {
                format!("CREATEROLE and, from PostgreSQL 16 on, the admin option on the role {role}")
            }
            Self::JoinOwner { role, owner } | Self::BecomeOwner { role, owner } => {
                format!("CREATEROLE and, from PostgreSQL 16 on, the admin option on the roles {role} and {owner}")
            }
            Self::ActAsOwner { owner, .. } => {
                format!("CREATEROLE and, from PostgreSQL 16 on, the admin option on the role {owner}")
            }
            Self::CreateDatabase { owner, .. } => format!("CREATEDB and to be a member of the role {owner}"),
            Self::ClaimDatabase { database } => format!("to be a member of the role that owns the database {database}"),
            Self::AllowCreate { database, .. } => {
                format!("to be a member of the role that owns the schema public in the database {database}")
            }
            Self::AllowUse { owner, .. } => format!("to be a member of the role {owner}"),
            Self::CreateExtension { extension, .. } => {
                format!(
                    "to be a superuser (or your provider's) for the extension {extension}, which is not a trusted one"
                )
            }
        }
    }
}

/// What was done, in words.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateRole { role } => write!(f, "made role {role}"),
            Self::ClaimRole { role } => write!(f, "recorded role {role} as this drive's"),
            Self::JoinOwner { role, owner } => write!(f, "made role {role} a member of {owner}"),
            Self::BecomeOwner { role, owner } => write!(f, "let role {role} work as {owner}"),
            Self::ActAsOwner { owner, admin } => write!(f, "made the administrator {admin} a member of {owner}"),
            Self::CreateDatabase { database, owner, .. } => write!(f, "made database {database}, owned by {owner}"),
            Self::ClaimDatabase { database } => write!(f, "recorded database {database} as this drive's"),
            Self::AllowCreate { database, owner } => {
                write!(f, "let {owner} make tables in the schema public of database {database}")
            }
            Self::AllowUse { database, user, .. } => {
                write!(
                    f,
                    "let {user} read and write in the schema public of database {database}"
                )
            }
            Self::CreateExtension { database, extension } => {
                write!(f, "added extension {extension} to database {database}")
            }
            Self::SetPassword { role } => write!(f, "set the password of role {role}"),
        }
    }
}
