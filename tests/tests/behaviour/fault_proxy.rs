//! What the harness promises of the proxy that breaks the way to an S3 server.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use aws_sdk_s3::{Client, error::ProvideErrorMetadata as _, primitives::ByteStream};
use ras_tests::{
    Error, Fault, FaultProxy, Match, ProxiedRequest, eventually,
    object_store::{ObjectStore, StoreKind, shared},
};

const LIMIT: Duration = Duration::from_secs(10);

/// A proxy before a shared store, and a client that asks through it.
async fn before(kind: StoreKind) -> Result<(FaultProxy, Client, &'static ObjectStore), Error> {
    let store = shared(kind).await?;
    let proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], store.port()))).await?;
    let client = store.client_at(&proxy.endpoint(), store.access_key(), store.secret_key());
    Ok((proxy, client, store))
}

#[tokio::test]
async fn a_proxy_without_faults_passes_everything_on_and_writes_it_down() -> Result<(), Error> {
    for kind in StoreKind::ALL {
        let (proxy, client, _) = before(kind).await?;
        client.create_bucket().bucket("passed-on").send().await.unwrap();
        let body = ByteStream::from_static(b"through");
        let put = client.put_object().bucket("passed-on").key("key").body(body);
        put.send().await.unwrap();
        let object = client.get_object().bucket("passed-on").key("key").send().await.unwrap();
        assert_eq!(object.body.collect().await.unwrap().to_vec(), b"through");
        client.head_bucket().bucket("passed-on").send().await.unwrap();
        let delete = client.delete_object().bucket("passed-on").key("key");
        delete.send().await.unwrap();

        let seen = proxy.requests();
        let lines: Vec<String> = seen.iter().map(ProxiedRequest::line).collect();
        assert_eq!(lines.len(), 5, "{kind}: {lines:?}");
        assert!(lines[0].starts_with("PUT /passed-on"), "{kind}: {lines:?}");
        assert!(lines[1].starts_with("PUT /passed-on/key"), "{kind}: {lines:?}");
        let statuses: Vec<Option<u16>> = seen.iter().map(|request| request.status).collect();
        assert_eq!(statuses, [200, 200, 200, 200, 204].map(Some), "{kind}");
    }
    Ok(())
}

#[tokio::test]
async fn a_cut_before_never_reaches_the_server_and_a_cut_after_does() -> Result<(), Error> {
    let (proxy, client, store) = before(StoreKind::Minio).await?;
    let exists = async |bucket| store.client().head_bucket().bucket(bucket).send().await.is_ok();
    proxy.fault(Match::containing("PUT /cut-before"), Fault::CutBefore);
    let cut = client.create_bucket().bucket("cut-before").send().await;
    assert!(cut.is_err());
    assert!(!exists("cut-before").await);
    proxy.fault_times(1, Match::containing("PUT /cut-after"), Fault::CutAfter);
    let cut = client.create_bucket().bucket("cut-after").send().await;
    assert!(cut.is_err());
    assert!(exists("cut-after").await);
    let seen: Vec<_> = proxy
        .requests()
        .iter()
        .map(|seen| (seen.reached, seen.status))
        .collect();
    assert_eq!(seen, [(false, None), (true, None)]);

    // It was for one request.
    let again = client.create_bucket().bucket("cut-after").send().await.unwrap_err();
    assert_eq!(again.code(), Some("BucketAlreadyOwnedByYou"));
    Ok(())
}

