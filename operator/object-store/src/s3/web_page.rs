//! Rejects web pages as answers.

use std::error::Error;

use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};

/// Fails on an answer that is a web page. The login page of a proxy often has the status 200, and the SDK checks nothing but
/// the status of most writes: a bucket that still exists would count as removed.
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

/// The Content-Type does not show it: some servers send `text/html` with every empty answer.
fn is_web_page(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"].iter().any(|words| {
        start
            .get(..words.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(words))
    })
}
