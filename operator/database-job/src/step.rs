//! All steps. None of them drops anything, or takes a privilege, an owner or a member away.

use std::fmt;

/// The server executes it completely or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServerStep {
    /// Creates a role without login, with the ownership comment.
    CreateRole {
        role: String,
    },
    /// Writes the ownership comment on a role that this drive proved to be its own.
    ClaimRole {
        role: String,
    },
    /// Makes a login a member of the owner that it works as.
    JoinOwner {
        role: String,
        owner: String,
    },
    /// Makes a login become its owner when it connects.
    BecomeOwner {
        role: String,
        owner: String,
    },
    /// Lets an administrator that is no superuser act as an owner, so that it can create databases for it.
    ActAsOwner {
        owner: String,
        admin: String,
    },
    CreateDatabase {
        database: String,
        owner: String,
        /// Request UTF-8, because the server's template is not.
        utf8: bool,
    },
    /// Writes the ownership comment on a database.
    ClaimDatabase {
        database: String,
    },
    /// Lets the owner create tables in the schema `public`, which it may lack in a database created before PostgreSQL 15.
    AllowCreate {
        database: String,
        owner: String,
    },
    /// Lets a role read and write all present and future tables of the owner in the schema `public`.
    AllowUse {
        database: String,
        owner: String,
        user: String,
    },
    CreateExtension {
        database: String,
        extension: String,
    },
    /// Lets a role log in with the password of the request.
    SetPassword {
        role: String,
    },
}

impl ServerStep {
    /// Roles that must exist before.
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

    /// The database to connect to. Absent: any.
    pub fn inside(&self) -> Option<&str> {
        match self {
            Self::AllowCreate { database, .. }
            | Self::AllowUse { database, .. }
            | Self::CreateExtension { database, .. } => Some(database),
            _ => None,
        }
    }

    /// The administrator's missing privilege, for a message.
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

/// In the past tense, for the report.
impl fmt::Display for ServerStep {
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
