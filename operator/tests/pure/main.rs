//! What the pure rooms promise. One binary, because linking is the slow part of a test build.

#[cfg(test)]
mod bindings;
#[cfg(test)]
mod buckets;
#[cfg(test)]
mod cloud_native_pg;
#[cfg(test)]
mod databases;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod drives;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod listeners;
#[cfg(test)]
mod logins;
#[cfg(test)]
mod manifest;
#[cfg(test)]
mod manifest_writer;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod planned;
#[cfg(test)]
mod pod_settings;
#[cfg(test)]
mod pods;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod readiness;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod routes_and_policies;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod tenancy;
