//! The S3 requests that the operator sends, and the IAM permission that each needs.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    CreateBucket,
    DeleteBucket,
    GetBucketTagging,
    PutBucketTagging,
    GetPublicAccessBlock,
    PutPublicAccessBlock,
    GetBucketEncryption,
    PutBucketEncryption,
    GetBucketPolicy,
    PutBucketPolicy,
    DeleteBucketPolicy,
    GetBucketVersioning,
    PutBucketVersioning,
    GetObjectLockConfiguration,
    PutObjectLockConfiguration,
    GetBucketLifecycle,
    PutBucketLifecycle,
    DeleteBucketLifecycle,
    GetBucketCors,
    PutBucketCors,
    DeleteBucketCors,
    /// Also the check that a bucket exists, with a limit of one object.
    ListObjects,
    ListObjectVersions,
    ListMultipartUploads,
    AbortMultipartUpload,
    /// Up to 1,000 objects or versions.
    DeleteObjects,
    /// One object or version.
    DeleteObject,
}

impl Operation {
    /// The name in the S3 API, for metrics and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateBucket => "CreateBucket",
            Self::DeleteBucket => "DeleteBucket",
            Self::GetBucketTagging => "GetBucketTagging",
            Self::PutBucketTagging => "PutBucketTagging",
            Self::GetPublicAccessBlock => "GetPublicAccessBlock",
            Self::PutPublicAccessBlock => "PutPublicAccessBlock",
            Self::GetBucketEncryption => "GetBucketEncryption",
            Self::PutBucketEncryption => "PutBucketEncryption",
            Self::GetBucketPolicy => "GetBucketPolicy",
            Self::PutBucketPolicy => "PutBucketPolicy",
            Self::DeleteBucketPolicy => "DeleteBucketPolicy",
            Self::GetBucketVersioning => "GetBucketVersioning",
            Self::PutBucketVersioning => "PutBucketVersioning",
            Self::GetObjectLockConfiguration => "GetObjectLockConfiguration",
            Self::PutObjectLockConfiguration => "PutObjectLockConfiguration",
            Self::GetBucketLifecycle => "GetBucketLifecycleConfiguration",
            Self::PutBucketLifecycle => "PutBucketLifecycleConfiguration",
            Self::DeleteBucketLifecycle => "DeleteBucketLifecycle",
            Self::GetBucketCors => "GetBucketCors",
            Self::PutBucketCors => "PutBucketCors",
            Self::DeleteBucketCors => "DeleteBucketCors",
            Self::ListObjects => "ListObjectsV2",
            Self::ListObjectVersions => "ListObjectVersions",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::DeleteObjects => "DeleteObjects",
            Self::DeleteObject => "DeleteObject",
        }
    }

    /// The IAM permission that it needs, whose name often differs.
    pub fn right(self) -> &'static str {
        match self {
            Self::CreateBucket => {
                "s3:CreateBucket (with `objectLock` also s3:PutBucketVersioning and s3:PutBucketObjectLockConfiguration)"
            }
            Self::DeleteBucket => "s3:DeleteBucket",
            Self::GetBucketTagging => "s3:GetBucketTagging",
            Self::PutBucketTagging => "s3:PutBucketTagging",
            Self::GetPublicAccessBlock => "s3:GetBucketPublicAccessBlock",
            Self::PutPublicAccessBlock => "s3:PutBucketPublicAccessBlock",
            Self::GetBucketEncryption => "s3:GetEncryptionConfiguration",
            Self::PutBucketEncryption => "s3:PutEncryptionConfiguration",
            Self::GetBucketPolicy => "s3:GetBucketPolicy",
            Self::PutBucketPolicy => "s3:PutBucketPolicy",
            Self::DeleteBucketPolicy => "s3:DeleteBucketPolicy",
            Self::GetBucketVersioning => "s3:GetBucketVersioning",
            Self::PutBucketVersioning => "s3:PutBucketVersioning",
            Self::GetObjectLockConfiguration => "s3:GetBucketObjectLockConfiguration",
            Self::PutObjectLockConfiguration => "s3:PutBucketObjectLockConfiguration",
            Self::GetBucketLifecycle => "s3:GetLifecycleConfiguration",
            Self::PutBucketLifecycle | Self::DeleteBucketLifecycle => "s3:PutLifecycleConfiguration",
            Self::GetBucketCors => "s3:GetBucketCORS",
            Self::PutBucketCors | Self::DeleteBucketCors => "s3:PutBucketCORS",
            Self::ListObjects => "s3:ListBucket",
            Self::ListObjectVersions => "s3:ListBucketVersions",
            Self::ListMultipartUploads => "s3:ListBucketMultipartUploads",
            Self::AbortMultipartUpload => "s3:AbortMultipartUpload",
            Self::DeleteObjects | Self::DeleteObject => "s3:DeleteObject and s3:DeleteObjectVersion",
        }
    }

    /// Removes a bucket or its content, which needs a fresh check of the owner.
    pub fn is_deleting(self) -> bool {
        matches!(
            self,
            Self::DeleteBucket | Self::AbortMultipartUpload | Self::DeleteObjects | Self::DeleteObject
        )
    }

    /// Reads one of a bucket's settings.
    pub fn is_reading(self) -> bool {
        matches!(
            self,
            Self::GetBucketTagging
                | Self::GetPublicAccessBlock
                | Self::GetBucketEncryption
                | Self::GetBucketPolicy
                | Self::GetBucketVersioning
                | Self::GetObjectLockConfiguration
                | Self::GetBucketLifecycle
                | Self::GetBucketCors
        )
    }

    /// Writes one of a bucket's settings. A store that does not support the setting may report a malformed document, or treat
    /// the request as one that creates the bucket.
    pub fn is_setting(self) -> bool {
        matches!(
            self,
            Self::PutBucketTagging
                | Self::PutPublicAccessBlock
                | Self::PutBucketEncryption
                | Self::PutBucketPolicy
                | Self::DeleteBucketPolicy
                | Self::PutBucketVersioning
                | Self::PutObjectLockConfiguration
                | Self::PutBucketLifecycle
                | Self::DeleteBucketLifecycle
                | Self::PutBucketCors
                | Self::DeleteBucketCors
        )
    }
}
