//! A drive as the informer keeps it: with its spec, or without one and with the reason.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DeserializeGuard;
use ras_core::validate::size::too_large;
use ras_crds::RecruitmentDrive;
use serde::{Deserialize, Deserializer};

use crate::controller::slim::slim_metadata;

/// A drive of the watch, without the parts that the operator does not read. An idle drive takes no more memory than its spec.
#[derive(Clone, Debug)]
pub struct StoredDrive(pub Result<RecruitmentDrive, WithoutSpec>);

/// A drive that is kept without its spec.
#[derive(Clone, Debug)]
pub struct WithoutSpec {
    /// Metadata of the drive.
    pub metadata: ObjectMeta,
    /// The problem of the spec.
    pub error: SpecError,
}

/// Why a drive is kept without its spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpecError {
    /// The object does not decode. It has serde's message.
    Undecodable(String),
    /// The spec takes too much memory. It has the limit and the next step.
    TooLarge(String),
}

impl From<DeserializeGuard<RecruitmentDrive>> for StoredDrive {
    fn from(guard: DeserializeGuard<RecruitmentDrive>) -> Self {
        let mut stored = Self(match guard.0 {
            Ok(drive) => match too_large(&drive.spec) {
                None => Ok(drive),
                Some(why) => Err(WithoutSpec {
                    metadata: drive.metadata,
                    error: SpecError::TooLarge(why),
                }),
            },
            Err(invalid) => Err(WithoutSpec {
                metadata: invalid.metadata,
                error: SpecError::Undecodable(invalid.error),
            }),
        });
        slim_metadata(stored.meta_mut());
        stored
    }
}

impl<'de> Deserialize<'de> for StoredDrive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DeserializeGuard::deserialize(deserializer).map(Self::from)
    }
}

impl Resource for StoredDrive {
    type DynamicType = ();
    type Scope = <RecruitmentDrive as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        RecruitmentDrive::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        RecruitmentDrive::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        RecruitmentDrive::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        RecruitmentDrive::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        match &self.0 {
            Ok(drive) => &drive.metadata,
            Err(without_spec) => &without_spec.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.0 {
            Ok(drive) => &mut drive.metadata,
            Err(without_spec) => &mut without_spec.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use ras_core::validate::size::LARGEST_SPEC;
    use serde_json::{Value, json};

    use super::*;

    fn stored(spec: &Value) -> StoredDrive {
        let object = json!({
            "apiVersion": "ras.dev/v1alpha1",
            "kind": "RecruitmentDrive",
            "metadata": {"name": "d", "namespace": "spo", "managedFields": [{"manager": "kubectl"}]},
            "spec": spec,
        });
        serde_json::from_value(object).unwrap()
    }

    fn service(image: &str) -> Value {
        json!({"services": [{"name": "web", "image": image}]})
    }

    #[test]
    fn a_drive_is_kept_whole_or_with_the_problem_of_its_spec() {
        let whole = stored(&service("web:1"));
        assert_eq!(whole.0.as_ref().unwrap().spec.services.len(), 1);
        let undecodable = stored(&json!({"services": "none"}));
        assert!(matches!(
            undecodable.0.as_ref().unwrap_err().error,
            SpecError::Undecodable(_)
        ));
        let large = stored(&service(&"x".repeat(LARGEST_SPEC)));
        let SpecError::TooLarge(why) = &large.0.as_ref().unwrap_err().error else {
            panic!("{large:?}")
        };
        assert!(why.contains("256 KiB"), "{why}");
        for drive in [whole, undecodable, large] {
            assert_eq!(drive.meta().name.as_deref(), Some("d"));
            assert_eq!(drive.meta().managed_fields, None);
        }
    }
}
