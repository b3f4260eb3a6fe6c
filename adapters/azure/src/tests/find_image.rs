//! Which calls finding one image takes.

use serde_json::{Value, json};
use steward::cloud::ImageReader as _;
use steward::model::ImageId;

use crate::azure::Azure;
use crate::testing::{Server, TestReply, run};
use crate::tests::fixture;

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
const GALLERY: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/g/providers/microsoft.compute/galleries/golden";

/// A recorded resource with another ID.
fn named(file: &str, id: &str) -> Value {
    let mut resource: Value = serde_json::from_str(&fixture(file)).unwrap();
    resource["id"] = json!(id);
    resource["name"] = json!(id.rsplit('/').next());
    resource
}

/// A subscription with the version 1.0.0 of the definition `web`. `has_definition` is whether the
/// definition exists.
fn subscription(has_definition: bool) -> std::sync::Arc<Server> {
    let definition = format!("{GALLERY}/images/web");
    let version = named("version-snapshot-source.json", &format!("{definition}/versions/1.0.0"));
    let definition = named("definition.json", &definition);
    let gallery = named("gallery-private.json", GALLERY);
    let found = move |value: &Value| TestReply::new(200, value.to_string());
    let page = |value: &Value| json!({ "value": [value] });
    Server::answering(move |request| {
        let path = request.url.split('?').next().unwrap_or_default();
        match path.to_ascii_lowercase().rsplit('/').next() {
            Some("locks") => found(&json!({"value": []})),
            Some("1.0.0") => found(&version),
            Some("web") if has_definition => found(&definition),
            Some("golden") => found(&gallery),
            Some("galleries") => found(&page(&gallery)),
            Some("versions") => found(&page(&version)),
            // Images of the gallery, or managed images.
            Some("images") if path.contains("/galleries/") => found(&page(&definition)),
            Some("images") => found(&json!({"value": []})),
            _ => TestReply::error(404, "ResourceNotFound"),
        }
    })
}

fn azure(server: &std::sync::Arc<Server>) -> Azure {
    Azure::new(server.client(), SUBSCRIPTION.parse().unwrap(), None)
}

fn version() -> ImageId {
    format!("{GALLERY}/images/web/versions/1.0.0").parse().unwrap()
}

/// The last words of the paths that were called since the last time, sorted.
fn calls(server: &Server, seen: &mut usize) -> Vec<String> {
    let urls = server.urls();
    let last = |url: &String| {
        let path = url.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
    };
    let mut found: Vec<String> = urls[*seen..].iter().map(last).collect();
    *seen = urls.len();
    found.sort();
    found
}

#[test]
fn a_version_is_found_without_listing_the_galleries() {
    let (server, mut seen) = (subscription(true), 0);
    let azure = azure(&server);
    let image = run(azure.find_image(&version())).unwrap().unwrap();
    assert_eq!(image.image_id, version());
    assert_eq!(image.sources.len(), 2);
    assert_eq!(calls(&server, &mut seen), ["1.0.0", "golden", "locks", "web"]);
}

#[test]
fn a_listing_of_a_moment_ago_contains_the_definition() {
    let (server, mut seen) = (subscription(true), 0);
    let azure = azure(&server);
    assert_eq!(run(azure.list_images()).unwrap().images.len(), 1);
    calls(&server, &mut seen);
    assert!(run(azure.find_image(&version())).unwrap().is_some());
    assert_eq!(calls(&server, &mut seen), ["1.0.0", "golden"]);
}

#[test]
fn another_run_uses_nothing_that_was_read() {
    let (server, mut seen) = (subscription(true), 0);
    let azure = azure(&server);
    run(azure.list_images()).unwrap();
    calls(&server, &mut seen);
    let other = azure.for_another_run();
    assert_eq!(other.subscription(), azure.subscription());
    run(other.find_image(&version())).unwrap();
    assert_eq!(calls(&server, &mut seen), ["1.0.0", "golden", "locks", "web"]);
}

#[test]
fn a_version_without_definition_does_not_exist() {
    let server = subscription(false);
    assert_eq!(run(azure(&server).find_image(&version())).unwrap(), None);
}
