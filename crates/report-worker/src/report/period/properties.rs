//! What always holds of the report of a period: every sum is that of its rows, and every text is one inert line.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::date;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;

use super::tests::{definition, in_scene};
use super::*;
use crate::domain::balances::Owed;
use crate::domain::changes::ChangeKind;
use crate::domain::entries::{Correction, Entry};
use crate::domain::ledger::{Balance, Rate, Word};
use crate::domain::money::{Amount, Sum};
use crate::domain::period::{Cadence, Calendar};
use crate::domain::time::BusinessDate;
use crate::report::document::{Cell, Value};
use crate::report::filter::{Difference, Read};
use crate::report::locale::Language;
use crate::report::period_figures::{CorrectedRecord, Recurring, Refiltered};

/// Minor units by currency.
type Minor = BTreeMap<&'static str, i128>;

fn amount() -> impl Strategy<Value = Amount> {
    let currency = prop::sample::select(vec!["EUR", "EUR", "USD", "JPY", "KWD", "XYZ"]);
    let minor = prop_oneof![
        6 => -100_000..10_000_000_i64,
        1 => prop::sample::select(vec![i64::MIN, i64::MAX, i64::MAX - 1, 0]),
    ];
    (currency, minor).prop_map(|(currency, minor)| Amount::from_minor(minor.into(), currency))
}

fn day() -> impl Strategy<Value = jiff::civil::Date> {
    (0..30_i64).prop_map(|days| date(2026, 11, 1).saturating_add(days.days()))
}

fn line() -> impl Strategy<Value = Line> {
    let owner = prop::option::of(prop::sample::select(vec!["Ada", "Ben", "Cleo"]));
    let recurs = prop::sample::select(vec!["", "0", "12.50", "-3"]);
    let rate = prop::option::of(prop::sample::select(vec!["0.92", "0.9", "1e60", "-1", "x"]));
    let figure = prop::sample::select(Figure::ALL.to_vec());
    (figure, 1..400_i64, day(), amount(), prop::bool::weighted(0.9), owner, recurs, rate).prop_map(
        |(figure, id, date, amount, billable, owner, recurs, rate)| {
            let kind = match section_of(figure) {
                SectionKind::Won | SectionKind::Lost => Kind::Deal,
                _ => Kind::Invoice,
            };
            let key = RecordKey { portal_id: 1, kind, id };
            let word = |text: &str| Word::from(text);
            let face = Face {
                name: format!("{kind} {id}"),
                company: owner.map(word),
                owner: owner.map(word),
                team: None,
                pipeline: owner.map(word),
                rate: rate.map(|rate| Rate { rate: word(rate), since: date }),
                due: None,
                properties: vec![(word("hs_mrr"), word(recurs)), (word("hs_arr"), word(recurs))],
                unsettled: false,
            };
            let entry = Entry {
                figure,
                n: 1,
                date: BusinessDate { date, stated: true },
                at: Timestamp::UNIX_EPOCH,
                amount,
                billable: billable || kind == Kind::Deal,
            };
            Line { key, entry, face: Arc::new(face) }
        },
    )
}

fn balance() -> impl Strategy<Value = Balance> {
    (1..400_i64, amount(), prop::option::of(-150..60_i64), prop::bool::weighted(0.9)).prop_map(
        |(id, amount, due, billable)| {
            let due = due.map(|days| date(2026, 11, 30).saturating_add(days.days()));
            let face = Face { due, ..face(&format!("INV-{id}")) };
            Balance {
                key: RecordKey { portal_id: 1, kind: Kind::Invoice, id },
                from: date(2026, 1, 1),
                until: None,
                owed: Owed { billed: amount.clone(), amount, date: None, due, billable },
                face: Arc::new(face),
            }
        },
    )
}

fn face(name: &str) -> Face {
    Face {
        name: name.to_owned(),
        company: None,
        owner: None,
        team: None,
        pipeline: None,
        rate: None,
        due: None,
        properties: Vec::new(),
        unsettled: false,
    }
}

fn figures(mut lines: Vec<Line>, mut ageing: Vec<Balance>) -> PeriodFigures {
    let calendar = Calendar::default();
    let period = Period::containing(Cadence::Monthly, date(2026, 11, 5), &calendar);
    lines.sort_by_key(|line| (line.date(), line.key));
    ageing.sort_by_key(|balance| (balance.owed.due.is_none(), balance.owed.due));
    PeriodFigures {
        period,
        before: period.previous(&calendar),
        calendar,
        revision: 1,
        is_over: true,
        lines,
        sums_before: BTreeMap::new(),
        recurring_before: Recurring::default(),
        past_due_before: Tally::default(),
        corrections: Vec::new(),
        ageing,
        unread: 0,
    }
}

