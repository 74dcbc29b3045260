//! What the operator promises, one behaviour a file, against a real control plane (see the crate's documentation).

mod contract;
mod harness;
