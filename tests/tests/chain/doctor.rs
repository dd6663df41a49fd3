//! `doctor` with a worker's environment: SQS, a database with TLS, a mail server, and a door behind https.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use end_to_end::{Ended, command, run};
use hubspot_simulator::{Settings, Simulator};
use report_worker::store::Store;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use end_to_end::SmtpServer;
use end_to_end::python;
use end_to_end::{Queues, aws_variables};

/// The server of tests/services that answers like a door. It ends with this value.
struct Door {
    _process: Child,
    _folder: TempDir,
    url: String,
    ca_file: String,
}

impl Door {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("services/https_server.py");
        let mut process = Command::new(python())
            .arg(script)
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let told: Value = serde_json::from_str(&line).expect("the server says its port");
        let ca_file = told["ca_file"].as_str().unwrap().to_owned();
        let url = format!("https://127.0.0.1:{}/webhooks/hubspot", told["port"]);
        Self { _process: process, _folder: folder, url, ca_file }
    }
}

/// An empty database, with TLS and without; over the network it would be the same.
async fn databases() -> [String; 2] {
    let server = std::env::var("CLOSING_BELL_TEST_MYSQL").expect("run `cargo xtask test`");
    let certificate = std::env::var("CLOSING_BELL_TEST_MYSQL_CA").expect("run `cargo xtask test`");
    let name = format!("doctor_{:016x}", fastrand::u64(..));
    let mut connection = MySqlConnection::connect(&server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let parameters = [format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={certificate}"), "ssl-mode=DISABLED".to_owned()];
    parameters.map(|parameters| format!("{server}/{name}?{parameters}"))
}

async fn doctor(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let settings = Settings::default();
    let mut doctor = command("closing-bell");
    doctor.arg("doctor").args(arguments).current_dir(folder).envs(aws_variables()).env("TMPDIR", folder);
    doctor.envs([
        ("HUBSPOT_CLIENT_SECRETS", settings.client_secret.as_str()),
        ("HUBSPOT_ACCESS_TOKEN", &settings.access_token),
        ("MAIL_FROM", "Closing Bell <bell@example.com>"),
        ("MAIL_TO", "Finance <finance@example.com>, cfo@example.com"),
    ]);
    doctor.envs(variables.iter().copied());
    run(doctor, b"").await
}

const FILTERS: [(&str, &str); 6] = [
    (r"number \d+", "number [layout]"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
    (r"(doctor|chain)[-_][0-9a-f]{16}", "[name]"),
    (r"\d{4}-\d\d-\d\d \S+Z", "[date]"),
    ("TLS_[A-Z0-9_]+", "[cipher]"),
    (r"\d+ of 625000", "[some] of 625000"),
];

#[tokio::test]
async fn a_workers_surroundings_are_looked_at_over_tls() {
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let (queues, folder, door) = (Queues::create().await, tempfile::tempdir().unwrap(), Door::start().await);
    let mails = SmtpServer::start(&["--tls", "--auth", "bell:right"]).await;
    let [database, in_the_clear] = databases().await;
    Store::open(&database.parse().unwrap()).await.unwrap();
    queues.send("a delivery").await;
    queues.send_dead("a dead one", None).await;
    let smtp_url = mails.url("smtps://bell:right@");
    let api_url = simulator.api_url();
    let variables = [
        ("QUEUE_URL", queues.url.as_str()),
        ("DEAD_LETTER_QUEUE_URL", &queues.dead_letter_url),
        ("DATABASE_URL", &database),
        ("HUBSPOT_API_URL", &api_url),
        ("SMTP_URL", &smtp_url),
        ("SSL_CERT_FILE", &door.ca_file),
    ];
    let ended = doctor(folder.path(), &["--ring", "--url", &door.url], &variables).await;
    insta::with_settings!({filters => FILTERS}, {
        insta::assert_snapshot!(ended.stdout, @"
        configuration   ok           `worker` would start with it
        clock           ok           this machine's agrees with HubSpot's
        HubSpot token   ok           of account 62515001, in EUR and Europe/Berlin
        time zone       ok           reports are in the account's, Europe/Berlin
        deals           ok           the token may read them, and all properties are there
        invoices        ok           the token may read them, and all properties are there
        payments        ok           the token may read them, and all properties are there
        companies       ok           the token may read them
        owners          ok           the token may read them
        API version     ok           HubSpot answers 2026-09
        daily calls     ok           [some] of 625000 are left
        account         not checked  no books name theirs yet
        client secrets  ok           one is live
        signature       ok           deliveries to https://127.0.0.1:[port]/webhooks/hubspot are admitted
        webhook URL     ok           https://127.0.0.1:[port]/webhooks/hubspot answers, and refuses an unsigned delivery with 401
        webhook GET     ok           it is refused with 405
        certificate     wrong        the certificate of 127.0.0.1 is good until [date] (1 day left)
                        └ fix        Renew the certificate of 127.0.0.1, and find out why that has not happened by itself
        test delivery   ok           https://127.0.0.1:[port]/webhooks/hubspot accepted it; the worker sets it aside
        queue           ok           1 wait and 0 are in flight; how old the oldest is CloudWatch tells (ApproximateAgeOfOldestMessage)
        dead letters    warning      1 dead letter
                        └ fix        Read the causes with `closing-bell redrive --list`, mend them, and run `closing-bell redrive --all`
        queue setup     warning      SQS itself does not move what is received too often to DEAD_LETTER_QUEUE_URL
                        └ fix        Give the queue a redrive policy to that queue with a maxReceiveCount of 1000
        queue setup     warning      the queue keeps a message for 4 days, and could for 14 days
                        └ fix        Set MessageRetentionPeriod of the queue to 1209600
        queue setup     warning      the queue is not encrypted where it lies, and deliveries hold your customers' data
                        └ fix        Set SqsManagedSseEnabled of the queue to true
        queue setup     warning      the dead-letter queue keeps a message for 4 days, and could for 14 days
                        └ fix        Set MessageRetentionPeriod of the dead-letter queue to 1209600
        queue setup     warning      the dead-letter queue is not encrypted where it lies, and deliveries hold your customers' data
                        └ fix        Set SqsManagedSseEnabled of the dead-letter queue to true
        worker          not checked  none runs on this machine; the metric Heartbeat tells of those elsewhere
        books           ok           mysql://127.0.0.1:[port]/[name] can be read and written
        books' layout   ok           number [layout], this version's
        books' TLS      wrong        [cipher]; the certificate of mysql://127.0.0.1:[port]/[name] is good until [date] (1 day left)
                        └ fix        Renew the certificate of mysql://127.0.0.1:[port]/[name], and find out why that has not happened by itself
        opening balance ok           not open yet; the first cycle opens them
        completeness    ok           not compared with HubSpot yet; the worker does so every night
        records         ok           none has to be read
        mails           ok           all are sent
        mail            ok           for 2 recipients: 127.0.0.1:[port] knows the user and takes the sender
        mail's TLS      wrong        the certificate of 127.0.0.1:[port] is good until [date] (1 day left)
                        └ fix        Renew the certificate of 127.0.0.1:[port], and find out why that has not happened by itself
        reports         ok           closed-deals, invoices

        36 checks: 3 wrong, 6 warning, 2 not checked, 25 ok
        ");
    });
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(3), ""));
    assert!(mails.taken().is_empty(), "no mail is sent");
    assert_eq!(queues.count().await, (1, 1), "and nothing is received");

    let never_made = format!("{}-never-made", queues.url);
    let other_authority = std::env::var("CLOSING_BELL_TEST_MYSQL_CA").unwrap();
    let wrong_password = mails.url("smtps://bell:hush@");
    let worse = [
        &variables[..],
        &[
            ("QUEUE_URL", never_made.as_str()),
            ("DATABASE_URL", &in_the_clear),
            ("SMTP_URL", &wrong_password),
            ("SSL_CERT_FILE", &other_authority),
        ],
    ];
    let ended = doctor(folder.path(), &["--url", &door.url], &worse.concat()).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(3), ""), "{}", ended.stdout);
    assert!(!ended.stdout.contains("hush"), "{}", ended.stdout);
    let told = |ended: &Ended, names: &[&str]| {
        let is_asked = |line: &&str| names.iter().any(|name| line.starts_with(&format!("{name:<15} ")));
        ended.stdout.lines().filter(is_asked).collect::<Vec<_>>().join("\n")
    };
    insta::with_settings!({filters => FILTERS}, {
        insta::assert_snapshot!(told(&ended, &["webhook URL", "certificate", "queue", "queue setup", "books' TLS", "mail"]), @"
        webhook URL     wrong        https://127.0.0.1:[port]/webhooks/hubspot cannot be trusted: invalid peer certificate: BadSignature
        certificate     not checked  no TLS connection to https://127.0.0.1:[port]/webhooks/hubspot came about
        queue           wrong        cannot look at the queue http://127.0.0.1:[port]/000000000000/[name]-never-made: QueueDoesNotExist: The specified queue does not exist for this wsdl version.
        queue setup     not checked  not both queues can be asked
        books' TLS      ok           none is needed for a server on this machine
        mail            wrong        cannot authenticate at 127.0.0.1:[port]: 535 5.7.8 Authentication credentials invalid
        ");
    });

    let bare = [&variables[..], &[("SSL_CERT_FILE", "/no/certificates")]].concat();
    let ended = doctor(folder.path(), &["--url", &door.url], &bare).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    insta::with_settings!({filters => FILTERS}, {
        insta::assert_snapshot!(told(&ended, &["webhook URL", "queue", "dead letters", "mail"]), @"
        webhook URL     wrong        https://127.0.0.1:[port]/webhooks/hubspot cannot be asked: builder error: unexpected error: No CA certificates were loaded from the system
        queue           wrong        cannot look at the queue http://127.0.0.1:[port]/000000000000/[name]: the system's CA certificates are missing
        dead letters    wrong        cannot look at the queue http://127.0.0.1:[port]/000000000000/[name]-dead: the system's CA certificates are missing
        mail            ok           for 2 recipients: 127.0.0.1:[port] knows the user and takes the sender
        ");
    });
}
