//! The S3 client against faulty servers.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::plan::BucketStep;
use crate::rate_limiter::{Counter, RateLimiter};
use crate::s3::S3Store;
use crate::snapshot::Seen;
use crate::store::{Listing, ObjectStore};
use ras_core::bucket::request::Feature;
use ras_core::platform::ObjectStoreConfig;
use ras_crds::Reason;

#[derive(Default)]
pub(super) struct Counts(Mutex<Vec<(&'static str, &'static str)>>);

impl Counter for Counts {
    fn requested(&self, operation: &'static str, outcome: &'static str) {
        self.0.lock().unwrap().push((operation, outcome));
    }
}

/// A server with one answer for all requests, and the requests that it received.
async fn server(answer: &'static [u8]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = vec![0; 8_192];
            let length = connection.read(&mut request).await.unwrap_or_default();
            request.truncate(length);
            ear.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
            let _ = connection.write_all(answer).await;
        }
    });
    (address, heard)
}

pub(super) fn store(endpoint: String, folder: &tempfile::TempDir) -> (S3Store, Arc<Counts>) {
    let config = ObjectStoreConfig {
        endpoint: Some(endpoint),
        credentials_directory: Some(folder.path().to_owned()),
        ..ObjectStoreConfig::default()
    };
    let counts = Arc::new(Counts::default());
    let counter: Arc<dyn Counter> = counts.clone();
    (
        S3Store::connect(&config, Arc::new(RateLimiter::new(100)), counter).unwrap(),
        counts,
    )
}

pub(super) fn credentials() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("AWS_ACCESS_KEY_ID"), "AKIAIOSFODNN7EXAMPLE\n").unwrap();
    std::fs::write(folder.path().join("AWS_SECRET_ACCESS_KEY"), "verysecret\n").unwrap();
    folder
}

async fn look(endpoint: String, feature: Feature) -> Result<crate::snapshot::BucketSnapshot, Failure> {
    let folder = credentials();
    let (store, _) = store(endpoint, &folder);
    store.observe("portal", &BTreeSet::from([feature])).await
}

#[tokio::test]
async fn what_answers_and_is_no_s3_is_a_store_that_is_not_there() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<html>hi</html>"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot found",
        b"HTTP/1.1 301 Moved\r\nLocation: https://elsewhere/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 6\r\nConnection: close\r\n\r\nplain!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\n<?xml version=\"1.0\"?><Tagg",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        let (address, heard) = server(answer).await;
        let failure = look(address, Feature::Tags).await.unwrap_err();
        let answer = String::from_utf8_lossy(answer);
        assert!(failure.is_unreachable(), "{answer}: {}", failure.message());
        assert!(!failure.is_missing());
        assert_eq!(failure.reason(), Reason::StoreUnavailable);
        assert_eq!(heard.lock().unwrap().len(), 1, "no retries of the SDK's own: {answer}");
    }
}

#[tokio::test]
async fn a_request_whose_connection_ended_is_sent_once_more_unless_it_deletes() {
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Le"] {
        let (address, heard) = server(answer).await;
        let sent = || std::mem::take(&mut *heard.lock().unwrap()).len();
        let folder = credentials();
        let (store, counts) = store(address, &folder);
        let failure = store.observe("portal", &BTreeSet::from([Feature::Tags])).await;
        assert!(failure.unwrap_err().is_closed());
        assert_eq!(sent(), 2, "reading");
        let failure = store.execute("portal", &BucketStep::Versioning(true)).await;
        assert!(failure.unwrap_err().is_closed());
        assert_eq!(sent(), 2, "writing");
        assert!(store.delete_bucket("portal").await.unwrap_err().is_closed());
        assert_eq!(sent(), 1, "deleting");
        assert_eq!(counts.0.lock().unwrap().len(), 5, "every one of them is counted");
    }
}

