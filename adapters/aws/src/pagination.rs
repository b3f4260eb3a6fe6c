//! Going through the pages of a listing.
//!
//! The SDK has paginators; they are not used here because they ask for the next page without
//! waiting for the action's turn, and stop in silence when a server repeats its token. Half a
//! listing must never pass for a whole one.

use super::api_call::ApiCall;
use super::error::bad_answer;
use steward::cloud::CloudError;

/// Where in a listing we are.
pub(super) struct Pages {
    call: ApiCall,
    next: Option<Option<String>>,
}

impl Pages {
    /// Before the first page.
    pub(super) fn of(call: ApiCall) -> Self {
        Self { call, next: Some(None) }
    }

    /// The token to ask the next page with, which the first page has none of; `None` when the
    /// listing is complete.
    pub(super) fn next(&self) -> Option<Option<String>> {
        self.next.clone()
    }

    /// Turns the page: `token` is what the last answer gave for the next one. An empty token
    /// ends a listing as an absent one does.
    pub(super) fn turn(&mut self, token: Option<String>) -> Result<(), CloudError> {
        let token = token.filter(|token| !token.is_empty());
        if token.is_some() && self.next.as_ref() == Some(&token) {
            let message = "the listing does not go on: two pages end with the same token".into();
            return Err(bad_answer(self.call, message));
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
    fn a_listing_that_does_not_go_on_is_an_error() {
        let mut pages = Pages::of(ApiCall::DescribeImages);
        pages.turn(Some("2".into())).unwrap();
        let error = pages.turn(Some("2".into())).unwrap_err();
        assert!(error.to_string().starts_with("ec2:DescribeImages: the listing"), "{error}");
    }
}
