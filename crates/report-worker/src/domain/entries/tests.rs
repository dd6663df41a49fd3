//! What records add to the figures, and that corrections lead from what was told to what is so.

use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::domain::account::Stages;
use crate::domain::changes::testing::*;
use crate::domain::period::{Cadence, Calendar, Period};
use crate::domain::record::Kind;

/// One civil day in milliseconds; lives begin with 1970.
const DAY: i64 = 86_400_000;

fn rules<'a>(stages: &'a Stages, zone: &'a TimeZone) -> Rules<'a> {
    // The books were opened long after: the figures do not care.
    Rules { books_open_at: at(1_000 * DAY), stages, zone, company_currency: "EUR" }
}

fn entries_of(record: &Record, standing: Option<Standing>) -> Vec<Entry> {
    entries(record, standing, date(1971, 1, 1), &rules(&stages(), &TimeZone::UTC))
}

/// Each entry in a line: figure, ordinal, day, amount.
fn lines(kind: Kind, life: &[Happening]) -> Vec<String> {
    let line = |entry: Entry| {
        let amount = entry.amount.money.map_or_else(|error| format!("({error})"), |money| money.to_string());
        let billable = if entry.billable { "" } else { ", not billable" };
        let (figure, day) = (entry.figure.as_str(), entry.date.date.strftime("%-d %b"));
        format!("{figure} {} {day}: {amount}{billable}", entry.n)
    };
    entries_of(&record(kind, life), None).into_iter().map(line).collect()
}

#[test]
fn every_figure_has_one_name() {
    for figure in Figure::ALL {
        assert_eq!(Figure::parse(figure.as_str()), Some(figure));
        assert_eq!(serde_json::to_value(figure).unwrap(), figure.as_str(), "the books and the documents agree");
    }
    assert_eq!(Figure::parse("deal.won"), None);
}

#[test]
fn a_closed_deal_counts_on_its_close_date_or_on_the_day_it_was_closed() {
    let mut life = vec![
        ("amount", DAY, "100"),
        ("dealstage", DAY, "won"),
        ("dealstage", 2 * DAY, "talk"),
        ("dealstage", 3 * DAY, "won"),
        ("dealstage", 4 * DAY, "won2"),
        ("amount", 5 * DAY, "120"),
    ];
    assert_eq!(lines(Kind::Deal, &life), ["won 1 4 Jan: €120.00"], "the day it was last won");
    life.push(("closedate", 6 * DAY, "1970-02-03"));
    assert_eq!(lines(Kind::Deal, &life), ["won 1 3 Feb: €120.00"]);
    life.push(("dealstage", 7 * DAY, "lost"));
    assert_eq!(lines(Kind::Deal, &life), ["lost 1 3 Feb: €120.00"]);
    life.push(("dealstage", 8 * DAY, "new"));
    assert!(lines(Kind::Deal, &life).is_empty());
}

#[test]
fn an_invoice_is_created_part_paid_overdue_and_paid() {
    let mut life = vec![
        ("hs_invoice_status", DAY, "draft"),
        ("hs_amount_billed", DAY, "100"),
        ("hs_invoice_date", DAY, "1970-01-03"),
        ("hs_due_date", DAY, "1970-01-05"),
        ("hs_invoice_status", 2 * DAY, "open"),
        ("hs_amount_paid", 3 * DAY, "40"),
    ];
    let open = [
        "invoice_created 1 3 Jan: €100.00",
        "invoice_part_paid 1 4 Jan: €40.00",
        "invoice_overdue 1 6 Jan: €60.00",
        "invoice_receipt 1 4 Jan: €40.00",
    ];
    assert_eq!(lines(Kind::Invoice, &life), open);
    life.extend([("hs_amount_paid", 6 * DAY, "100"), ("hs_invoice_status", 6 * DAY, "paid")]);
    let paid = [open[0], open[1], "invoice_paid 1 7 Jan: €100.00", open[2], open[3], "invoice_receipt 2 7 Jan: €60.00"];
    assert_eq!(lines(Kind::Invoice, &life), paid);
    life.extend([("hs_amount_paid", 7 * DAY, "0"), ("hs_invoice_status", 8 * DAY, "voided")]);
    let voided = ["invoice_voided 1 9 Jan: €100.00", open[3], paid[5], "invoice_refund 1 8 Jan: €100.00"];
    assert_eq!(lines(Kind::Invoice, &life), voided);
    life.push(("hs_invoice_billable", 9 * DAY, "false"));
    assert_eq!(lines(Kind::Invoice, &life), voided.map(|line| format!("{line}, not billable")));
}

