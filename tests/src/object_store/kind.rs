use std::fmt;

/// Which S3 server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreKind {
    /// `MinIO`: nearly everything but public access blocks, CORS and ownership controls.
    Minio,
    /// Versity's gateway over plain files: no lifecycle and no default encryption.
    Versitygw,
    /// Garage, which can least: no tags, policies, versions or object lock.
    Garage,
    /// moto, a fake of AWS with IAM and KMS. It keeps everything in memory.
    Moto,
}

impl StoreKind {
    pub const ALL: [Self; 4] = [Self::Minio, Self::Versitygw, Self::Garage, Self::Moto];

    /// The name of its program, which is also good in a bucket's or a namespace's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minio => "minio",
            Self::Versitygw => "versitygw",
            Self::Garage => "garage",
            Self::Moto => "moto",
        }
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
