//! What `ras-operator prepare-database` promises, on real PostgreSQL servers.

mod administrator;
mod bad_input;
mod given;
mod hostile;
mod killed;
mod preparing;
mod rights;
mod rotation;
mod secrecy;
mod tls;
mod users;
