//! A company's life in the simulated account, with the worker beside it: what people write, when HubSpot tells of it, when the
//! worker looks, and the mails that come of it.
//!
//! Everything goes into a folder: `truth.jsonl` has each write, each telling and each look in their order, and `mails` what was
//! sent, by the names that the looks give.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hubspot_simulator::{Account, Kind};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use report_worker::config::{Environment, reports_alone};
use report_worker::mailer::{Directory, Mailer};
use report_worker::report::Definitions;
use serde_json::{Value, json};

use crate::people::People;
use crate::world::{NOW_MS, World};

/// A day, in milliseconds.
pub(crate) const DAY: i64 = 86_400_000;

const MINUTE: i64 = 60_000;

const REPORTS: &str = r#"
    time_zone = "Europe/Berlin"
    week_start = "sunday"
    [reports.daily]
    schedule = "daily"
    at = "07:30"
    attachments = ["xlsx", "csv"]
    [reports.weekly]
    schedule = "weekly"
    at = "07:30"
    attachments = ["xlsx", "csv"]
    [reports.monthly]
    schedule = "monthly"
    at = "07:30"
    attachments = ["xlsx", "csv"]
    [reports.closed-deals]
    on = ["deal.won", "deal.lost"]
    attachments = ["csv"]
    [reports.invoices]
    on = [
        "invoice.created", "invoice.paid", "invoice.part_paid", "payment.received", "payment.refunded", "invoice.overdue",
        "invoice.voided",
    ]
    attachments = ["csv"]
"#;

/// How much happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) seed: u64,
    /// Writes to the account.
    pub(crate) changes: usize,
    /// For how long.
    pub(crate) days: i32,
}

/// The properties that figures come from, with what they are shown by.
fn watched(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Deal => &[
            "amount",
            "deal_currency_code",
            "closedate",
            "dealstage",
            "pipeline",
            "hubspot_owner_id",
            "hs_mrr",
            "hs_arr",
            "hs_exchange_rate",
        ],
        Kind::Invoice => &[
            "hs_amount_billed",
            "hs_currency",
            "hs_invoice_billable",
            "hs_invoice_date",
            "hs_due_date",
            "hs_invoice_status",
            "hs_amount_paid",
        ],
        Kind::Payment => {
            &["hs_initial_amount", "hs_currency_code", "hs_refunds_amount", "hs_latest_status", "hs_initiated_date"]
        }
        Kind::Company => &[],
    }
}

/// The truth as it is written down.
pub(crate) struct Truth {
    file: BufWriter<File>,
    known: BTreeMap<(Kind, i64), BTreeMap<&'static str, String>>,
    pub(crate) writes: usize,
}

impl Truth {
    fn line(&mut self, line: &Value) {
        writeln!(self.file, "{line}").unwrap();
    }

    /// What happened to a record besides its values.
    pub(crate) fn event(&mut self, at: i64, what: &str, kind: Kind, id: i64, detail: &Value) {
        self.line(&json!({ "at": at, "what": what, "kind": kind.singular(), "id": id, "detail": detail }));
    }

    /// Writes down which values of a record are others than before.
    pub(crate) fn values(&mut self, at: i64, account: &Account, kind: Kind, id: i64) {
        let known = self.known.entry((kind, id)).or_default();
        let mut changed = BTreeMap::new();
        for &name in watched(kind) {
            let value = account.value(kind, id, name).unwrap_or_default();
            if known.get(name).map_or("", String::as_str) != value {
                known.insert(name, value.clone());
                changed.insert(name, value);
            }
        }
        self.writes += 1;
        self.line(&json!({ "at": at, "what": "write", "kind": kind.singular(), "id": id, "values": changed }));
    }
}

/// What HubSpot has to tell, and when it does.
#[derive(Default)]
pub(crate) struct Tidings {
    /// The moment, the record, and the event.
    waiting: Vec<(i64, Kind, i64, Value)>,
    /// Some that were told, to be told again.
    told: Vec<Value>,
}

impl Tidings {
    /// An event that is told at a moment, or later.
    pub(crate) fn add(&mut self, at: i64, kind: Kind, id: i64, event: Value) {
        self.waiting.push((at, kind, id, event));
    }

