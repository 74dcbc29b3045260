//! The rights that the operator is told to be given in an object store: they are enough, and none is too many.

pub mod enforcing;
mod life;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::types::BucketVersioningStatus;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ras_crds::{ConditionType, Reason, labels::CONFIRM_DELETE};
use ras_tests::{Error, PATIENCE, eventually, object_store::StoreKind};

use self::{
    enforcing::{Policy, enforcing},
    life::Life,
};
use super::{Storage, look, print_figure};
use crate::seen::because;

/// Permissions of each request, from <https://docs.aws.amazon.com/AmazonS3/latest/API/> (section "Permissions" of
/// each), and not from the operator's own table.
const NEEDED: [(&str, &[&str]); 26] = [
    ("AbortMultipartUpload", &["s3:AbortMultipartUpload"]),
    // With objects that can be locked, the settings that go with it, too.
    (
        "CreateBucket",
        &[
            "s3:CreateBucket",
            "s3:PutBucketObjectLockConfiguration",
            "s3:PutBucketVersioning",
        ],
    ),
    ("DeleteBucket", &["s3:DeleteBucket"]),
    ("DeleteBucketCors", &["s3:PutBucketCORS"]),
    ("DeleteBucketLifecycle", &["s3:PutLifecycleConfiguration"]),
    ("DeleteObject", &["s3:DeleteObject", "s3:DeleteObjectVersion"]),
    // The first always, the second where a version is named.
    ("DeleteObjects", &["s3:DeleteObject", "s3:DeleteObjectVersion"]),
    ("GetBucketCors", &["s3:GetBucketCORS"]),
    ("GetBucketEncryption", &["s3:GetEncryptionConfiguration"]),
    ("GetBucketLifecycleConfiguration", &["s3:GetLifecycleConfiguration"]),
    ("GetBucketPolicy", &["s3:GetBucketPolicy"]),
    ("GetBucketTagging", &["s3:GetBucketTagging"]),
    ("GetBucketVersioning", &["s3:GetBucketVersioning"]),
    ("GetObjectLockConfiguration", &["s3:GetBucketObjectLockConfiguration"]),
    ("GetPublicAccessBlock", &["s3:GetBucketPublicAccessBlock"]),
    ("ListMultipartUploads", &["s3:ListBucketMultipartUploads"]),
    ("ListObjectVersions", &["s3:ListBucketVersions"]),
    ("ListObjectsV2", &["s3:ListBucket"]),
    ("PutBucketCors", &["s3:PutBucketCORS"]),
    ("PutBucketEncryption", &["s3:PutEncryptionConfiguration"]),
    ("PutBucketLifecycleConfiguration", &["s3:PutLifecycleConfiguration"]),
    ("PutBucketPolicy", &["s3:PutBucketPolicy"]),
    ("PutBucketTagging", &["s3:PutBucketTagging"]),
    ("PutBucketVersioning", &["s3:PutBucketVersioning"]),
    ("PutObjectLockConfiguration", &["s3:PutBucketObjectLockConfiguration"]),
    ("PutPublicAccessBlock", &["s3:PutBucketPublicAccessBlock"]),
];

/// Permissions that no server here enforces: `MinIO` has no such setting, and moto requires `s3:ListBucket` and
/// `s3:CreateBucket` instead.
const UNENFORCED: [&str; 2] = ["s3:getbucketpublicaccessblock", "s3:putbucketpublicaccessblock"];

const ENFORCING: [StoreKind; 2] = [StoreKind::Minio, StoreKind::Moto];

/// Names of rights mean the same in small letters: AWS says `CORS`, `MinIO` `Cors`.
fn small<'a>(actions: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    actions.into_iter().map(str::to_lowercase).collect()
}

