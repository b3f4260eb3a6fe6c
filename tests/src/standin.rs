//! The stand-in: a local AWS account in a separate process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Child;
use std::sync::OnceLock;

use serde_json::Value;
use steward_aws::{Aws, Connect, RateLimit, StaticKeys, connect};
use tokio::sync::{Mutex, MutexGuard};

use crate::fleet::Fleet;
use crate::http;
use crate::standin_process;
use crate::switches::Switches;

/// A running stand-in. It stops when this is dropped, or with the test process.
pub struct Standin {
    address: SocketAddr,
    process: Child,
}

impl Standin {
    /// Starts a stand-in with an empty account. Waits until it listens, which takes a second.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start() -> Self {
        let (process, url) = standin_process::start::<&str>("tests/standin", []);
        let address = url.strip_prefix("http://").expect("it has no TLS");
        Self { address: address.parse().expect("an address"), process }
    }

    /// The stand-in that all tests of a binary share, one test at a time. It stops with the
    /// process, because statics are never dropped.
    pub async fn shared() -> MutexGuard<'static, Self> {
        static SHARED: OnceLock<Mutex<Standin>> = OnceLock::new();
        SHARED.get_or_init(|| Mutex::new(Self::start())).lock().await
    }

    /// Its URL, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The real adapter, connected to this account in the default Region of a fleet.
    pub async fn aws(&self) -> Aws {
        connect(self.options()).await.expect("the stand-in takes any key")
    }

    /// The connection options.
    pub fn options(&self) -> Connect {
        Connect { endpoint: Some(self.url()), ..options() }
    }

    /// Replaces the content of the account.
    pub async fn load(&self, fleet: &Fleet) {
        let body = serde_json::to_string(fleet).expect("a fleet is JSON");
        self.control("POST", "fleet", &body).await;
    }

    /// Adds to the content of the account. Resources with the same ID are replaced.
    pub async fn patch(&self, fleet: &Value) {
        self.control("PATCH", "fleet", &fleet.to_string()).await;
    }

    /// The current content of the account.
    pub async fn world(&self) -> Fleet {
        Fleet::from_json(&self.control("GET", "fleet", "").await).filled()
    }

    /// Replaces all switches.
    pub async fn set(&self, switches: &Switches) {
        let body = serde_json::to_string(switches).expect("switches are JSON");
        self.control("POST", "switches", &body).await;
    }

    /// Replaces all switches by this JSON document, for switches that the fake does not have.
    pub async fn switch(&self, switches: &str) {
        self.control("POST", "switches", switches).await;
    }

    /// The number of throttled calls since the calls were last cleared.
    pub async fn throttled(&self) -> u32 {
        let log = self.control("GET", "calls?log=1", "").await;
        let count = log.matches("RequestLimitExceeded").count();
        count.try_into().expect("not that many")
    }

    /// The parameters of each call of `action` since the calls were last cleared.
    pub async fn parameters_of(&self, action: &str) -> Vec<Value> {
        let log = self.control("GET", "calls?log=1", "").await;
        let log: Vec<Value> = serde_json::from_str(&log).expect("calls");
        let calls = log.into_iter().filter(|call| call["action"] == action);
        calls.map(|call| call["params"].clone()).collect()
    }

    /// The number of calls of each action since the calls were last cleared.
    pub async fn calls(&self) -> BTreeMap<String, u32> {
        serde_json::from_str(&self.control("GET", "calls", "").await).expect("counts")
    }

    /// Clears the recorded calls.
    pub async fn forget_calls(&self) {
        self.control("DELETE", "calls", "").await;
    }

    /// The events published so far, as PutEvents entries.
    pub async fn events(&self) -> Vec<Value> {
        serde_json::from_str(&self.control("GET", "events", "").await).expect("entries")
    }

    async fn control(&self, method: &str, what: &str, body: &str) -> String {
        http::request(self.address, method, &format!("/_standin/{what}"), body).await
    }
}

/// Options that do not depend on the environment of the process. The endpoint is AWS unless it is
/// set.
pub fn options() -> Connect {
    Connect {
        region: Some(Fleet::default().region().to_string()),
        keys: Some(StaticKeys { id: "AKIDSTANDIN".into(), secret: "no secret".into() }),
        rate_limit: RateLimit::Unpaced,
        ..Connect::default()
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        // The process may have ended already. Then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
