//! The stand-in for Azure: a local Resource Manager in a separate process.
//!
//! Azure's clients require TLS, and the adapter reads its certificate authorities from the file that
//! `SSL_CERT_FILE` names. A process cannot safely change its own environment, so a test runs itself
//! again in another process, which has the variable: see [`run_again`].

mod reading;
mod writing;

use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::{Value, json};
use steward::model::AccountId;
use steward_azure::{Azure, AzureOptions, FixedToken, connect};

use crate::azure_fake::AzureFleet;
use crate::standin_process;
use crate::switches::Switches;

const URL: &str = "STEWARD_AZURE_STANDIN";
const CERTIFICATES: &str = "SSL_CERT_FILE";

/// The stand-in that a test process may call. Its clock is stopped.
pub struct AzureStandin {
    url: String,
    client: reqwest::Client,
    /// What was loaded last.
    loaded: AzureFleet,
}

/// A running stand-in, which ends with this process, because statics are never dropped.
struct Running {
    _process: Child,
    url: String,
    ca_file: String,
}

impl AzureStandin {
    /// The stand-in, if this process was started by [`run_again`].
    #[expect(clippy::disallowed_methods, reason = "set by the process that started the stand-in")]
    pub fn of_environment() -> Option<Self> {
        let url = std::env::var(URL).ok()?;
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.expect("the file of SSL_CERT_FILE contains a certificate");
        Some(Self { url, client, loaded: AzureFleet::default() })
    }

    /// Replaces the content and the clock, and removes all faults.
    pub async fn load(&mut self, fleet: AzureFleet) {
        self.loaded = fleet;
        self.set(&Switches::default()).await;
        let world = writing::world(&self.loaded);
        self.control(reqwest::Method::POST, "world", world).await;
    }

    /// Replaces all switches. There are only denied actions.
    pub async fn set(&self, switches: &Switches) {
        let Switches { deny, .. } = switches;
        assert_eq!(*switches, Switches { deny: deny.clone(), ..Switches::default() });
        let habits = &self.loaded.habits;
        let switches = json!({
            "deny": deny,
            // Throttling depends on real time.
            "budgets": false,
            "operations": {"polls": 1_000_000, "seconds": habits.update_minutes * 60},
            "restored_tags": if habits.tags_survive { "kept" } else { "lost" },
            "tags_update_versions": habits.tags_update,
            "graph_truncated": habits.graph_truncated,
        });
        self.control(reqwest::Method::POST, "switches", switches).await;
    }

    /// The content: what the port can change as it is now, and the rest as it was loaded.
    pub async fn world(&self) -> AzureFleet {
        let world = self.control(reqwest::Method::GET, "world", Value::Null).await;
        reading::fleet(&world, &self.loaded)
    }

    /// Lets this many minutes pass.
    pub async fn pass(&self, minutes: i64) {
        let passed = json!({"advance_seconds": minutes * 60});
        self.control(reqwest::Method::POST, "clock", passed).await;
    }

    /// The real adapter, connected to the subscription that was loaded. It does not wait for
    /// operations.
    pub async fn azure(&self) -> Azure {
        let subscription: AccountId = self.loaded.subscription.parse().expect("a subscription");
        let options = AzureOptions {
            endpoint: Some(self.url.clone()),
            token: Some(FixedToken::new("any")),
            first_backoff: Some(std::time::Duration::from_millis(1)),
            ..AzureOptions::to(subscription)
        };
        connect(options).await.expect("the stand-in accepts any token")
    }

    async fn control(&self, method: reqwest::Method, what: &str, body: Value) -> Value {
        let url = format!("{}/_standin/{what}", self.url);
        let request = self.client.request(method, url).body(body.to_string());
        let answer = request.send().await.expect("the stand-in answers");
        let status = answer.status();
        let text = answer.text().await.expect("text");
        assert!(status.is_success(), "{what}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

/// Runs the test with this name in a process that may call a stand-in. All tests of this process
/// share one stand-in, one test at a time. The certificate of its authority is written to `scratch`.
///
/// # Panics
/// If the stand-in does not start, or the test fails there, or there is no such test.
pub fn run_again(test: &str, scratch: &str) {
    static RUNNING: OnceLock<Mutex<Running>> = OnceLock::new();
    let running = RUNNING.get_or_init(|| Mutex::new(Running::start(Path::new(scratch))));
    let running = running.lock().unwrap_or_else(PoisonError::into_inner);
    let program = std::env::current_exe().expect("the path of this program");
    let ran = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(URL, &running.url)
        .env(CERTIFICATES, &running.ca_file)
        .env_remove("SSL_CERT_DIR")
        .output()
        .expect("this program starts");
    let text = String::from_utf8_lossy(&ran.stdout);
    // Without a test of that name, the program would succeed.
    let passed = ran.status.success() && text.contains("test result: ok. 1 passed");
    assert!(passed, "{test}: {text}{}", String::from_utf8_lossy(&ran.stderr));
}

impl Running {
    fn start(scratch: &Path) -> Self {
        let ca_file = scratch.join(format!("azure-standin-{}.pem", std::process::id()));
        let ca_file = ca_file.to_str().expect("a path in UTF-8").to_owned();
        let options = ["--page-size", "2", "--ca-file", &ca_file];
        let (_process, url) = standin_process::start("tests/standin/azure", options);
        Self { _process, url, ca_file }
    }
}
