//! Buckets as data: what a drive asks of one, and what is known of one. The object store's own folder talks to the store.

pub mod request;
pub mod state;
