//! The requests that are sent to a store, by their names in S3, and the right that each needs.

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Makes a bucket.
    CreateBucket,
    /// Removes an empty bucket.
    DeleteBucket,
    /// Reads a bucket's tags, which tell whose it is.
    GetBucketTagging,
    /// Writes a bucket's tags.
    PutBucketTagging,
    /// Reads whether public access is blocked.
    GetPublicAccessBlock,
    /// Blocks public access.
    PutPublicAccessBlock,
    /// Reads how new objects are encrypted.
    GetBucketEncryption,
    /// Says how new objects are encrypted.
    PutBucketEncryption,
    /// Reads the policy.
    GetBucketPolicy,
    /// Writes the policy.
    PutBucketPolicy,
    /// Removes the policy.
    DeleteBucketPolicy,
    /// Reads whether versions are kept.
    GetBucketVersioning,
    /// Says whether versions are kept.
    PutBucketVersioning,
    /// Reads how new objects are locked.
    GetObjectLockConfiguration,
    /// Says how new objects are locked.
    PutObjectLockConfiguration,
    /// Reads what is removed by itself.
    GetBucketLifecycle,
    /// Says what is removed by itself.
    PutBucketLifecycle,
    /// Says that nothing is removed by itself.
    DeleteBucketLifecycle,
    /// Reads which pages may do what.
    GetBucketCors,
    /// Says which pages may do what.
    PutBucketCors,
    /// Says that pages may do nothing.
    DeleteBucketCors,
    /// Lists objects; the smallest such request tells whether a bucket is there.
    ListObjects,
    /// Lists objects with all their versions.
    ListObjectVersions,
    /// Lists unfinished uploads.
    ListMultipartUploads,
    /// Removes an unfinished upload.
    AbortMultipartUpload,
    /// Removes up to 1,000 objects or versions.
    DeleteObjects,
    /// Removes one object or version.
    DeleteObject,
}

impl Operation {
    /// Its name in S3, in metrics and in sentences.
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

    /// The right of an IAM policy that it needs, which has another name more often than not.
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

    /// Whether it removes a bucket or what is in it, which must never be asked for on an old look.
    pub fn is_deleting(self) -> bool {
        matches!(
            self,
            Self::DeleteBucket | Self::AbortMultipartUpload | Self::DeleteObjects | Self::DeleteObject
        )
    }

    /// Whether it reads one of a bucket's settings.
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

    /// Whether it writes one of a bucket's settings: a store that does not know the setting may call the document
    /// malformed, or take the request for one that makes the bucket.
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
