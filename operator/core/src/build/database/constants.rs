//! Names and numbers of a database server of the drive's own.

/// Service of the drive that the server counts as, in labels: no other service can have this name.
pub const SERVICE: &str = "database";
/// Port of the server.
pub const PORT: i32 = 5432;
/// Name of that port.
pub const PORT_NAME: &str = "postgres";