fn document(figures: &PeriodFigures, language: Language) -> Document {
    in_scene(language, |scene| build(&definition(Cadence::Monthly), figures, scene).unwrap().document)
}

fn fold(amounts: impl Iterator<Item = (&'static str, i128)>) -> Minor {
    let mut sums = Minor::new();
    for (currency, minor) in amounts {
        *sums.entry(currency).or_default() += minor;
    }
    sums
}

fn of_amounts<'a>(amounts: impl Iterator<Item = &'a Amount>) -> Minor {
    fold(amounts.filter_map(|amount| amount.money.as_ref().ok()).map(|money| (money.currency(), money.minor().into())))
}

fn of_sums(sums: &[Sum]) -> Minor {
    fold(sums.iter().map(|sum| (sum.currency(), sum.minor())))
}

fn of_cells<'a>(cells: impl Iterator<Item = &'a Cell>) -> Minor {
    fold(cells.flat_map(|cell| match &cell.value {
        Value::Money(money) => vec![(money.currency(), i128::from(money.minor()))],
        Value::Sums(sums) => sums.iter().map(|sum| (sum.currency(), sum.minor())).collect(),
        _ => Vec::new(),
    }))
}

/// All texts in a value.
fn texts(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        serde_json::Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Always: only a report that calls its period quiet says in its subject that there is nothing new.
    #[test]
    fn nothing_is_new_only_in_a_quiet_period(
        lines in prop::collection::vec(line(), 0..6),
        ageing in prop::collection::vec(balance(), 0..3),
        sections in prop::sample::subsequence(SectionKind::ALL.map(|(kind, _)| kind).to_vec(), 1..4),
    ) {
        let definition = Definition { sections, ..definition(Cadence::Monthly) };
        let Built { document, is_empty } =
            in_scene(Language::En, |scene| build(&definition, &figures(lines, ageing), scene).unwrap());
        let words = document.locale.words().period;
        let is_quiet = document.notes.iter().any(|note| note == words.quiet);
        prop_assert_eq!(is_quiet, is_empty);
        prop_assert!(is_quiet || !document.subject.contains(words.nothing_new), "{}", document.subject);
        prop_assert!(!document.subject.contains(":  "), "{}", document.subject);
    }

    /// Always: a table lists each of its entries once, and its sum, its headline and its summaries are those of the entries.
    #[test]
    fn sums_are_those_of_their_rows(lines in prop::collection::vec(line(), 0..80)) {
        let figures = figures(lines, Vec::new());
        let document = document(&figures, Language::En);
        let sections = [
            SectionKind::Won, SectionKind::Lost, SectionKind::Created, SectionKind::PartPaid, SectionKind::Paid,
            SectionKind::Voided, SectionKind::Overdue, SectionKind::Received, SectionKind::Refunds,
        ];
        for kind in sections {
            let of = || figures.lines.iter().filter(|it| it.entry.billable && section_of(it.entry.figure) == kind);
            let expected = of_amounts(of().map(|line| &line.entry.amount));
            let Some(section) = document.sections.iter().find(|section| section.key == kind.as_str()) else {
                prop_assert_eq!(of().count(), 0);
                continue;
            };
            let total = section.total.as_ref().map(|total| of_sums(&total.sums)).unwrap_or_default();
            prop_assert_eq!(section.rows.len(), of().count());
            prop_assert_eq!(&total, &expected);
            prop_assert_eq!(of_cells(section.rows.iter().filter_map(|row| row.cells.last())), expected.clone());
            prop_assert_eq!(section.left_out, of().filter(|line| line.entry.amount.money.is_err()).count());
            let noun = of().next().map(|line| noun_of(line.entry.figure, document.locale.words()));
            let label = noun.map(|noun| if of().count() == 1 { noun.one } else { noun.many });
            let headline = document.headlines.iter().find(|headline| Some(&*headline.label) == label);
            if let Some(headline) = headline {
                prop_assert_eq!((headline.count, of_sums(&headline.sums)), (of().count(), expected.clone()));
            }
            if !matches!(kind, SectionKind::Won | SectionKind::Lost) {
                continue;
            }
            for by in ["by-owner", "by-pipeline", "by-company"] {
                let summary = document.sections.iter().find(|section| section.key == by).unwrap();
                let title = if kind == SectionKind::Won { "Won" } else { "Lost" };
                let column = summary.columns.iter().position(|column| column.title == title).unwrap();
                let counts = summary.rows.iter().map(|row| match row.cells[column].value {
                    Value::Count(count) => usize::try_from(count).unwrap(),
                    _ => 0,
                });
                prop_assert_eq!(counts.sum::<usize>(), of().count());
                prop_assert_eq!(of_cells(summary.rows.iter().map(|row| &row.cells[column + 1])), expected.clone());
                prop_assert!(summary.rows.iter().all(|row| of_cells(row.cells[column + 1..][..1].iter()).len() < 2));
            }
        }
        let apart = document.sections.iter().find(|section| section.key == "non-billable");
        let not_billable = figures.lines.iter().filter(|line| !line.entry.billable).count();
        prop_assert_eq!(apart.map_or(0, |section| section.rows.len()), not_billable);
        prop_assert!(apart.is_none_or(|section| section.total.is_none()));
    }

    /// Always: each billable balance stands in exactly one bucket, and the list and what it leaves out are all of them.
    #[test]
    fn buckets_share_what_is_owed(ageing in prop::collection::vec(balance(), 1..60)) {
        let figures = figures(Vec::new(), ageing);
        let document = document(&figures, Language::En);
        let billable = || figures.ageing.iter().filter(|balance| balance.owed.billable);
        let Some(table) = document.sections.iter().find(|section| section.key == "ageing") else {
            prop_assert_eq!(billable().count(), 0);
            return Ok(());
        };
        let expected = of_amounts(billable().map(|balance| &balance.owed.amount));
        prop_assert_eq!(of_sums(table.total.as_ref().map_or(&[][..], |total| &total.sums)), expected.clone());
        prop_assert_eq!(of_cells(table.rows.iter().map(|row| &row.cells[1])), expected);
        let count = |row: &Row| match row.cells[0].value { Value::Count(count) => usize::try_from(count).unwrap(), _ => 0 };
        prop_assert_eq!(table.rows.iter().map(count).sum::<usize>(), billable().count());
        let days = |balance: &Balance| balance.owed.due.map(|due| (date(2026, 11, 30) - due).get_days());
        for (name, from, to) in
            [("current", i32::MIN, 0), ("1 to 30 days", 1, 30), ("31 to 60 days", 31, 60), ("61 to 90 days", 61, 90), ("over 90 days", 91, i32::MAX)]
        {
            let inside = billable().filter(|balance| days(balance).is_some_and(|days| (from..=to).contains(&days)));
            let rows = table.rows.iter().filter(|row| row.name == name);
            prop_assert_eq!(rows.map(count).sum::<usize>(), inside.count(), "{}", name);
        }
        let oldest = document.sections.iter().find(|section| section.key == "oldest").unwrap();
        prop_assert_eq!(oldest.rows.len() + oldest.cut, billable().count());
        prop_assert!(oldest.rows.len() <= 10);
    }

    /// Always: what was sent and the corrections of it are what the books have now.
    #[test]
    fn what_was_sent_and_its_corrections_are_what_is_so(
        told in prop::collection::vec((line(), prop::option::of(amount()), prop::bool::ANY), 1..30),
        untouched in prop::collection::vec(line(), 0..30),
    ) {
        let mut figures = figures(Vec::new(), Vec::new());
        let mut sent: BTreeMap<SectionKind, Minor> = BTreeMap::new();
        let mut net = Minor::new();
        let october = |entry: &Entry| Entry { date: BusinessDate { date: date(2026, 10, 7), stated: true }, ..entry.clone() };
        let told = told.into_iter().filter(|(line, ..)| line.entry.figure.is_corrected());
        for (line, now, is_new) in told {
            let was = (!is_new).then(|| october(&line.entry));
            let now = now.map(|amount| Entry { amount, ..october(&line.entry) });
            for entry in was.iter() {
                if let Some(money) = entry.money() {
                    *sent.entry(section_of(entry.figure)).or_default().entry(money.currency()).or_default() += i128::from(money.minor());
                    *net.entry(money.currency()).or_default() -= i128::from(money.minor());
                }
            }
            for entry in now.iter() {
                figures.sums_before.entry(entry.figure).or_default().add(entry).unwrap();
                if let Some(money) = entry.money() {
                    *net.entry(money.currency()).or_default() += i128::from(money.minor());
                }
            }
            let corrections = vec![Correction { figure: line.entry.figure, was, now }];
            figures.corrections.push(CorrectedRecord {
                key: line.key, face: line.face, corrections, kinds: vec![ChangeKind::DealAmountChanged], refiltered: None, changed_at: None, merged: Vec::new(),
            });
        }
        for line in &untouched {
            let entry = october(&line.entry);
            figures.sums_before.entry(entry.figure).or_default().add(&entry).unwrap();
            if let Some(money) = entry.money() {
                *sent.entry(section_of(entry.figure)).or_default().entry(money.currency()).or_default() += i128::from(money.minor());
            }
        }
        let document = document(&figures, Language::En);
        if let Some(table) = document.sections.iter().find(|section| section.key == "corrections") {
            prop_assert_eq!(table.rows.len(), figures.corrections.len());
            let mut shown = of_cells(table.rows.iter().filter_map(|row| row.cells.last()));
            shown.retain(|_, minor| *minor != 0);
            net.retain(|_, minor| *minor != 0);
            prop_assert_eq!(shown, net);
        }
        for row in document.sections.iter().filter(|section| section.key == "corrected").flat_map(|section| &section.rows) {
            let [as_sent, net, with] = [0, 1, 2].map(|cell| of_cells(row.cells[cell..][..1].iter()));
            let currency = *net.keys().next().unwrap();
            let minor = |sums: &Minor| sums.get(currency).copied().unwrap_or_default();
            prop_assert_eq!(minor(&as_sent) + minor(&net), minor(&with), "{}", row.name);
            let kind = sent.keys().find(|kind| {
                let figure = Figure::ALL.into_iter().find(|figure| section_of(*figure) == **kind).unwrap();
                row.name.starts_with(&capitalised(noun_of(figure, document.locale.words()).many))
            });
            prop_assert_eq!(minor(&as_sent), kind.map_or(0, |kind| minor(&sent[kind])), "{}", row.name);
        }
    }

    /// Always: whatever strangers write becomes one line of visible text, wherever it stands.
    #[test]
    fn record_text_is_one_inert_line(
        hostile in "[\\PC\r\n\t\u{0}\u{202E}\u{200B}\u{2066}\u{FEFF}<>{}%=@|\"']{1,200}",
        language in prop::sample::select(Language::ALL.to_vec()),
        mut lines in prop::collection::vec(line(), 1..20),
    ) {
        let word = || Some(Word::from(hostile.as_str()));
        let evil = || Face {
            company: word(), owner: word(), team: word(), pipeline: word(),
            rate: word().map(|rate| Rate { rate, since: date(2026, 11, 1) }),
            properties: ["pipeline", "hubspot_owner_id", "hs_mrr", "hs_arr"].map(|name| (name.into(), hostile.as_str().into())).to_vec(),
            unsettled: true,
            ..face(&hostile)
        };
        for line in &mut lines {
            line.face = Arc::new(evil());
            line.entry.amount = Amount::read(Some(&hostile), &hostile);
            line.key.kind = if line.entry.figure == Figure::PaymentReceived { Kind::Payment } else { line.key.kind };
        }
        let mut figures = figures(lines, Vec::new());
        let line = figures.lines[0].clone();
        figures.corrections.push(CorrectedRecord {
            key: line.key, face: line.face.clone(), kinds: Vec::new(), changed_at: None, merged: vec![hostile.clone()],
            refiltered: Some(Refiltered {
                passes: false,
                differences: vec![Difference {
                    read: Read::Property(hostile.clone()), was: Some(hostile.clone()), now: Some(hostile.clone()),
                }],
            }),
            corrections: vec![Correction { figure: line.entry.figure, was: Some(line.entry.clone()), now: None }],
        });
        figures.ageing.push(Balance {
            key: line.key, from: date(2026, 1, 1), until: None, face: line.face.clone(),
            owed: Owed { amount: line.entry.amount.clone(), billed: line.entry.amount.clone(), date: None, due: None, billable: true },
        });
        let document = document(&figures, language.0);
        let mut found = Vec::new();
        texts(&serde_json::to_value(&document).unwrap(), &mut found);
        for text in found {
            let unseen = |it: char| it.is_control() || matches!(it, '\u{200B}' | '\u{202E}' | '\u{2066}' | '\u{FEFF}');
            prop_assert!(!text.contains(unseen), "{:?}", text);
            prop_assert!(text.chars().count() < 700, "{:?}", text);
        }
    }
}
