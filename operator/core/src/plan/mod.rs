//! Step 3, `plan`: every decision. One file for each state machine.

pub mod blocked;
pub mod bucket_removal;
pub mod data;
pub mod database_job;
pub mod external_secret;
pub mod listeners;
pub mod login_rotation;
pub mod migration;
pub mod scales;
pub mod secret_rotation;