    /// Whatever there is to tell of a record is told at once, with what the same events tell of others.
    pub(crate) fn hurry(&mut self, kind: Kind, id: i64) {
        let events: Vec<Value> =
            self.waiting.iter().filter(|it| (it.1, it.2) == (kind, id)).map(|it| it.3.clone()).collect();
        for tiding in self.waiting.iter_mut().filter(|it| events.contains(&it.3)) {
            tiding.0 = 0;
        }
    }
}

/// What happens at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    Write,
    Look,
    /// The first look of a day: the books are compared with the account.
    Midnight,
}

async fn definitions(folder: &Path) -> Definitions {
    let file = folder.join("reports.toml");
    fs::write(&file, REPORTS).unwrap();
    let variables = [("REPORTS_FILE", file.to_str().unwrap()), ("MAIL_TO", "finance@example.com")];
    reports_alone(&Environment::of(&variables)).await.unwrap()
}

/// Lives a life, and tells how much happened.
pub(crate) async fn live(life: Life, folder: &Path) -> String {
    let (outbox, mails) = (folder.join("outbox"), folder.join("mails"));
    fs::create_dir_all(&outbox).unwrap();
    fs::create_dir_all(&mails).unwrap();
    let definitions = definitions(folder).await;
    // The account's ids come from this thread's own chance, too.
    fastrand::seed(life.seed);
    let world = World::new(|choice| {
        choice.definitions = definitions;
        choice.mailer = Some(Mailer::Directory(Directory::new(&outbox)));
        // No answer is late here, however busy the machine is: a record that is read a cycle later is another report.
        choice.request_timeout = Duration::from_secs(60);
        choice.account.additional_currencies = ["USD", "GBP", "JPY", "KWD"].map(str::to_owned).to_vec();
    })
    .await;
    let file = BufWriter::new(File::create(folder.join("truth.jsonl")).unwrap());
    let truth = Truth { file, known: BTreeMap::new(), writes: 0 };
    let mut play =
        Play { people: People::new(life.seed), world, truth, tidings: Tidings::default(), outbox, mails, reports: 0 };
    play.people.before_the_books(&play.world, &mut play.truth);
    play.look().await;
    let first = date(2026, 11, 22);
    let per_day = life.changes.div_ceil(usize::try_from(life.days).unwrap());
    for day in 0..life.days {
        let has_payments = day > life.days / 3;
        play.day(first.saturating_add(day.days()), per_day, has_payments).await;
    }
    // Until everything is quiet and told.
    for _ in 0..3 {
        play.world.clock.advance(DAY / 24);
        play.look().await;
    }
    play.truth.file.flush().unwrap();
    format!("{life:?}: {} writes, {} reports", play.truth.writes, play.reports)
}

/// A life while it is lived.
struct Play {
    people: People,
    world: World,
    truth: Truth,
    tidings: Tidings,
    outbox: PathBuf,
    mails: PathBuf,
    reports: u64,
}

impl Play {
    /// A day in Berlin.
    async fn day(&mut self, day: Date, per_day: usize, has_payments: bool) {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |day: Date, hour, minute| {
            day.at(hour, minute, 0, 0).to_zoned(zone.clone()).unwrap().timestamp().as_millisecond()
        };
        let (begin, end) = (at(day, 0, 0), at(day.tomorrow().unwrap(), 0, 0));
        let report = at(day, 7, 30);
        let chance = &mut self.people.chance;
        let mut moments = vec![(begin + 5 * MINUTE, Moment::Midnight), (report, Moment::Look)];
        for _ in 0..chance.usize(..=2) {
            moments.push((chance.i64(begin + 8 * 3_600_000..end - MINUTE), Moment::Look));
        }
        for _ in 0..chance.usize(0..=2 * per_day) {
            // Most of it in the hours of work, some of it at the very end and beginning of a day.
            let at = match chance.u8(..10) {
                0 => chance.i64(begin..report),
                1 => chance.i64(end - 40 * MINUTE..end),
                _ => chance.i64(report..end),
            };
            moments.push((at, Moment::Write));
        }
        moments.sort_by_key(|(at, _)| *at);
        let mut last = self.world.clock.now_ms();
        for (at, moment) in moments {
            // Of the first day only the rest, and no two things in a second.
            if at <= last && at < NOW_MS {
                continue;
            }
            let at = at.max(last + 1_000);
            last = at;
            self.world.clock.advance(at - self.world.clock.now_ms());
            match moment {
                Moment::Write => self.write(at, (begin, report, end), has_payments),
                Moment::Look => self.look().await,
                Moment::Midnight => self.midnight().await,
            }
            last = last.max(self.world.clock.now_ms());
        }
    }

