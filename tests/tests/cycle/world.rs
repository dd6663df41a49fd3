//! A small world on a manual clock: the account, the queue, the books, and the mails.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use end_to_end::mysql_database;
use hubspot_simulator::{Account, Clock, Kind, Limits, Settings, Simulator};
use hubspot_webhook::door::{Keys, Request, TargetUrls, admit};
use hubspot_webhook::signature::{Secret, sign_v3};
use jiff::{SignedDuration, Timestamp};
use mail_parser::MessageParser;
use report_worker::config::{Environment, reports_alone};
use report_worker::crm::{Crm, CrmSettings, Windows};
use report_worker::cycle::{self, App, Summary};
use report_worker::domain::record::{self, RecordKey};
use report_worker::mailer::{Mailer, Memory};
use report_worker::queue::{Embedded, EmbeddedSettings, Queue};
use report_worker::report::{self, Definitions};
use report_worker::store::{Books, Engine, Store, StoredRecord};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;

/// 2026-11-22T10:00:00Z, 11 o'clock in Berlin, where the account is.
pub(crate) const NOW_MS: i64 = 1_795_341_600_000;

pub(crate) const PORTAL: i64 = 62_515_001;

/// Some tests have the account answer late.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(700);

const URL: &str = "https://bell.example.com/webhooks/hubspot";

pub(crate) struct World {
    pub(crate) simulator: Simulator,
    pub(crate) clock: Clock,
    pub(crate) app: App,
    pub(crate) mails: Memory,
    pub(crate) folder: TempDir,
    pub(crate) books: Books,
    event_id: i64,
}

/// What a test chooses about its world.
pub(crate) struct Choice {
    pub(crate) account: Settings,
    pub(crate) mailer: Option<Mailer>,
    pub(crate) definitions: Definitions,
    pub(crate) mail_to: Vec<String>,
    pub(crate) quiet: Duration,
    pub(crate) queue: EmbeddedSettings,
    /// The time that each request to the account has.
    pub(crate) request_timeout: Duration,
}

impl World {
    /// An account and empty books; no cycle has run.
    pub(crate) async fn new(change: impl FnOnce(&mut Choice)) -> Self {
        let clock = Clock::manual(NOW_MS);
        // The account's clock stands still for whole cycles, so a second of it may hold any number of calls. A million is
        // the most that the worker believes a reply.
        let limits = Limits {
            burst: 1_000_000,
            association_burst: 1_000_000,
            search_per_second: 1_000_000,
            ..Limits::default()
        };
        let mut choice = Choice {
            account: Settings { clock: clock.clone(), limits, ..Settings::default() },
            mailer: None,
            definitions: Definitions::built_in(),
            mail_to: vec!["Finance <finance@example.com>".to_owned()],
            quiet: Duration::from_secs(300),
            queue: EmbeddedSettings::default(),
            request_timeout: REQUEST_TIMEOUT,
        };
        change(&mut choice);
        let mails = Memory::default();
        let folder = tempfile::tempdir().unwrap();
        let token = choice.account.access_token.clone();
        let simulator = Simulator::start(choice.account).await.unwrap();
        let queue = Queue::Embedded(Embedded::open(folder.path().join("queue.sqlite"), choice.queue).await.unwrap());
        let books = books(&folder.path().join("books.sqlite")).await;
        let store = Store::open(&books).await.unwrap();
        let settings = cycle::Settings {
            keys: keys().into(),
            mail_from: "Closing Bell <bell@example.com>".to_owned(),
            definitions: Arc::new(choice.definitions),
            mail_to: choice.mail_to,
            owner: "owner@example.com".to_owned(),
            zone: None,
            quiet: choice.quiet,
            reading_turn: cycle::READING_TURN,
            taking_in_turn: cycle::TAKING_IN_TURN,
            deliveries_kept_for: Some(SignedDuration::from_hours(400 * 24)),
        };
        let mailer = choice.mailer.unwrap_or_else(|| Mailer::Memory(mails.clone()));
        let crm = CrmSettings {
            request_timeout: choice.request_timeout,
            extra_properties: settings.definitions.properties(),
            ..crm_settings(&simulator, &token)
        };
        let crm = Crm::new(crm).unwrap();
        let app = App::new(queue, store, crm, mailer, settings);
        Self { simulator, clock, app, mails, folder, books, event_id: 0 }
    }

