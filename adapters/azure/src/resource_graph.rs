//! Queries of Azure Resource Graph over subscriptions.
//!
//! Resource Graph omits subscriptions that the credentials cannot read, without a warning, and lags
//! behind by an unstated time. So its result may show that an image is in use, and never that it is
//! not.

use std::collections::HashSet;

use azure_core::http::Method;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use steward::cloud::CloudError;

use crate::client::Client;
use crate::error::bad_response;
use crate::response_check::parse;

/// The call, which is also its permission.
const CALL: &str = "Microsoft.ResourceGraph/resources/read";
const PATH: &str = "/providers/Microsoft.ResourceGraph/resources";
const API_VERSION: (&str, &str) = ("api-version", "2021-03-01");
/// GraphPage per page. It is not verified that this is the maximum.
const PAGE: u32 = 1_000;
/// Subscriptions per query.
const MAX_SUBSCRIPTIONS: usize = 1_000;

/// A row that is not read into a type of its own.
pub type GraphFields = serde_json::Map<String, serde_json::Value>;

#[derive(Serialize)]
struct Query<'a> {
    subscriptions: &'a [&'a str],
    query: &'a str,
    options: QueryOptions<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QueryOptions<'a> {
    #[serde(rename = "$top")]
    top: u32,
    #[serde(rename = "$skipToken", skip_serializing_if = "Option::is_none")]
    skip_token: Option<&'a str>,
    result_format: &'static str,
    allow_partial_scopes: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "T: DeserializeOwned"))]
struct GraphPage<T> {
    total_records: u64,
    count: u64,
    result_truncated: String,
    #[serde(rename = "$skipToken")]
    skip_token: Option<String>,
    data: Vec<T>,
}

impl Client {
    /// Runs a query over `subscriptions` and reads all rows. The query has to return the column
    /// `id`, because Resource Graph truncates the result otherwise.
    ///
    /// # Errors
    /// The result is not complete, or there are no subscriptions.
    pub async fn query_resource_graph<T: DeserializeOwned + Send>(
        &self,
        subscriptions: &[&str],
        query: &str,
    ) -> Result<Vec<T>, CloudError> {
        if subscriptions.is_empty() {
            // Without subscriptions, the query would be about the whole tenant.
            return Err(bad_response(CALL, "the query names no subscription".to_owned()));
        }
        let mut found = Vec::new();
        for some in subscriptions.chunks(MAX_SUBSCRIPTIONS) {
            self.query_rows(some, query, &mut found).await?;
        }
        Ok(found)
    }

    async fn query_rows<T: DeserializeOwned + Send>(
        &self,
        subscriptions: &[&str],
        query: &str,
        found: &mut Vec<T>,
    ) -> Result<(), CloudError> {
        let before = found.len();
        let mut token: Option<String> = None;
        let mut seen = HashSet::new();
        loop {
            let options = QueryOptions {
                top: PAGE,
                skip_token: token.as_deref(),
                result_format: "objectArray",
                allow_partial_scopes: false,
            };
            let body = Query { subscriptions, query, options };
            let rows: GraphPage<T> = self.query_page(&body).await?;
            check_page(&rows).map_err(|problem| bad_response(CALL, problem))?;
            found.extend(rows.data);
            let next = rows.skip_token.filter(|token| !token.is_empty());
            let Some(next) = next else {
                let read = u64::try_from(found.len() - before).unwrap_or(u64::MAX);
                if read < rows.total_records {
                    let total = rows.total_records;
                    let message = format!("incomplete result: {read} of {total} rows");
                    return Err(bad_response(CALL, message));
                }
                return Ok(());
            };
            if !seen.insert(next.clone()) {
                let message = "pagination stalled: the same token was returned twice";
                return Err(bad_response(CALL, message.to_owned()));
            }
            token = Some(next);
        }
    }

    async fn query_page<T: DeserializeOwned>(
        &self,
        body: &Query<'_>,
    ) -> Result<GraphPage<T>, CloudError> {
        let outgoing = self.with_body(CALL, Method::Post, PATH, &[API_VERSION], body)?;
        let reply = self.send(outgoing).await?.expect(&[200])?;
        let limit = reply.header("x-ms-tenant-subscription-limit-hit");
        if limit.is_some_and(|value| !value.trim().eq_ignore_ascii_case("false")) {
            let message = "incomplete result: there are too many subscriptions";
            return Err(bad_response(CALL, message.to_owned()));
        }
        parse(&reply)
    }
}

