//! Deliveries as the door leaves them in a queue, and the two queues that hold them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hubspot_simulator::Settings;
use hubspot_webhook::door::{Keys, Request, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER, TargetUrls, admit};
use hubspot_webhook::signature::{Secret, sign_v3};
use reqwest::Client;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

/// HubSpot's largest delivery.
pub(crate) const EVENTS: u64 = 100;
const URL: &str = "https://hooks.example.com/webhooks/hubspot";

/// Makes queue messages of a hundred events each.
pub(crate) struct Backlog<'a> {
    account: &'a Settings,
    secret: Secret,
    keys: Keys,
    urls: TargetUrls,
    records: &'a [i64],
    next_event: u64,
    /// When the first event happened: all of them before the records were last changed, so that one look is enough.
    happened_ms: i64,
    now_ms: i64,
}

impl<'a> Backlog<'a> {
    /// Events of these deals of the account, one deal after the other, that happened from `happened_ms` on, a millisecond
    /// apart, and are delivered at `now_ms` (epoch ms UTC).
    pub(crate) fn new(account: &'a Settings, records: &'a [i64], happened_ms: i64, now_ms: i64) -> Result<Self> {
        let secret = Secret::new(account.client_secret.as_str())?;
        let keys = Keys::new(vec![Secret::new(account.client_secret.as_str())?])?;
        Ok(Self { account, secret, keys, urls: TargetUrls::new([URL])?, records, next_event: 0, happened_ms, now_ms })
    }

    fn event(&mut self) -> Value {
        self.next_event += 1;
        let number = self.next_event;
        let at = usize::try_from(number).unwrap_or_default() % self.records.len();
        json!({
            "eventId": 3_000_000_000_u64 + number, "subscriptionId": 2_881_434, "portalId": self.account.portal_id,
            "appId": self.account.app_id, "occurredAt": self.happened_ms + i64::try_from(number).unwrap_or_default(),
            "subscriptionType": "deal.propertyChange", "attemptNumber": 0, "objectId": self.records[at],
            "propertyName": "amount", "propertyValue": (number % 90_000).to_string(), "changeSource": "CRM_UI",
            "sourceId": format!("userId:{}", 60_114_000 + number % 40)
        })
    }

    fn message(&mut self) -> Result<String> {
        let events: Vec<Value> = (0..EVENTS).map(|_| self.event()).collect();
        let (body, timestamp) = (serde_json::to_vec(&events)?, self.now_ms.to_string());
        let signature = sign_v3(&self.secret, "POST", URL, &body, &timestamp);
        let headers = [(SIGNATURE_V3_HEADER, signature.as_bytes()), (TIMESTAMP_HEADER, timestamp.as_bytes())];
        let request = Request { method: "POST", headers: &headers, body: &body, queries: &[] };
        let envelope = admit(&request, &self.keys, &self.urls, self.now_ms);
        Ok(envelope.map_err(|refusal| anyhow::anyhow!("the door refuses: {refusal}"))?.encode())
    }
}

/// A queue that is filled before the worker starts, and looked at while it works.
pub(crate) enum Queue {
    /// The file of an embedded queue, which the worker has made before.
    Embedded(SqliteConnection),
    Sqs(Sqs),
}

/// Two queues of an SQS API.
pub(crate) struct Sqs {
    client: Client,
    endpoint: String,
    pub(crate) url: String,
    pub(crate) dead_letter_url: String,
}

impl Queue {
    pub(crate) async fn embedded(file: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(60));
        Ok(Self::Embedded(options.connect().await.context("there is no embedded queue")?))
    }

    /// Makes the queues at `endpoint`.
    pub(crate) async fn sqs(endpoint: &str) -> Result<Self> {
        let client = Client::builder().no_proxy().build()?;
        let mut sqs = Sqs { client, endpoint: endpoint.to_owned(), url: String::new(), dead_letter_url: String::new() };
        let name = format!("bench-{:016x}", fastrand::u64(..));
        sqs.url = sqs.create(&name).await?;
        sqs.dead_letter_url = sqs.create(&format!("{name}-dead")).await?;
        Ok(Self::Sqs(sqs))
    }

    /// Puts so many deliveries into it.
    pub(crate) async fn fill(&mut self, backlog: &mut Backlog<'_>, deliveries: u64) -> Result<()> {
        match self {
            Self::Embedded(file) => {
                let mut transaction = file.begin().await?;
                for _ in 0..deliveries {
                    sqlx::query("INSERT INTO messages (body, sent_at, visible_at) VALUES (?1, ?2, ?2)")
                        .bind(backlog.message()?)
                        .bind(backlog.now_ms)
                        .execute(&mut *transaction)
                        .await?;
                }
                transaction.commit().await?;
            }
            Self::Sqs(sqs) => {
                for first in (0..deliveries).step_by(10) {
                    let entries = (first..deliveries.min(first + 10))
                        .map(|id| Ok(json!({ "Id": id.to_string(), "MessageBody": backlog.message()? })))
                        .collect::<Result<Vec<_>>>()?;
                    let answer =
                        sqs.call("SendMessageBatch", json!({ "QueueUrl": sqs.url, "Entries": entries })).await?;
                    ensure!(answer["Failed"].as_array().is_none_or(Vec::is_empty), "SQS refuses: {answer}");
                }
            }
        }
        Ok(())
    }

    /// Messages that are still there, in flight or not.
    pub(crate) async fn count(&mut self) -> Result<u64> {
        match self {
            Self::Embedded(file) => {
                let count: i64 = sqlx::query_scalar("SELECT count(*) FROM messages").fetch_one(file).await?;
                Ok(count.unsigned_abs())
            }
            Self::Sqs(sqs) => {
                let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
                let asked = json!({ "QueueUrl": sqs.url, "AttributeNames": names });
                let answer = sqs.call("GetQueueAttributes", asked).await?;
                let count = |name: &str| answer["Attributes"][name].as_str()?.parse::<u64>().ok();
                names.iter().map(|name| count(name)).sum::<Option<u64>>().context("SQS tells no count")
            }
        }
    }
}

impl Sqs {
    async fn create(&self, name: &str) -> Result<String> {
        let answer = self.call("CreateQueue", json!({ "QueueName": name })).await?;
        Ok(answer["QueueUrl"].as_str().context("SQS tells no URL")?.to_owned())
    }

    async fn call(&self, action: &str, body: Value) -> Result<Value> {
        let request = self.client.post(&self.endpoint).header("x-amz-target", format!("AmazonSQS.{action}"));
        let request = request.header("content-type", "application/x-amz-json-1.0").body(body.to_string());
        let answer = request.send().await?.error_for_status().with_context(|| format!("SQS: {action}"))?;
        let text = answer.text().await?;
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }
}
