//! Every secret in AWS Secrets Manager: changed under a running worker, missing, and out of reach.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use end_to_end::{Ended, command, mysql_database, run, signal};
use hubspot_simulator::{Kind, Settings, Simulator};
use hubspot_webhook::door::{Keys, Request, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER, TargetUrls, admit};
use hubspot_webhook::signature::{Secret, sign_v3};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use tokio::process::Command;
use url::Url;

use crate::harness::{start, until};
use crate::now;
use end_to_end::{Queues, aws_variables};
use end_to_end::{SmtpServer, Taken};

const URL: &str = "https://bell.example.com/webhooks/hubspot";

/// A queue message about this deal, signed with this secret and admitted now.
fn message(deal: i64, secret: &str) -> String {
    let now_ms = now().as_millisecond();
    let event = json!([{
        "eventId": deal, "portalId": Settings::default().portal_id, "appId": 7, "occurredAt": now_ms, "attemptNumber": 0,
        "subscriptionType": "deal.propertyChange", "objectId": deal, "propertyName": "dealstage",
    }]);
    let (body, stamp, secret) = (event.to_string(), now_ms.to_string(), Secret::new(secret).unwrap());
    let signature = sign_v3(&secret, "POST", URL, body.as_bytes(), &stamp);
    let headers = [(SIGNATURE_V3_HEADER, signature.as_bytes()), (TIMESTAMP_HEADER, stamp.as_bytes())];
    let request = Request { method: "POST", headers: &headers, body: body.as_bytes(), queries: &[] };
    admit(&request, &Keys::new(vec![secret]).unwrap(), &TargetUrls::new([URL]).unwrap(), now_ms).unwrap().encode()
}

fn win(simulator: &Simulator, name: &str) -> i64 {
    let account = simulator.account();
    let deal = account.create(Kind::Deal, &[("dealname", name), ("amount", "100"), ("deal_currency_code", "EUR")]);
    account.set(Kind::Deal, deal, &[("dealstage", "closedwon")]);
    deal
}

/// `closing-bell` with everything that is no secret; nothing waits for its minute.
fn closing_bell(simulator: &Simulator, queues: &Queues) -> Command {
    let mut worker = command("closing-bell");
    worker
        .envs(aws_variables())
        .envs([("QUEUE_URL", &queues.url), ("DEAD_LETTER_QUEUE_URL", &queues.dead_letter_url)])
        .env("HUBSPOT_API_URL", simulator.api_url())
        .envs([("MAIL_FROM", "bell@example.com"), ("MAIL_TO", "finance@example.com")])
        .envs([("QUIET_PERIOD", "0s"), ("POLL_INTERVAL", "200ms")]);
    worker
}

/// A user of the database who has this password, and the secret that RDS would keep of it.
struct Login {
    server: MySqlConnection,
    user: String,
    secret: Value,
}

impl Login {
    async fn create(password: &str) -> Self {
        let url = mysql_database().await;
        let mut server = MySqlConnection::connect(&url).await.unwrap();
        let (url, user) = (Url::parse(&url).unwrap(), format!("bell_{:08x}", fastrand::u32(..)));
        let database = url.path().trim_start_matches('/');
        for statement in
            [format!("CREATE USER {user} IDENTIFIED BY '{password}'"), format!("GRANT ALL ON {database}.* TO {user}")]
        {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut server).await.unwrap();
        }
        let secret = json!({
            "engine": "mysql", "host": url.host_str(), "port": url.port(), "dbname": database,
            "username": &user, "password": password,
        });
        Self { server, user, secret }
    }

    /// Another password; who is connected is thrown out, as when a server is failed over.
    async fn change(&mut self, password: &str) -> String {
        let user = &self.user;
        for statement in [format!("ALTER USER {user} IDENTIFIED BY '{password}'"), format!("KILL USER {user}")] {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.server).await.unwrap();
        }
        self.secret["password"] = json!(password);
        self.secret.to_string()
    }
}

