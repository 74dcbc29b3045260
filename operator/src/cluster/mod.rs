//! The edge to the API server: the client, who leads, the informers with what they remember, and which APIs exist.

pub mod brief;
pub mod capabilities;
pub mod claims;
pub mod client;
pub mod co_owners;
pub mod definition;
pub mod facts;
mod gone;
pub mod hearing;
pub mod informers;
pub mod jobs;
pub mod kind;
pub mod lease;
pub mod listener;
pub mod observe;
pub mod own;
pub mod ownership;
pub mod pods;
pub mod reach;
pub mod record;
pub mod redaction;
pub mod store;
pub mod takers;
