//! A web page is no answer of S3's, whatever its status says.

use std::error::Error;

use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};

/// Takes an answer that is a web page for a failure. A login page before a store, or a proxy's page, is often sent with 200,
/// and of most writes the SDK looks at nothing but the status: a bucket would be taken for removed that is there.
#[derive(Debug)]
pub(super) struct NoWebPage;

impl Intercept for NoWebPage {
    fn name(&self) -> &'static str {
        "NoWebPage"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let response = context.response();
        let body = response.body().bytes().unwrap_or_default();
        if response.status().is_success() && is_web_page(body) {
            return Err("a web page".into());
        }
        Ok(())
    }
}

/// Not by its Content-Type: there are servers that call every empty answer `text/html`.
fn is_web_page(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"].iter().any(|words| {
        start
            .get(..words.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(words))
    })
}
