//! Between the operator and the store anything may happen to any request, and the operator may die before any: in the end
//! every bucket is as it would be if nothing had happened, there is one of each, and what is in them is there.

mod field;
mod killed;
mod unknown_store;

use std::{collections::BTreeSet, time::Duration};

use futures::future::try_join_all;
use ras_crds::labels::CONFIRM_DELETE;
use ras_tests::{Error, Fault, object_store::StoreKind};

use self::field::{CHANGED, Case, Field, MADE};
use super::look;
use crate::seen::kubectl;

/// Faults of a request, by a name that may be part of a bucket's: all on one store, and the most different ones on the
/// others, because one store is enough to prove the operator's handling.
fn faults(kind: StoreKind) -> Vec<(&'static str, Fault)> {
    let mut faults = vec![
        ("cut-after", Fault::CutAfter),
        (
            "error",
            Fault::Answer(500, "InternalError", "We encountered an internal error."),
        ),
        ("half", Fault::HalfAnswer),
        ("garbage", Fault::Garbage),
    ];
    if kind == StoreKind::Minio {
        faults.extend([
            ("cut-before", Fault::CutBefore),
            (
                "slow-down",
                Fault::Answer(503, "SlowDown", "Please reduce your request rate."),
            ),
            ("denied", Fault::Answer(403, "AccessDenied", "Access Denied.")),
            ("slow", Fault::Delay(Duration::from_millis(400))),
            ("half-closed", Fault::HalfClosed),
        ]);
    }
    faults
}

/// A drive for each request, with a bucket for each fault.
struct Matrix {
    field: Field,
    cases: Vec<Case>,
}

impl Matrix {
    /// Each fault for each of so many requests.
    fn of(field: Field, requests: usize) -> Self {
        let cases = spoiled(&field, requests);
        Self { field, cases }
    }

    fn drives(&self) -> BTreeSet<&str> {
        self.cases.iter().map(|case| case.drive.as_str()).collect()
    }

    /// Every bucket is there, once, and as that of the drive `well`, which nothing happened to.
    async fn assert_as_if_nothing_happened(&self) -> Result<(), Error> {
        let Self { field, cases } = self;
        let well = field.settled("well").await?.remove("one").unwrap();
        let desired = look::settings(&field.storage.client, &well.bucket).await;
        let mut named = BTreeSet::from([well.bucket]);
        named.extend(field.settled("learner").await?.into_values().map(|line| line.bucket));
        for drive in self.drives() {
            for (name, line) in field.settled(drive).await? {
                let context = format!("bucket {name} of {drive}");
                assert_eq!(line.unsupported, well.unsupported, "{context}");
                let settings = look::settings(&field.storage.client, &line.bucket).await;
                assert_eq!(settings, desired, "{context}");
                let tags = look::tags(&field.storage.client, &line.bucket).await?;
                assert_eq!(
                    (tags["ras.dev/drive"].as_str(), &tags["ras.dev/bucket"]),
                    (drive, &name)
                );
                named.insert(line.bucket);
            }
        }
        cases.iter().for_each(Case::assert_happened);
        assert_eq!(
            field.stored().await?,
            named,
            "status names what is there, and nothing is there besides"
        );
        Ok(())
    }
}

fn drive(nth: usize) -> String {
    format!("d{nth}")
}

fn names(kind: StoreKind) -> Vec<&'static str> {
    faults(kind).into_iter().map(|(name, _)| name).collect()
}

/// From now on each fault happens to one of so many requests of a bucket of its own.
fn spoiled(field: &Field, requests: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for nth in 0..requests {
        for (name, fault) in faults(field.storage.store.kind()) {
            cases.push(field.spoil(&drive(nth), name, nth, fault));
        }
    }
    cases
}

/// Makes a drive `well`, which nothing happens to, and says how many requests its bucket took.
async fn well(field: &Field) -> Result<usize, Error> {
    field.apply("well", &["one"], MADE).await?;
    field.settled("well").await?;
    Ok(field.taken("well"))
}

async fn a_fault_at_any_request_that_makes_a_bucket_leaves_it_as_if_nothing_had_happened(
    kind: StoreKind,
) -> Result<(), Error> {
    let field = Field::start(kind, "fault-made").await?;
    let requests = well(&field).await?;
    assert!(requests > 8, "{requests} requests are not all of them");
    let matrix = Matrix::of(field, requests);
    for drive in matrix.drives() {
        matrix.field.apply(drive, &names(kind), MADE).await?;
    }
    matrix.assert_as_if_nothing_happened().await
}

