//! Updates of versions.

use serde_json::Value;
use steward::cloud::{ErrorKind, ImageWriter};
use steward::model::ImageId;

use super::fixture;
use crate::azure::Azure;
use crate::testing::{Server, TestReply, run};

/// An update contains all tags. Sent a minute after they were read, it would remove a tag that
/// somebody has written since to keep the version.
#[test]
fn a_version_that_was_read_before_a_wait_is_not_sent_after_it() {
    let text = fixture("version-replication.json");
    let version: Value = serde_json::from_str(&text).unwrap();
    let id: ImageId = version["id"].as_str().unwrap().parse().unwrap();
    let at = "2026-11-22T12:00:00Z".parse().unwrap();
    let methods = |answers: Vec<TestReply>| {
        let server = Server::with(answers);
        let account = id.account_in_id().unwrap().parse().unwrap();
        let done = run(Azure::over(server.client(), account).deprecate(&id, at));
        (done, server.received().into_iter().map(|one| one.method).collect::<Vec<_>>())
    };
    let read = || TestReply::new(200, text.clone());
    let (done, methods_of_one) = methods(vec![read(), TestReply::new(200, text.clone())]);
    assert_eq!((done, methods_of_one), (Ok(()), vec!["GET".to_owned(), "PUT".to_owned()]));
    let throttled = TestReply::error(429, "TooManyRequests").with("retry-after", "60");
    let (done, methods_of_throttled) =
        methods(vec![read(), throttled, TestReply::new(200, text.clone())]);
    assert_eq!(done.unwrap_err().kind, ErrorKind::Throttled);
    assert_eq!(methods_of_throttled, ["GET", "PUT"]);
}
