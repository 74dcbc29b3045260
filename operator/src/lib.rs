//! The program: everything that decides is pure, everything that talks is thin.

pub mod drive;
pub mod foreign;
pub mod platform;
pub mod render;
