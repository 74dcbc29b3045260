//! Bounds the size of answers.

use std::error::Error;

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::primitives::SdkBody;
use http_body_util::{LengthLimitError, Limited};

/// The longest answer that S3 allows is a page of 1,000 keys of 1,024 bytes, each byte of which may be written as six: this is
/// more than twice that.
pub(super) const MAX_ANSWER: usize = 16 << 20;

/// Ends an answer that is longer than [`MAX_ANSWER`]. The SDK collects the body of every answer, also of an error, in memory
/// before it decodes it: without a bound the server decides how much memory and time that takes.
#[derive(Debug)]
pub(super) struct AnswerLimit;

impl Intercept for AnswerLimit {
    fn name(&self) -> &'static str {
        "AnswerLimit"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let body = context.response_mut().body_mut();
        let whole = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(whole, MAX_ANSWER));
        Ok(())
    }
}

/// An error that [`AnswerLimit`] caused.
pub(super) fn is_too_long(error: &(dyn Error + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        if error.is::<LengthLimitError>() {
            return true;
        }
        at = error.source();
    }
    false
}