    /// Somebody writes at a moment of a day that has its report at another.
    fn write(&mut self, at: i64, (begin, report, end): (i64, i64, i64), has_payments: bool) {
        let events = self.people.write(&mut self.world, &mut self.truth, &mut self.tidings, has_payments);
        let chance = &mut self.people.chance;
        // What is told late is told on the same day, so that the comparison at night has nothing to find. What happens after
        // it may be told after the report went out.
        let may_wait = (begin + 60 * MINUTE..end - 60 * MINUTE).contains(&at);
        let until = if at < report && chance.bool() { report - MINUTE } else { end - 30 * MINUTE };
        // An event that names two records is told of both at once.
        let mut last: Option<(Value, i64)> = None;
        for (kind, id, event) in events {
            let known = last.filter(|(told, _)| *told == event).map(|(_, told_at)| told_at);
            let late = known.is_none() && may_wait && at < until && chance.u8(..5) == 0;
            let told_at = if late { chance.i64(at..until) } else { known.unwrap_or(at) };
            self.tidings.add(told_at, kind, id, event.clone());
            last = Some((event, told_at));
        }
    }

    /// HubSpot tells what is to be told by now, in any order and some of it again; then the worker looks.
    async fn look(&mut self) {
        let now = self.world.clock.now_ms();
        let (due, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.tidings.waiting).into_iter().partition(|it| it.0 <= now);
        self.tidings.waiting = waiting;
        let records: BTreeSet<(&str, i64)> = due.iter().map(|it| (it.1.singular(), it.2)).collect();
        self.truth.line(&json!({ "at": now, "what": "told", "records": records }));
        let mut events: Vec<Value> = due.into_iter().map(|it| it.3).collect();
        let again = self.tidings.told.iter().filter(|_| self.people.chance.u8(..10) == 0).cloned().collect::<Vec<_>>();
        self.tidings.told.extend(events.iter().filter(|_| self.people.chance.u8(..20) == 0).cloned());
        let newest = self.tidings.told.len().saturating_sub(20);
        self.tidings.told.drain(..newest);
        events.extend(again);
        self.people.chance.shuffle(&mut events);
        for body in events.chunks(100) {
            self.world.deliver(body).await;
        }
        self.cycle().await;
        // What HubSpot does not show yet is looked at again, and a report waits for it.
        while self.world.ask("SELECT kind FROM due WHERE next_at IS NOT NULL LIMIT 1").await != [""; 0] {
            self.world.clock.advance(15_000);
            self.cycle().await;
        }
    }

    /// Looks until the night's comparison is through.
    async fn midnight(&mut self) {
        self.look().await;
        while self.world.ask("SELECT name FROM facts WHERE name = 'comparison.nightly'").await != [""; 0] {
            self.world.clock.advance(1_000);
            self.cycle().await;
        }
    }

    async fn cycle(&mut self) {
        let mut summary = self.world.cycle().await;
        report_worker::cycle::finish(&self.world.app, &mut summary).await;
        assert_eq!(summary.problems, [""; 0]);
        self.reports += summary.reports;
        let mut names = Vec::new();
        if summary.reports > 0 {
            for file in fs::read_dir(&self.outbox).unwrap() {
                let name = file.unwrap().file_name().into_string().unwrap();
                fs::rename(self.outbox.join(&name), self.mails.join(&name)).unwrap();
                names.push(name);
            }
            names.sort();
            assert_eq!(names.len() as u64, summary.reports);
        }
        let since: Option<Timestamp> = self.world.app.store.fact("payments_since").await.unwrap();
        self.truth.line(&json!({
            "at": self.world.clock.now_ms(),
            "what": "look",
            "mails": names,
            "payments_since": since.map(Timestamp::as_millisecond),
        }));
    }
}