#[tokio::test]
async fn the_shipped_policy_is_enough_for_the_whole_life_of_a_bucket_and_allows_nothing_unused() -> Result<(), Error> {
    let mut sent = BTreeSet::new();
    for kind in ENFORCING {
        let life = Box::pin(Life::of_everything(enforcing(kind).await?, None)).await?;
        assert_eq!(life.refused, Vec::<String>::new(), "{kind}");
        sent.extend(life.sent);
    }
    let needed: BTreeMap<_, _> = NEEDED.into_iter().collect();
    let mut used = BTreeSet::new();
    for operation in &sent {
        let rights = needed.get(operation.as_str());
        used.extend(small(
            rights
                .unwrap_or_else(|| panic!("nobody says what {operation} needs"))
                .iter()
                .copied(),
        ));
    }
    let allowed = Policy::shipped(StoreKind::Moto).actions();
    assert_eq!(
        small(allowed.iter().map(String::as_str)),
        used,
        "allowed by deploy/iam/object-store.json, and used"
    );
    let known: BTreeSet<_> = needed.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(sent, known, "sent, and known");
    Ok(())
}

/// The rights without which this store refuses something. Whatever it refuses names the right that is missing.
async fn enforced(kind: StoreKind) -> Result<BTreeSet<String>, Error> {
    let store = enforcing(kind).await?;
    let actions = Policy::shipped(kind).actions();
    let lives: Vec<(String, Vec<String>)> = stream::iter(actions)
        .map(async |action| {
            let life = Box::pin(Life::of_everything(store, Some(&action))).await?;
            Ok::<_, Error>((action, life.refused))
        })
        .buffer_unordered(32)
        .try_collect()
        .await?;
    let mut enforced = BTreeSet::new();
    let mut unnamed = Vec::new();
    for (action, refused) in lives {
        let action = action.to_lowercase();
        for sentence in &refused {
            print_figure(&format!("{kind} without {action}: {sentence}"));
            if !sentence.to_lowercase().contains(&action) {
                unnamed.push(format!("without {action}: {sentence}"));
            }
        }
        if !refused.is_empty() {
            enforced.insert(action);
        }
    }
    assert_eq!(unnamed, Vec::<String>::new(), "{kind}");
    Ok(enforced)
}

#[tokio::test]
async fn without_any_one_right_of_the_shipped_policy_a_refusal_names_it() -> Result<(), Error> {
    let (by_minio, by_moto) = futures::try_join!(enforced(StoreKind::Minio), enforced(StoreKind::Moto))?;
    let all = |kind| small(Policy::shipped(kind).actions().iter().map(String::as_str));
    assert_eq!(
        by_minio,
        all(StoreKind::Minio),
        "MinIO's policy has a right that is not needed"
    );
    let either: BTreeSet<_> = by_minio.union(&by_moto).cloned().collect();
    let unenforced: Vec<_> = all(StoreKind::Moto).difference(&either).cloned().collect();
    assert_eq!(unenforced, UNENFORCED, "enforced by neither server");
    Ok(())
}

/// A test environment whose operator has exactly the rights of the shipped policy.
async fn restricted(kind: StoreKind, namespace: &str, prefix: &str) -> Result<Storage, Error> {
    let enforcing = enforcing(kind).await?;
    let authority = enforcing
        .store
        .ca_file()
        .map(|file| format!(", caFile: '{}'", file.display()));
    let settings = format!(
        "checkEvery: 1s, bucketPrefix: {prefix}{}",
        authority.unwrap_or_default()
    );
    let storage = Storage::at(&enforcing.store, enforcing.store.endpoint(), namespace, &settings).await?;
    // In time: keys are read when the first drive names a bucket.
    enforcing.write_keys(None, storage.folder.path());
    Ok(storage)
}

