//! What earlier reports told of earlier periods, or before a revision of its own, and is no longer so: was, now, net effect,
//! when.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Page, capitalised, headlines, noun_of, section_of, total};
use crate::domain::entries::{Correction, Entry, Figure};
use crate::domain::ledger::Line;
use crate::domain::money::{Money, Sum, SumTooLarge, Totals};
use crate::domain::period::Period;
use crate::domain::record::RecordKey;
use crate::report::build::{ColumnOf, amount, moment};
use crate::report::corrections::{COLUMNS, word};
use crate::report::document::{Cell, ColumnKind, Headline, Row, Section, Value};
use crate::report::filter::{Difference, Read};
use crate::report::period_figures::{CorrectedRecord, Refiltered, Tally};
use crate::report::section::SectionKind;
use crate::report::text::one_line;
use crate::report::words::fill;

/// The table of the corrections, and what they come to for each figure of each period.
pub(super) fn sections(page: &Page<'_>) -> Result<Vec<Section>, SumTooLarge> {
    let rows = rows(page)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let net = tallies(page)?;
    let title = page.words.nouns.corrections.title;
    let corrections = Section {
        // Won deals and paid invoices have no common sum.
        total: net.values().next().filter(|_| net.len() == 1).and_then(|(_, tally)| total(COLUMNS.len() - 1, tally)),
        ..page.section(SectionKind::Corrections.as_str(), title, &COLUMNS, rows)
    };
    Ok(std::iter::once(corrections).chain(corrected(page)?).collect())
}

/// How many there are, and their net effect: on each figure, where it is more than one.
pub(super) fn headline(page: &Page<'_>) -> Result<Option<Headline>, SumTooLarge> {
    let (count, net) = (rows(page)?.len(), net(page)?);
    let is_one_sum = matches!(&net[..], [(_, sums)] if !sums.is_empty());
    let sums = net.first().filter(|_| is_one_sum).map(|(_, sums)| sums.clone()).unwrap_or_default();
    let instead = (!is_one_sum).then(|| effect(page, &net, |sums| page.locale().sums(sums)));
    let label = page.noun(&page.words.nouns.corrections, count).to_owned();
    Ok((count > 0).then_some(Headline { label, count, sums, instead, before: None }))
}

/// The net effect for a subject, where it must not read as news: `won +€250.00, lost −$5.00`.
pub(super) fn news(page: &Page<'_>) -> Result<String, SumTooLarge> {
    let short = |sums: &[Sum]| match sums {
        [_, _, _, ..] => fill(page.words.period.in_currencies, &[&sums.len().to_string()]),
        sums => page.locale().changes(sums),
    };
    Ok(effect(page, &net(page)?, short))
}

/// A net effect in words: of each figure, where it is more than one.
fn effect(page: &Page<'_>, net: &[(Figure, Vec<Sum>)], write: impl Fn(&[Sum]) -> String) -> String {
    let parts: Vec<String> = match net {
        [(_, sums)] => Some(write(sums)).filter(|_| !sums.is_empty()).into_iter().collect(),
        all => all
            .iter()
            .filter(|(_, sums)| !sums.is_empty())
            .map(|(figure, sums)| format!("{} {}", noun_of(*figure, page.words).short_many, write(sums)))
            .collect(),
    };
    if parts.is_empty() { page.words.notes.no_net_effect.to_owned() } else { parts.join(", ") }
}

/// The net effect of all corrections on each figure that any is of, without the currencies in which it is nothing.
fn net(page: &Page<'_>) -> Result<Vec<(Figure, Vec<Sum>)>, SumTooLarge> {
    Ok(tallies(page)?.into_values().map(|(figure, tally)| (figure, tally.totals.sums())).collect())
}