#[tokio::test]
async fn a_web_page_does_not_pass_for_the_success_of_a_write() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 36\r\nConnection: close\r\n\r\n\
          <!DOCTYPE html><title>Log in</title>";
    let (address, _) = server(answer).await;
    let folder = credentials();
    let (store, counts) = store(address, &folder);
    let failures = [
        store.delete_bucket("portal").await.unwrap_err(),
        store
            .execute("portal", &BucketStep::Versioning(true))
            .await
            .unwrap_err(),
        store
            .execute("portal", &BucketStep::Create { object_lock: false })
            .await
            .unwrap_err(),
    ];
    for failure in failures {
        assert!(failure.is_unreachable(), "{}", failure.message());
    }
    assert!(
        counts
            .0
            .lock()
            .unwrap()
            .iter()
            .all(|(_, outcome)| *outcome == "unavailable")
    );
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_no_document_that_the_store_does_not_have() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 68\r\nConnection: close\r\n\r\n\
           <Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet><Tag"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\nConnection: close\r\n\r\n<Tagging><TagSet>Result<Re",
    ] {
        let (address, _) = server(answer).await;
        let failure = look(address, Feature::Tags).await.unwrap_err();
        assert!(failure.is_unreachable(), "{}", failure.message());
    }
}

#[tokio::test]
async fn a_redirect_to_another_region_names_it() {
    let (address, _) = server(
        b"HTTP/1.1 301 Moved\r\nx-amz-bucket-region: eu-central-1\r\nContent-Length: 54\r\nConnection: close\r\n\r\n\
          <Error><Code>PermanentRedirect</Code><Message/></Error>",
    )
    .await;
    let failure = look(address, Feature::Tags).await.unwrap_err();
    assert_eq!(failure.reason(), Reason::WrongRegion);
    assert!(failure.message().contains("eu-central-1"), "{}", failure.message());
}

#[tokio::test]
async fn a_store_that_asks_for_less_is_asked_less() {
    let (address, _) = server(
        b"HTTP/1.1 503 Slow Down\r\nContent-Length: 68\r\nConnection: close\r\n\r\n\
          <Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>",
    )
    .await;
    let folder = credentials();
    let (store, counts) = store(address, &folder);
    let failure = store
        .observe("portal", &BTreeSet::from([Feature::Tags]))
        .await
        .unwrap_err();
    assert!(failure.is_throttled(), "{}", failure.message());
    assert_eq!(*counts.0.lock().unwrap(), [("GetBucketTagging", "throttled")]);
}

#[tokio::test]
async fn requests_name_the_bucket_in_the_path_and_us() {
    let (address, heard) = server(
        b"HTTP/1.1 200 OK\r\nContent-Length: 93\r\nConnection: close\r\n\r\n\
          <Tagging><TagSet><Tag><Key>ras.dev/drive</Key><Value>placements</Value></Tag></TagSet></Tagging>",
    )
    .await;
    let seen = look(address, Feature::Tags).await;
    let request = heard.lock().unwrap().remove(0);
    assert!(request.starts_with("GET /portal/?tagging "), "{request}");
    assert!(
        request.contains(concat!("app/ras-operator-", env!("CARGO_PKG_VERSION"))),
        "{request}"
    );
    assert!(
        request.contains("Credential=AKIAIOSFODNN7EXAMPLE/"),
        "trimmed: {request}"
    );
    let tags = seen.unwrap().tags;
    assert_eq!(tags.known().unwrap()["ras.dev/drive"], "placements");
}

#[tokio::test]
async fn a_store_that_ignores_what_was_asked_lacks_it() {
    let (address, _) = server(
        b"HTTP/1.1 200 OK\r\nContent-Length: 105\r\nConnection: close\r\n\r\n\
          <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>portal</Name></ListBucketResult> ",
    )
    .await;
    let seen = look(address, Feature::Cors).await.unwrap();
    assert_eq!(seen.cors, Seen::Lacking);
}

