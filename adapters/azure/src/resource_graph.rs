//! Queries of Azure Resource Graph over subscriptions.
//!
//! Resource Graph omits subscriptions that the credentials cannot read, without saying so, and lags
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
/// Rows per page. It is not verified that this is the maximum.
const PAGE: u32 = 1_000;
/// Subscriptions per query.
const MAX_SUBSCRIPTIONS: usize = 1_000;

/// A row that is not read into a type of its own.
pub type Row = serde_json::Map<String, serde_json::Value>;

#[derive(Serialize)]
struct Query<'a> {
    subscriptions: &'a [&'a str],
    query: &'a str,
    options: Options<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Options<'a> {
    #[serde(rename = "$top")]
    top: u32,
    #[serde(rename = "$skipToken", skip_serializing_if = "Option::is_none")]
    skip_token: Option<&'a str>,
    result_format: &'static str,
    allow_partial_scopes: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "T: DeserializeOwned"))]
struct Rows<T> {
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
            let options = Options {
                top: PAGE,
                skip_token: token.as_deref(),
                result_format: "objectArray",
                allow_partial_scopes: false,
            };
            let body = Query { subscriptions, query, options };
            let rows: Rows<T> = self.query_page(&body).await?;
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
    ) -> Result<Rows<T>, CloudError> {
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

/// Checks what a page says about itself.
fn check_page<T>(rows: &Rows<T>) -> Result<(), String> {
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
