//! Refusing half an answer.
//!
//! The SDK takes XML that ends in the middle for a whole answer that merely says little: a listing
//! cut short by something on the way would be a shorter listing, or an empty one, and images in
//! use would look unused. What EC2 and Auto Scaling say ends with the end of the element that it
//! began with.

use std::sync::Arc;

use aws_sdk_ec2::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::BoxError;
use steward::progress::{Progress, ProgressEvent};
use steward::text_fmt::thousands;

/// Fails every call whose answer is a success but does not come to its end.
#[derive(Debug, Clone)]
pub(super) struct TruncationCheck(pub(super) Arc<dyn Progress>);

impl Intercept for TruncationCheck {
    fn name(&self) -> &'static str {
        "TruncationCheck"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        // 503 is how EC2 says RequestLimitExceeded.
        if response.status().is_server_error() {
            self.0.report(ProgressEvent::Throttled);
        }
        let body = response.body().bytes().unwrap_or_default();
        // Errors have codes, and are told apart by them.
        if response.status().is_success() && !is_whole(body) {
            return Err(format!("truncated response ({} bytes)", thousands(body.len())).into());
        }
        Ok(())
    }
}

/// Whether the text ends with `</…Response>`.
fn is_whole(body: &[u8]) -> bool {
    let body = body.trim_ascii_end();
    let last = body.iter().rposition(|byte| *byte == b'<').and_then(|at| body.get(at..));
    last.is_some_and(|tag| tag.starts_with(b"</") && tag.ends_with(b"Response>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_ends_with_the_end_of_its_root() {
        for (body, whole) in [
            ("<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>", true),
            ("<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>\n", true),
            ("<DescribeImagesResponse><imagesSet>", false),
            ("<DescribeImagesResponse>", false),
            ("<DescribeImagesResponse><imagesSet></imagesSet></DescribeImagesResp", false),
            ("<html></html>", false),
            ("", false),
        ] {
            assert_eq!(is_whole(body.as_bytes()), whole, "{body}");
        }
    }
}