#[test]
fn an_invoice_is_overdue_only_once_its_day_has_come_and_something_is_owed() {
    let life = |paid: i64| {
        let open = [("hs_invoice_status", 0, "open"), ("hs_amount_billed", 0, "80"), ("hs_due_date", 0, "1970-01-02")];
        record(Kind::Invoice, &[open[0], open[1], open[2], ("hs_amount_paid", paid, "80")])
    };
    let (stages, berlin) = (stages(), TimeZone::get("Europe/Berlin").unwrap());
    let overdue = |paid: i64, today: i8| -> Vec<Entry> {
        let all = entries(&life(paid), None, date(1970, 1, today), &rules(&stages, &berlin));
        all.into_iter().filter(|entry| entry.figure == Figure::InvoiceOverdue).collect()
    };
    assert!(overdue(5 * DAY, 2).is_empty());
    let [entry] = &overdue(5 * DAY, 3)[..] else { panic!("one") };
    assert_eq!((entry.at.to_string(), entry.date.date), ("1970-01-02T23:00:00Z".into(), date(1970, 1, 3)));
    assert_eq!(entry.money().unwrap().to_string(), "€80.00", "what was owed then, though it is paid now");
    assert!(overdue(DAY, 9).is_empty(), "paid in time");
}

#[test]
fn what_is_paid_in_another_currency_goes_back_and_comes_anew() {
    let life = [
        ("hs_amount_billed", 0, "100"),
        ("hs_currency", 0, "EUR"),
        ("hs_amount_paid", 0, "10"),
        ("hs_invoice_status", DAY, "open"),
        ("hs_amount_paid", 2 * DAY, "60"),
        ("hs_currency", 3 * DAY, "JPY"),
        ("hs_amount_paid", 3 * DAY, "70"),
        ("hs_amount_paid", 4 * DAY, "seventy"),
        ("hs_amount_paid", 5 * DAY, "70.00"),
        ("hs_amount_paid", 6 * DAY, ""),
        ("hs_amount_paid", 7 * DAY, "1e30"),
    ];
    let receipts: Vec<_> = lines(Kind::Invoice, &life)
        .into_iter()
        .filter(|line| line.contains("receipt") || line.contains("refund"))
        .collect();
    assert_eq!(
        receipts,
        [
            "invoice_receipt 1 2 Jan: €10.00",
            "invoice_receipt 2 3 Jan: €50.00",
            "invoice_receipt 3 4 Jan: JPY 70",
            "invoice_receipt 4 5 Jan: (not a number)",
            "invoice_receipt 5 8 Jan: (too large to be added up)",
            "invoice_refund 1 4 Jan: €60.00",
            "invoice_refund 2 7 Jan: JPY 70",
        ]
    );
}

#[test]
fn a_payment_is_received_on_its_own_date_and_each_refund_on_its_day() {
    let mut life = vec![
        ("hs_initial_amount", 0, "50"),
        ("hs_currency_code", 0, "KWD"),
        ("hs_initiated_date", 0, "1970-01-01"),
        ("hs_latest_status", DAY, "processing"),
    ];
    assert!(lines(Kind::Payment, &life).is_empty());
    life.extend([("hs_latest_status", DAY, "succeeded"), ("hs_latest_status", 2 * DAY, "refunded")]);
    let received = "payment_received 1 1 Jan: KWD 50.000";
    assert_eq!(lines(Kind::Payment, &life), [received, "payment_refund 1 3 Jan: (no amount)"], "only the status tells");
    life.extend([
        ("hs_refunds_amount", 2 * DAY, "0.0"),
        ("hs_refunds_amount", 3 * DAY, "20.005"),
        ("hs_refunds_amount", 4 * DAY, "5"),
    ]);
    let refunds = ["payment_refund 1 4 Jan: KWD 20.005", "payment_refund 2 5 Jan: −KWD 15.005"];
    assert_eq!(lines(Kind::Payment, &life), [received, refunds[0], refunds[1]]);
}