/// Waits for the mail about a deal.
async fn told(smtp: &SmtpServer, name: &str) {
    let tells = |mail: &Taken| mail.text().contains(name);
    until(name, async || smtp.taken().iter().any(tells).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_secret_changes_under_a_running_worker_and_no_event_is_lost() {
    let (folder, queues) = (tempfile::tempdir().unwrap(), Queues::create().await);
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    simulator.account().rotate_token("pat-before");
    let mut smtp = SmtpServer::start(&["--auth", "bell:m@il/before"]).await;
    let mut login = Login::create("b@se/%41before").await;
    let client_secret = queues.create_secret(r#"{"client_secret":"app-before"}"#).await;
    let token = queues.create_secret("pat-before\n").await;
    let smtp_url = queues.create_secret(&smtp.url("smtp://bell:m%40il%2Fbefore@")).await;
    let database = queues.create_secret(&login.secret.to_string()).await;

    let mut command = closing_bell(&simulator, &queues);
    command.arg("worker").envs([
        ("HUBSPOT_CLIENT_SECRETS_ARN", &client_secret),
        ("HUBSPOT_ACCESS_TOKEN_ARN", &token),
        ("SMTP_URL_ARN", &smtp_url),
        ("DATABASE_URL_ARN", &database),
    ]);
    let log = folder.path().join("log");
    let mut worker = start(command, &log);
    let read_log = || std::fs::read_to_string(&log).unwrap();
    until("the books are open", async || read_log().contains("the books are opened").then_some(())).await;
    queues.send(&message(win(&simulator, "Harbour crane"), "app-before")).await;
    told(&smtp, "Harbour crane").await;

    // One after the other, each with an event that needs it.
    queues.change_secret(&client_secret, r#"{"client_secret":"app-after"}"#).await;
    queues.send(&message(win(&simulator, "Spare hooks"), "app-after")).await;
    told(&smtp, "Spare hooks").await;

    simulator.account().rotate_token("pat-after");
    queues.change_secret(&token, "pat-after").await;
    queues.send(&message(win(&simulator, "Steel rope"), "app-after")).await;
    told(&smtp, "Steel rope").await;

    smtp.wants("bell:m@il/after").await;
    queues.change_secret(&smtp_url, &smtp.url("smtp://bell:m%40il%2Fafter@")).await;
    queues.send(&message(win(&simulator, "Old winch"), "app-after")).await;
    told(&smtp, "Old winch").await;

    // This one was admitted before the rotation and has been waiting since.
    let late = message(win(&simulator, "Late anchor"), "app-before");
    let changed = login.change("b@se/%41after").await;
    queues.change_secret(&database, &changed).await;
    queues.send(&late).await;
    told(&smtp, "Late anchor").await;

    signal("TERM", &worker).await;
    let status = worker.wait().await.unwrap();
    let log = read_log();
    assert!(status.success(), "{status}\n{log}");
    assert_eq!(queues.count().await, (0, 0), "{log}");
    assert_eq!(smtp.taken().len(), 5);
    for variable in ["HUBSPOT_CLIENT_SECRETS", "HUBSPOT_ACCESS_TOKEN", "SMTP_URL", "DATABASE_URL"] {
        let changes = log.lines().filter(|line| line.contains("a secret has changed") && line.contains(variable));
        assert_eq!(changes.count(), 1, "{variable}: {log}");
    }
    for secret in ["app-", "pat-", "m@il", "m%40il", "b@se", "b%40se"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

/// Runs a command that ends by itself with these variables.
async fn ended(mut command: Command, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    command.args(arguments).envs(variables.iter().copied());
    run(command, b"").await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_with_secrets_is_told_at_once_and_none_of_them_with_it() {
    let queues = Queues::create().await;
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let missing = "arn:aws:secretsmanager:us-east-1:000000000000:secret:nothing-AbCdEf";
    let postgres = queues.create_secret(r#"{"engine":"postgres","password":"hush"}"#).await;
    let variables = [
        ("HUBSPOT_CLIENT_SECRETS_ARN", missing),
        ("HUBSPOT_ACCESS_TOKEN", "pat-hush"),
        ("HUBSPOT_ACCESS_TOKEN_ARN", missing),
        ("DATABASE_URL_ARN", &postgres),
        ("POLL_INTERVAL", "often"),
    ];
    let Ended { code, stderr, .. } = ended(closing_bell(&simulator, &queues), &["worker"], &variables).await;
    assert_eq!(code, Some(2), "{stderr}");
    for problem in [
        &*format!(
            "HUBSPOT_CLIENT_SECRETS_ARN: AWS Secrets Manager has no value for {missing}; paste it there, or correct the ARN"
        ),
        "HUBSPOT_ACCESS_TOKEN: HUBSPOT_ACCESS_TOKEN_ARN is set too; keep one of them",
        "DATABASE_URL_ARN: its JSON lacks host, username, dbname; a database secret of RDS has them",
        "SMTP_URL: not set; smtps://user:password@host:465, smtp://host:587 or file:folder (or SMTP_URL_ARN: where AWS \
         Secrets Manager has it)",
        "POLL_INTERVAL: not a duration such as 60s or 5m",
    ] {
        assert!(stderr.contains(&format!("\n  {problem}\n")), "{problem}\n{stderr}");
    }
    assert!(stderr.contains("the configuration has 5 problems") && !stderr.contains("hush"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_commands_read_their_secrets_there_too() {
    let queues = Queues::create().await;
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let secret = queues.create_secret("app-now,app-before").await;
    let signature = sign_v3(&Secret::new("app-before").unwrap(), "POST", URL, b"", "1000");
    let arguments = ["verify", "--signature-version", "v3", "--method", "POST", "--url", URL, "--timestamp", "1000"];
    let arguments = [&arguments[..], &["--now", "1000", "--signature", &signature]].concat();
    let verified =
        ended(closing_bell(&simulator, &queues), &arguments, &[("HUBSPOT_CLIENT_SECRETS_ARN", &secret)]).await;
    assert_eq!((verified.code, &*verified.stdout), (Some(0), "valid: the older secret matches\n"), "{verified:?}");

    let login = Login::create("first").await;
    let database = queues.create_secret(&login.secret.to_string()).await;
    let status = ended(closing_bell(&simulator, &queues), &["status"], &[("DATABASE_URL_ARN", &database)]).await;
    assert_eq!(status.code, Some(0), "{status:?}");

    let token = queues.create_secret(&Settings::default().access_token).await;
    let variables = [("DATABASE_URL_ARN", &*database), ("HUBSPOT_ACCESS_TOKEN_ARN", &token)];
    let reconciled = ended(closing_bell(&simulator, &queues), &["reconcile"], &variables).await;
    assert!(reconciled.stderr.contains("the books are not those of HubSpot account"), "{reconciled:?}");
}

/// A Secrets Manager that answers so often with a secret, and with 500 from then on.
async fn failing_after(answers: usize, secret: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let left = AtomicUsize::new(answers);
    let answer = move || {
        let has_one = left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        let status = if has_one { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
        std::future::ready((status, json!({ "SecretString": secret }).to_string()))
    };
    let answer = Arc::new(answer);
    let router = Router::new().fallback(async move || answer().await);
    tokio::spawn(axum::serve(listener, router).into_future());
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn while_secrets_manager_is_away_nothing_is_given_up() {
    let (folder, queues) = (tempfile::tempdir().unwrap(), Queues::create().await);
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let books = format!("sqlite:{}", folder.path().join("books.sqlite").display());
    let outbox = format!("file:{}", folder.path().join("outbox").display());
    let deal = win(&simulator, "Harbour crane");
    queues.send(&message(deal, "app-after")).await;
    let access_token = Settings::default().access_token;
    let variables = |endpoint| {
        [
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint),
            ("HUBSPOT_CLIENT_SECRETS_ARN", "app"),
            ("HUBSPOT_ACCESS_TOKEN", &access_token),
            ("DATABASE_URL", &books),
            ("SMTP_URL", &outbox),
            ("ALLOW_SQLITE_WITH_SQS", "yes"),
        ]
    };
    let once = ["worker", "--once", "--json"];

    // At the start: nothing is received, and it does not last.
    let began = Instant::now();
    let away = failing_after(0, "").await;
    let never = ended(closing_bell(&simulator, &queues), &once, &variables(&away)).await;
    assert_eq!(never.code, Some(1), "nothing is wrong with the configuration: {}", never.stderr);
    assert!(
        never.stderr.contains("HUBSPOT_CLIENT_SECRETS_ARN: AWS Secrets Manager cannot be asked for app"),
        "{never:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(queues.count().await, (1, 0));

    // Later: the last known secret stays, and what does not match it waits.
    let later = failing_after(1, "app-before").await;
    let in_doubt = ended(closing_bell(&simulator, &queues), &once, &variables(&later)).await;
    assert_eq!(in_doubt.code, Some(1), "{}", in_doubt.stderr);
    let summary: Value = serde_json::from_str(&in_doubt.stdout).unwrap();
    assert_eq!((&summary["dead_letters"], &summary["deliveries"]), (&json!(0), &json!(0)));
    assert!(summary["problems"][0].as_str().unwrap().contains("they stay in the queue"), "{summary}");
    assert_eq!(queues.count().await, (1, 0));

    // What is surely forged is given up.
    queues.send(&message(deal, "app-of-somebody-else")).await;
    let there = failing_after(9, "app-after").await;
    let forged = ended(closing_bell(&simulator, &queues), &once, &variables(&there)).await;
    let summary: Value = serde_json::from_str(&forged.stdout).unwrap();
    assert_eq!((forged.code, &summary["dead_letters"]), (Some(0), &json!(1)), "{forged:?}");
    assert_eq!(queues.dead_letters().await[0].1, "signature: signature_mismatch");
}
