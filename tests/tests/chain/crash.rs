//! `closing-bell local` under load, killed again and again; and what must be true when the dust has settled.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use end_to_end::command;
use fastrand::Rng;
use hubspot_simulator::{Account, Kind, Settings, Simulator, story};
use jiff::Timestamp;
use mail_parser::MessageParser;
use report_worker::store::{MailState, Store};
use tokio::process::Child;

use crate::harness::{start, until};

/// A round of the search.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    /// Decides what happens in the account and when the process is killed.
    pub(crate) seed: u64,
    /// Deals and invoices that live their lives.
    pub(crate) records: usize,
    /// How often the process is killed.
    pub(crate) kills: usize,
}

/// What a round has seen.
pub(crate) struct Figures {
    events: u64,
    deliveries: u64,
    unanswered: u64,
    interrupted: usize,
    mails: usize,
    told: usize,
    took: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, deliveries, unanswered, interrupted, mails, told, took } = self;
        write!(
            f,
            "{events} events in {deliveries} deliveries, {unanswered} of them unanswered; {interrupted} times something \
             was taken up; {mails} mails with {told} lines; {:.1} s",
            took.as_secs_f32()
        )
    }
}

/// The program under test; its folder and its port outlive its processes.
pub(crate) struct Local {
    folder: PathBuf,
    port: u16,
    variables: Vec<(&'static str, String)>,
    process: Child,
}

impl Local {
    /// Starts it and waits until the books are open.
    pub(crate) async fn start(folder: &Path, simulator: &Simulator, smtp_url: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = Settings::default();
        let variables = vec![
            ("WEBHOOK_URLS", url(port)),
            ("LISTEN", format!("127.0.0.1:{port}")),
            ("QUEUE_FILE", folder.join("queue.sqlite").display().to_string()),
            ("DATABASE_URL", format!("sqlite:{}", books(folder).display())),
            ("HUBSPOT_CLIENT_SECRETS", settings.client_secret),
            ("HUBSPOT_ACCESS_TOKEN", settings.access_token),
            ("HUBSPOT_API_URL", simulator.api_url()),
            ("SMTP_URL", smtp_url.to_owned()),
            ("MAIL_FROM", "Closing Bell <bell@example.com>".to_owned()),
            ("MAIL_TO", "finance@example.com".to_owned()),
            ("POLL_INTERVAL", "200ms".to_owned()),
            ("QUIET_PERIOD", "0s".to_owned()),
        ];
        let process = spawn(folder, &variables);
        let local = Self { folder: folder.to_owned(), port, variables, process };
        // Once it says so its files are made; looking at them earlier would make them.
        until("it listens", async || local.log().contains("listening for").then_some(())).await;
        let store = local.store().await;
        until("the books are open", async || store.fact::<Timestamp>("opening_done").await.unwrap()).await;
        local
    }

    pub(crate) fn url(&self) -> String {
        url(self.port)
    }

    pub(crate) async fn store(&self) -> Store {
        Store::sqlite(&books(&self.folder)).await.unwrap()
    }

    /// What its processes have logged.
    fn log(&self) -> String {
        fs::read_to_string(log(&self.folder)).unwrap()
    }

    /// SIGKILL, and a new process at once; whether it is ready is not waited for.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.process.kill().await.unwrap();
        self.process = spawn(&self.folder, &self.variables);
    }
}

