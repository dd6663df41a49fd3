//! The simulated account as programs meet it: through sockets, on a clock that stands still.

#![expect(clippy::unwrap_used, reason = "tests")]

use hubspot_simulator::{Clock, Settings, Simulator};
use reqwest::StatusCode;
use serde_json::Value;

mod api;
mod faults;
mod webhooks;

/// 2026-11-22T10:00:00Z.
const NOW_MS: i64 = 1_795_341_600_000;

/// A running account, its clock, and a client with its token.
struct World {
    simulator: Simulator,
    clock: Clock,
    client: reqwest::Client,
}

impl World {
    async fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let clock = Clock::manual(NOW_MS);
        let mut settings = Settings { clock: clock.clone(), ..Settings::default() };
        change(&mut settings);
        let simulator = Simulator::start(settings).await.unwrap();
        Self { simulator, clock, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    fn arm(&self, fault: &str) {
        self.simulator.faults().arm(fault.parse().unwrap());
    }

    fn request(&self, method: &str, path: &str, body: Option<Value>) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.simulator.api_url());
        let request = self.client.request(method.parse().unwrap(), url).bearer_auth("pat-simulated-62515001");
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.request("GET", path, None).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let answer = self.request("POST", path, Some(body)).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }
}
