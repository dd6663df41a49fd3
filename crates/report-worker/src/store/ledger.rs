//! The ledgers of the records: what each adds to which figure on which day, and what was owed when.
//!
//! A record's ledger is written in the transaction that stores the record, and only where it differs from what is there. The
//! first change after a report leaves a mark with what stood there, for each series that has told of the days that differ: so
//! the next report knows what was told without a copy of everything that was, and finds what is late without a search. A
//! series must not announce a period while records are settled that do not know of it yet, so whoever settles shares a lock
//! (the fact `announced`) that whoever announces has alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use sqlx::{AssertSqlSafe, Transaction};

use super::records::records_in;
use super::rows::{parts, statement};
use super::{Db, Engine, Store, StoreError, StoredRecord, date, json, kind, retried, to_json};
use crate::domain::entries::Entry;
use crate::domain::ledger::{Balance, Face, Ledger, Line};
use crate::domain::record::{Kind, RecordKey};

/// The end of a run of days that has not ended, in the books.
pub(super) const STILL: &str = "9999-12-31";

/// A line as a mark keeps it.
#[derive(serde::Serialize, serde::Deserialize)]
struct Told<E, F> {
    entry: E,
    face: F,
}

/// The lines of a mark, as text.
pub(super) fn told_json<'l>(lines: impl Iterator<Item = &'l Line>) -> String {
    to_json(&lines.map(|line| Told { entry: &line.entry, face: &*line.face }).collect::<Vec<_>>())
}

/// The lines of a mark.
pub(super) fn told_lines(key: RecordKey, text: &str) -> Result<Vec<Line>, StoreError> {
    let told: Vec<Told<Entry, Face>> = json(text, "marks", "told")?;
    Ok(told.into_iter().map(|Told { entry, face }| Line { key, entry, face: Arc::new(face) }).collect())
}

/// One condition for each record.
pub(super) const ONE_RECORD: &str = "(portal_id = ? AND kind = ? AND record_id = ?)";

/// Writes the ledgers of records, each named once, and marks what series have told otherwise.
async fn post(
    transaction: &mut Transaction<'static, Db>,
    engine: Engine,
    ledgers: &[(RecordKey, &Ledger)],
) -> Result<(), StoreError> {
    let (mut gone, mut new, mut moved) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts(ledgers) {
        let keys: Vec<RecordKey> = part.iter().map(|(key, _)| *key).collect();
        let mut held = lines_of(transaction, engine, &keys).await?;
        for (key, ledger) in part {
            let held = held.remove(key).unwrap_or_default();
            gone.extend(held.iter().filter(|line| !ledger.lines.contains(line)).cloned());
            new.extend(ledger.lines.iter().filter(|line| !held.contains(line)));
            moved.extend(Moved::between(*key, held, &ledger.lines));
        }
    }
    let before = "DELETE FROM entries WHERE ";
    let one = "(portal_id = ? AND date = ? AND record_id = ? AND kind = ? AND figure = ? AND n = ?)";
    for part in parts(&gone) {
        let mut query = sqlx::query(AssertSqlSafe(statement(part, before, one, " OR ", "")));
        for Line { key, entry, .. } in part {
            query = query.bind(key.portal_id).bind(entry.date.date.to_string()).bind(key.id).bind(key.kind.as_str());
            query = query.bind(entry.figure.as_str()).bind(i64::from(entry.n));
        }
        query.execute(&mut **transaction).await?;
    }
    let before = "INSERT INTO entries (portal_id, date, record_id, kind, figure, n, entry, face) VALUES ";
    for part in parts(&new) {
        let sql = statement(part, before, "(?, ?, ?, ?, ?, ?, ?, ?)", ", ", "");
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for Line { key, entry, face } in part {
            query = query.bind(key.portal_id).bind(entry.date.date.to_string()).bind(key.id).bind(key.kind.as_str());
            query = query.bind(entry.figure.as_str()).bind(i64::from(entry.n)).bind(to_json(entry));
            query = query.bind(to_json(&**face));
        }
        query.execute(&mut **transaction).await?;
    }
    mark(transaction, engine, &moved).await?;
    post_balances(transaction, engine, ledgers).await
}

/// A record whose lines count otherwise than before.
struct Moved {
    key: RecordKey,
    held: Vec<Line>,
    /// The days on which something differs.
    days: BTreeSet<Date>,
}

impl Moved {
    fn between(key: RecordKey, held: Vec<Line>, new: &[Line]) -> Option<Self> {
        let missing = |line: &&Line, others: &[Line]| !others.iter().any(|other| other.counts_as(line));
        let gone = held.iter().filter(|line| missing(line, new));
        let added = new.iter().filter(|line| missing(line, &held));
        let corrected = |line: &&Line| line.entry.figure.is_corrected();
        let days: BTreeSet<Date> = gone.chain(added).filter(corrected).map(Line::date).collect();
        (!days.is_empty()).then_some(Self { key, held, days })
    }
}

