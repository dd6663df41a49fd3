//! HubSpot → API Gateway → Lambda → SQS → `closing-bell worker` → SMTP, each part the real one or the one that AWS describes.

use std::collections::BTreeSet;

use end_to_end::{command, mysql_database, run};
use hubspot_simulator::{Account, Kind, Settings, Simulator, story};
use hubspot_webhook::door::{Keys, Request, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER, TargetUrls, admit};
use hubspot_webhook::signature::{Secret, sign_v3};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::{Api, DOMAIN, Gateway, PATH};
use crate::now;
use end_to_end::{Queues, aws_variables};
use end_to_end::{SmtpServer, Taken};

const SECRET: &str = "secret-of-the-app";

struct Chain {
    simulator: Simulator,
    queues: Queues,
    gateway: Gateway,
    smtp: SmtpServer,
    database: String,
    _folder: TempDir,
}

impl Chain {
    /// Starts everything; the books are open, and HubSpot calls the gateway.
    async fn start(told_its_url: bool) -> Self {
        Self::with_books(None, told_its_url).await
    }

    /// The same with books in this database, and else in a SQLite file.
    async fn with_books(database: Option<String>, told_its_url: bool) -> Self {
        let settings = Settings { client_secret: SECRET.to_owned(), ..Settings::default() };
        let simulator = Simulator::start(settings).await.unwrap();
        story::before_the_day(simulator.account());
        let (queues, folder) = (Queues::create().await, tempfile::tempdir().unwrap());
        let mut variables = aws_variables();
        variables.extend([("QUEUE_URL", queues.url.clone()), ("HUBSPOT_CLIENT_SECRETS", SECRET.to_owned())]);
        let database = database.unwrap_or_else(|| format!("sqlite:{}", folder.path().join("books.sqlite").display()));
        let gateway = Gateway::start(Api::Rest, told_its_url, &folder.path().join("lambda.log"), &variables).await;
        let chain = Self { simulator, queues, gateway, smtp: SmtpServer::start(&[]).await, database, _folder: folder };
        let opening = chain.work(&[]).await;
        assert_eq!(opening["problems"], json!([]));
        assert_eq!(opening["mails_sent"], 0, "what was there before is no news");
        chain.simulator.set_target_url(chain.gateway.url());
        chain
    }

