use tokio::sync::OnceCell;

use super::{PostgresOptions, PostgresServer};
use crate::Error;

static SERVER: OnceCell<Result<PostgresServer, Error>> = OnceCell::const_new();

/// This test process' server without TLS: started by the first test that asks, and gone when the process ends. Tests share
/// it, so each names its roles and databases after itself.
pub async fn shared() -> Result<&'static PostgresServer, Error> {
    // The failure is kept too, or every test would wait for the same one again.
    SERVER
        .get_or_init(|| PostgresServer::start(PostgresOptions::default()))
        .await
        .as_ref()
        .map_err(Clone::clone)
}
