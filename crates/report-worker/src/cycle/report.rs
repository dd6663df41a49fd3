//! Pending changes become reports, once their records are quiet.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::books::{self, Books};
use super::mail::{Letter, message_id};
use super::reconcile;
use super::{App, Summary, after};
use crate::domain::changes::ChangeKind;
use crate::domain::money::SumTooLarge;
use crate::domain::position::{Position, Standing};
use crate::domain::record::{Kind, Record, RecordKey};
use crate::report::{Built, Definition, Item, Scene, Was, build};
use crate::store::{NewReport, PendingChange, RecordState, StoreError, StoredRecord};

/// The most records that one mail speaks of; the rest goes into the next one.
const RECORDS_PER_MAIL: usize = 200;

/// A record that never gets quiet is reported after this many times the quiet period.
const AT_MOST: u32 = 3;

/// With no quiet period at all, a record that is due is still given this long to be read.
const AT_LEAST: Duration = Duration::from_secs(60);

/// Builds what is ready of each report and stores it with its mail.
pub(super) async fn report(app: &App, books: &Books, now: Timestamp, summary: &mut Summary) -> Result<(), StoreError> {
    for definition in &app.settings.definitions.reports {
        let ready = ready(app, definition, now, summary).await?;
        let ready = with_winners(app, books, definition, ready).await?;
        for group in in_mails(ready) {
            build_one(app, books, definition, group, now, summary).await?;
        }
    }
    Ok(())
}

type ByRecord = BTreeMap<RecordKey, Vec<PendingChange>>;

/// The pending changes of the records that are quiet.
async fn ready(
    app: &App,
    definition: &Definition,
    now: Timestamp,
    summary: &mut Summary,
) -> Result<ByRecord, StoreError> {
    let mut by_record = ByRecord::new();
    for pending in app.store.pending(&definition.name).await? {
        by_record.entry(pending.change.record).or_default().push(pending);
    }
    let quiet = app.settings.quiet;
    let at_most = (quiet * AT_MOST).max(AT_LEAST);
    by_record.retain(|_, pending| {
        let observed = || pending.iter().map(|change| change.observed_at);
        let (Some(first), Some(last)) = (observed().min(), observed().max()) else { return false };
        let is_due = pending.iter().any(|change| change.record_due);
        let (quiet_at, latest) = (after(last, quiet), after(first, at_most));
        let ready = (quiet_at <= now && !is_due) || latest <= now;
        if !ready {
            summary.again_at(if is_due { latest } else { quiet_at.min(latest) });
        }
        ready
    });
    Ok(by_record)
}

/// Adds the records that others were merged into, so that a merge nets to one correction. They come with the news they
/// have of their own, quiet or not.
async fn with_winners(
    app: &App,
    books: &Books,
    definition: &Definition,
    mut ready: ByRecord,
) -> Result<ByRecord, StoreError> {
    let winners: Vec<RecordKey> = ready
        .values()
        .flatten()
        .filter(|pending| pending.change.kind == ChangeKind::RecordMerged)
        .filter_map(|pending| Some(RecordKey { id: pending.change.value.parse().ok()?, ..pending.change.record }))
        .filter(|winner| winner.portal_id == books.account.portal_id && !ready.contains_key(winner))
        .collect();
    if winners.is_empty() {
        return Ok(ready);
    }
    for winner in winners {
        ready.entry(winner).or_default();
    }
    for pending in app.store.pending(&definition.name).await? {
        let changes = ready.get_mut(&pending.change.record);
        if let Some(changes) = changes.filter(|changes| changes.iter().all(|known| known.seq != pending.seq)) {
            changes.push(pending);
        }
    }
    Ok(ready)
}

/// Splits what is ready into mails. Merged records stay with the record that is left.
fn in_mails(ready: ByRecord) -> Vec<ByRecord> {
    let mut mails = vec![ByRecord::new()];
    let together = |key: &RecordKey, pending: &[PendingChange]| {
        let merged = pending.iter().find(|pending| pending.change.kind == ChangeKind::RecordMerged);
        merged.and_then(|pending| pending.change.value.parse().ok()).unwrap_or(key.id)
    };
    let mut ordered: Vec<_> = ready.into_iter().collect();
    ordered.sort_by_key(|(key, pending)| (key.kind, together(key, pending), key.id));
    let mut last = None;
    for (key, pending) in ordered {
        let group = (key.kind, together(&key, &pending));
        if mails.last().is_some_and(|mail| mail.len() >= RECORDS_PER_MAIL) && last != Some(group) {
            mails.push(ByRecord::new());
        }
        last = Some(group);
        if let Some(mail) = mails.last_mut() {
            mail.insert(key, pending);
        }
    }
    mails.retain(|mail| !mail.is_empty());
    mails
}