/// Leaves what stood there for each series that has told of it. Where there is a mark already, what was told stays.
async fn mark(transaction: &mut Transaction<'static, Db>, engine: Engine, moved: &[Moved]) -> Result<(), StoreError> {
    let Some(Moved { key: RecordKey { portal_id, .. }, .. }) = moved.first() else { return Ok(()) };
    let shared = format!("SELECT value FROM facts WHERE name = 'announced'{}", engine.in_share_mode());
    sqlx::query(AssertSqlSafe(shared)).execute(&mut **transaction).await?;
    let series: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT id, from_date, told_through FROM series WHERE portal_id = ? AND told_through > from_date",
    )
    .bind(portal_id)
    .fetch_all(&mut **transaction)
    .await?;
    let mut marks = Vec::new();
    for (id, from, through) in &series {
        let told = date(from, "series", "from_date")?..date(through, "series", "told_through")?;
        for Moved { key, held, days } in moved {
            if days.range(told.clone()).next().is_some() {
                let lines = held.iter().filter(|line| told.contains(&line.date()) && line.entry.figure.is_corrected());
                marks.push((id, key, told_json(lines)));
            }
        }
    }
    let before = "INSERT INTO marks (portal_id, series, kind, record_id, generation, told) VALUES ";
    for part in parts(&marks) {
        let sql = statement(part, before, "(?, ?, ?, ?, 1, ?)", ", ", engine.if_marked_before());
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (series, key, told) in part {
            query = query.bind(key.portal_id).bind(*series).bind(key.kind.as_str()).bind(key.id).bind(told);
        }
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}

async fn post_balances(
    transaction: &mut Transaction<'static, Db>,
    engine: Engine,
    ledgers: &[(RecordKey, &Ledger)],
) -> Result<(), StoreError> {
    type Row = (i64, i64, String, String, String, String);
    let invoices: Vec<&(RecordKey, &Ledger)> = ledgers.iter().filter(|(key, _)| key.kind == Kind::Invoice).collect();
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for part in parts(&invoices) {
        let before = format!(
            "SELECT portal_id, record_id, from_date, until_date, owed, face FROM balances{} WHERE ",
            engine.by_index("balances_of_record")
        );
        let sql = statement(part, &before, "(portal_id = ? AND record_id = ?)", " OR ", "");
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for (key, _) in part {
            query = query.bind(key.portal_id).bind(key.id);
        }
        let mut held: BTreeMap<RecordKey, Vec<Balance>> = BTreeMap::new();
        let rows: Vec<Row> = query.fetch_all(&mut **transaction).await?;
        for (portal_id, id, from, until, owed, face) in rows {
            let key = RecordKey { portal_id, kind: Kind::Invoice, id };
            held.entry(key).or_default().push(balance(key, (&from, &until), &owed, &face)?);
        }
        for (key, ledger) in part {
            let held = held.remove(key).unwrap_or_default();
            gone.extend(held.iter().filter(|balance| !ledger.balances.contains(balance)).cloned());
            new.extend(ledger.balances.iter().filter(|balance| !held.contains(balance)));
        }
    }
    let one = "(portal_id = ? AND until_date = ? AND record_id = ? AND from_date = ?)";
    for part in parts(&gone) {
        let mut query = sqlx::query(AssertSqlSafe(statement(part, "DELETE FROM balances WHERE ", one, " OR ", "")));
        for Balance { key, from, until, .. } in part {
            query = query.bind(key.portal_id).bind(until_text(*until)).bind(key.id).bind(from.to_string());
        }
        query.execute(&mut **transaction).await?;
    }
    let before = "INSERT INTO balances (portal_id, until_date, record_id, from_date, owed, face) VALUES ";
    for part in parts(&new) {
        let mut query = sqlx::query(AssertSqlSafe(statement(part, before, "(?, ?, ?, ?, ?, ?)", ", ", "")));
        for Balance { key, from, until, owed, face } in part {
            query = query.bind(key.portal_id).bind(until_text(*until)).bind(key.id).bind(from.to_string());
            query = query.bind(to_json(owed)).bind(to_json(&**face));
        }
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}

fn until_text(until: Option<Date>) -> String {
    until.map_or_else(|| STILL.to_owned(), |until| until.to_string())
}

/// Reads a row of `balances`.
pub(super) fn balance(
    key: RecordKey,
    (from, until): (&str, &str),
    owed: &str,
    face: &str,
) -> Result<Balance, StoreError> {
    Ok(Balance {
        key,
        from: date(from, "balances", "from_date")?,
        until: if until == STILL { None } else { Some(date(until, "balances", "until_date")?) },
        owed: json(owed, "balances", "owed")?,
        face: Arc::new(json(face, "balances", "face")?),
    })
}

/// The lines of some records, all days, those of a record in the order of their days.
pub(super) async fn lines_of(
    transaction: &mut Transaction<'static, Db>,
    engine: Engine,
    keys: &[RecordKey],
) -> Result<BTreeMap<RecordKey, Vec<Line>>, StoreError> {
    type Row = (i64, String, i64, String, String);
    let mut lines: BTreeMap<RecordKey, Vec<Line>> = BTreeMap::new();
    for part in parts(keys) {
        let before = format!(
            "SELECT portal_id, kind, record_id, entry, face FROM entries{} WHERE ",
            engine.by_index("entries_of_record")
        );
        let sql = statement(part, &before, ONE_RECORD, " OR ", " ORDER BY date, figure, n");
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for key in part {
            query = query.bind(key.portal_id).bind(key.kind.as_str()).bind(key.id);
        }
        let rows: Vec<Row> = query.fetch_all(&mut **transaction).await?;
        for (portal_id, word, id, entry, face) in rows {
            let key = RecordKey { portal_id, kind: kind(&word, "entries")?, id };
            let (entry, face) = (json(&entry, "entries", "entry")?, Arc::new(json(&face, "entries", "face")?));
            lines.entry(key).or_default().push(Line { key, entry, face });
        }
    }
    Ok(lines)
}

impl Store {
    /// Makes the ledgers of some records anew from what the books hold of them, and stores a fact with it. `ledger` gives
    /// that of a record; nobody changes the records meanwhile.
    ///
    /// # Errors
    /// Fails where the books cannot be read or written.
    pub async fn post_anew<C: serde::Serialize>(
        &self,
        keys: &[RecordKey],
        ledger: impl Fn(&StoredRecord, Option<&StoredRecord>) -> Option<Ledger>,
        fact: Option<(&str, &C)>,
    ) -> Result<(), StoreError> {
        let ledger = &ledger;
        retried(|| async move {
            let mut transaction = self.write().await?;
            let records = records_in(&mut transaction, keys, self.engine.exclusively()).await?;
            post_of(&mut transaction, self.engine, &records.iter().collect::<Vec<_>>(), ledger).await?;
            if let Some((name, value)) = fact {
                super::facts::write_fact(&mut transaction, name, &to_json(value)).await?;
            }
            Ok(transaction.commit().await?)
        })
        .await
    }

    /// The keys of records of a kind that the books could once read, after an id, in the order of their ids.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn keys_after(
        &self,
        portal_id: i64,
        of: Kind,
        after: i64,
        limit: u32,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let rows: Vec<(i64,)> = sqlx::query_as(
            "SELECT record_id FROM records WHERE portal_id = ? AND kind = ? AND record_id > ? ORDER BY record_id LIMIT ?",
        )
        .bind(portal_id)
        .bind(of.as_str())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|(id,)| RecordKey { portal_id, kind: of, id }).collect())
    }
}

