//! Tests with a store in memory that can fail at every request.

mod controller;
mod ensuring;
mod failing;
mod fuzz;
mod given;
mod measuring;
mod memory;
mod planning;
mod removing;
mod s3;
