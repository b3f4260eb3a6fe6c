//! Reading listings page by page.
//!
//! The paginators of the SDK are not used. They request the next page without waiting for the rate
//! limit, and stop silently if the server repeats a token. A partial listing must never count as
//! complete.

use std::collections::BTreeSet;
use std::error::Error;
use std::future::Future;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::Filter;
use steward::cloud::CloudError;

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_response;

/// The maximum number of values in an EC2 filter.
pub(super) const FILTER_VALUES: usize = 200;

/// A filter for resources that have one of these values, at most [`FILTER_VALUES`].
pub(super) fn filter<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> Filter {
    let values = values.map(str::to_owned).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// The position in a listing.
struct Pages {
    call: ApiCall,
    next: Option<Option<String>>,
    /// All tokens that the listing returned.
    seen: BTreeSet<String>,
}

impl Aws {
    /// Reads a listing page by page. `request` requests the page for a token, `None` for the first
    /// page. `take` processes a page and returns the token of the next one.
    pub(super) async fn each_page<P, E, F>(
        &self,
        call: ApiCall,
        request: impl Fn(Option<String>) -> F + Send,
        mut take: impl FnMut(P) -> Result<Option<String>, CloudError> + Send,
    ) -> Result<(), CloudError>
    where
        E: ProvideErrorMetadata + Error + 'static,
        F: Future<Output = Result<P, SdkError<E>>> + Send,
    {
        let mut pages = Pages::of(call);
        while let Some(token) = pages.next() {
            let page = self.send(call, request(token)).await?;
            pages.turn(take(page)?)?;
        }
        Ok(())
    }

    /// Reads a listing into one list. `parts` returns the items of a page and the token of the next
    /// page. `convert` converts an item, or drops it.
    pub(super) async fn list<P, I, T, E, F>(
        &self,
        call: ApiCall,
        request: impl Fn(Option<String>) -> F + Send,
        parts: impl Fn(P) -> (Option<Vec<I>>, Option<String>) + Send + Sync,
        convert: impl Fn(I) -> Result<Option<T>, CloudError> + Send + Sync,
    ) -> Result<Vec<T>, CloudError>
    where
        T: Send,
        E: ProvideErrorMetadata + Error + 'static,
        F: Future<Output = Result<P, SdkError<E>>> + Send,
    {
        let mut found = Vec::new();
        let take = |page| {
            let (items, token) = parts(page);
            for item in self.listed(call, items)? {
                found.extend(convert(item)?);
            }
            Ok(token)
        };
        self.each_page(call, request, take).await?;
        Ok(found)
    }

    /// The list in a response to `call`. AWS sends an empty list if there is nothing to list, so a
    /// missing list is an error, unless the policy accepts it for this call.
    pub(super) fn listed<T>(
        &self,
        call: ApiCall,
        list: Option<Vec<T>>,
    ) -> Result<Vec<T>, CloudError> {
        match list {
            Some(list) => Ok(list),
            None if self.absent_is_empty.contains(&call) => Ok(Vec::new()),
            None => Err(absent(call)),
        }
    }
}

/// The error for a response to `call` without its list.
fn absent(call: ApiCall) -> CloudError {
    let remedy = if ApiCall::UNRECORDED.contains(&call) {
        format!(
            "; if the account has no such resources, set safety.absent_is_empty = [\"{}\"]",
            call.name()
        )
    } else {
        String::new()
    };
    bad_response(call, format!("the response contains no list{remedy}"))
}

impl Pages {
    /// The position before the first page.
    fn of(call: ApiCall) -> Self {
        Self { call, next: Some(None), seen: BTreeSet::new() }
    }

    /// The token for the next page, `Some(None)` for the first page. `None` if the listing is complete.
    fn next(&self) -> Option<Option<String>> {
        self.next.clone()
    }

    /// Moves to the next page. `token` is from the last response. An empty or missing token ends the
    /// listing. A repeated token is an error, because the listing would never end.
    fn turn(&mut self, token: Option<String>) -> Result<(), CloudError> {
        let token = token.filter(|token| !token.is_empty());
        if let Some(token) = &token
            && !self.seen.insert(token.clone())
        {
            let message = "pagination stalled: the same token was returned twice".into();
            return Err(bad_response(self.call, message));
        }
        self.next = token.map(Some);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_ends_without_a_token_or_with_an_empty_one() {
        for end in [None, Some(String::new())] {
            let mut pages = Pages::of(ApiCall::DescribeImages);
            assert_eq!(pages.next(), Some(None));
            pages.turn(Some("2".into())).unwrap();
            assert_eq!(pages.next(), Some(Some("2".into())));
            pages.turn(end).unwrap();
            assert_eq!(pages.next(), None);
        }
    }

    #[test]
    fn a_token_that_was_given_before_is_an_error() {
        for tokens in [&["A", "A"][..], &["A", "B", "A"], &["A", "B", "C", "B"]] {
            let mut pages = Pages::of(ApiCall::DescribeImages);
            let (last, first) = tokens.split_last().unwrap();
            for token in first {
                pages.turn(Some((*token).into())).unwrap();
            }
            let error = pages.turn(Some((*last).into())).unwrap_err().to_string();
            assert!(error.starts_with("ec2:DescribeImages: pagination stalled"), "{error}");
        }
    }
}
