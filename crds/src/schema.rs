//! The CustomResourceDefinition as people install it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::RecruitmentDrive;

/// The CustomResourceDefinition of `RecruitmentDrive`.
pub fn custom_resource_definition() -> CustomResourceDefinition {
    RecruitmentDrive::crd()
}

/// The CustomResourceDefinition as YAML.
///
/// It goes through JSON first: written directly, YAML enums of Rust become `!tags` that Kubernetes cannot read.
///
/// # Errors
/// When the definition cannot be written as JSON or YAML, which would be a mistake in this crate.
pub fn custom_resource_definition_yaml() -> Result<String, SchemaError> {
    let json = serde_json::to_value(custom_resource_definition())?;
    Ok(serde_yaml::to_string(&json)?)
}

/// Why the definition could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// As JSON.
    #[error("the definition cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// As YAML.
    #[error("the definition cannot be written as YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
}
