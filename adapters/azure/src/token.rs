//! The access token of the calls.

use std::sync::Arc;

use azure_core::credentials::{AccessToken, Secret, TokenCredential};
use azure_core::time::{Duration, OffsetDateTime};
use tokio::sync::Mutex;

use crate::credentials::Chosen;

/// A token is renewed this long before it expires, as `azure_core` does.
const RENEW_BEFORE: Duration = Duration::minutes(5);

/// Requests a token when it is needed, and keeps it. The Azure CLI takes about a second to return
/// one, so concurrent calls wait for the same token.
#[derive(Debug)]
pub(crate) struct Tokens {
    credential: Arc<dyn TokenCredential>,
    scope: String,
    current: Mutex<Option<AccessToken>>,
}

impl Tokens {
    pub(crate) fn new(chosen: Chosen, scope: String) -> Self {
        Self { credential: chosen.credential, scope, current: Mutex::default() }
    }

    /// Returns a token that is valid for some minutes. If it cannot be renewed, returns the current
    /// one until it expires.
    pub(crate) async fn get(&self) -> azure_core::Result<Secret> {
        let mut current = self.current.lock().await;
        let now = OffsetDateTime::now_utc();
        if let Some(token) = current.as_ref().filter(|token| token.expires_on > now + RENEW_BEFORE)
        {
            return Ok(token.token.clone());
        }
        match self.credential.get_token(&[&self.scope], None).await {
            Ok(token) => Ok(current.insert(token).token.clone()),
            Err(error) => match current.as_ref().filter(|token| token.expires_on > now) {
                Some(token) => Ok(token.token.clone()),
                None => Err(error),
            },
        }
    }

    /// Forgets `rejected`, so that the next call requests another token.
    pub(crate) async fn reject(&self, rejected: &Secret) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|token| token.token == *rejected) {
            *current = None;
        }
    }
}
