//! Converts the SDK's errors.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::failure::{Answer, Failure, Transport};
use crate::operation::Operation;
use crate::s3::answer_limit::is_too_long;
use ras_core::plain_text::plain_line;

pub(super) fn failure<E>(operation: Operation, bucket: &str, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let unanswered = |transport| Failure::unanswered(operation, bucket, transport);
    if is_too_long(error) {
        return unanswered(Transport::TooLong);
    }
    if let Some(response) = error.raw_response() {
        let status = response.status().as_u16();
        let body = response.body().bytes().unwrap_or_default();
        if (200..300).contains(&status) {
            return if operation.is_reading() && is_another_answer(body) {
                // The store treated the request as another one: it does not support this part of S3.
                Failure::unsupported(operation, bucket)
            } else {
                unanswered(Transport::NotS3)
            };
        }
        return Failure::answered(
            operation,
            bucket,
            Answer {
                status: Some(status),
                code: error.code().map(ToOwned::to_owned),
                message: error.message().map(ToOwned::to_owned),
                region: response
                    .headers()
                    .get("x-amz-bucket-region")
                    .map(ToOwned::to_owned)
                    .or_else(|| element(body, "Region")),
            },
        );
    }
    if let Some(why) = no_credentials(error) {
        return unanswered(Transport::NoCredentials(why));
    }
    let chain = chain(error);
    let transport = match error {
        SdkError::TimeoutError(_) => Transport::TimedOut,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Transport::TimedOut,
        SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => by_words(&chain),
        // The request could not be built, for instance because of the bucket's name.
        _ => {
            return Failure::answered(
                operation,
                bucket,
                Answer {
                    code: Some("InvalidRequest".to_owned()),
                    message: Some(chain),
                    ..Answer::default()
                },
            );
        }
    };
    unanswered(transport)
}

/// The SDK distinguishes kinds of connection errors by their messages only.
fn by_words(chain: &str) -> Transport {
    let words = chain.to_ascii_lowercase();
    let has = |any: &[&str]| any.iter().any(|word| words.contains(word));
    let last = || plain_line(chain.rsplit(": ").next().unwrap_or(chain), 300);
    if has(&["unknownissuer", "unknown issuer", "selfsigned", "self-signed"]) {
        Transport::UnknownAuthority
    } else if has(&["certificate", "tls", "handshake", "corrupt message"]) {
        Transport::Tls(last())
    } else if has(&["timed out", "timeout"]) {
        Transport::TimedOut
    } else if has(&[
        "dns",
        "lookup",
        "resolve",
        "refused",
        "unreachable",
        "no route",
        "tcp connect",
    ]) {
        Transport::NoConnection(last())
    } else if has(&["invalid http", "parse", "invalid uri"]) {
        Transport::NotS3
    } else {
        Transport::Closed
    }
}

fn no_credentials(error: &(dyn Error + 'static)) -> Option<String> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(error) = error.downcast_ref::<CredentialsError>() {
            // The outer error has no details.
            return Some(plain_line(
                &error.source().map_or_else(|| error.to_string(), ToString::to_string),
                600,
            ));
        }
        at = error.source();
    }
    None
}

/// The messages of an error and its sources, from the outside in.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut at = error.source();
    while let Some(error) = at {
        words.push_str(": ");
        words.push_str(&error.to_string());
        at = error.source();
    }
    words
}

/// The body answers another request, mostly a listing: the store ignores parameters that it does not support. An invalid
/// document of the right kind says nothing about supported features.
fn is_another_answer(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body.get(..512).unwrap_or(body));
    let elements = text.split('<').skip(1);
    let root = elements
        .filter_map(|element| {
            element
                .split(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))
                .next()
        })
        .find(|name| !name.starts_with(['?', '!']));
    // moto's answer for versioning is a `GetBucketVersioningResponse`.
    root.is_some_and(|name| name.ends_with("Result") || name.ends_with("Response"))
}

/// The text of an element in a small document.
fn element(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once("</")?;
    Some(inside.to_owned()).filter(|inside| inside.len() <= 64 && !inside.is_empty())
}
