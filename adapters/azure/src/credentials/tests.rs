use std::collections::HashMap;

use azure_core::error::ErrorKind as SdkErrorKind;
use proptest::prelude::*;
use strum::VariantArray;

use super::*;
use crate::client::{Client, ClientSettings};
use crate::testing::{CALL, HERE, PATH, QUERY, Received, Server, TestReply, run};

const TENANT: &str = "11111111-1111-1111-1111-111111111111";

fn variables(pairs: &[(&str, &str)]) -> Variables {
    let pairs: HashMap<&str, &str> = pairs.iter().copied().collect();
    Variables::from(|name| pairs.get(name).map(|value| (*value).to_owned()))
}

fn chosen(choice: CredentialChoice, pairs: &[(&str, &str)]) -> Result<Chosen, CloudError> {
    let transport: Arc<dyn HttpClient> = Server::with([]);
    choose(choice, &variables(pairs), &HERE.parse().unwrap(), &transport)
}

#[test]
fn kinds_have_names() {
    let names: Vec<String> = CredentialKind::VARIANTS.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["environment", "workload-identity", "managed-identity", "azure-cli"]);
    assert_eq!("azure-cli".parse(), Ok(CredentialKind::AzureCli));
}

#[test]
fn the_first_kind_whose_variables_are_set_is_chosen() {
    let all = [
        (CLIENT_SECRET, CredentialKind::Environment),
        (TOKEN_FILE, CredentialKind::WorkloadIdentity),
        (IDENTITY_ENDPOINT, CredentialKind::ManagedIdentity),
    ];
    for (from, (_, kind)) in all.iter().enumerate() {
        let mut set: Vec<(&str, &str)> = all[from..].iter().map(|(name, _)| (*name, "x")).collect();
        set.push((IDENTITY_HEADER, "x"));
        assert_eq!(variables(&set).automatic(), *kind);
    }
    let cli = CredentialKind::AzureCli;
    assert_eq!(variables(&[]).automatic(), cli);
    assert_eq!(variables(&[(CLIENT_SECRET, ""), (TOKEN_FILE, "")]).automatic(), cli);
    assert_eq!(variables(&[(TENANT_ID, TENANT), (CLIENT_ID, "a")]).automatic(), cli);
    // Azure Arc, which is not supported.
    assert_eq!(variables(&[(IDENTITY_ENDPOINT, "http://localhost")]).automatic(), cli);
}

#[test]
fn a_missing_variable_does_not_select_other_credentials() {
    for (pairs, missing) in [
        (&[(CLIENT_SECRET, "s"), (CLIENT_ID, "a")][..], TENANT_ID),
        (&[(CLIENT_SECRET, "s"), (TENANT_ID, TENANT)], CLIENT_ID),
        (&[(TOKEN_FILE, "/none"), (TENANT_ID, TENANT)], CLIENT_ID),
    ] {
        let error = chosen(CredentialChoice::Automatic, pairs).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Credentials);
        assert!(error.message.ends_with(&format!("{missing} is not set")), "{error}");
    }
    let kind = CredentialChoice::Kind(CredentialKind::Environment);
    let error = chosen(kind, &[]).unwrap_err();
    assert!(error.message.contains("environment: AZURE_CLIENT_SECRET is not set"), "{error}");
    let error = chosen(
        CredentialChoice::Automatic,
        &[(TOKEN_FILE, "/none/token"), (TENANT_ID, TENANT), (CLIENT_ID, "a")],
    );
    assert!(error.unwrap_err().message.contains("/none/token"));
}

#[test]
fn an_explicit_kind_takes_precedence() {
    let set = [(CLIENT_SECRET, "s"), (CLIENT_ID, "a"), (TENANT_ID, TENANT)];
    let found = chosen(CredentialChoice::Automatic, &set).unwrap();
    assert_eq!(found.kind, Some(CredentialKind::Environment));
    for kind in [CredentialKind::AzureCli, CredentialKind::ManagedIdentity] {
        let found = chosen(CredentialChoice::Kind(kind), &set).unwrap();
        assert_eq!(found.kind, Some(kind));
    }
}

#[test]
fn only_a_loopback_endpoint_receives_a_fixed_token() {
    let token = || CredentialChoice::Token(FixedToken::new("secret"));
    assert_eq!(chosen(token(), &[]).unwrap().kind, None);
    let transport: Arc<dyn HttpClient> = Server::with([]);
    for url in ["https://management.azure.com", "https://localhost.example.com"] {
        let endpoint = url.parse().unwrap();
        let error = choose(token(), &Variables::default(), &endpoint, &transport).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Credentials);
        assert!(!format!("{error:?} {:?}", token()).contains("secret"));
    }
}

const SECRET: &[(&str, &str)] =
    &[(CLIENT_SECRET, "the-secret"), (CLIENT_ID, "an-app"), (TENANT_ID, TENANT)];