#[tokio::test]
async fn nobody_there_and_no_credentials_are_two_things() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = look(address.clone(), Feature::Tags).await.unwrap_err();
    assert!(
        failure.is_unreachable() && failure.message().contains("objectStore.endpoint"),
        "{}",
        failure.message()
    );
    let failure = look("http://no-such-host.invalid".to_owned(), Feature::Tags)
        .await
        .unwrap_err();
    assert!(
        failure.is_unreachable() && failure.message().contains("cannot be reached"),
        "{}",
        failure.message()
    );

    let empty = tempfile::tempdir().unwrap();
    let (store, _) = store(address, &empty);
    let failure = store
        .observe("portal", &BTreeSet::from([Feature::Tags]))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.reason(), failure.is_unreachable()),
        (Reason::StoreDenied, false)
    );
    assert!(failure.message().contains("AWS_ACCESS_KEY_ID"), "{}", failure.message());
}

#[tokio::test]
async fn a_file_of_authorities_has_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let connect = || {
        let config = ObjectStoreConfig {
            ca_file: Some(file.clone()),
            ..ObjectStoreConfig::default()
        };
        S3Store::connect(&config, Arc::new(RateLimiter::new(1)), Arc::new(Counts::default()))
    };
    assert!(connect().unwrap_err().to_string().contains("cannot be read"));
    std::fs::write(&file, "hello").unwrap();
    assert!(
        connect()
            .unwrap_err()
            .to_string()
            .contains("ca.pem holds no certificate")
    );
}

#[tokio::test]
async fn the_rate_is_halved_after_a_throttle() {
    let rate_limiter = RateLimiter::new(50);
    let start = Instant::now();
    for _ in 0..60 {
        rate_limiter.acquire().await;
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(190), "{took:?}");
    rate_limiter.slow_down();
    let start = Instant::now();
    for _ in 0..5 {
        rate_limiter.acquire().await;
    }
    assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
}

/// A server that begins every answer with `head` and then never stops sending `more`. Also how many bytes it could send.
async fn endless(head: &'static [u8], more: &'static [u8]) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut request = vec![0; 8_192];
                let _ = connection.read(&mut request).await;
                let _ = connection.write_all(head).await;
                let chunk = more.repeat(65_536 / more.len());
                while connection.write_all(&chunk).await.is_ok() {
                    count.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                }
            });
        }
    });
    (address, sent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_never_ends_is_not_kept() {
    let heads: [(&'static [u8], &'static [u8]); 4] = [
        (
            &b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<ListBucketResult>"[..],
            &b"<Contents><Key>k</Key></Contents>"[..],
        ),
        (
            b"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n<Error><Message>",
            b"word ",
        ),
        (
            b"HTTP/1.1 403 No\r\nContent-Length: 99999999999\r\n\r\n<Error>",
            b"<Code>A</Code>",
        ),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>", b"<p>"),
    ];
    for (head, more) in heads {
        let folder = credentials();
        let (address, sent) = endless(head, more).await;
        let (store, _) = store(address, &folder);
        let began = Instant::now();
        let failures = [
            store
                .observe("portal", &BTreeSet::from([Feature::Tags]))
                .await
                .map(drop),
            store
                .observe("portal", &BTreeSet::from([Feature::Policy]))
                .await
                .map(drop),
            store.list("portal", Listing::Versions, None).await.map(drop),
            store.execute("portal", &BucketStep::Versioning(true)).await,
            store.delete_bucket("portal").await,
        ];
        for failure in failures {
            let failure = failure.unwrap_err();
            assert!(failure.is_unreachable(), "{}", failure.message());
            assert!(failure.message().contains("16 MiB"), "{}", failure.message());
        }
        let sent = sent.load(Ordering::Relaxed);
        // What the kernel's buffers take in addition.
        assert!(sent < 5 * (24 << 20), "{sent}");
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }
}
