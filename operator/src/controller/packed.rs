//! A drive as it is kept while nobody looks at it: its spec as JSON, which takes a tenth of the memory that it takes decoded when
//! it consists of many small parts. Whoever writes drives decides how many parts there are, and the memory is that of all tenants.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use ras_crds::{RecruitmentDrive, RecruitmentDriveStatus};

use crate::controller::stored_drive::{SpecError, StoredDrive, WithoutSpec};

/// A [`StoredDrive`], packed.
#[derive(Clone, Debug)]
pub struct Packed {
    metadata: ObjectMeta,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Drive {
        spec: Box<[u8]>,
        status: Option<Box<RecruitmentDriveStatus>>,
    },
    WithoutSpec(SpecError),
}

impl Packed {
    pub fn of(stored: StoredDrive) -> Self {
        match stored.0 {
            Ok(drive) => {
                let content = match serde_json::to_vec(&drive.spec) {
                    Ok(spec) => Content::Drive {
                        spec: spec.into_boxed_slice(),
                        status: drive.status.map(Box::new),
                    },
                    Err(error) => Content::WithoutSpec(SpecError::Undecodable(error.to_string())),
                };
                let metadata = drive.metadata;
                Self { metadata, content }
            }
            Err(WithoutSpec { metadata, error }) => Self {
                metadata,
                content: Content::WithoutSpec(error),
            },
        }
    }

    /// The drive, decoded again.
    pub fn open(&self) -> StoredDrive {
        let metadata = self.metadata.clone();
        let opened = match &self.content {
            Content::Drive { spec, status } => serde_json::from_slice(spec)
                .map(|spec| (spec, status.as_deref().cloned()))
                .map_err(|error| SpecError::Undecodable(error.to_string())),
            Content::WithoutSpec(error) => Err(error.clone()),
        };
        StoredDrive(match opened {
            Ok((spec, status)) => Ok(RecruitmentDrive { metadata, spec, status }),
            Err(error) => Err(WithoutSpec { metadata, error }),
        })
    }

    /// Whether it decoded.
    pub fn is_valid(&self) -> bool {
        matches!(self.content, Content::Drive { .. })
    }

    pub fn status(&self) -> Option<&RecruitmentDriveStatus> {
        match &self.content {
            Content::Drive { status, .. } => status.as_deref(),
            Content::WithoutSpec(_) => None,
        }
    }

    /// Bytes of its spec.
    pub fn size(&self) -> usize {
        match &self.content {
            Content::Drive { spec, .. } => spec.len(),
            Content::WithoutSpec(_) => 0,
        }
    }
}

impl Resource for Packed {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

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
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_packed_is_the_same_again() {
        for value in [
            json!({"metadata": {"name": "d", "namespace": "n", "uid": "u"}, "spec": {"services": [
                {"name": "web", "image": "a", "env": [{"name": "A", "value": ""}], "replicas": 0, "volumes": [{"name": "v", "path": "/v", "size": "1Gi"}]},
            ], "secrets": [{"name": "s", "generate": {"keys": ["k"]}}]}, "status": {"url": "https://a"}}),
            json!({"metadata": {"name": "d"}, "spec": {"services": "none"}}),
        ] {
            let mut whole = value;
            whole["apiVersion"] = json!("ras.dev/v1alpha1");
            whole["kind"] = json!("RecruitmentDrive");
            let stored: StoredDrive = serde_json::from_value(whole).unwrap();
            let packed = Packed::of(stored.clone());
            assert_eq!(packed.is_valid(), stored.0.is_ok());
            match (packed.open().0, stored.0) {
                (Ok(opened), Ok(drive)) => {
                    assert_eq!(opened.spec, drive.spec);
                    assert_eq!(opened.status, drive.status);
                    assert_eq!(opened.metadata, drive.metadata);
                }
                (Err(opened), Err(invalid)) => {
                    assert_eq!((opened.error, opened.metadata), (invalid.error, invalid.metadata));
                }
                (opened, stored) => panic!("{opened:?} {stored:?}"),
            }
        }
    }
}
