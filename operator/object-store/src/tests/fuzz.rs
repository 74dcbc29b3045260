//! Answers of an S3 server, changed at random: none makes the operator panic or wait, and none shows a control character.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::s3::{credentials, store};
use crate::store::{Listing, ObjectStore};
use ras_core::bucket::request::Feature;

const ANSWERS: [&str; 5] = [
    "<ListVersionsResult><Version><Key>a</Key><VersionId>1</VersionId><Size>5</Size></Version><IsTruncated>false</IsTruncated></ListVersionsResult>",
    "<Error><Code>AccessDenied</Code><Message>no</Message><Region>eu-west-1</Region></Error>",
    "<Tagging><TagSet><Tag><Key>ras.dev/drive</Key><Value>d</Value></Tag></TagSet></Tagging>",
    "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    "{\"Version\":\"2012-10-17\",\"Statement\":[]}",
];
const PIECES: [&str; 14] = [
    "<",
    ">",
    "</",
    "&",
    "&#0;",
    "&#x202e;",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "<![CDATA[",
    "\u{1b}[31m",
    "\u{202e}",
    "\0",
    "99999999999999999999",
    "<Code>",
    "\r\n\r\n",
];

/// Status, which answer, what is put into it and where, and how much of it arrives.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::collection::vec((any::<Index>(), prop::sample::select(PIECES.to_vec())), 0..5);
    let status = prop::sample::select(vec![200, 204, 301, 400, 403, 404, 412, 500, 503]);
    (
        status,
        prop::sample::select(ANSWERS.to_vec()),
        pieces,
        any::<Index>(),
        any::<bool>(),
    )
        .prop_map(|(status, answer, pieces, end, cut)| {
            let mut body = answer.as_bytes().to_vec();
            for (at, piece) in pieces {
                let at = at.index(body.len() + 1);
                body.splice(at..at, piece.bytes());
            }
            if cut {
                body.truncate(end.index(body.len() + 1));
            }
            let mut whole = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n\r\n").into_bytes();
            whole.extend(body);
            whole
        })
}

async fn server(answers: Arc<Mutex<Vec<u8>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = vec![0; 8_192];
            let _ = connection.read(&mut request).await;
            let answer = answers.lock().unwrap().clone();
            let _ = connection.write_all(&answer).await;
        }
    });
    address
}

#[tokio::test]
async fn no_changed_answer_makes_the_client_panic_or_shows_control_characters() {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|count| count.parse().ok());
    let mut runner = TestRunner::default();
    let answers = Arc::new(Mutex::new(Vec::new()));
    let address = server(Arc::clone(&answers)).await;
    let folder = credentials();
    let (store, _) = store(address, &folder);
    for _ in 0..cases.unwrap_or(24_u32) {
        let one = answer().new_tree(&mut runner).unwrap().current();
        answers.lock().unwrap().clone_from(&one);
        let features = BTreeSet::from([Feature::Tags, Feature::Versioning]);
        let asked = async {
            [
                store.observe("portal", &features).await.map(drop),
                store.list("portal", Listing::Versions, None).await.map(drop),
            ]
        };
        // Paused between tries, as a store that is busy may ask for.
        let Ok(results) = tokio::time::timeout(Duration::from_secs(60), asked).await else {
            panic!("it waits for {:?}", String::from_utf8_lossy(&one));
        };
        for failure in results.into_iter().filter_map(Result::err) {
            let message = failure.message();
            let is_plain = !message.chars().any(|c| c.is_control() || c == '\u{202e}');
            assert!(is_plain, "{message:?} for {:?}", String::from_utf8_lossy(&one));
        }
    }
}
