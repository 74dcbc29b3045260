//! The edge to the API server: the client, who leads, the informers with what they remember, and which APIs exist.

pub mod api_health;
pub mod capabilities;
pub mod claims;
pub mod co_owners;
pub mod definition;
pub mod error_summary;
pub mod field_takers;
pub mod informers;
pub mod log_throttle;
pub mod observe;
pub mod ownership;
pub mod store;
mod tombstones;
pub mod watch_stream;