/// Checks that a page is complete by its own numbers.
fn check_page<T>(rows: &GraphPage<T>) -> Result<(), String> {
    let has_more = rows.skip_token.as_deref().is_some_and(|token| !token.is_empty());
    if usize::try_from(rows.count) != Ok(rows.data.len()) {
        return Err(format!(
            "incomplete result: {} of {} rows in a page",
            rows.data.len(),
            rows.count
        ));
    }
    match rows.result_truncated.to_ascii_lowercase().as_str() {
        "false" => Ok(()),
        "true" if has_more => Ok(()),
        "true" => Err("incomplete result: it is truncated, and has no next page".to_owned()),
        other => Err(format!("unknown value `{other}` of `resultTruncated`")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{HERE, Server, TestReply, run};

    const KQL: &str = "resources | where type =~ 'microsoft.compute/virtualmachines' | project id";

    fn page(ids: &[u32], total: usize, token: Option<&str>, truncated: &str) -> Value {
        let data: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        let mut page = json!({
            "totalRecords": total,
            "count": ids.len(),
            "resultTruncated": truncated,
            "data": data,
            "facets": [],
        });
        if let Some(token) = token {
            page["$skipToken"] = token.into();
        }
        page
    }

    fn query(answers: impl IntoIterator<Item = TestReply>) -> Result<Vec<GraphFields>, CloudError> {
        run(Server::with(answers).client().query_resource_graph(&["s1", "s2"], KQL))
    }

    fn answer(page: &Value) -> TestReply {
        TestReply::new(200, page.to_string())
    }

    #[test]
    fn all_pages_of_a_query_are_read() {
        let server = Server::with([
            answer(&page(&[1, 2], 3, Some("t1"), "true")),
            answer(&page(&[3], 3, None, "false")),
        ]);
        let client = server.client();
        let found: Vec<GraphFields> = run(client.query_resource_graph(&["s1", "s2"], KQL)).unwrap();
        assert_eq!(found.iter().map(|row| &row["id"]).collect::<Vec<_>>(), [1, 2, 3]);
        let [first, second] = &server.received()[..] else { panic!("two queries") };
        assert_eq!(
            first.url,
            format!("{HERE}/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01")
        );
        let mut body: Value = serde_json::from_str(&first.body).unwrap();
        assert_eq!(
            body,
            json!({
                "subscriptions": ["s1", "s2"],
                "query": KQL,
                "options": {"$top": 1000, "resultFormat": "objectArray", "allowPartialScopes": false},
            })
        );
        body["options"]["$skipToken"] = "t1".into();
        assert_eq!(serde_json::from_str::<Value>(&second.body).unwrap(), body);
    }

    #[test]
    fn an_incomplete_result_is_an_error() {
        let mut wrong_count = page(&[1], 1, None, "false");
        wrong_count["count"] = 2.into();
        for (page, problem) in [
            (page(&[1], 1, None, "true"), "it is truncated, and has no next page"),
            (page(&[1], 1, Some(""), "true"), "it is truncated, and has no next page"),
            (page(&[1], 1, None, "maybe"), "unknown value `maybe`"),
            (page(&[1], 2, None, "false"), "incomplete result: 1 of 2 rows"),
            (wrong_count, "1 of 2 rows in a page"),
        ] {
            let error = query([answer(&page)]).unwrap_err();
            assert!(error.message.contains(problem), "{error}");
        }
        for field in ["totalRecords", "count", "resultTruncated", "data"] {
            let mut page = page(&[], 0, None, "false");
            page.as_object_mut().unwrap().remove(field);
            let error = query([answer(&page)]).unwrap_err();
            assert!(error.message.ends_with(&format!("missing field `{field}`")), "{error}");
        }
        let hit = |value: &str| {
            let page = answer(&page(&[], 0, None, "false"));
            query([page.with("x-ms-tenant-subscription-limit-hit", value)])
        };
        assert!(hit("true").unwrap_err().message.contains("too many subscriptions"));
        assert_eq!(hit("false"), Ok(Vec::new()));
    }

    #[test]
    fn a_repeated_token_is_an_error() {
        let again = answer(&page(&[1], 9, Some("t"), "false"));
        let error = query([again.clone(), again]).unwrap_err();
        assert!(error.message.starts_with("pagination stalled"), "{error}");
    }

    #[test]
    fn a_query_without_subscriptions_is_not_sent() {
        let client = Server::with([]).client();
        assert!(run(client.query_resource_graph::<GraphFields>(&[], KQL)).is_err());
    }

    #[test]
    fn many_subscriptions_take_several_queries() {
        let names: Vec<String> = (0..1001).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let server = Server::answering(|_| answer(&page(&[1], 1, None, "false")));
        let found: Vec<GraphFields> =
            run(server.client().query_resource_graph(&names, KQL)).unwrap();
        assert_eq!(found.len(), 2);
        let body: Value = serde_json::from_str(&server.received()[1].body).unwrap();
        assert_eq!(body["subscriptions"], json!(["1000"]));
    }

    #[test]
    fn an_exhausted_quota_delays_the_next_query() {
        let last = answer(&page(&[1], 2, Some("t"), "true"))
            .with("x-ms-user-quota-remaining", "0")
            .with("x-ms-user-quota-resets-after", "00:00:04");
        let server = Server::with([last, answer(&page(&[2], 2, None, "false"))]);
        assert!(run(server.client().query_resource_graph::<GraphFields>(&["s"], KQL)).is_ok());
        assert_eq!(server.waits(), [std::time::Duration::from_secs(4)]);
    }

    proptest! {
        #[test]
        fn a_result_is_complete_or_an_error(
            pages in prop::collection::vec(prop::collection::vec(0..100u32, 0..4), 1..5),
            dropped in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let total = pages.concat().len();
            let last = pages.len() - 1;
            let mut bodies: Vec<Value> = pages.iter().enumerate().map(|(at, ids)| {
                let token = (at < last).then(|| at.to_string());
                page(ids, total, token.as_deref(), if at < last { "true" } else { "false" })
            }).collect();
            let mut complete = true;
            if let Some(dropped) = dropped {
                // A row is missing, and the count of its page fits.
                let body = &mut bodies[dropped.index(pages.len())];
                let data = body["data"].as_array_mut().unwrap();
                complete = data.pop().is_none();
                body["count"] = body["data"].as_array().unwrap().len().into();
            }
            let found = query(bodies.iter().map(answer));
            prop_assert_eq!(found.is_ok(), complete);
            if let Ok(rows) = found {
                let ids: Vec<Value> = rows.into_iter().map(|row| row["id"].clone()).collect();
                prop_assert_eq!(ids, pages.concat().into_iter().map(Value::from).collect::<Vec<_>>());
            }
        }
    }
}