async fn an_operator_with_the_shipped_policy_is_refused_nothing(kind: StoreKind) -> Result<(), Error> {
    let mut storage = restricted(kind, "policy", "ras").await?;
    storage
        .drive(
            "{name: resumes, versioned: true, expireOldVersionsAfter: 90d, expire: [{prefix: zip/, after: 7d}], \
             cors: [{origins: ['https://placement.example.edu'], methods: [GET]}], deletionPolicy: Delete}, \
             {name: records, versioned: true, objectLock: {mode: Governance, retain: 1d}, deletionPolicy: DeleteIfEmpty}",
        )
        .await?;
    let (bucket, records) = (storage.ready("resumes").await?, storage.ready("records").await?);

    let deleted = storage.client.delete_bucket_lifecycle().bucket(&bucket).send().await;
    deleted.map_err(|error| look::failed("DeleteBucketLifecycle", &error))?;
    // What moto answers about versions is not S3's.
    let has_versions = kind == StoreKind::Minio;
    if has_versions {
        look::set_versioning(&storage.client, &bucket, BucketVersioningStatus::Suspended).await?;
    }
    eventually(PATIENCE, "the settings to be put back", async || {
        let expiries = look::expiries(&storage.client, &bucket).await?;
        let is_safe =
            !has_versions || look::versioning(&storage.client, &bucket).await? == Some(BucketVersioningStatus::Enabled);
        if is_safe && expiries.get("zip/") == Some(&7) {
            Ok(())
        } else {
            Err(format!("{expiries:?}, versions: {is_safe}").into())
        }
    })
    .await
    .map_err(|error| error.with_log(&storage.test_env.operator.log()))?;

    for text in ["one", "two"] {
        look::put(&storage.client, &bucket, "a.pdf", text).await?;
    }
    look::delete(&storage.client, &bucket, "a.pdf").await?;
    look::begin_upload(&storage.client, &bucket, "never-finished").await?;
    storage.delete().await?;
    storage.annotate(CONFIRM_DELETE, Some(&bucket)).await?;
    storage.gone().await?;
    for bucket in [&bucket, &records] {
        assert!(!look::exists(&storage.client, bucket).await?);
    }
    let requests = storage.requests().await?;
    let refused: Vec<_> = requests
        .iter()
        .filter(|((_, outcome), _)| outcome == "refused")
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    Ok(())
}

async fn nothing_beyond_the_prefix_is_allowed(kind: StoreKind) -> Result<(), Error> {
    let storage = restricted(kind, "beyond", "other").await?;
    storage.drive("{name: resumes}").await?;
    let condition = because(&storage.test_env, "d", ConditionType::StorageReady, Reason::StoreDenied).await?;
    let start = format!("bucket `other-{}-d-resumes-", storage.test_env.namespace.name());
    for part in [
        start.as_str(),
        "AccessDenied to GetBucketTagging",
        "the right s3:GetBucketTagging",
    ] {
        assert!(
            condition.message.contains(part),
            "`{part}` is not in: {}",
            condition.message
        );
    }
    assert_eq!(look::buckets(&storage.client, "other-").await?, Vec::<String>::new());
    Ok(())
}

/// Permissions that the operator could gain by writing a bucket's policy, which it may do.
async fn a_bucket_policy_gives_the_operator_no_object(kind: StoreKind) -> Result<(), Error> {
    let enforcing = enforcing(kind).await?;
    let (access_key, secret_key) = enforcing.keys(None);
    let operator = enforcing.store.client_as(access_key, secret_key);
    let root = enforcing.store.client();
    let bucket = format!("ras-widened-d-resumes-{}", kind.to_string().to_lowercase());
    let made = root.create_bucket().bucket(&bucket).send().await;
    made.map_err(|error| look::failed("CreateBucket", &error))?;
    look::put(&root, &bucket, "cv.pdf", "data").await?;
    let everybody = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": {{"AWS": ["*"]}},
            "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::{bucket}/*"]}}]}}"#
    );
    let written = operator
        .put_bucket_policy()
        .bucket(&bucket)
        .policy(everybody)
        .send()
        .await;
    written.map_err(|error| look::failed("PutBucketPolicy", &error))?;
    let refused = [
        look::get(&operator, &bucket, "cv.pdf").await.err(),
        look::put(&operator, &bucket, "cv.pdf", "forged").await.err(),
    ];
    for error in refused {
        let error = error.map(|error| error.to_string());
        assert!(
            error.as_ref().is_some_and(|error| error.contains("AccessDenied")),
            "{error:?}"
        );
    }
    assert_eq!(look::get(&root, &bucket, "cv.pdf").await?.as_deref(), Some("data"));
    Ok(())
}

