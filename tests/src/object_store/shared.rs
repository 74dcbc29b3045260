use tokio::sync::OnceCell;

use super::{ObjectStore, StoreKind};
use crate::Error;

type Cell = OnceCell<Result<ObjectStore, Error>>;

static MINIO: Cell = OnceCell::const_new();
static VERSITYGW: Cell = OnceCell::const_new();
static GARAGE: Cell = OnceCell::const_new();
static MOTO: Cell = OnceCell::const_new();

/// This test process' store of a kind: started with defaults by the first test that asks, and gone when the process ends.
/// Tests share it, so each names its buckets after itself.
pub async fn shared(kind: StoreKind) -> Result<&'static ObjectStore, Error> {
    let cell = match kind {
        StoreKind::Minio => &MINIO,
        StoreKind::Versitygw => &VERSITYGW,
        StoreKind::Garage => &GARAGE,
        StoreKind::Moto => &MOTO,
    };
    // The failure is kept too, or every test would wait for the same one again.
    cell.get_or_init(|| ObjectStore::start(kind))
        .await
        .as_ref()
        .map_err(Clone::clone)
}