/// The net effect of all corrections, by the section that a figure is listed in.
fn tallies(page: &Page<'_>) -> Result<BTreeMap<SectionKind, (Figure, Tally)>, SumTooLarge> {
    let mut net = BTreeMap::new();
    for correction in page.figures.corrections.iter().flat_map(|record| &record.corrections) {
        let entry = net.entry(section_of(correction.figure));
        let (_, tally): &mut (Figure, Tally) = entry.or_insert((correction.figure, Tally::default()));
        correction.add_effect(&mut tally.totals)?;
    }
    Ok(net)
}

/// What the report's own period has of the corrected records: there it is news, but in a revision.
type InPeriod = BTreeSet<(RecordKey, Figure)>;

/// A row for each corrected figure of a record; a merge is one row.
fn rows(page: &Page<'_>) -> Result<Vec<Row>, SumTooLarge> {
    let corrected: BTreeSet<RecordKey> = page.figures.corrections.iter().map(|record| record.key).collect();
    let is_news = |line: &&Line| page.figures.revision == 1 && corrected.contains(&line.key);
    let lines = page.figures.lines.iter().filter(is_news);
    let in_period: InPeriod = lines.map(|line| (line.key, line.entry.figure)).collect();
    let mut rows = Vec::new();
    for record in &page.figures.corrections {
        let each = if record.merged.is_empty() { 1 } else { record.corrections.len().max(1) };
        for corrections in record.corrections.chunks(each) {
            rows.push(row(page, record, corrections, &in_period)?);
        }
    }
    Ok(rows)
}

