//! The choice of credentials.
//!
//! One kind is chosen before the first call, and no other is tried if it fails: a run must never
//! continue as somebody else. This is the only file that reads the environment; for a managed
//! identity, `azure_identity` reads the same variables again.

use std::sync::Arc;

use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::http::{
    ClientOptions, ExponentialRetryOptions, HttpClient, RetryOptions, Transport,
};
use azure_core::time::{Duration, OffsetDateTime};
use azure_identity::{
    AzureCliCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use steward::cloud::{CloudError, ErrorKind};

use crate::endpoint::Endpoint;
use crate::error::{causes, configuration};

const TENANT_ID: &str = "AZURE_TENANT_ID";
const CLIENT_ID: &str = "AZURE_CLIENT_ID";
const CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";
const IDENTITY_HEADER: &str = "IDENTITY_HEADER";

/// Retries of a request for a token. `azure_identity` has its own number for the metadata service.
const TOKEN_RETRIES: u32 = 3;

/// The kinds of credentials, in the order in which they are looked for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
pub enum CredentialKind {
    /// A client secret: `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`.
    Environment,
    /// A token of another identity provider, for example Kubernetes: `AZURE_TENANT_ID`,
    /// `AZURE_CLIENT_ID` and `AZURE_FEDERATED_TOKEN_FILE`.
    WorkloadIdentity,
    /// The identity of the host: of an app or a function by `IDENTITY_ENDPOINT` and
    /// `IDENTITY_HEADER`, of a virtual machine by its metadata service. The latter is used only
    /// if this kind was asked for. `AZURE_CLIENT_ID` selects a user-assigned identity.
    ManagedIdentity,
    /// The account of `az login`.
    AzureCli,
}

/// Which credentials to use.
#[derive(Debug, Clone, Default)]
pub enum CredentialChoice {
    /// The first kind whose variables are set, else the Azure CLI.
    #[default]
    Automatic,
    /// This kind only.
    Kind(CredentialKind),
    /// A token for a stand-in. Only a loopback endpoint receives it.
    Token(FixedToken),
}

/// An access token that never changes.
#[derive(Clone, PartialEq, Eq)]
pub struct FixedToken(String);

impl FixedToken {
    /// Wraps a token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }
}

/// Omits the token, because options are logged.
impl std::fmt::Debug for FixedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FixedToken")
    }
}

#[async_trait::async_trait]
impl TokenCredential for FixedToken {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let expires = OffsetDateTime::now_utc() + Duration::days(1);
        Ok(AccessToken::new(self.0.clone(), expires))
    }
}

/// The variables that decide about the credentials. An empty one counts as unset.
#[derive(Clone, Default)]
pub(crate) struct Variables {
    tenant_id: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    token_file: Option<String>,
    identity_endpoint: Option<String>,
    identity_header: Option<String>,
}

impl Variables {
    /// Reads the environment. Text that is not UTF-8 is kept and fails later, because ignoring it
    /// could select other credentials.
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn of_environment() -> Self {
        Self::from(|name| std::env::var_os(name).map(|text| text.to_string_lossy().into_owned()))
    }

    pub(crate) fn from(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name| lookup(name).filter(|value| !value.is_empty());
        Self {
            tenant_id: get(TENANT_ID),
            client_id: get(CLIENT_ID),
            client_secret: get(CLIENT_SECRET),
            token_file: get(TOKEN_FILE),
            identity_endpoint: get(IDENTITY_ENDPOINT),
            identity_header: get(IDENTITY_HEADER),
        }
    }

    /// The first kind whose own variable is set. Its other variables are required later, so that a
    /// missing one does not silently select the next kind.
    fn automatic(&self) -> CredentialKind {
        if self.client_secret.is_some() {
            CredentialKind::Environment
        } else if self.token_file.is_some() {
            CredentialKind::WorkloadIdentity
        } else if self.identity_endpoint.is_some() && self.identity_header.is_some() {
            CredentialKind::ManagedIdentity
        } else {
            CredentialKind::AzureCli
        }
    }
}

/// Credentials, and their kind unless they are a fixed token.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) kind: Option<CredentialKind>,
    pub(crate) credential: Arc<dyn TokenCredential>,
}

/// Creates the chosen credentials. Requests no token yet.
///
/// # Errors
/// [`ErrorKind::Credentials`] if a variable is missing or invalid, or a fixed token would be sent to
/// an endpoint that is not a loopback address.
pub(crate) fn choose(
    choice: CredentialChoice,
    variables: &Variables,
    endpoint: &Endpoint,
    transport: &Arc<dyn HttpClient>,
) -> Result<Chosen, CloudError> {
    let kind = match choice {
        CredentialChoice::Automatic => variables.automatic(),
        CredentialChoice::Kind(kind) => kind,
        CredentialChoice::Token(token) if endpoint.is_loopback() => {
            return Ok(Chosen { kind: None, credential: Arc::new(token) });
        }
        CredentialChoice::Token(_) => {
            return Err(invalid("a fixed token is only sent to a loopback endpoint".to_owned()));
        }
    };
    let retries = ExponentialRetryOptions { max_retries: TOKEN_RETRIES, ..Default::default() };
    let options = ClientOptions {
        transport: Some(Transport::new(transport.clone())),
        cloud: endpoint.cloud(),
        retry: RetryOptions::exponential(retries),
        ..ClientOptions::default()
    };
    let credential = create(kind, variables, options)?;
    Ok(Chosen { kind: Some(kind), credential })
}

fn create(
    kind: CredentialKind,
    variables: &Variables,
    client_options: ClientOptions,
) -> Result<Arc<dyn TokenCredential>, CloudError> {
    let required = |name: &str, value: &Option<String>| {
        let missing = || invalid(format!("credentials {kind}: {name} is not set"));
        value.clone().ok_or_else(missing)
    };
    let tenant_id = || required(TENANT_ID, &variables.tenant_id);
    let client_id = || required(CLIENT_ID, &variables.client_id);
    let created: azure_core::Result<Arc<dyn TokenCredential>> = match kind {
        CredentialKind::Environment => {
            let secret = Secret::new(required(CLIENT_SECRET, &variables.client_secret)?);
            let options = Some(ClientSecretCredentialOptions { client_options });
            let created = ClientSecretCredential::new(&tenant_id()?, client_id()?, secret, options);
            created.map(|created| created as Arc<dyn TokenCredential>)
        }
        CredentialKind::WorkloadIdentity => {
            let options = WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options },
                client_id: Some(client_id()?),
                tenant_id: Some(tenant_id()?),
                token_file_path: Some(required(TOKEN_FILE, &variables.token_file)?.into()),
            };
            let created = WorkloadIdentityCredential::new(Some(options));
            created.map(|created| created as Arc<dyn TokenCredential>)
        }
        CredentialKind::ManagedIdentity => {
            let options = ManagedIdentityCredentialOptions {
                user_assigned_id: variables.client_id.clone().map(UserAssignedId::ClientId),
                client_options,
            };
            let created = ManagedIdentityCredential::new(Some(options));
            created.map(|created| created as Arc<dyn TokenCredential>)
        }
        CredentialKind::AzureCli => {
            let created = AzureCliCredential::new(None);
            created.map(|created| created as Arc<dyn TokenCredential>)
        }
    };
    created.map_err(|error| invalid(format!("credentials {kind}: {}", causes(&error))))
}

fn invalid(message: String) -> CloudError {
    configuration(ErrorKind::Credentials, message)
}

#[cfg(test)]
mod tests;
