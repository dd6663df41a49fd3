//! What earlier reports told of earlier periods and is no longer so: was, now, net effect, when.

use std::collections::BTreeMap;

use super::{Page, capitalised, headlines, noun_of, section_of, total};
use crate::domain::entries::{Correction, Entry, Figure};
use crate::domain::money::{Sum, SumTooLarge, Totals};
use crate::report::build::{ColumnOf, amount, moment};
use crate::report::corrections::{COLUMNS, word};
use crate::report::document::{Cell, ColumnKind, Headline, Row, Section, Value};
use crate::report::period_figures::{CorrectedRecord, Tally};
use crate::report::section::SectionKind;
use crate::report::text::one_line;
use crate::report::words::fill;

/// The table of the corrections, and what the period before comes to with them.
pub(super) fn sections(page: &Page<'_>) -> Result<Vec<Section>, SumTooLarge> {
    let rows = rows(page)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let net = net(page)?;
    let title = page.words.nouns.corrections.title;
    let corrections = Section {
        total: total(COLUMNS.len() - 1, &net),
        ..page.section(SectionKind::Corrections.as_str(), title, &COLUMNS, rows)
    };
    Ok(std::iter::once(corrections).chain(corrected(page)?).collect())
}

/// How many there are, and their net effect.
pub(super) fn headline(page: &Page<'_>) -> Result<Option<Headline>, SumTooLarge> {
    let count = rows(page)?.len();
    let sums = net(page)?.totals.sums();
    let instead = sums.is_empty().then(|| page.words.notes.no_net_effect.to_owned());
    let label = page.noun(&page.words.nouns.corrections, count).to_owned();
    Ok((count > 0).then_some(Headline { label, count, sums, instead, before: None }))
}

/// The net effect of all corrections.
fn net(page: &Page<'_>) -> Result<Tally, SumTooLarge> {
    let mut net = Tally::default();
    for correction in page.figures.corrections.iter().flat_map(|record| &record.corrections) {
        correction.add_effect(&mut net.totals)?;
    }
    Ok(net)
}

/// A row for each corrected figure of a record; a merge is one row.
fn rows(page: &Page<'_>) -> Result<Vec<Row>, SumTooLarge> {
    let mut rows = Vec::new();
    for record in &page.figures.corrections {
        let each = if record.merged.is_empty() { 1 } else { record.corrections.len().max(1) };
        for corrections in record.corrections.chunks(each) {
            rows.push(row(page, record, corrections)?);
        }
    }
    Ok(rows)
}

fn row(page: &Page<'_>, record: &CorrectedRecord, corrections: &[Correction]) -> Result<Row, SumTooLarge> {
    let mut effect = Totals::default();
    corrections.iter().try_for_each(|correction| correction.add_effect(&mut effect))?;
    let was: Vec<&Entry> = corrections.iter().filter_map(|correction| correction.was.as_ref()).collect();
    let is: Vec<&Entry> = corrections.iter().filter_map(|correction| correction.now.as_ref()).collect();
    let mut now = entries(page, &is)?;
    if let (Some(was), []) = (was.first(), is.as_slice())
        && is_in_period(page, record, was.figure)
    {
        let name = page.name_of(&page.figures.period);
        now = now.noted(fill(page.words.period.corrected.now_in, &[&name]));
    }
    let mut row = page.record_row(record.key, &record.face);
    row.notes.extend(record.merged.iter().map(|name| fill(page.words.notes.merged_from, &[&one_line(name)])));
    row.cells = vec![
        Value::Text(happened(page, record, was.is_empty(), is.is_empty())).into(),
        record.changed_at.map_or_else(|| Value::Nothing.into(), |at| moment(at, page.scene)),
        entries(page, &was)?,
        now,
        Value::Sums(effect.all_sums()).into(),
    ];
    Ok(row)
}

/// True if the report's own period has the figure of the record: there it is news.
fn is_in_period(page: &Page<'_>, record: &CorrectedRecord, figure: Figure) -> bool {
    page.figures.lines.iter().any(|line| line.key == record.key && line.entry.figure == figure)
}