async fn a_fault_at_any_request_that_changes_a_bucket_leaves_what_is_in_it(kind: StoreKind) -> Result<(), Error> {
    let field = Field::start(kind, "fault-changed").await?;
    let before = well(&field).await?;
    field.apply("well", &["one"], CHANGED).await?;
    field.settled("well").await?;
    let requests = field.taken("well") - before;
    assert!(requests > 4, "{requests} requests are not all of them");
    for nth in 0..requests {
        field.apply(&drive(nth), &names(kind), MADE).await?;
    }
    let client = field.storage.client.clone();
    let mut buckets = Vec::new();
    for nth in 0..requests {
        buckets.extend(field.settled(&drive(nth)).await?.into_values().map(|line| line.bucket));
    }
    try_join_all(
        buckets
            .iter()
            .map(|bucket| look::put(&client, bucket, "kept.pdf", "resume")),
    )
    .await?;

    let matrix = Matrix::of(field, requests);
    for drive in matrix.drives() {
        matrix.field.apply(drive, &names(kind), CHANGED).await?;
    }
    matrix.assert_as_if_nothing_happened().await?;
    for bucket in &buckets {
        let kept = look::get(&client, bucket, "kept.pdf").await?;
        assert_eq!(kept.as_deref(), Some("resume"), "{bucket}");
    }
    Ok(())
}

/// Two versions, a delete marker and an unfinished upload.
async fn fill(field: &Field, bucket: &str) -> Result<(), Error> {
    let client = &field.storage.client;
    look::put(client, bucket, "a.pdf", "one").await?;
    look::put(client, bucket, "a.pdf", "two").await?;
    look::delete(client, bucket, "a.pdf").await?;
    look::put(client, bucket, "b/c.pdf", "three").await?;
    look::begin_upload(client, bucket, "never-finished").await
}

/// Makes a drive's buckets, fills them, and confirms that they may go.
async fn confirmed(field: &Field, drive: &str, buckets: &[&str]) -> Result<(), Error> {
    field.apply(drive, buckets, MADE).await?;
    let lines = field.settled(drive).await?;
    let names: Vec<&str> = lines.values().map(|line| line.bucket.as_str()).collect();
    try_join_all(names.iter().map(|bucket| fill(field, bucket))).await?;
    let said = format!("{CONFIRM_DELETE}={}", names.join(","));
    kubectl(&field.storage.test_env, &["annotate", "drive", drive, &said])
        .await
        .map(drop)
}

async fn delete(field: &Field, drive: &str) -> Result<(), Error> {
    kubectl(&field.storage.test_env, &["delete", "drive", drive, "--wait=false"])
        .await
        .map(drop)
}

async fn a_fault_at_any_request_that_removes_a_bucket_leaves_no_trace_of_it_and_all_others(
    kind: StoreKind,
) -> Result<(), Error> {
    let field = Field::start(kind, "fault-removed").await?;
    confirmed(&field, "well", &["one"]).await?;
    let before = field.taken("well");
    delete(&field, "well").await?;
    field.gone("well").await?;
    let requests = field.taken("well") - before;
    assert!(requests > 5, "{requests} requests are not all of them");
    let others = field.stored().await?;
    for bucket in &others {
        look::put(&field.storage.client, bucket, "kept.pdf", "resume").await?;
    }
    let field = &field;
    let drives: Vec<String> = (0..requests).map(drive).collect();
    let names = names(kind);
    try_join_all(drives.iter().map(|drive| confirmed(field, drive, &names))).await?;
    let cases = spoiled(field, requests);
    try_join_all(drives.iter().map(|drive| delete(field, drive))).await?;
    for drive in &drives {
        field.gone(drive).await?;
    }
    cases.iter().for_each(Case::assert_happened);
    assert_eq!(field.stored().await?, others);
    for bucket in &others {
        let kept = look::get(&field.storage.client, bucket, "kept.pdf").await?;
        assert_eq!(kept.as_deref(), Some("resume"), "{bucket}");
    }
    Ok(())
}

macro_rules! on_store {
    ($name:ident $kind:ident: $($promise:ident),+ $(,)?) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $promise() -> Result<(), ras_tests::Error> {
                    super::$promise(ras_tests::object_store::StoreKind::$kind).await
                }
            )+
        }
    };
}

on_store!(minio Minio:
    a_fault_at_any_request_that_makes_a_bucket_leaves_it_as_if_nothing_had_happened,
    a_fault_at_any_request_that_changes_a_bucket_leaves_what_is_in_it,
    a_fault_at_any_request_that_removes_a_bucket_leaves_no_trace_of_it_and_all_others,
);
on_store!(versitygw Versitygw:
    a_fault_at_any_request_that_makes_a_bucket_leaves_it_as_if_nothing_had_happened,
    a_fault_at_any_request_that_removes_a_bucket_leaves_no_trace_of_it_and_all_others,
);
// The one that has encryption, public access blocks and CORS.
on_store!(moto Moto:
    a_fault_at_any_request_that_makes_a_bucket_leaves_it_as_if_nothing_had_happened,
);