fn client_of(server: &Arc<Server>, endpoint: &str) -> Client {
    let endpoint = Some(endpoint.to_owned());
    let settings = ClientSettings { endpoint, ..ClientSettings::default() };
    server.client_with(settings, &variables(SECRET))
}

fn token(text: &str, seconds: u32) -> TestReply {
    let body = serde_json::json!({
        "token_type": "Bearer", "expires_in": seconds, "access_token": text,
    });
    TestReply::new(200, body.to_string())
}

fn is_token_request(request: &Received) -> bool {
    request.url.contains("/oauth2/")
}

#[test]
fn a_client_secret_becomes_a_token_of_the_right_authority() {
    for (endpoint, authority) in [
        ("https://management.azure.com", "https://login.microsoftonline.com"),
        ("https://management.usgovcloudapi.net", "https://login.microsoftonline.us"),
        ("https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn"),
    ] {
        let server = Server::with([token("t1", 3600), TestReply::new(200, "{\"value\": []}")]);
        let client = client_of(&server, endpoint);
        let found: Vec<String> = run(client.list(CALL, PATH, QUERY)).unwrap();
        assert!(found.is_empty());
        let [asked, called] = &server.received()[..] else { panic!("two requests") };
        assert_eq!(asked.url, format!("{authority}/{TENANT}/oauth2/v2.0/token"));
        let scope = endpoint.replace(':', "%3A").replace('/', "%2F");
        assert!(asked.body.ends_with(&format!("scope={scope}%2F.default")), "{}", asked.body);
        assert_eq!(called.header("authorization"), Some("Bearer t1"));
    }
}

#[test]
fn a_token_is_kept_until_shortly_before_its_end() {
    for (seconds, tokens) in [(3600, 1), (301, 1), (299, 3)] {
        let server = Server::answering(move |request| match is_token_request(request) {
            true => token("t", seconds),
            false => TestReply::new(200, "{\"value\": []}"),
        });
        let client = client_of(&server, "https://management.azure.com");
        for _ in 0..3 {
            run(client.list::<String>(CALL, PATH, QUERY)).unwrap();
        }
        let asked = server.received().iter().filter(|one| is_token_request(one)).count();
        assert_eq!(asked, tokens, "{seconds}");
    }
}

#[test]
fn a_refused_secret_is_an_error_of_the_credentials() {
    let body = r#"{"error": "invalid_client", "error_codes": [7000215], "error_description":
        "AADSTS7000215: Invalid client secret."}"#;
    let server = Server::answering(move |_| TestReply::new(401, body));
    let client = client_of(&server, "https://management.azure.com");
    let error = run(client.list::<String>(CALL, PATH, QUERY)).unwrap_err();
    assert_eq!((error.call, error.kind), (CALL, ErrorKind::Credentials));
    assert!(error.message.contains("AADSTS7000215: Invalid client secret."), "{error}");
    assert!(!error.message.contains('\n') && !error.message.contains("the-secret"));
    assert!(server.received().iter().all(is_token_request));
}

#[test]
fn an_authority_that_does_not_respond_is_unreachable() {
    let server = Server::answering(|_| TestReply::Fail(SdkErrorKind::Connection));
    let client = client_of(&server, "https://management.azure.com");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let error = runtime.block_on(client.list::<String>(CALL, PATH, QUERY)).unwrap_err();
    assert_eq!((error.call, error.kind), (CALL, ErrorKind::Unreachable), "{error}");
}

proptest! {
    #[test]
    fn the_choice_depends_on_the_variables_only(set in prop::collection::vec(any::<bool>(), 6)) {
        let names = [TENANT_ID, CLIENT_ID, CLIENT_SECRET, TOKEN_FILE, IDENTITY_ENDPOINT, IDENTITY_HEADER];
        let pairs: Vec<(&str, &str)> =
            names.iter().zip(&set).filter(|(_, set)| **set).map(|(name, _)| (*name, TENANT)).collect();
        // Either an error of the credentials, or the kind whose variables are all set.
        match chosen(CredentialChoice::Automatic, &pairs) {
            Ok(found) => {
                let has = |name: &str| pairs.iter().any(|(set, _)| *set == name);
                let app = has(TENANT_ID) && has(CLIENT_ID);
                let is_complete = match found.kind.unwrap() {
                    CredentialKind::Environment => app && has(CLIENT_SECRET),
                    CredentialKind::WorkloadIdentity => app && has(TOKEN_FILE) && !has(CLIENT_SECRET),
                    CredentialKind::ManagedIdentity => has(IDENTITY_HEADER) && has(IDENTITY_ENDPOINT),
                    CredentialKind::AzureCli => !has(CLIENT_SECRET) && !has(TOKEN_FILE),
                };
 prop_assert!(is_complete, "{:?}", found.kind);
            }
            Err(error) => prop_assert_eq!(error.kind, ErrorKind::Credentials),
        }
    }
}