/// What happened, in words; where it was nothing that changes figures, what came of it.
fn happened(page: &Page<'_>, record: &CorrectedRecord, is_new: bool, is_gone: bool) -> String {
    let happened = &page.words.happened;
    let merged = (!record.merged.is_empty()).then_some(happened.merged);
    let mut words: Vec<&str> = Vec::new();
    for word in record.kinds.iter().filter_map(|kind| word(*kind, happened)).chain(merged) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let corrected = &page.words.period.corrected;
    match (words.is_empty(), is_new, is_gone) {
        (false, ..) => words.join(", "),
        (true, true, false) => corrected.joined.to_owned(),
        (true, false, true) => corrected.left.to_owned(),
        _ => corrected.changed.to_owned(),
    }
}

/// Entries with their figure and period behind them: `€1,000.00 (won, October 2026)`.
fn entries(page: &Page<'_>, entries: &[&Entry]) -> Result<Cell, SumTooLarge> {
    let (figure, cell) = match entries {
        [] => return Ok(Value::Nothing.into()),
        [entry] => (Some(entry), amount(&entry.amount, page.scene)),
        [first, rest @ ..] => {
            let mut totals = Totals::default();
            entries.iter().filter_map(|entry| entry.money()).try_for_each(|money| totals.add(money))?;
            let said = told(page, first);
            let alike = rest.iter().all(|entry| told(page, entry) == said);
            (alike.then_some(first), Value::Sums(totals.all_sums()).into())
        }
    };
    let unbillable = entries.iter().any(|entry| !entry.billable).then(|| page.words.notes.not_billable.to_owned());
    let notes: Vec<String> = figure.map(|entry| told(page, entry)).into_iter().chain(cell.note.clone()).chain(unbillable).collect();
    Ok(if notes.is_empty() { cell } else { cell.noted(notes.join("; ")) })
}

/// The figure and the period of an entry: `won, October 2026`.
fn told(page: &Page<'_>, entry: &Entry) -> String {
    format!("{}, {}", noun_of(entry.figure, page.words).short_one, page.period_of(entry.date.date))
}

/// What the figures of the period before were as sent, the corrections of them, and both together.
fn corrected(page: &Page<'_>) -> Result<Option<Section>, SumTooLarge> {
    const COLUMNS: [ColumnOf; 3] = [
        (|columns| columns.as_sent, ColumnKind::Money),
        (|columns| columns.net_effect, ColumnKind::Money),
        (|columns| columns.with_corrections, ColumnKind::Money),
    ];
    let before = &page.figures.before;
    // By the section that a figure is listed in, and with what it is called.
    let mut effects: BTreeMap<SectionKind, (Figure, Totals, Totals)> = BTreeMap::new();
    for correction in page.figures.corrections.iter().flat_map(|record| &record.corrections) {
        let counted = |entry: &Option<Entry>| {
            entry.as_ref().filter(|entry| before.contains(entry.date.date)).and_then(Entry::money)
        };
        let (was, now) = (counted(&correction.was), counted(&correction.now));
        let entry = effects.entry(section_of(correction.figure));
        let (_, sent, effect) = entry.or_insert((correction.figure, Totals::default(), Totals::default()));
        // What was sent is what is in the books now, less what has come since, and with what has gone.
        if let Some(money) = now {
            sent.subtract(money)?;
            effect.add(money)?;
        }
        if let Some(money) = was {
            sent.add(money)?;
            effect.subtract(money)?;
        }
    }
    let mut rows = Vec::new();
    for (section, (figure, mut sent, effect)) in effects {
        let now = headlines::tally_before(page, section)?.totals;
        sent.add_all(&now)?;
        let name = capitalised(noun_of(figure, page.words).many);
        for net in effect.sums() {
            let of = |totals: &Totals| {
                let of_currency = |sum: &Sum| sum.currency() == net.currency();
                let sums: Vec<_> = totals.all_sums().into_iter().filter(of_currency).collect();
                Cell::from(if sums.is_empty() { Value::Nothing } else { Value::Sums(sums) })
            };
            let cells = vec![of(&sent), Value::Sums(vec![net]).into(), of(&now)];
            let name = format!("{name}, {}", page.name_of(before));
            rows.push(Row { name, url: None, cells, notes: Vec::new() });
        }
    }
    let title = page.words.period.titles.corrected;
    Ok((!rows.is_empty()).then(|| Section {
        record_column: page.words.columns.figure.to_owned(),
        ..page.section("corrected", title, &COLUMNS, rows)
    }))
}