    /// One cycle of the worker, in a process of its own; `more` wins over what is usual.
    async fn work(&self, more: &[(&str, &str)]) -> Value {
        let mut worker = command("closing-bell");
        worker
            .args(["worker", "--once", "--json"])
            .envs(aws_variables())
            .env("QUEUE_URL", &self.queues.url)
            .env("DEAD_LETTER_QUEUE_URL", &self.queues.dead_letter_url)
            .env("DATABASE_URL", &self.database)
            .env("ALLOW_SQLITE_WITH_SQS", "yes")
            .env("HUBSPOT_CLIENT_SECRETS", SECRET)
            .env("HUBSPOT_ACCESS_TOKEN", Settings::default().access_token)
            .env("HUBSPOT_API_URL", self.simulator.api_url())
            .env("SMTP_URL", self.smtp.url("smtp://"))
            .env("MAIL_FROM", "Closing Bell <bell@example.com>")
            .env("MAIL_TO", "Finance <finance@example.com>")
            .env("QUIET_PERIOD", "0s")
            .envs(more.iter().copied());
        let ended = run(worker, b"").await;
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    fn account(&self) -> &Account {
        self.simulator.account()
    }

    /// A deal is won and HubSpot has delivered every event of it.
    async fn win(&self, name: &str, amount: &str, currency: &str) {
        win(self.account(), name, amount, currency);
        self.simulator.drained().await;
    }

    /// The text of each mail.
    fn texts(&self) -> Vec<String> {
        self.smtp.taken().iter().map(Taken::text).collect()
    }
}

fn win(account: &Account, name: &str, amount: &str, currency: &str) {
    let deal = [("dealname", name), ("amount", amount), ("deal_currency_code", currency)];
    let deal = account.create(Kind::Deal, &deal);
    account.set(Kind::Deal, deal, &[("dealstage", "closedwon")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_hubspot_is_in_the_mailbox() {
    is_in_the_mailbox(Chain::start(true).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_hubspot_is_in_the_mailbox_with_books_in_mariadb() {
    is_in_the_mailbox(Chain::with_books(Some(mysql_database().await), true).await).await;
}

async fn is_in_the_mailbox(chain: Chain) {
    for fault in ["duplicate-deliveries:1", "odd-events:1"] {
        chain.simulator.faults().arm(fault.parse().unwrap());
    }
    let account = chain.account();
    // One write is one delivery: both faults meet it.
    let lost = account.create(Kind::Deal, &[("dealname", "Old winch"), ("amount", "300")]);
    chain.simulator.drained().await;
    win(account, "Harbour crane", "48200.10", "EUR");
    win(account, "Spare hooks", "1999.95", "USD");
    account.set(Kind::Deal, lost, &[("dealstage", "closedlost")]);
    let invoice = [("hs_number", "INV-7"), ("hs_amount_billed", "24100.05"), ("hs_currency", "EUR")];
    let invoice = account.create(Kind::Invoice, &invoice);
    account.set(Kind::Invoice, invoice, &[("hs_invoice_status", "open")]);
    account.pay(invoice, "10000.00", "PAY-7");
    chain.simulator.drained().await;
    let sent = chain.simulator.counters();
    assert_eq!((sent.refused, sent.failed), (0, 0), "Lambda takes every delivery");

    let summary = chain.work(&[]).await;
    assert_eq!(summary["problems"], json!([]));
    assert_eq!(summary["deliveries"], sent.accepted);
    assert_eq!(summary["events"], sent.events, "each event once, though a delivery came twice");
    assert_ne!(summary["repeated_events"], 0);
    assert_eq!(summary["set_aside"], 6, "null, a number and an event of no account, in both copies");
    assert_eq!(summary["dead_letters"], 0);
    assert_eq!(summary["mails_sent"], 2);
    assert_eq!(chain.queues.count().await, (0, 0), "what is in the books is not in the queue");

    let texts = chain.texts();
    assert_eq!(texts.len(), 2);
    for figure in [
        "2 deals won: €48,200.10 and $1,999.95",
        "1 deal lost: €300.00",
        "1 invoice created: €24,100.05",
        "1 invoice part paid: €10,000.00",
        "1 payment received: €10,000.00",
    ] {
        assert_eq!(texts.iter().filter(|text| text.contains(figure)).count(), 1, "{figure}: {texts:#?}");
    }

    let again = chain.work(&[]).await;
    assert_eq!((&again["deliveries"], &again["changes"], &again["mails_sent"]), (&json!(0), &json!(0), &json!(0)));
    assert_eq!(chain.texts().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_s_own_account_is_the_url_that_is_checked() {
    let chain = Chain::start(false).await;
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let body = br#"[{"eventId":1,"portalId":62515001,"occurredAt":1795341600000,"subscriptionType":"deal.creation","objectId":1}]"#;
    let timestamp = now().as_millisecond().to_string();
    let secret = Secret::new(SECRET).unwrap();
    let called = format!("https://{DOMAIN}{PATH}");
    let mut statuses = Vec::new();
    for (signed_for, host) in [(called.as_str(), "bell.example.com"), ("https://bell.example.com/prod", DOMAIN)] {
        let request = client
            .post(chain.gateway.url())
            .header("host", host)
            .header(TIMESTAMP_HEADER, &timestamp)
            .header(SIGNATURE_V3_HEADER, sign_v3(&secret, "POST", signed_for, body, &timestamp));
        statuses.push(request.body(body.to_vec()).send().await.unwrap().status());
    }
    assert_eq!(statuses, [StatusCode::OK, StatusCode::UNAUTHORIZED]);
    assert_eq!(chain.queues.count().await, (1, 0), "what is refused is not in the queue");
}

#[tokio::test(flavor = "multi_thread")]
async fn hubspot_is_answered_while_it_listens_even_if_aws_is_silent() {
    // It takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut variables = aws_variables();
    variables.retain(|(name, _)| *name != "AWS_ENDPOINT_URL");
    variables.extend([("AWS_ENDPOINT_URL", endpoint.clone()), ("QUEUE_URL", format!("{endpoint}/queue"))]);
    variables.push(("HUBSPOT_CLIENT_SECRETS", SECRET.to_owned()));
    let gateway = Gateway::start(Api::Rest, true, &folder.path().join("lambda.log"), &variables).await;
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let (url, timestamp) = (gateway.url(), now().as_millisecond().to_string());
    let signature = sign_v3(&Secret::new(SECRET).unwrap(), "POST", &url, b"[]", &timestamp);
    let began = std::time::Instant::now();
    let request = client.post(&url).header(TIMESTAMP_HEADER, &timestamp).header(SIGNATURE_V3_HEADER, signature);
    assert_eq!(request.body("[]").send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "HubSpot hangs up after 5 s: {:?}", began.elapsed());
    let log = std::fs::read_to_string(folder.path().join("lambda.log")).unwrap();
    let started = format!(r#"{{"level":"INFO","message":"the door is open","version":"{}"#, env!("CARGO_PKG_VERSION"));
    assert!(log.lines().any(|line| line.starts_with(&started)), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_message_holds_nothing_back() {
    let chain = Chain::start(true).await;
    let forged = {
        let keys = Keys::new(vec![Secret::new("secret-of-somebody-else").unwrap()]).unwrap();
        let (url, body, at) = ("https://bell.example.com/webhooks/hubspot", b"[]", now().as_millisecond());
        let timestamp = at.to_string();
        let signature = sign_v3(&Secret::new("secret-of-somebody-else").unwrap(), "POST", url, body, &timestamp);
        let headers = [(SIGNATURE_V3_HEADER, signature.as_bytes()), (TIMESTAMP_HEADER, timestamp.as_bytes())];
        let request = Request { method: "POST", headers: &headers, body, queries: &[] };
        admit(&request, &keys, &TargetUrls::new([url]).unwrap(), at).unwrap().encode()
    };
    chain.queues.send("this is no envelope").await;
    chain.queues.send(&forged).await;
    chain.win("Harbour crane", "48200.10", "EUR").await;

    let summary = chain.work(&[]).await;
    assert_eq!(summary["problems"], json!([]));
    assert_eq!((&summary["dead_letters"], &summary["mails_sent"]), (&json!(2), &json!(1)));
    assert_eq!(chain.queues.count().await, (0, 2));
    let letters: BTreeSet<_> = chain.queues.dead_letters().await.into_iter().collect();
    let cause = |body: &str| letters.iter().find(|(letter, _)| letter == body).map(|(_, cause)| cause.clone());
    assert_eq!(cause(&forged).as_deref(), Some("signature: signature_mismatch"));
    let cause = cause("this is no envelope").expect("it is among the dead letters, as it was");
    assert!(cause.starts_with("envelope: "), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_outlives_its_secret_only_where_the_secret_is_kept_as_retired() {
    let chain = Chain::start(true).await;
    let rotated = ("HUBSPOT_CLIENT_SECRETS", "the-new-secret");
    chain.win("Harbour crane", "48200.10", "EUR").await;
    let summary = chain.work(&[rotated]).await;
    assert_eq!((&summary["deliveries"], &summary["mails_sent"]), (&json!(0), &json!(0)));
    let letters = chain.queues.dead_letters().await;
    assert_eq!(letters.len() as u64, chain.simulator.counters().accepted);
    assert!(letters.iter().all(|(_, cause)| cause == "signature: signature_mismatch"), "{letters:?}");

    let before = chain.simulator.counters().accepted;
    chain.win("Spare hooks", "1999.95", "USD").await;
    let summary = chain.work(&[rotated, ("HUBSPOT_RETIRED_SECRETS", SECRET)]).await;
    assert_eq!(summary["deliveries"], chain.simulator.counters().accepted - before);
    assert_eq!((&summary["dead_letters"], &summary["mails_sent"]), (&json!(0), &json!(1)));
    assert!(chain.texts()[0].contains("1 deal won: $1,999.95"), "{:?}", chain.texts());
}
