//! The whole life of a deployment: `cargo xtask deploy` until it goes through, the same again, an update under load, a killed
//! worker, a second one, a rotated secret, the operator's commands, and the end. Under it nothing of ours: the real SAM, an AWS of
//! this machine, ECS tasks as containers. What comes out is held against the account: each event in the books once, and mails with
//! its figures.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use end_to_end::{Figures, Queues, SmtpServer, mails_in, mysql_database, now_ms};
use hubspot_simulator::{Account, Counters, Outcome, Settings, Simulator, story};
use reqwest::{Client, Method};
use serde_json::Value;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{AssertSqlSafe, MySqlPool};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::stack::{Deployed, Stack, Task, docker, typed, until};

/// So long may an update delay anything, from HubSpot's clock to the books, in milliseconds.
const MOST_DELAY_MS: i64 = 60_000;

/// The client secret after the rotation.
const NEW_SECRET: &str = "the-client-secret-after-its-rotation";

/// Looks into the books twice a second, as somebody does who waits for every delivery.
struct Watch {
    stopping: Arc<AtomicBool>,
    task: JoinHandle<(i64, i64)>,
}

impl Watch {
    fn over(books: &Books) -> Self {
        let (stopping, pool) = (Arc::new(AtomicBool::new(false)), books.0.clone());
        let stop = Arc::clone(&stopping);
        let task = tokio::spawn(async move {
            let (mut seen, mut most) = (BTreeSet::new(), (0, 0));
            while !stop.load(Ordering::Relaxed) {
                let deliveries = "SELECT d.id, d.received_at, MIN(e.occurred_at) FROM deliveries d JOIN events e \
                                  ON e.delivery_id = d.id GROUP BY d.id, d.received_at";
                let deliveries: Vec<(Vec<u8>, i64, i64)> = sqlx::query_as(deliveries).fetch_all(&pool).await.unwrap();
                let now_ms = now_ms();
                for (id, received_at, occurred_at) in deliveries {
                    if seen.insert(id) {
                        most = (most.0.max(received_at - occurred_at), most.1.max(now_ms - received_at));
                    }
                }
                sleep(Duration::from_millis(500)).await;
            }
            most
        });
        Self { stopping, task }
    }