#[test]
fn what_is_archived_merged_or_gone_adds_nothing() {
    let mut deal = record(Kind::Deal, &[("dealstage", 0, "won"), ("amount", 0, "5")]);
    assert_eq!(entries_of(&deal, None).len(), 1);
    assert!(entries_of(&deal, Some(Standing::Merged { into: 9 })).is_empty());
    assert!(entries_of(&deal, Some(Standing::Archived)).is_empty());
    deal.archived_at = Some(at(DAY));
    assert!(entries_of(&deal, None).is_empty());
}

#[test]
fn a_correction_is_what_a_reader_would_be_told_otherwise() {
    let paid = |paid: &[&'static str]| {
        let mut life = vec![("hs_amount_billed", 0, "100"), ("hs_invoice_status", 0, "open")];
        life.extend((1..).zip(paid).map(|(day, amount)| ("hs_amount_paid", day * DAY, *amount)));
        entries_of(&record(Kind::Invoice, &life), None)
    };
    assert_eq!(difference(&paid(&["10", "30"]), &paid(&["10.00", "30"])), [], "the same money in other words");
    let told = paid(&["10", "30"]);
    let now = paid(&["10", "40", "60"]);
    let corrections = difference(&told, &now);
    let shown = |entry: &Option<Entry>| entry.as_ref().map(|entry| (entry.n, entry.money().unwrap().to_string()));
    let pairs: Vec<_> = corrections.iter().map(|it| (it.figure, shown(&it.was), shown(&it.now))).collect();
    assert_eq!(
        pairs,
        [
            (Figure::InvoiceReceipt, Some((2, "€20.00".into())), Some((2, "€30.00".into()))),
            (Figure::InvoiceReceipt, None, Some((3, "€20.00".into()))),
        ],
        "part payments are only listed"
    );
    let mut effect = Totals::default();
    corrections.iter().for_each(|correction| correction.add_effect(&mut effect).unwrap());
    assert_eq!(effect.sums().iter().map(ToString::to_string).collect::<Vec<_>>(), ["€30.00"]);
    let [correction] = &difference(&told, &told[..told.len() - 1])[..] else { panic!("one") };
    assert_eq!((correction.was.as_ref(), correction.now.as_ref()), (told.last(), None));
    let later = difference(&told[told.len() - 1..], &now[now.len() - 1..]);
    assert_eq!(later.len(), 1, "what is left over is paired in its order");
    assert_eq!(serde_json::from_str::<Vec<Correction>>(&serde_json::to_string(&later).unwrap()).unwrap(), later);
}