async fn build_one(
    app: &App,
    books: &Books,
    definition: &Definition,
    group: ByRecord,
    now: Timestamp,
    summary: &mut Summary,
) -> Result<(), StoreError> {
    let completeness = reconcile::completeness(&app.store, books, now).await?;
    let scene = Scene {
        completeness: &completeness,
        account: &books.account,
        locale: definition.locale,
        rules: books.rules(),
        now,
        payments_since: books::payments_since(&app.store, books, now).await?,
    };
    let mut items = items(app, definition, &group, &scene).await?;
    items.retain(|item| is_in(definition, item));
    let (built, lines) =
        match build(definition, &items, &scene).and_then(|built| Ok((built, told(definition, &items, &scene)?))) {
            Ok(built) => built,
            Err(error) => {
                summary.problem("report", error);
                return Ok(());
            }
        };
    let today = now.to_zoned(books.zone.clone()).date();
    let id = report_id(definition, &group);
    let follows = follows(app, definition, &group, &built).await?;
    let letter =
        Letter { definition, document: &built.document, report_id: &id, of: &today.to_string(), follows, today, now };
    let mail = match (!built.is_empty).then(|| letter.mail(app.settings.addresses())).transpose() {
        Ok(mail) => mail,
        Err(error) => {
            summary.problem("report", error);
            return Ok(());
        }
    };
    let report = NewReport {
        id,
        name: definition.name.clone(),
        definition_hash: definition.hash(&app.settings.definitions.calendar, scene.rules.zone),
        document: built.document.into_json(),
        changes: group.values().flatten().map(|pending| pending.seq).collect(),
        lines,
    };
    if app.store.store_report(&report, mail.as_ref(), now).await? && mail.is_some() {
        summary.reports += 1;
        tracing::info!(
            report = definition.name,
            report_id = report.id,
            changes = report.changes.len(),
            "a report is built"
        );
    }
    Ok(())
}

/// The mails that a report follows: one that tells nothing but corrections answers what it corrects.
async fn follows(
    app: &App,
    definition: &Definition,
    group: &ByRecord,
    built: &Built,
) -> Result<Vec<String>, StoreError> {
    let mut follows = Vec::new();
    if built.document.sections.iter().all(|section| section.key == "corrections") {
        let keys: Vec<RecordKey> = group.keys().copied().collect();
        for report_id in app.store.told_in(&definition.name, &keys).await? {
            let message_id = message_id(&app.settings.mail_from, definition, &report_id);
            if app.store.has_mail(&message_id).await? {
                follows.push(message_id);
            }
        }
    }
    Ok(follows)
}

/// The records of a report, each with where it stood and where it stands.
async fn items(
    app: &App,
    definition: &Definition,
    group: &ByRecord,
    scene: &Scene<'_>,
) -> Result<Vec<Item>, StoreError> {
    let keys: Vec<RecordKey> = group.keys().copied().collect();
    let mut reported = app.store.reported(&definition.name, &keys).await?;
    let mut items = Vec::new();
    for stored in app.store.records(&keys).await? {
        let StoredRecord { key, state, record: Some(record), unsettled } = stored else { continue };
        let mut now = Position::now(&record, &scene.rules);
        if let RecordState::Merged { into } = state {
            now.standing = Standing::Merged { into };
        }
        let was = match reported.remove(&key) {
            Some((position, at)) => Some(Was { position, reported_at: Some(at) }),
            None => Position::as_of(&record, scene.rules.books_open_at, &scene.rules)
                .map(|position| Was { position, reported_at: None }),
        };
        let mut changes: Vec<_> = group.get(&key).into_iter().flatten().map(|pending| pending.change.clone()).collect();
        if was.as_ref().is_none_or(|was| was.reported_at.is_none()) {
            // What nobody was told, since the filter kept it out or it was undone in time, is still to be told.
            changes.extend(app.store.settled(&definition.name, key).await?);
        }
        changes.sort_by_key(|change| change.effective_at);
        let invoice = invoice_of(app, &record).await?;
        items.push(Item { record, was, now, changes, unsettled, invoice });
    }
    Ok(items)
}

/// True if a report is about a record: it passes the filter, or the report told it before and has to correct itself.
fn is_in(definition: &Definition, item: &Item) -> bool {
    let of_whom = item.invoice.as_ref().unwrap_or(&item.record);
    item.was.as_ref().is_some_and(|was| was.reported_at.is_some()) || definition.filter.takes(of_whom, &item.now.amount)
}

/// Where the records stand that the reader knows now: those that the report speaks of, and those that were told before.
fn told(definition: &Definition, items: &[Item], scene: &Scene<'_>) -> Result<Vec<(RecordKey, Position)>, SumTooLarge> {
    let mut told = Vec::new();
    for item in items {
        let is_known = item.was.as_ref().is_some_and(|was| definition.has_told(was));
        if is_known || !build(definition, std::slice::from_ref(item), scene)?.is_empty {
            told.push((item.record.key, item.now.clone()));
        }
    }
    Ok(told)
}

/// The invoice that a payment is for, as the books hold it.
async fn invoice_of(app: &App, record: &Record) -> Result<Option<Record>, StoreError> {
    let Some(id) = record.invoice else { return Ok(None) };
    let key = RecordKey { kind: Kind::Invoice, id, ..record.key };
    Ok(app.store.records(&[key]).await?.into_iter().find_map(|stored| stored.record))
}

/// The same changes under the same name are the same report.
fn report_id(definition: &Definition, group: &ByRecord) -> String {
    let mut digest = Sha256::new();
    for pending in group.values().flatten() {
        let change = &pending.change;
        digest.update(format!("{} {} {} {}\n", definition.name, change.record.portal_id, change.record, change.id));
    }
    data_encoding::HEXLOWER.encode(&digest.finalize()[..12])
}