/// Posts what `ledger` gives for records that this transaction holds, a payment together with its invoice. Whoever changes an
/// invoice waits until its payments are posted, and the other way round, so a payment is always shown as its invoice is.
pub(super) async fn post_of(
    transaction: &mut Transaction<'static, Db>,
    engine: Engine,
    records: &[&StoredRecord],
    ledger: impl Fn(&StoredRecord, Option<&StoredRecord>) -> Option<Ledger>,
) -> Result<(), StoreError> {
    let invoices: BTreeSet<RecordKey> = records.iter().copied().filter_map(invoice_of).collect();
    let invoices: Vec<RecordKey> = invoices.into_iter().collect();
    let invoices = records_in(transaction, &invoices, engine.in_share_mode()).await?;
    let invoices: BTreeMap<RecordKey, &StoredRecord> = invoices.iter().map(|it| (it.key, it)).collect();
    let of = |it: &StoredRecord| ledger(it, invoice_of(it).and_then(|key| invoices.get(&key).copied()));
    let ledgers: Vec<(RecordKey, Ledger)> = records.iter().filter_map(|it| Some((it.key, of(it)?))).collect();
    let ledgers: Vec<(RecordKey, &Ledger)> = ledgers.iter().map(|(key, ledger)| (*key, ledger)).collect();
    post(transaction, engine, &ledgers).await
}

/// The payments that are for some invoices, for the change of their ledgers.
pub(super) async fn payments_of(
    transaction: &mut Transaction<'static, Db>,
    engine: Engine,
    invoices: &[RecordKey],
) -> Result<Vec<StoredRecord>, StoreError> {
    let mut keys = Vec::new();
    for part in parts(invoices) {
        let before =
            format!("SELECT portal_id, record_id FROM records{} WHERE ", engine.by_index("payments_of_invoice"));
        let sql = statement(part, &before, "(portal_id = ? AND invoice = ?)", " OR ", engine.exclusively());
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for key in part {
            query = query.bind(key.portal_id).bind(key.id);
        }
        let rows: Vec<(i64, i64)> = query.fetch_all(&mut **transaction).await?;
        keys.extend(rows.into_iter().map(|(portal_id, id)| RecordKey { portal_id, kind: Kind::Payment, id }));
    }
    records_in(transaction, &keys, engine.exclusively()).await
}

/// The invoice that a payment is for.
fn invoice_of(stored: &StoredRecord) -> Option<RecordKey> {
    let id = stored.record.as_ref()?.invoice?;
    Some(RecordKey { kind: Kind::Invoice, id, ..stored.key })
}
