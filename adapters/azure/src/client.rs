//! The client of Azure Resource Manager: one method for each kind of call.

use std::sync::Arc;
use std::time::Duration;

use azure_core::Bytes;
use azure_core::http::{HttpClient, Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use steward::cloud::{CloudError, ErrorKind, Freshness};
use steward::progress::{NoProgress, Progress};
use tokio::sync::Semaphore;

use crate::credentials::{CredentialChoice, CredentialKind, Variables, choose};
use crate::endpoint::{Endpoint, PUBLIC_ENDPOINT};
use crate::error::{bad_request, configuration};
use crate::operations::Started;
use crate::rate_limit::{MAX_CONCURRENT, RateLimits};
use crate::response_check::parse;
use crate::retry::FIRST_BACKOFF;
use crate::send::Outgoing;
use crate::time::{SystemTime, Time};
use crate::token::Tokens;
use crate::transport::new_transport;

/// How to connect.
#[derive(Debug, Clone, Default)]
pub struct ClientSettings {
    /// The endpoint, for a sovereign cloud or a stand-in. The default is [`PUBLIC_ENDPOINT`].
    pub endpoint: Option<String>,
    /// Which credentials to use.
    pub credentials: CredentialChoice,
    /// The application name in the user agent, shown in logs, for example
    /// `image-steward.prune-images`. The default is `image-steward`.
    pub app: Option<String>,
    /// The wait before the first retry, for a stand-in. The default is 1 second.
    pub first_backoff: Option<Duration>,
    /// Receives a report of every call and of all throttling.
    pub progress: Option<Arc<dyn Progress>>,
}

/// A client of Azure Resource Manager. Clones are cheap and share their rate limits and token.
///
/// `call` is the permission that a call needs, for example
/// `Microsoft.Compute/galleries/images/versions/delete`. It names the call in errors. `path` begins
/// with `/` and is not encoded. `query` contains `api-version`.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) endpoint: Endpoint,
    pub(crate) transport: Arc<dyn HttpClient>,
    pub(crate) tokens: Tokens,
    pub(crate) credential_kind: Option<CredentialKind>,
    pub(crate) user_agent: String,
    pub(crate) first_backoff: Duration,
    pub(crate) limits: RateLimits,
    pub(crate) concurrent: Semaphore,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) time: Arc<dyn Time>,
}

impl Client {
    /// Chooses the credentials and creates a client. Makes no call, and does not request a token.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`] without valid settings of the credentials, [`ErrorKind::Other`]
    /// with an endpoint that is not allowed, or without certificates of the operating system.
    pub fn new(settings: ClientSettings) -> Result<Self, CloudError> {
        let time = Arc::new(SystemTime::start());
        Self::with(settings, &Variables::of_environment(), new_transport, time)
    }