type Books = BTreeMap<(Figure, &'static str, Date), i128>;

/// Adds or takes an entry's money in the period it is dated in.
fn book(books: &mut Books, entry: Option<&Entry>, factor: i128) {
    let Some((entry, money)) = entry.and_then(|entry| Some((entry, entry.money()?))) else { return };
    let key = (entry.figure, money.currency(), period(entry).from);
    let sum = books.entry(key).or_default();
    *sum += factor * i128::from(money.minor());
    if *sum == 0 {
        books.remove(&key);
    }
}

fn period(entry: &Entry) -> Period {
    Period::containing(Cadence::Daily, entry.date.date, &Calendar::default())
}

fn a_kind_and_life(pauses: std::ops::Range<i64>) -> impl Strategy<Value = (Kind, Vec<Happening>)> {
    prop::sample::select(Kind::ALL.to_vec())
        .prop_flat_map(move |kind| a_life(kind, pauses.clone()).prop_map(move |life| (kind, life)))
}

proptest! {
    /// Always: how often we looked cannot matter to the figures.
    #[test]
    fn looking_more_often_adds_nothing(
        (kind, life) in a_kind_and_life(1..DAY),
        looks in prop::collection::vec(0..20usize, 0..6),
        shown in 3..20usize,
    ) {
        let known = looked_at(kind, &life, &looks, shown, |_| ());
        prop_assume!(known.is_some());
        prop_assert_eq!(entries_of(&known.unwrap(), None), entries_of(&record(kind, &life), None));
    }

    /// Always: as sent plus all corrections = as recomputed, per figure, currency and period, whatever happens between
    /// the reports and whichever periods they are of.
    #[test]
    fn as_sent_and_all_corrections_are_as_recomputed(
        (kind, life) in a_kind_and_life(0..DAY),
        reports in prop::collection::vec((0..20usize, 0..8i8, prop::bool::weighted(0.1)), 1..8),
    ) {
        let (mut books, mut effects): (Books, BTreeMap<Figure, Totals>) = Default::default();
        let (mut sent, mut told): (Vec<Date>, Vec<Entry>) = Default::default();
        let mut reports = reports;
        reports.sort_by_key(|(look, ..)| look % life.len());
        for (look, day, archived) in reports {
            let read = record(kind, &life[..look % life.len() + 1]);
            let now = entries_of(&read, archived.then_some(Standing::Archived));
            let in_sent = |sent: &[Date]| -> Vec<Entry> {
                now.iter().filter(|entry| sent.contains(&period(entry).from) && entry.figure.is_corrected()).cloned().collect()
            };
            for correction in difference(&told, &in_sent(&sent)) {
                book(&mut books, correction.was.as_ref(), -1);
                book(&mut books, correction.now.as_ref(), 1);
                correction.add_effect(effects.entry(correction.figure).or_default()).unwrap();
            }
            let day = date(1970, 1, 1 + day);
            if !sent.contains(&day) {
                for entry in in_sent(&[day]) {
                    book(&mut books, Some(&entry), 1);
                    entry.money().into_iter().for_each(|money| effects.entry(entry.figure).or_default().add(money).unwrap());
                }
                sent.push(day);
            }
            told = in_sent(&sent);
            let (mut recomputed, mut totals) = (Books::new(), BTreeMap::<Figure, Totals>::new());
            for entry in &told {
                book(&mut recomputed, Some(entry), 1);
                entry.money().into_iter().for_each(|money| totals.entry(entry.figure).or_default().add(money).unwrap());
            }
            prop_assert_eq!(&books, &recomputed);
            for figure in Figure::ALL {
                let lines = |totals: &BTreeMap<Figure, Totals>| totals.get(&figure).map(Totals::sums).unwrap_or_default();
                prop_assert_eq!(lines(&effects), lines(&totals), "{}", figure.as_str());
            }
        }
    }

    /// Always: what came less what went back is what is paid, or refunded, now.
    #[test]
    fn receipts_less_refunds_are_what_is_settled((kind, life) in a_kind_and_life(0..DAY)) {
        let record = record(kind, &life);
        let position = Position::now(&record, &rules(&stages(), &TimeZone::UTC));
        let entries = entries_of(&record, None);
        let counts = matches!(position.standing, Standing::Issued | Standing::Paid | Standing::Voided | Standing::Received);
        // A text that is no number moves nothing: what was settled before it stands.
        prop_assume!(counts && !matches!(position.settled.money, Err(AmountError::NotANumber)));
        let mut settled = Totals::default();
        for entry in &entries {
            match (entry.figure, entry.amount.money.clone()) {
                (Figure::InvoiceReceipt | Figure::PaymentRefund, Ok(money)) => settled.add(money).unwrap(),
                (Figure::InvoiceRefund, Ok(money)) => settled.subtract(money).unwrap(),
                _ => {}
            }
        }
        let mut expected = Totals::default();
        position.settled.money.into_iter().for_each(|money| expected.add(money).unwrap());
        prop_assert_eq!(settled.sums(), expected.sums());
    }
}