    /// The longest that an event took to the door, and a delivery from there into the books, in milliseconds.
    async fn most_delays(self) -> (i64, i64) {
        self.stopping.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

/// An account in which something happens all the time, until it is asked to stop.
struct Load {
    stopping: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Load {
    fn on(account: &Account) -> Self {
        let (stopping, account) = (Arc::new(AtomicBool::new(false)), account.clone());
        let stop = Arc::clone(&stopping);
        let task = tokio::spawn(async move {
            for seed in 1.. {
                for step in story::load(&account, 20, seed) {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    step.run(&account);
                    sleep(Duration::from_millis(100)).await;
                }
            }
        });
        Self { stopping, task }
    }

    async fn stop(self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

/// The books, asked by nobody's code but the test's.
struct Books(MySqlPool);

impl Books {
    async fn number(&self, question: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(question.to_owned())).fetch_one(&self.0).await.unwrap()
    }

    /// Waits until everything that was accepted is taken in, read, told and sent.
    async fn all_told(&self, queues: &Queues) {
        let waits = "SELECT (SELECT COUNT(*) FROM due WHERE next_at IS NOT NULL) + (SELECT COUNT(*) FROM pending) \
                     + (SELECT COUNT(*) FROM mail_recipients WHERE state <> 'sent')";
        until("everything is told", async || {
            (queues.count().await == (0, 0) && self.number(waits).await == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_from_its_first_day_to_its_last() {
    let settings = Settings { retry_speed: 60, ..Settings::default() };
    let simulator = Simulator::start(settings.clone()).await.unwrap();
    story::before_the_day(simulator.account());
    let before = Figures::of_account(simulator.account());
    let smtp = SmtpServer::start(&["--auth", "bell:hush"]).await;
    let database = mysql_database().await;
    let books = Books(MySqlPoolOptions::new().max_connections(2).connect_lazy(&database).unwrap());

    let mut stack = Stack::new();
    let database_secret = stack.aws.create_secret(&database).await;
    let door = first_deployment(&mut stack, (&simulator, &settings), &smtp, &database_secret).await;
    let queues = Queues::at(stack.output("QueueUrl"), stack.output("DeadLetterQueueUrl"));
    let ring = async || simulator.sender().post(b"[]".to_vec()).await;
    stack.settled(1).await;
    until("the books are open", async || {
        let opened = "SELECT COUNT(*) FROM facts WHERE name = 'opening_done'";
        let opened = sqlx::query_scalar::<_, i64>(opened).fetch_one(&books.0).await;
        opened.is_ok_and(|opened| opened == 1).then_some(())
    })
    .await;
    only_the_door_is_open(&door).await;
    same_again(&mut stack, &door).await;

    // An update under load. The mail server, the books and HubSpot go on, and so does everything else.
    let counters = simulator.counters();
    let (watch, load) = (Watch::over(&books), Load::on(simulator.account()));
    until("it is busy", async || (books.number("SELECT COUNT(*) FROM events").await > 20).then_some(())).await;
    let second = stack.push_again("second").await;
    went_through(&stack.deploy(&["--image", &second]).await, &door);
    let old = stack.settled(1).await;
    load.stop().await;
    simulator.drained().await;
    books.all_told(&queues).await;
    // The account repeats in a second what HubSpot repeats in a minute, so nothing may have to be repeated.
    let repeats = |counters: &Counters| (counters.failed, counters.refused, counters.given_up);
    assert_eq!(repeats(&simulator.counters()), repeats(&counters));
    let (to_the_door, into_the_books) = watch.most_delays().await;
    println!("an update under load: {to_the_door} ms to the door, {into_the_books} ms into the books, at most");
    assert!(to_the_door < MOST_DELAY_MS && into_the_books < MOST_DELAY_MS, "{to_the_door} ms, {into_the_books} ms");
    let mails = smtp.taken().len();
    assert!(mails > 0);

    // The worker is killed under load, and another one is there without anybody's doing.
    let load = Load::on(simulator.account());
    until("it is busy again", async || (smtp.taken().len() > mails).then_some(())).await;
    docker(&["kill", old.first().unwrap()]).await;
    let replaced = stack.settled(1).await;
    assert!(replaced.is_disjoint(&old));
    // Back to the image of this checkout, with a second worker, and a rotation while both work.
    went_through(&stack.deploy(&["--set", "Workers=2"]).await, &door);
    stack.settled(2).await;
    simulator.sender().rotate_secret(NEW_SECRET).unwrap();
    until("HubSpot is refused", async || (simulator.counters().refused > counters.refused).then_some(())).await;
    stack.paste("RetiredSecretsArn", &settings.client_secret).await;
    stack.paste("ClientSecretsArn", NEW_SECRET).await;
    let accepted = simulator.counters().accepted;
    until("the new secret is good", async || (simulator.counters().accepted > accepted + 5).then_some(())).await;
    load.stop().await;
    simulator.drained().await;
    books.all_told(&queues).await;

    check(&books, &simulator, &smtp, &before).await;
    operate(&stack, &smtp, &door).await;

    queues.send_dead("what somebody still wants to look at", None).await;
    stack.delete().await;
    until("the workers are gone", async || stack.workers().await.is_empty().then_some(())).await;
    assert_eq!(queues.count().await, (0, 1), "both queues are kept, and what is in them");
    assert_ne!(ring().await, Outcome::Answered(200), "the door is gone");
}

/// As README.md has it, with what somebody may do wrong. Gives the URL of the door.
async fn first_deployment(
    stack: &mut Stack,
    (simulator, settings): (&Simulator, &Settings),
    smtp: &SmtpServer,
    database_secret: &str,
) -> String {
    // This AWS has no firewall and no Aurora.
    let parameters = [
        "OwnerEmail=owner@example.com".to_owned(),
        "MailFrom=bell@example.com".to_owned(),
        "MailTo=finance@example.com".to_owned(),
        format!("HubSpotApiUrl={}", simulator.api_url()),
        "PollInterval=1s".to_owned(),
        "QuietPeriod=1s".to_owned(),
        format!("DatabaseSecretArn={database_secret}"),
        "Firewall=off".to_owned(),
    ];
    let options: Vec<&str> = parameters.iter().flat_map(|parameter| ["--set", parameter]).collect();
    // Somebody's first try that failed and was taken back.
    let failing =
        r#"{"Resources": {"Stream": {"Type": "AWS::Logs::LogStream", "Properties": {"LogGroupName": "nowhere"}}}}"#;
    let create = "target/tools-python/bin/aws cloudformation create-stack --stack-name closing-bell --template-body";
    typed(&format!("{create} '{failing}'"), "").await;
    let deployed = stack.deploy(&options).await;
    assert_eq!((deployed.code, &*deployed.stdout), (Some(1), ""));
    assert!(deployed.stderr.contains("Clear away"), "{}", deployed.stderr);
    assert!(deployed.stderr.contains(stack.output("WebhookUrl")), "HubSpot's app needs it before there are secrets");
    assert_eq!(stack.workers().await, BTreeMap::new(), "there is no image yet");
    let door = stack.door();
    simulator.set_target_url(&door);
    assert_eq!(simulator.sender().post(b"[]".to_vec()).await, Outcome::Answered(502), "there is no secret yet");

    let (secret, token, smtp_url) = (&settings.client_secret, &settings.access_token, smtp.url("smtp://bell:hush@"));
    let lines = to_type(&deployed.stderr);
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, pasted) in lines.iter().zip([secret, token, ""]) {
        typed(line, &format!("{pasted}\n")).await;
    }
    let deployed = stack.deploy(&[]).await;
    assert_eq!((deployed.code, to_type(&deployed.stderr)), (Some(1), lines[2..].to_vec()), "one was pasted blank");
    typed(&lines[2], &format!("{smtp_url}\n")).await;

    // This AWS does not tell the door by which name it was called.
    went_through(&stack.deploy(&["--set", &format!("WebhookUrls={door}")]).await, &door);
    door
}

/// The lines that deploying asks its reader to type.
fn to_type(stderr: &str) -> Vec<String> {
    let lines = stderr.lines().map(str::trim).filter(|line| line.contains(" put-secret-value "));
    lines.map(str::to_owned).collect()
}

/// All steps to the end, and the URL for HubSpot.
fn went_through(deployed: &Deployed, door: &str) {
    assert_eq!((deployed.code, &*deployed.stdout), (Some(0), &*format!("{door}\n")), "{}", deployed.stderr);
}

/// Nothing has changed, so nothing is pushed and no worker is replaced.
async fn same_again(stack: &mut Stack, door: &str) {
    let workers = stack.workers().await;
    let deployed = stack.deploy(&[]).await;
    went_through(&deployed, door);
    for told in ["is in the registry already", "No changes to deploy"] {
        assert!(deployed.stderr.contains(told), "{}", deployed.stderr);
    }
    assert_eq!(stack.workers().await, workers);
}

/// Everything but a `POST` of HubSpot's to its one path is refused.
async fn only_the_door_is_open(door: &str) {
    let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let other = door.replace("/hubspot", "/other");
    for (method, url, status) in [(Method::POST, door, 401), (Method::PUT, door, 403), (Method::POST, &other, 403)] {
        let answer = client.request(method.clone(), url).body("[]").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {url}");
    }
}

/// Each event is in the books once, and the mails tell what has happened, each once.
async fn check(books: &Books, simulator: &Simulator, smtp: &SmtpServer, before: &Figures) {
    let counters = simulator.counters();
    assert_eq!(counters.given_up, 0, "{counters:?}");
    let events = books.number("SELECT COUNT(*) FROM events").await;
    assert_eq!(u64::try_from(events), Ok(counters.events), "{counters:?}");
    assert_eq!(books.number("SELECT COUNT(*) FROM set_aside").await, 0);
    let mails = mails_in(smtp.folder());
    let mut distinct = mails.clone();
    distinct.sort_by(|one, other| one.message_id.cmp(&other.message_id));
    distinct.dedup_by(|one, other| one.message_id == other.message_id);
    // The worker that was killed may have been in the middle of one, which is sent again under its Message-ID.
    assert!(mails.len() <= distinct.len() + 1, "{} mails, {} different ones", mails.len(), distinct.len());
    assert_eq!(Figures::of_mails(&distinct), Figures::of_account(simulator.account()).since(before));
    assert!(distinct.iter().all(|mail| mail.to == ["finance@example.com"] && mail.from == "bell@example.com"));
}

/// The operator's commands, each as a task of its own: as infra/RUNBOOK.md has one type them, and with their exit codes.
async fn operate(stack: &Stack, smtp: &SmtpServer, door: &str) {
    let (_, lines) = include_str!("../../../infra/RUNBOOK.md").split_once("```sh\n").unwrap();
    let (lines, _) = lines.split_once("```").unwrap();
    let told = typed(&format!("{lines}bell status"), "").await;
    assert!(told.contains("everything that was accepted is taken in"), "{told}");
    let told =
        typed(&format!("{lines}sam logs --cw-log-group \"$DoorLogs\" --filter '{{ $.status = 401 }}'"), "").await;
    assert!(told.contains("signature_mismatch"), "{told}");
    let mails = smtp.taken().len();
    typed(&format!("{lines}bell preview closed-deals --send-to owner@example.com"), "").await;
    assert_eq!(smtp.taken().len(), mails + 1);
    let status = stack.run(&["status", "--json"]).await;
    let told = json(&status);
    assert_eq!((status.code, &told["queue"]["waiting"], &told["queue"]["dead_letters"]), (0, &0.into(), &0.into()));
    assert_eq!(told["books"]["opening_done"], true, "{told}");
    let doctor = stack.run(&["doctor", "--json", "--url", door]).await;
    let checks = json(&doctor);
    let told = |check: &Value, name: &str| check[name].as_str().unwrap().to_owned();
    let checks = checks.as_array().unwrap().iter().map(|check| (told(check, "check"), told(check, "state")));
    let checks: BTreeMap<String, String> = checks.collect();
    assert!(checks.values().all(|state| ["ok", "not_checked"].contains(&&**state)), "{doctor:?}");
    assert_eq!(doctor.code, 0, "{doctor:?}");
    for check in ["configuration", "client secrets", "webhook URL", "queue setup", "books", "mail"] {
        assert_eq!(checks[check], "ok", "{check}: {doctor:?}");
    }
}

/// The result of a command among the lines of its log.
fn json(task: &Task) -> Value {
    let (start, end) = (task.log.find(['{', '[']), task.log.rfind(['}', ']']));
    let result = start.zip(end).and_then(|(start, end)| serde_json::from_str(&task.log[start..=end]).ok());
    result.unwrap_or_else(|| panic!("{task:?}"))
}