    /// Like `new`, with everything from outside as an argument.
    pub(crate) fn with(
        settings: ClientSettings,
        variables: &Variables,
        transport: impl FnOnce(&Endpoint) -> Result<Arc<dyn HttpClient>, CloudError>,
        time: Arc<dyn Time>,
    ) -> Result<Self, CloudError> {
        let ClientSettings { endpoint, credentials, app, first_backoff, progress } = settings;
        let endpoint: Endpoint =
            endpoint.as_deref().unwrap_or(PUBLIC_ENDPOINT).parse().map_err(|problem| {
                configuration(ErrorKind::Other, format!("invalid endpoint: {problem}"))
            })?;
        let transport = transport(&endpoint)?;
        let chosen = choose(credentials, variables, &endpoint, &transport)?;
        let credential_kind = chosen.kind;
        let inner = Inner {
            tokens: Tokens::new(chosen, endpoint.scope()),
            credential_kind,
            endpoint,
            transport,
            user_agent: user_agent(app.as_deref()),
            first_backoff: first_backoff.unwrap_or(FIRST_BACKOFF),
            limits: RateLimits::default(),
            concurrent: Semaphore::new(MAX_CONCURRENT),
            progress: progress.unwrap_or_else(|| Arc::new(NoProgress)),
            time,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The kind of the credentials. `None` is a fixed token.
    pub fn credential_kind(&self) -> Option<CredentialKind> {
        self.inner.credential_kind
    }

    /// The endpoint that is called.
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.endpoint
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it does not exist.
    pub async fn get<T: DeserializeOwned>(
        &self,
        call: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, CloudError> {
        let url = self.url(call, path, query)?;
        let reply = self.send(Outgoing::new(call, Method::Get, url)).await?.expect(&[200])?;
        parse(&reply)
    }

    /// Reads a resource. Returns `None` if it, its parent resource or its resource group does not
    /// exist. An unknown subscription, provider or type is an error.
    pub async fn find<T: DeserializeOwned>(
        &self,
        call: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, CloudError> {
        match self.get(call, path, query).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a query and reads its result.
    pub async fn post<B: Serialize + Sync + ?Sized, T: DeserializeOwned>(
        &self,
        call: &'static str,
        path: &str,
        query: &[(&str, &str)],
        body: &B,
    ) -> Result<T, CloudError> {
        let outgoing = self.with_body(call, Method::Post, path, query, body)?;
        parse(&self.send(outgoing).await?.expect(&[200])?)
    }

    /// Starts an action without parameters, for example `deallocate` of a virtual machine.
    pub async fn act(
        &self,
        call: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Started, CloudError> {
        let url = self.url(call, path, query)?;
        Started::of(self.send(Outgoing::new(call, Method::Post, url)).await?, self.endpoint())
    }

    /// Changes a resource in part.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it does not exist.
    pub async fn patch<B: Serialize + Sync + ?Sized>(
        &self,
        call: &'static str,
        path: &str,
        query: &[(&str, &str)],
        body: &B,
    ) -> Result<Started, CloudError> {
        let outgoing = self.with_body(call, Method::Patch, path, query, body)?;
        Started::of(self.send(outgoing).await?, self.endpoint())
    }

    /// Replaces or creates a resource.
    pub async fn put<B: Serialize + Sync + ?Sized>(
        &self,
        call: &'static str,
        path: &str,
        query: &[(&str, &str)],
        body: &B,
    ) -> Result<Started, CloudError> {
        let outgoing = self.with_body(call, Method::Put, path, query, body)?;
        Started::of(self.send(outgoing).await?, self.endpoint())
    }

    /// Like [`Self::put`], if `check` is still recent when the call is about to be sent. Returns
    /// `None` and sends nothing if the check has expired.
    pub async fn put_if_fresh<B: Serialize + Sync + ?Sized>(
        &self,
        call: &'static str,
        path: &str,
        query: &[(&str, &str)],
        body: &B,
        check: Freshness<'_>,
    ) -> Result<Option<Started>, CloudError> {
        let outgoing = self.with_body(call, Method::Put, path, query, body)?;
        let reply = self.send_if_fresh(outgoing, check).await?;
        reply.map(|reply| Started::of(reply, self.endpoint())).transpose()
    }

    /// Deletes a resource. Returns [`Started::NotFound`] if it does not exist.
    pub async fn delete(
        &self,
        call: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Started, CloudError> {
        let url = self.url(call, path, query)?;
        let reply = self.send(Outgoing::new(call, Method::Delete, url)).await?;
        Started::of_delete(reply, self.endpoint())
    }

    /// Like [`Self::delete`], if `check` is still recent when the call is about to be sent. Returns
    /// `None` and sends nothing if the check has expired.
    pub async fn delete_if_fresh(
        &self,
        call: &'static str,
        path: &str,
        query: &[(&str, &str)],
        check: Freshness<'_>,
    ) -> Result<Option<Started>, CloudError> {
        let url = self.url(call, path, query)?;
        let reply = self.send_if_fresh(Outgoing::new(call, Method::Delete, url), check).await?;
        reply.map(|reply| Started::of_delete(reply, self.endpoint())).transpose()
    }

    pub(crate) fn url(
        &self,
        call: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Url, CloudError> {
        self.inner.endpoint.url(path, query).map_err(|problem| bad_request(call, &problem))
    }

    pub(crate) fn with_body<B: Serialize + ?Sized>(
        &self,
        call: &'static str,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: &B,
    ) -> Result<Outgoing, CloudError> {
        let url = self.url(call, path, query)?;
        let body = serde_json::to_vec(body).map_err(|problem| bad_request(call, &problem))?;
        Ok(Outgoing { body: Some(Bytes::from(body)), ..Outgoing::new(call, method, url) })
    }
}

/// The user agent: the name and the version of the application. Characters that a header does not
/// allow are omitted.
fn user_agent(app: Option<&str>) -> String {
    let app: String = app.unwrap_or_default().chars().filter(char::is_ascii_graphic).collect();
    let app = if app.is_empty() { "image-steward" } else { &app };
    format!("{app}/{}", env!("CARGO_PKG_VERSION"))
}
