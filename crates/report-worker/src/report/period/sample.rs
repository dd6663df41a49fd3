//! A made-up period, for looking at a report before there is anything to report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use crate::domain::balances::balances;
use crate::domain::changes::ChangeKind;
use crate::domain::entries::{Correction, Entry, entries};
use crate::domain::ledger::{Balance, Face, Line};
use crate::domain::money::{Amount, SumTooLarge};
use crate::domain::period::{Cadence, Calendar, Period};
use crate::domain::record::{Kind, Record};
use crate::report::build::Scene;
use crate::report::period_figures::{CorrectedRecord, PeriodFigures, Recurring, Tally};
use crate::report::sample::record;

/// A closed deal: its name, its company, its owner, its amount and its currency, when it was closed in thousandths of the
/// period (below zero in the period before), and what recurs of it each month and each year.
type Deal =
    (&'static str, &'static str, &'static str, &'static str, &'static str, i64, Option<(&'static str, &'static str)>);

const WON: [Deal; 13] = [
    ("Website relaunch", "Müller & Söhne GmbH", "Anna Keller", "12300.50", "EUR", 60, None),
    ("Warehouse scanners", "Northwind Traders", "Jonas Weber", "8400", "USD", 140, None),
    ("Support contract 2027", "Harbour Clinic", "Claire Dubois", "14400", "EUR", 260, Some(("1200", "14400"))),
    ("Data warehouse", "Kestrel Logistics", "Anna Keller", "23750", "EUR", 370, None),
    ("Rota planning", "Stadtwerke Neuburg", "Jonas Weber", "5940", "EUR", 470, Some(("495", "5940"))),
    ("Fleet telemetry", "Prairie Freight Inc.", "Claire Dubois", "11250", "USD", 580, Some(("450", "5400"))),
    ("Checkout redesign", "Atelier Lumière", "Claire Dubois", "7680.75", "EUR", 690, None),
    ("Sensor retrofit", "Hanse Kühlhaus KG", "Anna Keller", "31200", "EUR", 850, None),
    ("Onboarding package", "Blue Fjord AS", "", "1850", "EUR", 960, None),
    ("Cold chain audit", "Hanse Kühlhaus KG", "Anna Keller", "9900", "EUR", -880, Some(("825", "9900"))),
    ("Fleet maintenance", "Kestrel Logistics", "Jonas Weber", "4700", "EUR", -600, None),
    ("Label printers", "Northwind Traders", "Jonas Weber", "3100", "USD", -350, None),
    ("Intranet", "Stadtwerke Neuburg", "Anna Keller", "18640", "EUR", -90, None),
];

const LOST: [Deal; 4] = [
    ("Night shift rota", "Harbour Clinic", "Claire Dubois", "990", "EUR", 330, None),
    ("Loyalty app", "Café Central", "Jonas Weber", "6500", "EUR", 620, None),
    ("Press kit", "Atelier Lumière", "Anna Keller", "2400", "EUR", 910, None),
    ("Kiosk terminals", "Blue Fjord AS", "Jonas Weber", "7200", "EUR", -420, None),
];

/// An invoice: its number, its company, its amount and its currency, when it was issued in thousandths of the period, in
/// how many days it is due, and what happened to it since, with how many days after that.
type Invoice = (&'static str, &'static str, &'static str, &'static str, i64, Option<i64>, Life);

/// What became of an invoice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    /// Paid in full at a time in thousandths of the period.
    Paid(i64),
    /// So much of it was paid at a time in thousandths of the period.
    Part(&'static str, i64),
    Voided(i64),
    /// Paid in full in the period before, and so much of it left after something was given back.
    Refunded(&'static str, i64),
    /// Issued so many days before the period's end, and still open.
    OpenSince(i64),
    NotBillable,
}

const INVOICES: [Invoice; 16] = [
    ("INV-1041", "Müller & Söhne GmbH", "12300.50", "EUR", 80, Some(14), Life::Paid(640)),
    ("INV-1042", "Northwind Traders", "8400", "USD", 160, Some(30), Life::Open),
    ("INV-1043", "Harbour Clinic", "1200", "EUR", 280, Some(14), Life::Paid(720)),
    ("INV-1044", "Kestrel Logistics", "23750", "EUR", 400, Some(30), Life::Part("10000", 780)),
    ("INV-1045", "Stadtwerke Neuburg", "495", "EUR", 490, Some(14), Life::Paid(900)),
    ("INV-1046", "Prairie Freight Inc.", "11250", "USD", 600, Some(30), Life::Open),
    ("INV-1047", "Café Central", "450", "EUR", 640, Some(14), Life::Voided(700)),
    ("INV-1048", "Hanse Kühlhaus KG", "31200", "EUR", 870, Some(30), Life::Open),
    ("INV-1049", "Blue Fjord AS", "1850", "EUR", 970, None, Life::Open),
    ("INV-1050", "Harbour Clinic", "14400", "EUR", 300, Some(30), Life::NotBillable),
    ("INV-1038", "Hanse Kühlhaus KG", "9900", "EUR", -860, Some(14), Life::Paid(-200)),
    ("INV-1039", "Atelier Lumière", "2400", "EUR", -700, Some(14), Life::Refunded("2160", 540)),
    ("INV-1031", "Stadtwerke Neuburg", "18640", "EUR", 0, Some(14), Life::OpenSince(26)),
    ("INV-1022", "Atelier Lumière", "3920", "EUR", 0, Some(30), Life::OpenSince(81)),
    ("INV-1017", "Northwind Traders", "2150", "USD", 0, Some(30), Life::OpenSince(104)),
    ("INV-0988", "Café Central", "1275.40", "EUR", 0, Some(14), Life::OpenSince(148)),
];

/// The last period of a cadence that is over, with something of everything. The records' histories are read by the same
/// rules as real ones; `scene.rules` must know the stages `won` and `lost`.
///
/// # Errors
/// Fails where a sum would not fit 128 bits, as real figures do.
pub fn period_sample(cadence: Cadence, calendar: Calendar, scene: &Scene<'_>) -> Result<PeriodFigures, SumTooLarge> {
    let today = scene.now.to_zoned(scene.rules.zone.clone()).date();
    let period = Period::containing(cadence, today, &calendar).previous(&calendar);
    let sample = Sample { scene, period, before: period.previous(&calendar), today };
    let mut records = Vec::new();
    for (index, deal) in (101..).zip(WON) {
        records.push(sample.deal(index, deal, "won"));
    }
    for (index, deal) in (131..).zip(LOST) {
        records.push(sample.deal(index, deal, "lost"));
    }
    for (index, invoice) in (201..).zip(INVOICES) {
        records.push(sample.invoice(index, invoice));
    }
    let mut figures = PeriodFigures {
        period,
        before: sample.before,
        calendar,
        revision: 1,
        is_over: true,
        lines: Vec::new(),
        sums_before: BTreeMap::new(),
        recurring_before: Recurring::default(),
        past_due_before: Tally::default(),
        corrections: Vec::new(),
        ageing: Vec::new(),
        unread: 0,
    };
    for record in &records {
        sample.add(record, &mut figures)?;
    }
    figures.lines.sort_by_key(|line| (line.date(), line.key));
    figures.ageing.sort_by_key(|balance| (balance.owed.due.is_none(), balance.owed.due, balance.key));
    Ok(figures)
}

struct Sample<'a> {
    scene: &'a Scene<'a>,
    period: Period,
    before: Period,
    today: Date,
}

impl Sample<'_> {
    /// A day of the period, or of the period before, by thousandths.
    fn day(&self, thousandths: i64) -> Date {
        let (period, thousandths) =
            if thousandths < 0 { (self.before, thousandths + 1_000) } else { (self.period, thousandths) };
        let days = i64::from((period.to - period.from).get_days());
        period.from.saturating_add((days * thousandths / 1_000).days())
    }

    fn moment(&self, day: Date, hour: i8) -> Timestamp {
        let zoned = day.at(hour, 12, 0, 0).to_zoned(self.scene.rules.zone.clone());
        zoned.map_or(self.scene.now, |zoned| zoned.timestamp()).min(self.scene.now)
    }

    fn deal(&self, id: i64, deal: Deal, stage: &str) -> Record {
        let (name, company, owner, amount, currency, closed, recurs) = deal;
        let day = self.day(closed);
        let at = self.moment(day, 10);
        let date = day.to_string();
        let mut history = vec![
            ("amount", at, amount),
            ("deal_currency_code", at, currency),
            ("closedate", at, &date),
            ("dealstage", at, stage),
        ];
        if currency == "USD" {
            history.push(("hs_exchange_rate", at, "0.921"));
        }
        let mut record = record(self.scene.account.portal_id, Kind::Deal, id, &history);
        record.owner = (!owner.is_empty()).then(|| owner.to_owned());
        record.company = Some(company.to_owned());
        let pipeline = if recurs.is_none() { "Sales" } else { "Subscriptions" };
        record.pipeline = Some(pipeline.to_owned());
        record.properties.insert("dealname".to_owned(), name.to_owned());
        if let Some((month, year)) = recurs {
            record.properties.insert("hs_mrr".to_owned(), month.to_owned());
            record.properties.insert("hs_arr".to_owned(), year.to_owned());
        }
        record
    }

    fn invoice(&self, id: i64, invoice: Invoice) -> Record {
        let (number, company, amount, currency, issued, due, life) = invoice;
        let day = match life {
            Life::OpenSince(days) => self.period.to.saturating_sub(days.days()),
            _ => self.day(issued),
        };
        let at = self.moment(day, 9);
        let (date, due) = (day.to_string(), due.map(|days| day.saturating_add(days.days()).to_string()));
        let mut history = vec![
            ("hs_amount_billed", at, amount),
            ("hs_currency", at, currency),
            ("hs_invoice_date", at, &date),
            ("hs_invoice_status", at, "open"),
        ];
        history.extend(due.as_deref().map(|due| ("hs_due_date", at, due)));
        let later = |thousandths| self.moment(self.day(thousandths), 15);
        match life {
            Life::Paid(when) => {
                history.extend([("hs_amount_paid", later(when), amount), ("hs_invoice_status", later(when), "paid")]);
            }
            Life::Part(paid, when) => history.push(("hs_amount_paid", later(when), paid)),
            Life::Refunded(left, when) => history.extend([
                ("hs_amount_paid", later(-500), amount),
                ("hs_invoice_status", later(-500), "paid"),
                ("hs_amount_paid", later(when), left),
            ]),
            Life::Voided(when) => history.push(("hs_invoice_status", later(when), "voided")),
            Life::NotBillable => history.push(("hs_invoice_billable", at, "false")),
            Life::Open | Life::OpenSince(_) => {}
        }
        let mut record = record(self.scene.account.portal_id, Kind::Invoice, id, &history);
        record.properties.insert("hs_number".to_owned(), number.to_owned());
        record.company = Some(company.to_owned());
        record
    }

    /// Adds what a record says, and what was told wrongly of it.
    fn add(&self, record: &Record, figures: &mut PeriodFigures) -> Result<(), SumTooLarge> {
        let rules = &self.scene.rules;
        let face = Arc::new(Face::of(record, None, &BTreeSet::new(), rules.zone));
        let line = |entry: Entry| Line { key: record.key, entry, face: face.clone() };
        let correction = |corrections, kind, changed_at| CorrectedRecord {
            key: record.key,
            face: face.clone(),
            corrections,
            kinds: vec![kind],
            refiltered: None,
            changed_at: Some(changed_at),
            merged: Vec::new(),
        };
        for entry in entries(record, None, self.today, rules) {
            let at = self.moment(self.day(210), 16);
            if self.before.contains(entry.date.date) {
                figures.sums_before.entry(entry.figure).or_default().add(&entry)?;
                figures.recurring_before.add(&line(entry.clone()))?;
                if record.name() == "Fleet maintenance" {
                    let was = Entry { amount: Amount::read(Some("5200"), "EUR"), ..entry.clone() };
                    let changed = Correction { figure: entry.figure, was: Some(was), now: Some(entry.clone()) };
                    figures.corrections.push(correction(vec![changed], ChangeKind::DealAmountChanged, at));
                }
            }
            if self.period.contains(entry.date.date) {
                if record.name() == "Website relaunch" {
                    let mut was = entry.clone();
                    was.date.date = self.day(-30);
                    let moved = Correction { figure: entry.figure, was: Some(was), now: None };
                    figures.corrections.push(correction(vec![moved], ChangeKind::DealCloseDateMoved, at));
                }
                figures.lines.push(line(entry));
            }
        }
        let [last_day, last_before] = [self.period, self.before].map(|period| period.to.saturating_sub(1.day()));
        for (from, until, owed) in balances(record, rules) {
            let is_owed = |day| from <= day && until.is_none_or(|until| day < until);
            if is_owed(last_before) && owed.is_past_due(last_before) {
                figures.past_due_before.add(&owed.amount)?;
            }
            if is_owed(last_day) {
                figures.ageing.push(Balance { key: record.key, from, until, owed, face: face.clone() });
            }
        }
        Ok(())
    }
}
