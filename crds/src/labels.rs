//! Labels and annotations of what the operator makes. People select by them, so they are part of the contract.

/// Name of the drive.
pub const DRIVE: &str = "ras.dev/drive";
/// Name of the service in the drive.
pub const SERVICE: &str = "ras.dev/service";
/// On a PVC of a service: name of the volume in the service.
pub const VOLUME: &str = "ras.dev/volume";
/// Beginning of a label on pods; the name of a volume of the drive follows. Pods with the same one run on one node, because one
/// node alone can mount the volume.
pub const SHARED_VOLUME: &str = "volume.ras.dev/";
/// On a Job and its pods: what it is for, for instance `migrate`. They bear no [`SERVICE`]: what selects the pods of a
/// service must not find them.
pub const JOB: &str = "ras.dev/job";
/// On a Job and its pods: the service or database that it works for.
pub const JOB_OF: &str = "ras.dev/job-of";
/// On a Job: hash of what it does, so that the same is not done twice.
pub const WORK: &str = "ras.dev/work";
/// UID of the drive: what is removed from a drive is deleted only when this is the drive's.
pub const DRIVE_UID: &str = "ras.dev/drive-uid";
/// Namespace of the drive: a tag of buckets, which have no namespace of their own.
pub const NAMESPACE: &str = "ras.dev/namespace";
/// On a bucket that somebody else made: namespaces (separated by spaces) whose drives may use it. A tag of buckets, never written.
pub const ALLOWED_NAMESPACE: &str = "ras.dev/allowed-namespace";
/// Name of the bucket in the drive: a tag of buckets.
pub const BUCKET: &str = "ras.dev/bucket";
/// Which bucket it is among those that had its name, one after the other: a tag of buckets, random, written when one is made.
pub const BUCKET_IDENTITY: &str = "ras.dev/bucket-identity";
/// Who made it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`].
pub const MANAGER: &str = "ras-operator";
/// Name of the drive, on every object but those that hold data. Argo CD with label tracking (the default before 3.0) reads this
/// label as the name of an Application, and deletes what has no owner and is not in Git.
pub const INSTANCE: &str = "app.kubernetes.io/instance";

/// On every object that holds data: Argo CD neither prunes it nor deletes it with an Application.
pub const ARGO_CD_SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
/// Value of [`ARGO_CD_SYNC_OPTIONS`].
pub const ARGO_CD_KEEP: &str = "Prune=false,Delete=false";
/// On every object that holds data: Flux does not delete it when it leaves an inventory.
pub const FLUX_PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";
/// Value of [`FLUX_PRUNE`].
pub const FLUX_KEEP: &str = "disabled";

/// On a pod template: hash of the service's files, because files in a running pod do not change.
pub const FILES_HASH: &str = "ras.dev/files-hash";
/// On a pod template: hash of the versions of the secrets it uses, because neither do variables.
pub const SECRETS_HASH: &str = "ras.dev/secrets-hash";
/// On a Deployment or `StatefulSet` that uses a Secret of which the metadata does not tell when its keys were written: hash of
/// when those of its other Secrets were. As long as it is the same, [`SECRETS_HASH`] stays as it is.
pub const SECRETS_KNOWN: &str = "ras.dev/secrets-known";
/// On every child: hash of what was last applied, written by `apply`, so that a restarted operator finds
/// out by lists alone that nothing is to be done.
pub const APPLIED: &str = "ras.dev/applied";
/// On a Deployment: replicas it had before its drive was suspended.
pub const REPLICAS_BEFORE_SUSPEND: &str = "ras.dev/replicas-before-suspend";

/// On a generated Secret: when its values were last drawn anew. Written with the values; absent, they are as old as the
/// Secret.
pub const ROTATED_AT: &str = "ras.dev/rotated-at";
/// On a generated Secret: the last wish of [`ROTATE`] that was done. Written with the values.
pub const ROTATED_FOR: &str = "ras.dev/rotated-for";
/// On the Secret of a database login: by which rotation its password was drawn. Absent: by none, it is the first. Written
/// with the password; it is what a drive whose status was lost finds its way by.
pub const LOGIN_GENERATION: &str = "ras.dev/login-generation";
/// On the Secret of a database login: the rotation that was rolled back, because pods crashed with this login. It counts
/// only as long as [`LOGIN_GENERATION`] is the same number.
pub const LOGIN_ROLLED_BACK: &str = "ras.dev/login-rolled-back";
/// On a drive, set by people: generated secrets (separated by commas) whose values are to be drawn anew, each as `name` or
/// `name@mark`; [`ROTATE_DATABASE`] stands for the passwords of the drive's databases. Each wish is done once; another mark
/// makes another wish.
pub const ROTATE: &str = "ras.dev/rotate";
/// What [`ROTATE`] calls the passwords of the drive's databases.
pub const ROTATE_DATABASE: &str = "database";

/// On a drive, set by people: names of buckets (separated by commas) that may be deleted with all their objects.
pub const CONFIRM_DELETE: &str = "ras.dev/confirm-delete";
/// On a drive, set by people: names of buckets (separated by commas), or `*`, that are kept whatever their
/// `deletionPolicy` says: the way out of a deletion that is blocked.
pub const KEEP_BUCKETS: &str = "ras.dev/keep-buckets";
/// On a drive, set by people: lost objects (separated by commas), each as `name@uid`, without whose data the drive is to
/// continue. The UID makes it stand for this one loss.
pub const ACCEPT_DATA_LOSS: &str = "ras.dev/accept-data-loss";
/// On a drive, set by people: any text. A new one has the databases prepared once more, for instance after something was
/// mended on the server.
pub const PREPARE_DATABASE: &str = "ras.dev/prepare-database";
/// On a drive, set by people: names of services (separated by commas) whose migration is to run once more, whether it
/// failed or succeeded. Each may be followed by `@` and any word: another word asks again.
pub const RUN_MIGRATION: &str = "ras.dev/run-migration";
/// Finalizer of a drive with buckets that are to be deleted: they live where Kubernetes' garbage collector cannot.
pub const BUCKETS_FINALIZER: &str = "ras.dev/buckets";