#[tokio::test]
async fn answers_of_the_proxys_own_are_those_of_a_busy_or_another_s3() -> Result<(), Error> {
    let (proxy, client, _) = before(StoreKind::Minio).await?;
    proxy.fault(
        Match::Nth(2),
        Fault::Answer(503, "SlowDown", "Please reduce your request rate."),
    );
    client.list_buckets().send().await.unwrap();
    let slow = client.list_buckets().send().await.unwrap_err();
    assert_eq!(slow.code(), Some("SlowDown"));
    assert_eq!(slow.raw_response().map(|answer| answer.status().as_u16()), Some(503));
    client.list_buckets().send().await.unwrap();

    proxy.fault(
        Match::is(|request| request.method == "GET"),
        Fault::Redirect("eu-central-1"),
    );
    let elsewhere = client.list_objects_v2().bucket("any").send().await.unwrap_err();
    assert_eq!(elsewhere.code(), Some("PermanentRedirect"));
    let region = elsewhere
        .raw_response()
        .and_then(|answer| answer.headers().get("x-amz-bucket-region"));
    assert_eq!(region, Some("eu-central-1"));
    proxy.fault(Match::containing("HEAD"), Fault::Redirect("eu-west-1"));
    let elsewhere = client.head_bucket().bucket("any").send().await.unwrap_err();
    assert_eq!(
        elsewhere.raw_response().map(|answer| answer.status().as_u16()),
        Some(301)
    );
    proxy.heal();

    proxy.fault(Match::Every, Fault::Garbage);
    assert!(client.list_buckets().send().await.is_err());
    proxy.heal();
    client.list_buckets().send().await.unwrap();
    Ok(())
}

#[tokio::test]
async fn half_an_answer_and_a_half_closed_connection_are_survived() -> Result<(), Error> {
    let (proxy, client, _) = before(StoreKind::Minio).await?;
    proxy.fault_times(1, Match::Every, Fault::HalfAnswer);
    assert!(client.list_buckets().send().await.is_err());
    proxy.fault_times(1, Match::Every, Fault::HalfClosed);
    client.list_buckets().send().await.unwrap();
    eventually(LIMIT, "the client to have noticed", async || {
        let listed = client.list_buckets().send().await;
        listed.map(drop).map_err(|error| format!("{error:?}").into())
    })
    .await
}

/// Waits until the last request hangs, or no longer does; in either case the server has not seen it.
async fn hanging(proxy: &FaultProxy, hangs: bool) -> Result<(), Error> {
    eventually(LIMIT, "the last request to hang, or not", async || {
        let last = proxy.requests().pop();
        if last
            .as_ref()
            .is_some_and(|request| request.hangs == hangs && !request.reached)
        {
            Ok(())
        } else {
            Err(format!("{last:?}").into())
        }
    })
    .await
}

#[tokio::test]
async fn what_hangs_or_is_delayed_is_answered_later() -> Result<(), Error> {
    let (proxy, client, _) = before(StoreKind::Minio).await?;
    let started = Instant::now();
    proxy.fault_times(1, Match::Every, Fault::Delay(Duration::from_millis(300)));
    client.list_buckets().send().await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));

    proxy.fault(Match::Every, Fault::Hang);
    let healing = async {
        hanging(&proxy, true).await?;
        proxy.heal();
        Ok::<(), Error>(())
    };
    let (answer, healed) = tokio::join!(client.list_buckets().send(), healing);
    answer.unwrap();
    healed
}

#[tokio::test]
async fn what_hung_and_was_given_up_never_reaches_the_server() -> Result<(), Error> {
    let (proxy, client, _) = before(StoreKind::Minio).await?;
    proxy.fault(Match::Every, Fault::Hang);
    tokio::select! {
        answer = client.list_buckets().send() => panic!("{answer:?}"),
        hangs = hanging(&proxy, true) => hangs?,
    }
    hanging(&proxy, false).await?;
    proxy.heal();
    client.list_buckets().send().await.unwrap();
    let reached: Vec<bool> = proxy.requests().iter().map(|request| request.reached).collect();
    assert_eq!(reached, [false, true]);
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_is_down_refuses_and_comes_back_at_the_same_address() -> Result<(), Error> {
    let (mut proxy, client, _) = before(StoreKind::Minio).await?;
    client.list_buckets().send().await.unwrap();
    proxy.down().await;
    assert!(client.list_buckets().send().await.is_err());
    proxy.up().await?;
    client.list_buckets().send().await.unwrap();
    assert_eq!(proxy.count(), 2);
    Ok(())
}
