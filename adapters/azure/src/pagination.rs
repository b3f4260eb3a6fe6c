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

#[cfg(test)]
mod tests {
    use azure_core::error::ErrorKind as SdkErrorKind;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use steward::cloud::ErrorKind;

    use super::*;
    use crate::testing::{CALL, HERE, PATH, QUERY, Server, TestReply, run};

    fn page(items: &[u32], next: &Value) -> TestReply {
        TestReply::new(200, json!({"value": items, "nextLink": next}).to_string())
    }

    fn read(answers: impl IntoIterator<Item = TestReply>) -> Result<Vec<u32>, CloudError> {
        run(Server::with(answers).client().list(CALL, PATH, QUERY))
    }

    #[test]
    fn links_are_followed_as_they_are() {
        let link =
            format!("{HERE}/Subscriptions/s/x?api-version=1&$skiptoken=a%2Fb+c%3D%3D&$top=1");
        let server = Server::with([page(&[1], &json!(link)), page(&[2, 3], &Value::Null)]);
        let found: Vec<u32> = run(server.client().list(CALL, PATH, QUERY)).unwrap();
        assert_eq!(found, [1, 2, 3]);
        assert_eq!(server.urls(), [format!("{HERE}{PATH}?api-version=2026-04-01"), link]);
    }

    #[test]
    fn a_listing_ends_without_a_link_or_with_an_empty_one() {
        for body in [
            r#"{"value": [1]}"#,
            r#"{"value": [1], "nextLink": null}"#,
            r#"{"value": [1], "nextLink": ""}"#,
            r#"{"value": [1], "error": null, "count": 1}"#,
        ] {
            assert_eq!(read([TestReply::new(200, body)]), Ok(vec![1]), "{body}");
        }
    }

    #[test]
    fn an_incomplete_page_is_an_error() {
        for (body, problem) in [
            ("{}", "missing field `value`"),
            (r#"{"nextLink": ""}"#, "missing field `value`"),
            (r#"{"value": null}"#, "null, expected a sequence in `value`"),
            (r#"{"value": {}}"#, "expected a sequence in `value`"),
            (r#"{"value": [1, "2"]}"#, "expected u32 in `value[1]`"),
            (r#"{"value": [], "nextLink": 7}"#, "expected a string in `nextLink`"),
            (r#"{"value": [], "nextLink": {}}"#, "expected a string in `nextLink`"),
            (r#"{"value": [], "value": [1]}"#, "`value` twice"),
            (r#"{"value": [1], "error": {"code": "x"}}"#, "the page contains an error"),
            ("[]", "not a JSON object"),
        ] {
            let error = read([TestReply::new(200, body)]).unwrap_err();
            assert_eq!((error.call, error.kind), (CALL, ErrorKind::Other));
            assert!(error.message.contains(problem), "{body}: {error}");
        }
    }

    #[test]
    fn a_link_to_another_host_is_not_followed() {
        for link in [
            "http://127.0.0.1:8443/a",
            "https://127.0.0.1/a",
            "https://127.0.0.1:8444/a",
            "https://localhost:8443/a",
            "https://127.0.0.1:8443@example.com/a",
            "/subscriptions/s?$skiptoken=a",
        ] {
            // The server has no second answer, so a second request would fail the test.
            let error = read([page(&[1], &json!(link))]).unwrap_err();
            assert!(error.message.starts_with("the link to the next page is not followed: it"));
            assert!(!error.message.contains("skiptoken"), "{error}");
        }
    }

    #[test]
    fn a_repeated_link_is_an_error() {
        let to = |name: &str| json!(format!("{HERE}/{name}"));
        for links in [&["a", "a"][..], &["a", "b", "a"], &["a", "b", "c", "b"]] {
            let error = read(links.iter().map(|link| page(&[1], &to(link)))).unwrap_err();
            assert_eq!(error.message, STALLED, "{links:?}");
        }
    }

    #[test]
    fn a_status_other_than_200_is_an_error() {
        for status in [201, 202, 204, 206, 301, 302, 304] {
            let link = format!("{HERE}/elsewhere");
            let answer = TestReply::new(status, r#"{"value": []}"#).with("location", link);
            let error = read([answer]).unwrap_err();
            assert_eq!(error.message, format!("unexpected HTTP status {status}"));
        }
        assert_eq!(
            read([TestReply::error(404, "ResourceNotFound")]).unwrap_err().kind,
            ErrorKind::NotFound
        );
    }

    /// Pages with random items. Each link leads to the next page.
    fn pages() -> impl Strategy<Value = Vec<Vec<u32>>> {
        prop::collection::vec(prop::collection::vec(0..1000u32, 0..4), 1..6)
    }

    fn serve(pages: &[Vec<u32>]) -> Vec<String> {
        let last = pages.len() - 1;
        let link = |at: usize| (at < last).then(|| format!("{HERE}/pages?$skiptoken={at}"));
        let body = |(at, items)| json!({"value": items, "nextLink": link(at)}).to_string();
        pages.iter().enumerate().map(body).collect()
    }

    proptest! {
        #[test]
        fn all_pages_are_read_in_order(pages in pages()) {
            let answers = serve(&pages).into_iter().map(|body| TestReply::new(200, body));
            prop_assert_eq!(read(answers), Ok(pages.concat()));
        }

        #[test]
        fn a_listing_is_complete_or_an_error(
            pages in pages(),
            broken in any::<prop::sample::Index>(),
            cut in any::<prop::sample::Index>(),
            fault in 0..5,
        ) {
            let mut bodies = serve(&pages);
            let at = broken.index(bodies.len());
            let length = cut.index(bodies[at].len());
            let mut answers: Vec<TestReply> = Vec::new();
            for (number, body) in bodies.drain(..).enumerate() {
                answers.extend(match fault {
                    _ if number != at => vec![TestReply::new(200, body)],
                    // The whole listing fails.
                    0 => vec![TestReply::new(200, &body[..length])],
                    1 => vec![TestReply::error(403, "AuthorizationFailed")],
                    2 => vec![TestReply::Break, TestReply::Break, TestReply::Break, TestReply::Break],
                    // Another attempt succeeds.
                    3 => vec![TestReply::Fail(SdkErrorKind::Io), TestReply::new(200, body)],
                    _ => vec![TestReply::error(429, "TooManyRequests"), TestReply::new(200, body)],
                });
            }
            let found = read(answers);
            match fault {
                0..=2 => prop_assert!(found.is_err()),
                _ => prop_assert_eq!(found, Ok(pages.concat())),
            }
        }
    }
}
