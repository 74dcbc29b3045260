//! What is wrong with the platform's settings.

use std::borrow::Cow;

/// The version of the settings that this program reads.
pub const API_VERSION: &str = "ras.dev/platform/v1";

/// Why the platform's settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// A file of another version.
    #[error(
        "the platform's settings are of the version {0:?}, and this operator reads {API_VERSION}: write them with the Terraform modules or the chart of the operator's own release"
    )]
    OtherVersion(String),
    /// Not YAML, an unknown field or a value of the wrong type.
    #[error("the platform's settings cannot be read: {0}")]
    Unreadable(#[from] serde_yaml::Error),
    /// A value that cannot work.
    #[error("the platform's settings cannot be used: {field} {problem}")]
    Unusable {
        /// Path of the field.
        field: &'static str,
        problem: Cow<'static, str>,
    },
}

/// A value that cannot work.
pub(super) fn unusable<T>(field: &'static str, problem: impl Into<Cow<'static, str>>) -> Result<T, PlatformError> {
    let problem = problem.into();
    Err(PlatformError::Unusable { field, problem })
}
