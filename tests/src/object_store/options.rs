use super::StoreKind;
use crate::Error;

/// How to start an object store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub(super) kind: StoreKind,
    pub(super) region: String,
    pub(super) tls: bool,
    pub(super) enforcing: bool,
    pub(super) kms: bool,
}

impl StoreOptions {
    /// Of this kind, in the region us-east-1, over plain HTTP.
    pub fn new(kind: StoreKind) -> Self {
        Self {
            kind,
            region: "us-east-1".to_owned(),
            tls: false,
            enforcing: false,
            kms: false,
        }
    }

    #[must_use]
    pub fn region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// Over TLS only, with a certificate of a private CA. For `MinIO` and versitygw.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// With every request checked against IAM policies, as `MinIO` always does. For moto, which otherwise takes any
    /// credentials at all.
    #[must_use]
    pub fn enforcing(mut self) -> Self {
        self.enforcing = true;
        self
    }

    /// With keys to encrypt objects under. For `MinIO`, which otherwise refuses default encryption; moto always has them.
    #[must_use]
    pub fn kms(mut self) -> Self {
        self.kms = true;
        self
    }

    /// An error if this kind has no such thing.
    pub(super) fn check(&self) -> Result<(), Error> {
        use StoreKind::{Minio, Moto, Versitygw};
        let refused = if self.tls && !matches!(self.kind, Minio | Versitygw) {
            "TLS"
        } else if self.enforcing && !matches!(self.kind, Minio | Moto) {
            "IAM policies"
        } else if self.kms && !matches!(self.kind, Minio | Moto) {
            "KMS keys"
        } else {
            return Ok(());
        };
        Err(Error::ObjectStore {
            store: self.kind.name(),
            message: format!("the harness cannot start it with {refused}: choose another kind"),
        })
    }
}
