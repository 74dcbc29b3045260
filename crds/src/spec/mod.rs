//! The parts of a drive's `spec`, one file a part.

pub mod binding;
pub(crate) mod bounds;
pub mod bucket;
pub mod cache;
pub mod container;
pub mod database;
pub mod database_backup;
pub mod env;
pub mod exposure;
pub mod external_secret;
pub mod file;
pub mod host_alias;
pub mod migration;
pub mod monitoring;
pub mod parameters;
pub mod pod_metadata;
pub mod port;
pub mod probe;
pub mod replicas;
pub mod resources;
pub mod rotation;
pub mod secret;
pub mod security;
pub mod service;
pub mod shared_volume;
pub mod volume;

pub use binding::{Binding, BindingKey, BindingKeyRef, BindingValue, OnChange};
pub use bucket::{
    Bucket, BucketDeletionPolicy, BucketEncryption, BucketKey, BucketKeyRef, BucketQuota, CorsRule, ExistingBucket,
    Expiry, HttpMethod, LockMode, ObjectLock, Uses,
};
pub use cache::{Cache, CacheKey, WhenFull};
pub use container::{InitContainer, PullPolicy, Sidecar};
pub use database::{
    Database, DatabaseCredentials, DatabaseKey, DatabaseKeyRef, DatabaseProvider, LogicalDatabase, ManagedDatabase,
};
pub use database_backup::{DatabaseBackup, ObjectStoreBackup, VolumeSnapshotBackup};
pub use env::{EnvFrom, EnvVar, SecretKeyRef};
pub use exposure::{Exposure, IssuerKind, Tls};
pub use external_secret::{ExternalKey, ExternalSecret, StoreKind};
pub use file::{File, FileMode};
pub use host_alias::HostAlias;
pub use migration::Migrate;
pub use monitoring::{Alerts, Metrics, Monitoring};
pub use pod_metadata::PodMetadata;
pub use port::{EgressRule, Port, Protocol, PublicPort};
pub use probe::{Probe, ProbeHeader};
pub use replicas::{Autoscaling, RolloutStrategy};
pub use resources::Resources;
pub use rotation::{Freeze, Rotation};
pub use secret::{DeletionPolicy, ExistingSecret, Format, Generate, SecretSource};
pub use security::{PodSecurity, Scheduling, Toleration, TolerationEffect, TolerationOperator};
pub use service::Service;
pub use shared_volume::SharedVolume;
pub use volume::{AccessMode, ExistingClaim, Scratch, Volume};
