//! What the operator promises, one behaviour a file, against a real control plane (see the crate's documentation).

// A test fails by panicking; clippy's own exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod admission;
mod at_rest;
mod bad_input;
mod bindings;
mod charts;
mod children;
mod cloud_native_pg;
mod co_owners;
mod conflicts;
mod crd;
mod credentials;
mod data_loss;
mod databases;
mod deletion;
mod drain;
mod drift;
mod examples;
mod external_secrets;
mod fault_proxy;
mod gitops;
mod handover;
mod harness;
mod health;
mod leader;
mod listeners;
#[path = "../../../operator/tests/pure/manifest.rs"]
mod manifest;
mod migrations;
mod network;
mod object_stores;
mod optional_apis;
mod passwords;
mod policies;
mod postgres;
mod readiness;
mod removal;
mod replicas;
mod rights;
mod rotation;
mod schema;
mod secrecy;
mod secrets;
mod seen;
mod sharing;
mod stolen_token;
mod storage;
mod suspend_and_pause;
mod tenancy;
mod tenants;
mod undecodable;
mod under_attack;
mod unowned_objects;
mod upgrade;
