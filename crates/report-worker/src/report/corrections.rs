//! What was told before and is no longer so: was, now, net effect, when.

use std::collections::BTreeMap;

use super::build::{Item, Scene, Table, moment, row, shown};
use super::document::{Row, Section};
use crate::domain::changes::ChangeKind;
use crate::domain::money::{SumTooLarge, Totals};
use crate::domain::position::{Position, Standing};
use crate::domain::record::{Kind, RecordKey};

/// The corrections among the items, each merge as one.
pub(super) fn corrections(items: &[Item], scene: &Scene<'_>) -> Result<Option<Table>, SumTooLarge> {
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
        let of_losers: Vec<&&Item> = merged_in.iter().filter(|loser| told(loser).is_some()).collect();
        if !is_correction(item) && of_losers.is_empty() {
            continue;
        }
        let (mut before, mut effect) = (Totals::default(), Totals::default());
        let own = corrected(item);
        for position in own.into_iter().chain(of_losers.iter().filter_map(|loser| told(loser))) {
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
    let columns = ["What happened", "When", "Was", "Now", "Net effect"];
    let (count, totals) = (rows.len(), net.lines());
    let noun = if count == 1 { "correction" } else { "corrections" };
    let sum = if totals.is_empty() { "no net effect".to_owned() } else { totals.join(" and ") };
    Ok(Some(Table {
        news: format!("{count} {noun} {sum}"),
        headline: format!("{count} {noun}: {sum}"),
        section: Section {
            title: "Corrections".to_owned(),
            columns: columns.map(str::to_owned).to_vec(),
            figures: 3,
            rows,
            totals,
            left_out: 0,
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
    let changes = item.changes.iter().chain(losers.iter().flat_map(|loser| &loser.changes));
    let mut words: Vec<&str> = Vec::new();
    let mut latest = None;
    for change in changes {
        latest = latest.max(Some(change.effective_at));
        if let Some(word) = word(change.kind)
            && !words.contains(&word)
        {
            words.push(word);
        }
    }
    let or_none = |lines: Vec<String>| if lines.is_empty() { "—".to_owned() } else { lines.join(" and ") };
    let was = match own {
        // Where nothing was counted, the reader is told what it was instead.
        Some(position) if before.all_lines().is_empty() => standing(position),
        _ => or_none(before.all_lines()),
    };
    let now = if own.is_some() { now(&item.now) } else { "—".to_owned() };
    // Where the figure is the same, what changed is how the record stands.
    let (was, now) = match own {
        Some(position) if was == now && position.standing != item.now.standing => {
            (format!("{was} ({})", standing(position)), format!("{now} ({})", standing(&item.now)))
        }
        _ => (was, now),
    };
    let cells = vec![
        words.join(", "),
        latest.map_or_else(String::new, |at| moment(at, scene)),
        was,
        now,
        or_none(effect.lines()),
    ];
    let mut row = row(item, scene, cells);
    row.notes.extend(losers.iter().map(|loser| format!("merged from {}", super::text::one_line(&loser.record.name()))));
    match item.was.as_ref().map(|was| was.reported_at) {
        Some(Some(at)) => row.notes.push(format!("reported {}", moment(at, scene))),
        Some(None) => row.notes.push("as it stood when the books were opened".to_owned()),
        None => {}
    }
    row
}

/// Where the record stood, if that was something that counts as told.
fn told(item: &Item) -> Option<&Position> {
    item.was.as_ref().map(|was| &was.position).filter(|position| {
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
fn corrected(item: &Item) -> Option<&Position> {
    told(item).filter(|was| is_correction(item) || was.counted() == item.now.counted())
}

/// True if what was told of the record is no longer so. Ordinary progress (an open invoice is paid, a lost deal is won
/// after all) is news, not a correction.
fn is_correction(item: &Item) -> bool {
    let Some(was) = told(item) else { return false };
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
        (Standing::Lost, Standing::Won | Standing::Lost) | (Standing::Voided, Standing::Voided) => false,
        (Standing::Issued | Standing::Paid, Standing::Issued | Standing::Paid) => {
            other_amount || (was.date.is_some() && was.date != now.date) || undone(ChangeKind::InvoiceReopened)
        }
        (Standing::Received, Standing::Received) => other_amount,
        (Standing::Archived, now) => matches!(now, Standing::Issued | Standing::Paid | Standing::Received),
        _ => true,
    }
}

fn word(kind: ChangeKind) -> Option<&'static str> {
    Some(match kind {
        ChangeKind::DealWon => "won",
        ChangeKind::DealLost => "lost",
        ChangeKind::DealReopened => "reopened",
        ChangeKind::DealAmountChanged | ChangeKind::InvoiceAmountChanged | ChangeKind::PaymentAmountChanged => {
            "amount changed"
        }
        ChangeKind::DealCloseDateMoved => "close date moved",
        ChangeKind::InvoiceVoided => "voided",
        ChangeKind::InvoiceReopened => "open again",
        ChangeKind::InvoiceDrafted => "a draft again",
        ChangeKind::InvoiceDateMoved => "invoice date moved",
        ChangeKind::PaymentFailed => "failed",
        ChangeKind::PaymentRefunded => "refunded",
        ChangeKind::RecordMerged => "merged",
        ChangeKind::RecordArchived => "archived",
        ChangeKind::RecordRestored => "restored",
        ChangeKind::InvoiceCreated
        | ChangeKind::InvoicePartPaid
        | ChangeKind::InvoicePaid
        | ChangeKind::InvoiceOverdue
        | ChangeKind::PaymentReceived => return None,
    })
}

fn standing(position: &Position) -> String {
    let word = match position.standing {
        Standing::Open => "open",
        Standing::Won => "won",
        Standing::Lost => "lost",
        Standing::Draft => "draft",
        Standing::Issued => "open",
        Standing::Paid => "paid",
        Standing::Voided => "voided",
        Standing::Pending => "pending",
        Standing::Received => "received",
        Standing::Archived => "archived",
        Standing::Merged { .. } => "merged",
    };
    word.to_owned()
}

fn now(position: &Position) -> String {
    match position.standing {
        Standing::Won | Standing::Issued | Standing::Paid | Standing::Received => shown(&position.amount),
        _ => standing(position),
    }
}