    /// The same with the books opened on what `before` wrote an hour ago.
    pub(crate) async fn open(before: impl FnOnce(&Account)) -> Self {
        Self::open_with(|_| {}, before).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut Choice), before: impl FnOnce(&Account)) -> Self {
        let world = Self::new(change).await;
        before(&world.account().in_the_past(NOW_MS - 3_600_000));
        let summary = world.cycle().await;
        assert_eq!(summary.problems, [""; 0]);
        assert_eq!((summary.changes, summary.reports), (0, 0), "nothing from before is news");
        // Whatever happens in a test happens after the books were opened.
        world.clock.advance(1_000);
        world
    }

    pub(crate) fn account(&self) -> &Account {
        self.simulator.account()
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.clock.now_ms()).unwrap()
    }

    pub(crate) fn arm(&self, fault: &str) {
        self.simulator.faults().arm(fault.parse().unwrap());
    }

    pub(crate) async fn cycle(&self) -> Summary {
        cycle::run_once(&self.app, self.now()).await
    }

    /// A cycle that leaves the books alone while there is nothing to do.
    pub(crate) async fn cycle_when_due(&self) -> Summary {
        cycle::run_when_due(&self.app, self.now()).await
    }

    /// A cycle some seconds later.
    pub(crate) async fn cycle_after(&self, seconds: i64) -> Summary {
        self.clock.advance(seconds * 1_000);
        self.cycle().await
    }

    /// Another worker on the same books, with a queue of its own and perhaps other reports.
    pub(crate) async fn colleague(&self, definitions: Definitions) -> App {
        let folder = self.folder.path();
        let queue = Embedded::open(folder.join("colleague.sqlite"), EmbeddedSettings::default()).await.unwrap();
        let store = Store::open(&self.books).await.unwrap();
        let crm = crm_settings(&self.simulator, &Settings::default().access_token);
        let crm = Crm::new(CrmSettings { extra_properties: definitions.properties(), ..crm }).unwrap();
        let settings = cycle::Settings { definitions: Arc::new(definitions), ..self.app.settings.clone() };
        App::new(Queue::Embedded(queue), store, crm, self.app.mailer.clone(), settings)
    }

    /// Moves the clock to a moment and runs a cycle there.
    pub(crate) async fn cycle_at(&self, moment: &str) -> Summary {
        let moment: Timestamp = moment.parse().unwrap();
        self.clock.advance(moment.as_millisecond() - self.clock.now_ms());
        let summary = self.cycle().await;
        assert_eq!(summary.problems, [""; 0]);
        summary
    }

    /// Other books on the same account, with a queue of their own, opened now.
    pub(crate) async fn other_books(&mut self) -> App {
        let folder = self.folder.path();
        let queue = Embedded::open(folder.join("other-queue.sqlite"), EmbeddedSettings::default()).await.unwrap();
        let store = Store::open(&books(&folder.join("other-books.sqlite")).await).await.unwrap();
        let crm = crm(&self.simulator, &Settings::default().access_token);
        let (mailer, settings) = (self.app.mailer.clone(), self.app.settings.clone());
        let other = App::new(Queue::Embedded(queue), store, crm, mailer, settings);
        // Opened at the same moment as the first ones.
        let opened_at = Timestamp::from_millisecond(NOW_MS).unwrap();
        assert_eq!(cycle::run_once(&other, opened_at).await.problems, [""; 0]);
        other
    }

    /// Takes in what was delivered, waits until everything is quiet, and reports it.
    pub(crate) async fn report(&self) -> Summary {
        let mut summary = self.cycle().await;
        summary.add(&self.cycle_after(300).await);
        assert_eq!(summary.problems, [""; 0]);
        summary
    }

    /// An event as HubSpot sends it, of this moment.
    pub(crate) fn event(&mut self, kind: Kind, id: i64, verb: &str, details: Value) -> Value {
        self.event_id += 1;
        let mut event = json!({
            "eventId": self.event_id,
            "subscriptionId": 1,
            "portalId": PORTAL,
            "appId": 7,
            "occurredAt": self.clock.now_ms(),
            "subscriptionType": format!("object.{verb}"),
            "objectTypeId": kind.object_type_id(),
            "objectId": id,
            "attemptNumber": 0,
        });
        if let Value::Object(details) = details {
            event.as_object_mut().unwrap().extend(details);
        }
        event
    }

    pub(crate) fn changed(&mut self, kind: Kind, id: i64, property: &str) -> Value {
        self.event(kind, id, "propertyChange", json!({ "propertyName": property, "propertyValue": "" }))
    }

    /// Signs a body, shows it to the door, and puts what was admitted into the queue.
    pub(crate) async fn deliver(&self, events: &[Value]) {
        self.deliver_body(&Value::from(events.to_vec()).to_string()).await;
    }

    pub(crate) async fn deliver_body(&self, body: &str) {
        self.app.queue.send(&envelope(body, "simulated-client-secret", &keys(), self.now()), self.now()).await.unwrap();
    }

    pub(crate) async fn create(&mut self, kind: Kind, values: &[(&str, &str)]) -> i64 {
        let id = self.account().create(kind, values);
        let event = self.event(kind, id, "creation", json!({}));
        self.deliver(&[event]).await;
        id
    }

    pub(crate) async fn set(&mut self, kind: Kind, id: i64, values: &[(&str, &str)]) {
        self.account().set(kind, id, values);
        let events: Vec<Value> = values.iter().map(|(name, _)| self.changed(kind, id, name)).collect();
        self.deliver(&events).await;
    }

    pub(crate) async fn archive(&mut self, kind: Kind, id: i64) {
        self.account().archive(kind, id);
        let event = self.event(kind, id, "deletion", json!({}));
        self.deliver(&[event]).await;
    }

    pub(crate) async fn restore(&mut self, kind: Kind, id: i64) {
        self.account().restore(kind, id);
        let event = self.event(kind, id, "restore", json!({}));
        self.deliver(&[event]).await;
    }

    pub(crate) async fn merge(&mut self, kind: Kind, winner: i64, loser: i64) {
        self.account().merge(kind, winner, loser);
        let details = json!({ "primaryObjectId": winner, "mergedObjectIds": [loser], "newObjectId": winner });
        let event = self.event(kind, winner, "merge", details);
        self.deliver(&[event]).await;
    }

    /// How often a call was made, by HubSpot's name for it.
    pub(crate) fn calls(&self, name: &str) -> u64 {
        self.simulator.counters().api_calls.get(name).copied().unwrap_or_default()
    }

    pub(crate) async fn stored(&self, kind: record::Kind, id: i64) -> Option<StoredRecord> {
        self.app.store.records(&[RecordKey { portal_id: PORTAL, kind, id }]).await.unwrap().pop()
    }

    /// Every value of the first column of a query on the books.
    pub(crate) async fn ask(&self, sql: &'static str) -> Vec<String> {
        sqlx::query_scalar(sql).fetch_all(self.app.store.pool()).await.unwrap()
    }

    /// The kinds of all changes, in the order in which they took effect.
    pub(crate) async fn changes(&self) -> Vec<String> {
        self.ask("SELECT change_kind FROM changes ORDER BY effective_at, change_kind").await
    }

    /// Every report of this name that was mailed or settled, oldest first.
    pub(crate) async fn documents(&self, name: &'static str) -> Vec<Document> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT document FROM reports WHERE name = ? \
             ORDER BY built_at, (SELECT MAX(change_seq) FROM report_changes WHERE report_id = id)",
        )
        .bind(name)
        .fetch_all(self.app.store.pool())
        .await
        .unwrap();
        rows.iter().map(|row| Document::from(serde_json::from_str::<report::Document>(row).unwrap())).collect()
    }

    /// The newest report of this name.
    pub(crate) async fn newest(&self, name: &'static str) -> Document {
        self.documents(name).await.pop().expect("a report")
    }

    /// The subjects of the mails, without the date.
    pub(crate) fn subjects(&self) -> Vec<String> {
        let subject = |bytes: &[u8]| MessageParser::default().parse(bytes).unwrap().subject().unwrap().to_owned();
        let sent = self.mails.sent();
        sent.iter().map(|mail| subject(&mail.bytes).rsplit_once(" · ").unwrap().0.to_owned()).collect()
    }
}