fn row(
    page: &Page<'_>,
    record: &CorrectedRecord,
    corrections: &[Correction],
    in_period: &InPeriod,
) -> Result<Row, SumTooLarge> {
    let mut effect = Totals::default();
    corrections.iter().try_for_each(|correction| correction.add_effect(&mut effect))?;
    let was: Vec<&Entry> = corrections.iter().filter_map(|correction| correction.was.as_ref()).collect();
    let is: Vec<&Entry> = corrections.iter().filter_map(|correction| correction.now.as_ref()).collect();
    let mut now = entries(page, &is)?;
    if let (Some(was), []) = (was.first(), is.as_slice())
        && in_period.contains(&(record.key, was.figure))
    {
        let name = page.name_of(&page.figures.period);
        now = now.noted(fill(page.words.period.corrected.now_in, &[&name]));
    }
    let mut row = page.record_row(record.key, &record.face);
    row.notes.extend(record.merged.iter().map(|name| fill(page.words.notes.merged_from, &[&one_line(name)])));
    let came_or_left = |it: &&Refiltered| if it.passes { was.is_empty() } else { is.is_empty() };
    row.notes.extend(record.refiltered.iter().filter(came_or_left).flat_map(|it| why(page, it)));
    row.cells = vec![
        Value::Text(happened(page, record, was.is_empty(), is.is_empty())).into(),
        record.changed_at.map_or_else(|| Value::Nothing.into(), |at| moment(at, page.scene)),
        entries(page, &was)?,
        now,
        Value::Sums(effect.all_sums()).into(),
    ];
    Ok(row)
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

/// Why the filter lets a record in, or keeps it out: `owner: Anna Keller → Claire Dubois`.
fn why(page: &Page<'_>, refiltered: &Refiltered) -> Vec<String> {
    let corrected = &page.words.period.corrected;
    if refiltered.differences.is_empty() {
        let words = if refiltered.passes { corrected.passes } else { corrected.passes_no_more };
        return vec![words.to_owned()];
    }
    let value = |text: &Option<String>| match one_line(text.as_deref().unwrap_or_default()) {
        text if text.is_empty() => "—".to_owned(),
        text => text,
    };
    let in_words = |Difference { read, was, now }: &Difference| {
        let name = match read {
            Read::Owner => corrected.owner.to_owned(),
            Read::Team => corrected.team.to_owned(),
            Read::Pipeline => corrected.pipeline.to_owned(),
            Read::Property(name) => one_line(name),
        };
        format!("{name}{}{} → {}", page.words.colon, value(was), value(now))
    };
    refiltered.differences.iter().map(in_words).collect()
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
    let notes: Vec<String> =
        figure.map(|entry| told(page, entry)).into_iter().chain(cell.note.clone()).chain(unbillable).collect();
    Ok(if notes.is_empty() { cell } else { cell.noted(notes.join(page.words.semicolon)) })
}

/// The figure and the period of an entry: `won, October 2026`.
fn told(page: &Page<'_>, entry: &Entry) -> String {
    format!("{}, {}", noun_of(entry.figure, page.words).short_one, page.period_of(entry.date.date))
}

/// The net effects by figure and period; of the period before, or that a revision is of, also what was sent, and what it
/// comes to with them.
fn corrected(page: &Page<'_>) -> Result<Option<Section>, SumTooLarge> {
    const COLUMNS: [ColumnOf; 3] = [
        (|columns| columns.as_sent, ColumnKind::Money),
        (|columns| columns.net_effect, ColumnKind::Money),
        (|columns| columns.with_corrections, ColumnKind::Money),
    ];
    let Period { cadence, .. } = page.figures.period;
    let mut effects: BTreeMap<(SectionKind, Reverse<Period>), Effect> = BTreeMap::new();
    for correction in page.figures.corrections.iter().flat_map(|record| &record.corrections) {
        for (entry, was_told) in [(&correction.was, true), (&correction.now, false)] {
            let Some((entry, money)) = entry.as_ref().and_then(|entry| Some((entry, entry.money()?))) else { continue };
            let period = Period::containing(cadence, entry.date.date, &page.figures.calendar);
            let effect =
                effects.entry((section_of(entry.figure), Reverse(period))).or_insert_with(|| Effect::of(entry));
            let (more, less) =
                if was_told { (&mut effect.told, &mut effect.net) } else { (&mut effect.net, &mut effect.told) };
            more.add(money)?;
            less.subtract(money)?;
        }
    }
    let mut rows = Vec::new();
    for ((section, Reverse(period)), mut effect) in effects {
        let now = match period {
            _ if period == page.figures.period => Some(page.tally(section)?.totals),
            _ if period == page.figures.before => Some(headlines::tally_before(page, section)?.totals),
            _ => None,
        };
        let (is_known, now) = (now.is_some(), now.unwrap_or_default());
        // What was sent is what is in the books now, less what has come since, and with what has gone.
        effect.told.add_all(&now)?;
        for net in effect.net.sums() {
            let of = |totals: &Totals| {
                let sums: Vec<Sum> =
                    totals.all_sums().into_iter().filter(|sum| sum.currency() == net.currency()).collect();
                // What is known to be nothing is told apart from what is not reckoned.
                let nothing = || Money::from_minor(0, net.currency()).map(Sum::from).into_iter().collect();
                Cell::from(match (is_known, sums.is_empty()) {
                    (false, _) => Value::Nothing,
                    (true, true) => Value::Sums(nothing()),
                    (true, false) => Value::Sums(sums),
                })
            };
            let name = capitalised(noun_of(effect.figure, page.words).many);
            let cells = vec![of(&effect.told), Value::Sums(vec![net]).into(), of(&now)];
            rows.push(Row { name: format!("{name}, {}", page.name_of(&period)), url: None, cells, notes: Vec::new() });
        }
    }
    let title = page.words.period.titles.corrected;
    Ok((!rows.is_empty()).then(|| Section {
        record_column: page.words.columns.figure.to_owned(),
        ..page.section("corrected", title, &COLUMNS, rows)
    }))
}

/// What corrections do to a figure of a period.
struct Effect {
    figure: Figure,
    /// What was told, less what is so.
    told: Totals,
    /// What is so, less what was told.
    net: Totals,
}

impl Effect {
    fn of(entry: &Entry) -> Self {
        Self { figure: entry.figure, told: Totals::default(), net: Totals::default() }
    }
}
