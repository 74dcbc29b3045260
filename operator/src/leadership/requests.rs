//! Requests to the object store count as this process's writes: none is sent without the lease, and the lease is not given back
//! before they are answered.

use ras_object_store::rate_limiter::{Permission, RequestGuard};

use super::state::Leadership;

impl Permission for Leadership {
    fn begin(&self) -> Option<RequestGuard> {
        let begun = Self::begin(self).ok()?;
        Some(Box::new(begun))
    }
}