fn spawn(folder: &Path, variables: &[(&'static str, String)]) -> Child {
    let mut local = command("closing-bell");
    local.arg("local").envs(variables.iter().map(|(name, value)| (*name, value)));
    start(local, &log(folder))
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/webhooks/hubspot")
}

fn books(folder: &Path) -> PathBuf {
    folder.join("books.sqlite")
}

fn log(folder: &Path) -> PathBuf {
    folder.join("local.log")
}

/// Plays a round and checks it.
pub(crate) async fn play(round: Round) -> Figures {
    let began = Instant::now();
    let mut rng = Rng::with_seed(round.seed);
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("outbox");
    // The 24 h of retries last about half a minute: longer than all kills together.
    let simulator = Simulator::start(Settings { retry_speed: 3_000, ..Settings::default() }).await.unwrap();
    let account = simulator.account();
    story::before_the_day(account);
    let old: BTreeSet<i64> = Kind::ALL.into_iter().flat_map(|kind| account.ids(kind)).collect();
    let mut local = Local::start(folder.path(), &simulator, &format!("file:{}", outbox.display())).await;
    simulator.set_target_url(local.url());

    let steps = story::load(account, round.records, round.seed);
    for part in steps.chunks(steps.len().div_ceil(round.kills)) {
        // Any moment from starting up to being in the middle of it: the work does not stop until the kill.
        let pace = Duration::from_millis(rng.u64(5..1_200)) / u32::try_from(part.len()).unwrap();
        for step in part {
            step.run(account);
            tokio::time::sleep(pace).await;
        }
        local.kill_and_restart().await;
    }
    until("HubSpot is rid of every event", async || {
        tokio::time::timeout(Duration::from_millis(25), simulator.drained()).await.ok()
    })
    .await;
    let sent = simulator.counters();
    assert_eq!(sent.given_up, 0, "the round is too long for HubSpot's retries");

    let store = local.store().await;
    let portal_id = Settings::default().portal_id;
    until("everything is told", async || {
        let (_, taken_in) = store.taken_in().await.unwrap();
        let (due, _) = store.waiting(portal_id).await.unwrap();
        let mut pending = 0;
        for report in ["closed-deals", "invoices"] {
            pending += store.pending(report).await.unwrap().len();
        }
        let unsent = store.mail_states().await.unwrap().iter().filter(|mail| mail.state != MailState::Sent).count();
        assert!(taken_in.new_events <= sent.events, "an event is in the books twice");
        (taken_in.new_events == sent.events && (due, pending, unsent) == (0, 0, 0)).then_some(())
    })
    .await;

    let mails = read_outbox(&outbox);
    let in_the_books: BTreeSet<String> =
        store.mail_states().await.unwrap().into_iter().map(|mail| mail.message_id).collect();
    let ids: Vec<&String> = mails.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.iter().copied().collect::<BTreeSet<_>>().len(), ids.len(), "a mail lies in the outbox twice");
    assert_eq!(ids.into_iter().cloned().collect::<BTreeSet<_>>(), in_the_books);
    let told = Told::read(mails.iter().map(|(_, text)| text.as_str()));
    assert_eq!(told.sums, recomputed(account, &old), "seed {}", round.seed);
    Figures {
        events: sent.events,
        deliveries: sent.deliveries,
        unanswered: sent.failed,
        interrupted: local.log().matches("when the last process ended").count(),
        mails: mails.len(),
        told: told.lines,
        took: began.elapsed(),
    }
}

/// Message-ID and text of every mail in the folder.
fn read_outbox(outbox: &Path) -> Vec<(String, String)> {
    let files = fs::read_dir(outbox).unwrap().map(|entry| entry.unwrap().path());
    let mails = files.filter(|file| file.extension().is_some_and(|end| end == "eml")).map(|file| {
        let bytes = fs::read(file).unwrap();
        let mail = MessageParser::default().parse(&bytes).expect("a whole mail");
        (mail.message_id().unwrap().to_owned(), mail.body_text(0).unwrap().replace("\r\n", "\n"))
    });
    mails.collect()
}

/// Sums in minor units by figure and currency symbol.
type Sums = BTreeMap<(&'static str, char), i128>;

const WON: &str = "deals won";
const BILLED: &str = "invoices that stand";
const RECEIVED: &str = "money received";

/// What all mails say together.
struct Told {
    sums: Sums,
    lines: usize,
}

impl Told {
    /// Adds up what was told and what was corrected. No record comes into the same table twice in a load's life.
    fn read<'m>(mails: impl Iterator<Item = &'m str>) -> Self {
        let (mut sums, mut lines) = (Sums::new(), BTreeSet::new());
        for mail in mails {
            let corrected = if mail.starts_with("Closed deals") { WON } else { BILLED };
            let mut section = "";
            let all: Vec<&str> = mail.lines().collect();
            for (line, next) in all.iter().zip(&all[1..]) {
                if next.starts_with("---") {
                    section = line;
                } else if let Some(total) = line.strip_prefix("Total: ") {
                    let figure = match section {
                        "WON" => WON,
                        "CREATED" => BILLED,
                        "MONEY RECEIVED" => RECEIVED,
                        "CORRECTIONS" => corrected,
                        _ => continue,
                    };
                    for (symbol, minor) in total.split(" and ").map(amount) {
                        *sums.entry((figure, symbol)).or_default() += minor;
                    }
                } else if let Some(page) = line.strip_prefix("  https://") {
                    // Its page is the record; two payments for one invoice have the same name.
                    assert!(lines.insert((section.to_owned(), page.to_owned())), "{page} is told twice: {section}");
                }
            }
        }
        sums.retain(|_, sum| *sum != 0);
        Self { sums, lines: lines.len() }
    }
}

/// `−€1,234.50` as its symbol and minor units.
fn amount(text: &str) -> (char, i128) {
    let (sign, text) = text.strip_prefix('−').map_or((1, text), |text| (-1, text));
    let symbol = text.chars().next().expect("an amount begins with its currency");
    (symbol, sign * minor(&text[symbol.len_utf8()..].replace(',', "")))
}

/// `1234.5` as 123450, in currencies with two digits.
fn minor(decimal: &str) -> i128 {
    let (whole, cents) = decimal.split_once('.').unwrap_or((decimal, ""));
    format!("{whole}{cents:0<2}").parse().unwrap_or_else(|_| panic!("{decimal} is no amount"))
}

/// The same figures from what stands in the account in the end.
fn recomputed(account: &Account, old: &BTreeSet<i64>) -> Sums {
    let mut sums = Sums::new();
    let mut add = |figure, kind, id, amount: &str, currency: &str| {
        let Some(amount) = account.value(kind, id, amount) else { return };
        let symbol = if account.value(kind, id, currency).as_deref() == Some("USD") { '$' } else { '€' };
        *sums.entry((figure, symbol)).or_default() += minor(&amount);
    };
    for (kind, figure, state, counted, amount, currency) in [
        (Kind::Deal, WON, "dealstage", &["closedwon"][..], "amount", "deal_currency_code"),
        (Kind::Invoice, BILLED, "hs_invoice_status", &["open", "paid"], "hs_amount_billed", "hs_currency"),
        (Kind::Payment, RECEIVED, "hs_latest_status", &["succeeded"], "hs_initial_amount", "hs_currency_code"),
    ] {
        for id in account.ids(kind).into_iter().filter(|id| !old.contains(id)) {
            if account.value(kind, id, state).is_some_and(|state| counted.contains(&state.as_str())) {
                add(figure, kind, id, amount, currency);
            }
        }
    }
    sums
}
