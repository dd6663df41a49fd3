//! What was told before and is no longer so: was, now, net effect, when.

use std::collections::BTreeMap;

use super::build::{ColumnOf, Item, Scene, Table, amount, columns, moment, row};
use super::definition::Definition;
use super::document::{Cell, ColumnKind, Headline, Row, Section, Total, Value};
use super::text::one_line;
use super::words::{Happened, StandingWords, fill};
use crate::domain::changes::ChangeKind;
use crate::domain::money::{SumTooLarge, Totals};
use crate::domain::position::{Position, Standing};
use crate::domain::record::{Kind, RecordKey};

/// The columns of the corrections.
pub(super) const COLUMNS: [ColumnOf; 5] = [
    (|columns| columns.what_happened, ColumnKind::Text),
    (|columns| columns.when, ColumnKind::Moment),
    (|columns| columns.was, ColumnKind::Money),
    (|columns| columns.now, ColumnKind::Money),
    (|columns| columns.net_effect, ColumnKind::Money),
];

/// The corrections among the items, each merge as one.
pub(super) fn corrections(
    definition: &Definition,
    items: &[Item],
    scene: &Scene<'_>,
) -> Result<Option<Table>, SumTooLarge> {
    // The losers of a merge, by the record they were merged into.
    let mut losers: BTreeMap<RecordKey, Vec<&Item>> = BTreeMap::new();
    for item in items {
        if let Some(survivor) = survivor(item, items) {
            losers.entry(survivor).or_default().push(item);
        }
    }
    let mut rows = Vec::new();
    let mut net = Totals::default();
    for item in items {
        let merged_in = losers.get(&item.record.key).map_or(&[][..], Vec::as_slice);
        if survivor(item, items).is_some_and(|survivor| items.iter().any(|other| other.record.key == survivor)) {
            continue;
        }
        let of_losers: Vec<&&Item> = merged_in.iter().filter(|loser| told(definition, loser).is_some()).collect();
        if !is_correction(definition, item) && of_losers.is_empty() {
            continue;
        }
        let (mut before, mut effect) = (Totals::default(), Totals::default());
        let own = corrected(definition, item);
        for position in own.into_iter().chain(of_losers.iter().filter_map(|loser| told(definition, loser))) {
            if let Some(money) = position.counted() {
                before.add(money)?;
                effect.subtract(money)?;
                net.subtract(money)?;
            }
        }
        if own.is_some()
            && let Some(money) = item.now.counted()
        {
            effect.add(money)?;
            net.add(money)?;
        }
        rows.push(correction(item, own, &of_losers, &before, &effect, scene));
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let (count, sums, words) = (rows.len(), net.sums(), scene.words());
    let noun = if scene.locale.is_one(count) { words.nouns.corrections.one } else { words.nouns.corrections.many };
    let instead = sums.is_empty().then(|| words.notes.no_net_effect.to_owned());
    let effect = instead.clone().unwrap_or_else(|| scene.locale.changes(&sums));
    Ok(Some(Table {
        news: format!("{count} {noun} ({effect})"),
        headline: Headline { label: noun.to_owned(), count, sums: sums.clone(), instead, before: None },
        section: Section {
            key: "corrections".to_owned(),
            title: words.nouns.corrections.title.to_owned(),
            record_column: words.columns.record.to_owned(),
            columns: columns(&COLUMNS, words),
            rows,
            total: (!sums.is_empty()).then(|| Total { column: COLUMNS.len() - 1, sums }),
            left_out: 0,
            cut: 0,
            chart: None,
        },
    }))
}

/// The record that an item was merged into.
fn winner(item: &Item) -> Option<RecordKey> {
    match item.now.standing {
        Standing::Merged { into } => Some(RecordKey { id: into, ..item.record.key }),
        _ => None,
    }
}

/// The record that is left in the end: what an item was merged into may have been merged away itself.
fn survivor(item: &Item, items: &[Item]) -> Option<RecordKey> {
    let mut survivor = winner(item)?;
    // No chain is longer than there are items.
    for _ in items {
        match items.iter().find(|other| other.record.key == survivor).and_then(winner) {
            Some(next) => survivor = next,
            None => break,
        }
    }
    Some(survivor)
}

fn correction(
    item: &Item,
    own: Option<&Position>,
    losers: &[&&Item],
    before: &Totals,
    effect: &Totals,
    scene: &Scene<'_>,
) -> Row {
    let all_words = scene.words();
    let changes = item.changes.iter().chain(losers.iter().flat_map(|loser| &loser.changes));
    let mut words: Vec<&str> = Vec::new();
    let mut latest = None;
    for change in changes {
        latest = latest.max(Some(change.effective_at));
        if let Some(word) = word(change.kind, &all_words.happened)
            && !words.contains(&word)
        {
            words.push(word);
        }
    }
    let standing = |position| standing(position, &all_words.standing);
    let was: Cell = match own {
        // Where nothing was counted, the reader is told what it was instead.
        Some(position) if before.all_sums().is_empty() => Value::Text(standing(position).to_owned()).into(),
        _ => Value::Sums(before.all_sums()).into(),
    };
    let now = match own {
        None => Value::Nothing.into(),
        Some(_) if counts(&item.now) => amount(&item.now.amount, scene),
        Some(_) => Value::Text(standing(&item.now).to_owned()).into(),
    };
    // Where the figure is the same, what changed is how the record stands.
    let (was, now) = match own {
        Some(position)
            if scene.locale.cell(&was) == scene.locale.cell(&now) && position.standing != item.now.standing =>
        {
            (was.noted(standing(position)), now.noted(standing(&item.now)))
        }
        _ => (was, now),
    };
    let cells = vec![
        Value::Text(words.join(", ")).into(),
        latest.map_or_else(|| Value::Nothing.into(), |at| moment(at, scene)),
        was,
        now,
        Value::Sums(effect.sums()).into(),
    ];
    let mut row = row(item, scene, cells);
    let notes = &all_words.notes;
    row.notes.extend(losers.iter().map(|loser| fill(notes.merged_from, &[&one_line(&loser.record.name())])));
    match item.was.as_ref().map(|was| was.reported_at) {
        Some(Some(at)) => row.notes.push(fill(notes.reported, &[&scene.shown_moment(at)])),
        Some(None) => row.notes.push(notes.at_opening.to_owned()),
        None => {}
    }
    row
}

/// Where the record stood, if that was something that counts as told.
fn told<'i>(definition: &Definition, item: &'i Item) -> Option<&'i Position> {
    item.was.as_ref().filter(|was| definition.has_told(was)).map(|was| &was.position).filter(|position| {
        match position.standing {
            Standing::Won
            | Standing::Lost
            | Standing::Issued
            | Standing::Paid
            | Standing::Voided
            | Standing::Received => true,
            // A deal that is restored is news again, in its own table.
            Standing::Archived => item.record.key.kind != Kind::Deal,
            _ => false,
        }
    })
}

