//! TLS with a private certificate authority, against a server that is already running:
//! `SSL_CERT_FILE=ca.pem ENDPOINT=https://127.0.0.1:8443 cargo test -p steward-azure --test tls -- --ignored`.

#![allow(clippy::disallowed_methods)]

use steward_azure::{Client, ClientSettings, CredentialChoice, FixedToken};

#[tokio::test]
#[ignore = "needs a server, whose URL is in ENDPOINT, and the file of its authority in SSL_CERT_FILE"]
async fn a_server_with_a_private_authority_is_called() {
    let settings = ClientSettings {
        endpoint: Some(std::env::var("ENDPOINT").unwrap()),
        credentials: CredentialChoice::Token(FixedToken::new("a-token")),
        first_backoff: Some(std::time::Duration::from_millis(20)),
        ..ClientSettings::default()
    };
    let client = Client::new(settings).unwrap();
    let query = [("api-version", "2022-12-01")];
    let found: Vec<serde_json::Value> = client
        .list("Microsoft.Resources/subscriptions/read", "/subscriptions", &query)
        .await
        .unwrap();
    println!("{} subscriptions", found.len());
}
