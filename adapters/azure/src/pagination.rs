//! Reading listings page by page.
//!
//! Each page is `{"value": […], "nextLink": "…"}`. A partial listing must never count as complete:
//! a page without `value`, and a link that is not followed, are errors. A listing ends without
//! `nextLink`, or with `null` or an empty text, as in the clients of the SDKs.

use std::collections::HashSet;

use azure_core::http::Method;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use steward::cloud::CloudError;

use crate::client::Client;
use crate::error::bad_response;
use crate::response_check::parse;
use crate::send::Outgoing;

pub(crate) const STALLED: &str = "pagination stalled: the same link was returned twice";

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
struct Page<T> {
    value: Vec<T>,
    #[serde(rename = "nextLink")]
    next_link: Option<String>,
    /// Not part of a page. If there is one, the page is not complete.
    error: Option<IgnoredAny>,
}

impl Client {
    /// Reads all pages of a listing.
    ///
    /// # Errors
    /// Any page failed or is incomplete, or a link leads to another host.
    pub async fn list<T: DeserializeOwned + Send>(
        &self,
        call: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, CloudError> {
        let mut url = self.url(call, path, query)?;
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let reply = self.send(Outgoing::new(call, Method::Get, url)).await?.expect(&[200])?;
            let page: Page<T> = parse(&reply)?;
            if page.error.is_some() {
                return Err(bad_response(call, "the page contains an error".to_owned()));
            }
            found.extend(page.value);
            let Some(link) = page.next_link.filter(|link| !link.is_empty()) else {
                return Ok(found);
            };
            url = self.inner.endpoint.link(&link).map_err(|problem| {
                bad_response(call, format!("the link to the next page is not followed: {problem}"))
            })?;
            if !seen.insert(link) {
                return Err(bad_response(call, STALLED.to_owned()));
            }
        }
    }
}