/// What was told of a record that its own correction, or that of the records merged into it, starts from. A winner that
/// was not told before, or has been won since, is news in its own table; only its losers are corrected.
fn corrected<'i>(definition: &Definition, item: &'i Item) -> Option<&'i Position> {
    told(definition, item).filter(|was| is_correction(definition, item) || was.counted() == item.now.counted())
}

/// True if what was told of the record is no longer so. Ordinary progress (an open invoice is paid, a lost deal is won
/// after all, where the report tells that) is news, not a correction.
fn is_correction(definition: &Definition, item: &Item) -> bool {
    let Some(was) = told(definition, item) else { return false };
    let now = &item.now;
    let undone = |kind| item.changes.iter().any(|change| change.kind == kind);
    let other_amount = was.billable != now.billable
        || match (&was.amount.money, &now.amount.money) {
            // The same money may be written in another way.
            (Ok(was), Ok(now)) => was != now,
            _ => was.amount != now.amount,
        };
    match (was.standing, now.standing) {
        (Standing::Won, Standing::Won) => other_amount || was.date != now.date || undone(ChangeKind::DealReopened),
        (Standing::Lost, Standing::Won) => !definition.is_news(ChangeKind::DealWon),
        (Standing::Lost, Standing::Lost) | (Standing::Voided, Standing::Voided) => false,
        (Standing::Issued | Standing::Paid, Standing::Issued | Standing::Paid) => {
            other_amount || (was.date.is_some() && was.date != now.date) || undone(ChangeKind::InvoiceReopened)
        }
        (Standing::Received, Standing::Received) => other_amount,
        (Standing::Archived, now) => matches!(now, Standing::Issued | Standing::Paid | Standing::Received),
        _ => true,
    }
}

/// What a change did to what was told, in words; nothing for what is news.
pub(super) fn word(kind: ChangeKind, words: &Happened) -> Option<&'static str> {
    Some(match kind {
        ChangeKind::DealWon => words.won,
        ChangeKind::DealLost => words.lost,
        ChangeKind::DealReopened => words.reopened,
        ChangeKind::DealAmountChanged | ChangeKind::InvoiceAmountChanged | ChangeKind::PaymentAmountChanged => {
            words.amount_changed
        }
        ChangeKind::DealCloseDateMoved => words.close_date_moved,
        ChangeKind::InvoiceVoided => words.voided,
        ChangeKind::InvoiceReopened => words.open_again,
        ChangeKind::InvoiceDrafted => words.drafted,
        ChangeKind::InvoiceDateMoved => words.invoice_date_moved,
        ChangeKind::PaymentFailed => words.failed,
        ChangeKind::PaymentRefunded => words.refunded,
        ChangeKind::RecordMerged => words.merged,
        ChangeKind::RecordArchived => words.archived,
        ChangeKind::RecordRestored => words.restored,
        ChangeKind::InvoiceCreated
        | ChangeKind::InvoicePartPaid
        | ChangeKind::InvoicePaid
        | ChangeKind::InvoiceOverdue
        | ChangeKind::PaymentReceived => return None,
    })
}

fn standing(position: &Position, words: &StandingWords) -> &'static str {
    match position.standing {
        Standing::Open | Standing::Issued => words.open,
        Standing::Won => words.won,
        Standing::Lost => words.lost,
        Standing::Draft => words.draft,
        Standing::Paid => words.paid,
        Standing::Voided => words.voided,
        Standing::Pending => words.pending,
        Standing::Received => words.received,
        Standing::Archived => words.archived,
        Standing::Merged { .. } => words.merged,
    }
}

/// True if what is shown of a record is its amount.
fn counts(position: &Position) -> bool {
    matches!(position.standing, Standing::Won | Standing::Issued | Standing::Paid | Standing::Received)
}