#[test]
fn what_the_operator_is_denied_is_every_way_to_an_object_and_nothing_that_it_needs() {
    for kind in ENFORCING {
        let policy = Policy::shipped(kind);
        let denied = policy.denied();
        for action in [
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:PutObject",
            "s3:PutReplicationConfiguration",
        ] {
            assert!(denied.iter().any(|one| one == action), "{kind}: {action}");
        }
        let both: Vec<_> = policy
            .actions()
            .into_iter()
            .filter(|action| denied.contains(action))
            .collect();
        assert_eq!(both, Vec::<String>::new(), "{kind}");
    }
}

#[tokio::test]
async fn programs_may_use_objects_of_their_own_namespace_and_change_no_setting() -> Result<(), Error> {
    let store = &enforcing(StoreKind::Minio).await?.store;
    let root = store.client();
    for bucket in ["ras-spo-d-resumes-0123456789", "ras-library-d-books-0123456789"] {
        let made = root.create_bucket().bucket(bucket).send().await;
        made.map_err(|error| look::failed("CreateBucket", &error))?;
        look::put(&root, bucket, "there.pdf", "data").await?;
    }
    // EKS fills in what MinIO has no such word for.
    let policy = Policy::read("programs.json").to_string();
    let policy = policy.replace("${aws:PrincipalTag/kubernetes-namespace}", "spo");
    let (access_key, secret_key) = store.restricted_user(&policy).await?;
    let program = store.client_as(&access_key, &secret_key);

    let own = "ras-spo-d-resumes-0123456789";
    look::put(&program, own, "a.pdf", "one").await?;
    assert_eq!(look::get(&program, own, "a.pdf").await?.as_deref(), Some("one"));
    let listed = program.list_objects_v2().bucket(own).send().await;
    let listed = listed.map_err(|error| look::failed("ListObjectsV2", &error))?;
    assert_eq!(listed.key_count(), Some(2));
    look::delete(&program, own, "a.pdf").await?;
    let upload = program.create_multipart_upload().bucket(own).key("b.pdf").send().await;
    let upload = upload.map_err(|error| look::failed("CreateMultipartUpload", &error))?;
    let aborted = program
        .abort_multipart_upload()
        .bucket(own)
        .key("b.pdf")
        .set_upload_id(upload.upload_id)
        .send()
        .await;
    aborted.map_err(|error| look::failed("AbortMultipartUpload", &error))?;

    let others = "ras-library-d-books-0123456789";
    let refused = [
        look::get(&program, others, "there.pdf").await.err(),
        look::put(&program, others, "a.pdf", "one").await.err(),
        look::delete(&program, others, "there.pdf").await.err(),
        look::set_versioning(&program, own, BucketVersioningStatus::Enabled)
            .await
            .err(),
        look::tags(&program, own).await.err(),
        look::lifecycle(&program, own).await.err(),
    ];
    for error in refused {
        let error = error.map(|error| error.to_string());
        assert!(
            error.as_ref().is_some_and(|error| error.contains("AccessDenied")),
            "{error:?}"
        );
    }
    assert!(program.delete_bucket().bucket(own).send().await.is_err());
    assert_eq!(look::get(&root, own, "there.pdf").await?.as_deref(), Some("data"));
    Ok(())
}

macro_rules! on_every_store_that_enforces {
    ($($name:ident $kind:ident: $($promise:ident)+;)+) => {
        $(mod $name {
            $(
                #[tokio::test]
                async fn $promise() -> Result<(), ras_tests::Error> {
                    super::$promise(ras_tests::object_store::StoreKind::$kind).await
                }
            )+
        })+
    };
}

on_every_store_that_enforces!(
    minio Minio: an_operator_with_the_shipped_policy_is_refused_nothing nothing_beyond_the_prefix_is_allowed
        a_bucket_policy_gives_the_operator_no_object;
    moto Moto: an_operator_with_the_shipped_policy_is_refused_nothing nothing_beyond_the_prefix_is_allowed
        a_bucket_policy_gives_the_operator_no_object;
);