/// Empty books: in this file, or in a database of their own.
async fn books(file: &Path) -> Books {
    match crate::ENGINE {
        Engine::Sqlite => Books::Sqlite(file.to_owned()),
        Engine::MySql => mysql_database().await.parse().unwrap(),
    }
}

pub(crate) fn keys() -> Keys {
    Keys::new(vec![Secret::new("simulated-client-secret").unwrap()]).unwrap()
}

/// What the door puts into the queue for a body that was signed with this secret.
pub(crate) fn envelope(body: &str, secret: &str, keys: &Keys, at: Timestamp) -> String {
    let stamp = at.as_millisecond().to_string();
    let signature = sign_v3(&Secret::new(secret).unwrap(), "POST", URL, body.as_bytes(), &stamp);
    let headers = [("x-hubspot-signature-v3", signature.as_bytes()), ("x-hubspot-request-timestamp", stamp.as_bytes())];
    let request = Request { method: "POST", headers: &headers, body: body.as_bytes(), queries: &[] };
    admit(&request, keys, &TargetUrls::new([URL]).unwrap(), at.as_millisecond()).unwrap().encode()
}

/// A client that does not wait long for anything.
pub(crate) fn crm(simulator: &Simulator, token: &str) -> Crm {
    crm_within(simulator, token, REQUEST_TIMEOUT)
}

