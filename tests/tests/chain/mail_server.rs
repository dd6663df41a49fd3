//! Mail servers that refuse, die, dawdle and demand: what the books say then, and what the people get.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hubspot_simulator::{Kind, Settings, Simulator};
use jiff::{SignedDuration, Timestamp};
use report_worker::config::{Environment, LocalConfig};
use report_worker::crm::{Crm, CrmSettings};
use report_worker::cycle::{self, App, Summary};
use report_worker::endpoint::{self, Endpoint};
use report_worker::queue::{Embedded, EmbeddedSettings, Queue};
use report_worker::report::Definitions;
use report_worker::store::{MailState, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::until;
use crate::now;
use end_to_end::SmtpServer;

const ANNA: &str = "anna@example.com";
const BEN: &str = "ben@example.com";
const OWNER: &str = "owner@example.com";

/// The all-in-one program in this process, so that a test decides what time it is.
struct House {
    simulator: Simulator,
    app: App,
    _endpoint: JoinSet<()>,
    folder: TempDir,
}

impl House {
    /// With open books, and one deal won that nobody has been told of.
    async fn with_news(smtp_url: &str, mail_to: &str) -> Self {
        let simulator = Simulator::start(Settings::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks/hubspot", listener.local_addr().unwrap());
        let config = config(&simulator, &folder, &url, smtp_url, mail_to).await;
        let queue = Queue::Embedded(Embedded::open(&config.queue_file, EmbeddedSettings::default()).await.unwrap());
        let keys = config.work.keys.clone();
        let endpoint = Endpoint { keys, urls: config.urls.clone(), queue: queue.clone(), clock: now };
        let mut serving = JoinSet::new();
        serving.spawn(async { axum::serve(listener, endpoint::router(endpoint)).await.unwrap() });
        let app = app(config, queue).await;
        let house = Self { simulator, app, _endpoint: serving, folder };
        assert_eq!(cycle::run_once(&house.app, now()).await.problems, [""; 0]);
        house.simulator.set_target_url(url);
        house.win("Harbour crane").await;
        house
    }

    async fn win(&self, name: &str) {
        let account = self.simulator.account();
        let deal = account.create(Kind::Deal, &[("dealname", name), ("amount", "48200.10")]);
        account.set(Kind::Deal, deal, &[("dealstage", "closedwon")]);
        self.simulator.drained().await;
    }

    async fn cycle(&self, at: Timestamp) -> Summary {
        cycle::run_once(&self.app, at).await
    }

    /// How the mails stand, by recipient: state, what was said last, attempts.
    async fn states(&self) -> BTreeMap<String, (MailState, String, u32)> {
        let states = self.app.store.mail_states().await.unwrap().into_iter();
        states.map(|it| (it.address, (it.state, it.reply.unwrap_or_default(), it.attempts))).collect()
    }
}

async fn config(simulator: &Simulator, folder: &TempDir, url: &str, smtp_url: &str, mail_to: &str) -> LocalConfig {
    let settings = Settings::default();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let environment = Environment::of(&[
        ("WEBHOOK_URLS", url),
        ("QUEUE_FILE", &file("queue.sqlite")),
        ("DATABASE_URL", &format!("sqlite:{}", file("books.sqlite"))),
        ("HUBSPOT_CLIENT_SECRETS", &settings.client_secret),
        ("HUBSPOT_ACCESS_TOKEN", &settings.access_token),
        ("HUBSPOT_API_URL", &simulator.api_url()),
        ("SMTP_URL", smtp_url),
        ("MAIL_FROM", "Closing Bell <bell@example.com>"),
        ("MAIL_TO", mail_to),
        ("OWNER_EMAIL", OWNER),
        ("QUIET_PERIOD", "0s"),
    ]);
    LocalConfig::read(&environment).await.unwrap()
}

async fn app(config: LocalConfig, queue: Queue) -> App {
    let work = config.work;
    let crm = Crm::new(CrmSettings::new(work.crm.api_url, work.crm.api_version, work.crm.access_token)).unwrap();
    let settings = cycle::Settings {
        keys: work.keys,
        mail_from: work.mail.from,
        definitions: Arc::new(Definitions::built_in()),
        mail_to: work.mail.to,
        owner: work.mail.owner,
        zone: work.zone,
        quiet: work.quiet,
        reading_turn: cycle::READING_TURN,
        taking_in_turn: cycle::TAKING_IN_TURN,
        deliveries_kept_for: work.deliveries_kept_for,
    };
    App::new(queue, Store::open(&work.database.now()).await.unwrap(), crm, work.mail.mailer, settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_recipient_is_refused_and_the_other_has_the_mail() {
    let server = SmtpServer::start(&["--refuse", BEN]).await;
    let house = House::with_news(&server.url("smtp://"), &format!("Anna <{ANNA}>, {BEN}")).await;
    let summary = house.cycle(now()).await;
    assert_eq!(
        (summary.mails_sent, summary.mails_given_up),
        (2, 1),
        "the report to Anna, and the bad news to the owner"
    );

    let states = house.states().await;
    assert_eq!(states[ANNA].0, MailState::Sent);
    assert_eq!((states[BEN].0, &*states[BEN].1), (MailState::Refused, "550 5.1.1 No such user here"));
    assert_eq!(states[OWNER].0, MailState::Sent);

    let taken = server.taken();
    let recipients: Vec<_> = taken.iter().map(|mail| mail.recipients.join(" ")).collect();
    assert_eq!(recipients, [ANNA, OWNER]);
    assert!(taken[0].text().contains("1 deal won: €48,200.10"));
    let bad_news = taken[1].text();
    let report = taken[0].parsed();
    for told in [BEN, "550 5.1.1 No such user here", report.message_id().unwrap(), report.subject().unwrap()] {
        assert!(bad_news.contains(told), "{told}: {bad_news}");
    }

    let later = house.cycle(now() + SignedDuration::from_hours(2)).await;
    assert_eq!((later.mails_sent, later.mails_given_up), (0, 0), "refused is refused");
    assert_eq!(server.taken().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_without_an_answer_is_unknown_and_sent_again_as_the_same_mail() {
    let server = SmtpServer::start(&["--dies-once"]).await;
    let house = House::with_news(&server.url("smtp://"), ANNA).await;
    let start = now();
    let summary = house.cycle(start).await;
    assert_eq!((summary.mails_sent, summary.mails_given_up), (0, 0), "nobody knows yet");
    assert_eq!(house.states().await[ANNA].0, MailState::Unknown);

    let too_early = house.cycle(start + SignedDuration::from_secs(59)).await;
    assert_eq!(too_early.mails_sent, 0);
    assert_eq!((house.states().await[ANNA].0, server.taken().len()), (MailState::Unknown, 1));

    let summary = house.cycle(start + SignedDuration::from_secs(61)).await;
    assert_eq!(summary.mails_sent, 1);
    let (state, reply, attempts) = house.states().await.remove(ANNA).unwrap();
    assert_eq!((state, &*reply, attempts), (MailState::Sent, "250 2.0.0 Taken as 2", 2));
    let taken = server.taken();
    assert_eq!(taken.len(), 2);
    assert!(!taken[0].message_id().is_empty());
    assert_eq!(taken[0].bytes, taken[1].bytes, "byte for byte the same mail, its Message-ID included");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_waited_for_and_never_called_a_success_before() {
    let mut server = SmtpServer::start(&["--slow"]).await;
    let house = House::with_news(&server.url("smtp://"), ANNA).await;
    let meanwhile = async {
        until("the mail is with the server", async || server.taken().pop()).await;
        let state = house.states().await[ANNA].0;
        house.win("Spare hooks").await;
        let waiting = house.app.queue.depth(now()).await.unwrap().waiting;
        server.release().await;
        (state, waiting)
    };
    let (summary, (state, waiting)) = tokio::join!(house.cycle(now()), meanwhile);
    assert_eq!(state, MailState::Sending);
    assert_ne!(waiting, 0, "webhooks are taken in the meantime");
    assert_eq!(summary.mails_sent, 1);
    assert_eq!(house.states().await[ANNA].0, MailState::Sent);
    assert_eq!(house.cycle(now()).await.mails_sent, 1, "what came meanwhile is the next mail");
    assert_eq!(server.taken().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_credentials_are_used_and_a_wrong_password_loses_no_mail() {
    for (option, scheme) in [("--starttls", "smtp"), ("--tls", "smtps")] {
        let server = SmtpServer::start(&["--auth", "bell:p@ss/word", option]).await;
        let house = House::with_news(&server.url(&format!("{scheme}://bell:wrong@")), ANNA).await;
        let start = now();
        let summary = house.cycle(start).await;
        assert_eq!((summary.mails_sent, summary.mails_given_up), (0, 0), "{option}");
        let (state, reply, _) = house.states().await.remove(ANNA).unwrap();
        assert_eq!(state, MailState::Waiting);
        assert!(reply.starts_with("cannot authenticate at 127.0.0.1:"), "{option}: {reply}");
        assert!(!reply.contains("wrong"), "{reply}");
        assert_eq!(server.taken().len(), 0);

        // The password is mended and the program started again.
        let House { simulator, app: old, folder, .. } = house;
        let url = server.url(&format!("{scheme}://bell:p%40ss%2Fword@"));
        let config = config(&simulator, &folder, "http://127.0.0.1/webhooks/hubspot", &url, ANNA).await;
        let app = app(config, old.queue).await;
        let summary = cycle::run_once(&app, start + SignedDuration::from_secs(61)).await;
        assert_eq!(summary.mails_sent, 1, "{option}: {:?}", app.store.mail_states().await);
        assert_eq!(server.taken()[0].recipients, [ANNA]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greylisted_mail_arrives_with_the_next_attempts() {
    let server = SmtpServer::start(&["--defer", ANNA]).await;
    let house = House::with_news(&server.url("smtp://"), &format!("{ANNA}, {BEN}")).await;
    let start = now();
    assert_eq!(house.cycle(start).await.mails_sent, 1, "Ben need not wait for Anna");
    let mut at = start;
    for attempt in 2..=4 {
        let next = house.app.store.next_mail_at().await.unwrap().expect("it is tried again");
        assert!(next.duration_since(at) >= SignedDuration::from_secs(60), "{next} comes too soon after {at}");
        at = next;
        house.cycle(at).await;
        assert_eq!(house.states().await[ANNA].2, attempt);
    }
    assert_eq!(house.states().await[ANNA].0, MailState::Waiting);
    assert_eq!(server.taken().len(), 1);
    assert!(at.duration_since(start) >= SignedDuration::try_from(Duration::from_mins(7)).unwrap(), "the waits grow");
}
