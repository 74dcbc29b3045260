//! The operator is killed while a request is on its way, whichever it is, and another goes on.

use futures::future::try_join_all;
use ras_tests::{Error, Fault, Operator, PATIENCE, object_store::StoreKind};

use super::{
    super::look,
    Field, confirmed, delete, drive,
    field::{CHANGED, MADE},
    well,
};

/// Buckets that are looked after, and that are emptied, at a time.
const AT_A_TIME: usize = 8;
const EMPTIED_AT_A_TIME: usize = 2;

/// Kills the operator while this many requests hang, and starts another.
async fn killed(field: &mut Field, hanging: usize) -> Result<(), Error> {
    field.hanging(hanging).await?;
    let Field { storage, proxy } = field;
    let test_env = &mut storage.test_env;
    test_env.operator.kill();
    proxy.heal();
    test_env.operator = Operator::start(&test_env.cluster, &test_env.namespace, &storage.options).await?;
    test_env.operator.logs(PATIENCE, r#""message":"ready""#).await
}

/// Every bucket of these drives is as that of the drive `well`, and none is there besides.
async fn assert_as_well(field: &Field, drives: &[String]) -> Result<(), Error> {
    let client = &field.storage.client;
    let well = field.settled("well").await?.remove("one").unwrap();
    let desired = look::settings(client, &well.bucket).await;
    let mut named: Vec<String> = vec![well.bucket];
    named.extend(field.settled("learner").await?.into_values().map(|line| line.bucket));
    for drive in drives {
        let line = field.settled(drive).await?.remove("one").unwrap();
        assert_eq!(look::settings(client, &line.bucket).await, desired, "{drive}");
        assert_eq!(look::tags(client, &line.bucket).await?["ras.dev/drive"], *drive);
        named.push(line.bucket);
    }
    named.sort();
    let stored: Vec<String> = field.stored().await?.into_iter().collect();
    assert_eq!(
        stored, named,
        "status names what is there, and nothing is there besides"
    );
    Ok(())
}

#[tokio::test]
async fn an_operator_that_dies_while_it_makes_buckets_leaves_them_to_the_next() -> Result<(), Error> {
    let mut field = Field::start(StoreKind::Minio, "kill-made").await?;
    let requests = well(&field).await?;
    let drives: Vec<String> = (0..requests).map(drive).collect();
    for (batch, drives) in drives.chunks(AT_A_TIME).enumerate() {
        for (at, drive) in drives.iter().enumerate() {
            field.spoil_from(drive, "one", batch * AT_A_TIME + at, Fault::Hang);
            field.apply(drive, &["one"], MADE).await?;
        }
        killed(&mut field, drives.len()).await?;
        for drive in drives {
            field.settled(drive).await?;
        }
    }
    assert_as_well(&field, &drives).await
}

#[tokio::test]
async fn an_operator_that_dies_while_it_changes_buckets_leaves_the_change_to_the_next() -> Result<(), Error> {
    let mut field = Field::start(StoreKind::Minio, "kill-changed").await?;
    let before = well(&field).await?;
    field.apply("well", &["one"], CHANGED).await?;
    field.settled("well").await?;
    let drives: Vec<String> = (0..field.taken("well") - before).map(drive).collect();
    for drive in &drives {
        field.apply(drive, &["one"], MADE).await?;
    }
    let mut buckets = Vec::new();
    for drive in &drives {
        let bucket = field.settled(drive).await?.remove("one").unwrap().bucket;
        look::put(&field.storage.client, &bucket, "kept.pdf", "resume").await?;
        buckets.push(bucket);
    }
    for (batch, drives) in drives.chunks(AT_A_TIME).enumerate() {
        for (at, drive) in drives.iter().enumerate() {
            field.spoil_from(drive, "one", batch * AT_A_TIME + at, Fault::Hang);
            field.apply(drive, &["one"], CHANGED).await?;
        }
        killed(&mut field, drives.len()).await?;
    }
    assert_as_well(&field, &drives).await?;
    for bucket in &buckets {
        let kept = look::get(&field.storage.client, bucket, "kept.pdf").await?;
        assert_eq!(kept.as_deref(), Some("resume"), "{bucket}");
    }
    Ok(())
}

#[tokio::test]
async fn an_operator_that_dies_while_it_removes_buckets_leaves_the_rest_to_the_next() -> Result<(), Error> {
    let mut field = Field::start(StoreKind::Minio, "kill-removed").await?;
    confirmed(&field, "well", &["one"]).await?;
    let before = field.taken("well");
    delete(&field, "well").await?;
    field.gone("well").await?;
    let others = field.stored().await?;
    let drives: Vec<String> = (0..field.taken("well") - before).map(drive).collect();
    {
        let field = &field;
        try_join_all(drives.iter().map(|drive| confirmed(field, drive, &["one"]))).await?;
    }
    for (batch, drives) in drives.chunks(EMPTIED_AT_A_TIME).enumerate() {
        for (at, drive) in drives.iter().enumerate() {
            field.spoil_from(drive, "one", batch * EMPTIED_AT_A_TIME + at, Fault::Hang);
            delete(&field, drive).await?;
        }
        killed(&mut field, drives.len()).await?;
        for drive in drives {
            field.gone(drive).await?;
        }
    }
    assert_eq!(field.stored().await?, others);
    Ok(())
}