/// One that gives each request so much time.
pub(crate) fn crm_within(simulator: &Simulator, token: &str, request_timeout: Duration) -> Crm {
    Crm::new(CrmSettings { request_timeout, ..crm_settings(simulator, token) }).unwrap()
}

fn crm_settings(simulator: &Simulator, token: &str) -> CrmSettings {
    CrmSettings {
        request_timeout: REQUEST_TIMEOUT,
        retry_pause: Duration::from_millis(1),
        windows: Windows { search: Duration::ZERO, associations: Duration::ZERO },
        ..CrmSettings::new(simulator.api_url().parse().unwrap(), "2026-09".to_owned(), SecretString::from(token))
    }
}

/// A report as its reader sees it.
#[derive(Debug, PartialEq)]
pub(crate) struct Document {
    /// The figures, and after a bar those of the period before.
    pub(crate) headlines: Vec<String>,
    pub(crate) sections: Vec<Section>,
    pub(crate) notes: Vec<String>,
}

/// One of its tables.
#[derive(Debug, PartialEq)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
    /// The sum per currency.
    pub(crate) totals: Vec<String>,
}

/// One row.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) cells: Vec<String>,
    pub(crate) notes: Vec<String>,
}

impl From<report::Document> for Document {
    fn from(document: report::Document) -> Self {
        let locale = document.locale;
        let row = |row: report::Row| Row {
            name: row.name,
            cells: row.cells.iter().map(|cell| locale.cell(cell)).collect(),
            notes: row.notes,
        };
        let section = |section: report::Section| Section {
            title: section.title,
            rows: section.rows.into_iter().map(row).collect(),
            totals: section.total.iter().flat_map(|total| &total.sums).map(|&sum| locale.money(sum)).collect(),
        };
        let headline = |headline: report::Headline| {
            let before = headline.before.as_ref().map(|it| format!(" | {} {}", it.count, locale.sums(&it.sums)));
            locale.headline(&headline) + before.as_deref().map_or("", str::trim_end)
        };
        let headlines = document.headlines.into_iter().map(headline).collect();
        Self { headlines, sections: document.sections.into_iter().map(section).collect(), notes: document.notes }
    }
}

/// The reports of a `REPORTS_FILE`.
pub(crate) async fn definitions(toml: &str) -> Definitions {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reports.toml");
    std::fs::write(&file, toml).unwrap();
    let variables = [("REPORTS_FILE", file.to_str().unwrap()), ("MAIL_TO", "finance@example.com")];
    reports_alone(&Environment::of(&variables)).await.unwrap()
}

/// A section of a document.
pub(crate) fn section<'d>(document: &'d Document, title: &str) -> Option<&'d Section> {
    document.sections.iter().find(|section| section.title == title)
}

/// The only row of a section.
pub(crate) fn row<'d>(document: &'d Document, title: &str) -> &'d Row {
    let section = section(document, title).unwrap_or_else(|| panic!("no section {title} in {document:#?}"));
    assert_eq!(section.rows.len(), 1, "{section:#?}");
    &section.rows[0]
}

/// The titles of a document's sections.
pub(crate) fn titles(document: &Document) -> Vec<&str> {
    document.sections.iter().map(|section| section.title.as_str()).collect()
}

/// The names of the rows of a section, with its figures.
pub(crate) fn names(section: &Section) -> Vec<&str> {
    section.rows.iter().map(|row| row.name.as_str()).collect()
}
