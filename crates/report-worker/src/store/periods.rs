//! The series of reports of periods: what is announced, what is built, and what was sent.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use sqlx::{AssertSqlSafe, Transaction};

use super::ledger::told_json;
use super::mails::{OutgoingMail, write_mail};
use super::rows::{parts, statement};
use super::{Db, Store, StoreError, date, insert_new, retried, time};
use crate::domain::ledger::Line;
use crate::domain::record::RecordKey;

const ONE_MS: SignedDuration = SignedDuration::from_millis(1);

/// The reports of one definition, one period after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The definition's name and the beginning of its digest.
    pub id: String,
    /// The first day that it tells of.
    pub from: Date,
    /// The end of the newest period that was announced: what changes before it is late.
    pub told_through: Date,
    /// The end of the newest period whose report is built.
    pub built_through: Date,
    /// When that was; when the series was begun, before the first report.
    pub built_at: Timestamp,
    /// Since when the next report waits for records to be read, if it does.
    pub waiting_since: Option<Timestamp>,
    /// Counts what was stored of it.
    version: i64,
}

/// The report of a period, to store.
#[derive(Debug, Clone)]
pub struct NewPeriod {
    /// The series as it was before anything else was read for this report.
    pub series: Series,
    /// The report's id: the same series, period and revision have the same one.
    pub report_id: String,
    /// The definition's name.
    pub name: String,
    /// Digest of the definition.
    pub definition_hash: String,
    /// The first day of the period, and the first day after it.
    pub days: (Date, Date),
    /// 1 for the first one.
    pub revision: u32,
    /// What it says, as JSON.
    pub document: String,
    /// What the series has told of the marked records with this report.
    pub told: Vec<NowTold>,
}

/// What a series has told of a marked record with a new report.
#[derive(Debug, Clone)]
pub struct NowTold {
    /// The record.
    pub key: RecordKey,
    /// The mark that was read.
    pub generation: i64,
    /// The lines that stand told now.
    pub lines: Vec<Line>,
}

/// A report of a period that is in the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPeriod {
    /// The report.
    pub report_id: String,
    /// Its series.
    pub series: String,
    /// The first day of the period.
    pub from: Date,
    /// The first day after it.
    pub to: Date,
    /// 1 for the first one.
    pub revision: u32,
    /// When it was built.
    pub built_at: Timestamp,
    /// The Message-ID of its mail; `None` where there was nothing to tell.
    pub mail: Option<String>,
}

const COLUMNS: &str = "SELECT id, from_date, told_through, built_through, built_at, waiting_since, version FROM series";

type Row = (String, String, String, String, i64, Option<i64>, i64);

fn series_of((id, from, told, built, built_at, waiting_since, version): Row) -> Result<Series, StoreError> {
    Ok(Series {
        id,
        from: date(&from, "series", "from_date")?,
        told_through: date(&told, "series", "told_through")?,
        built_through: date(&built, "series", "built_through")?,
        built_at: time(built_at, "series", "built_at")?,
        waiting_since: waiting_since.map(|at| time(at, "series", "waiting_since")).transpose()?,
        version,
    })
}

impl Store {
    /// A series, if it was begun.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn series(&self, portal_id: i64, id: &str) -> Result<Option<Series>, StoreError> {
        let sql = format!("{COLUMNS} WHERE portal_id = ? AND id = ?");
        let row: Option<Row> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(portal_id).bind(id).fetch_optional(self.pool()).await?;
        row.map(series_of).transpose()
    }

    /// The series of this name that was begun last.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn newest_series(&self, portal_id: i64, name: &str) -> Result<Option<Series>, StoreError> {
        let sql = format!("{COLUMNS} WHERE portal_id = ? AND name = ? ORDER BY begun_at DESC, id DESC LIMIT 1");
        let row: Option<Row> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(portal_id).bind(name).fetch_optional(self.pool()).await?;
        row.map(series_of).transpose()
    }

    /// Begins a series, unless another worker has.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn begin_series(
        &self,
        portal_id: i64,
        (id, name): (&str, &str),
        from: Date,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        retried(|| async move {
            let mut transaction = self.write().await?;
            let insert = sqlx::query(
                "INSERT INTO series \
                 (portal_id, id, name, begun_at, from_date, told_through, built_through, built_at, version) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
            )
            .bind(portal_id)
            .bind(id)
            .bind(name)
            .bind(now.as_millisecond())
            .bind(from.to_string())
            .bind(from.to_string())
            .bind(from.to_string())
            .bind(now.as_millisecond());
            insert_new(&mut transaction, insert).await?;
            Ok(transaction.commit().await?)
        })
        .await
    }

    /// Writes down that the next report of a series has begun to wait.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn begin_waiting(&self, portal_id: i64, series: &Series, now: Timestamp) -> Result<(), StoreError> {
        retried(|| async move {
            sqlx::query(
                "UPDATE series SET waiting_since = ? \
                 WHERE portal_id = ? AND id = ? AND version = ? AND waiting_since IS NULL",
            )
            .bind(now.as_millisecond())
            .bind(portal_id)
            .bind(&series.id)
            .bind(series.version)
            .execute(self.pool())
            .await?;
            Ok(())
        })
        .await
    }

    /// Announces that the days before `through` are being told: whatever settles a record from now on leaves a mark where it
    /// changes one of them, and what has been settled without one is in every snapshot from now on.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn announce(&self, portal_id: i64, series: &str, through: Date) -> Result<(), StoreError> {
        retried(|| async move {
            let mut transaction = self.write().await?;
            // Alone, where whoever settles shares it.
            sqlx::query("UPDATE facts SET value = ? WHERE name = 'announced'")
                .bind(super::to_json(&through))
                .execute(&mut *transaction)
                .await?;
            sqlx::query("UPDATE series SET told_through = ? WHERE portal_id = ? AND id = ? AND told_through < ?")
                .bind(through.to_string())
                .bind(portal_id)
                .bind(series)
                .bind(through.to_string())
                .execute(&mut *transaction)
                .await?;
            Ok(transaction.commit().await?)
        })
        .await
    }

    /// Stores the report of a period with its mail, all or nothing. False if something else was stored of the series since
    /// it was read, by another worker or a command; then nothing is stored.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn store_period(
        &self,
        portal_id: i64,
        new: &NewPeriod,
        mail: Option<&OutgoingMail>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        retried(|| self.store_period_once(portal_id, new, mail, now)).await
    }

    async fn store_period_once(
        &self,
        portal_id: i64,
        new: &NewPeriod,
        mail: Option<&OutgoingMail>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        // Reports of a series follow one another, even where several are built at once or the clock has gone back.
        let built_at = now.max(new.series.built_at.saturating_add(ONE_MS).unwrap_or(now));
        let sql = match new.revision {
            1 => {
                "UPDATE series SET version = version + 1, built_through = ?, built_at = ?, waiting_since = NULL \
                 WHERE portal_id = ? AND id = ? AND version = ?"
            }
            _ => "UPDATE series SET version = version + 1 WHERE portal_id = ? AND id = ? AND version = ?",
        };
        let mut update = sqlx::query(sql);
        if new.revision == 1 {
            update = update.bind(new.days.1.to_string()).bind(built_at.as_millisecond());
        }
        let update = update.bind(portal_id).bind(&new.series.id).bind(new.series.version);
        if update.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("INSERT INTO reports (id, name, definition_hash, built_at, document) VALUES (?, ?, ?, ?, ?)")
            .bind(&new.report_id)
            .bind(&new.name)
            .bind(&new.definition_hash)
            .bind(built_at.as_millisecond())
            .bind(&new.document)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO periods (report_id, portal_id, series, name, from_date, to_date, revision, mail) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&new.report_id)
        .bind(portal_id)
        .bind(&new.series.id)
        .bind(&new.name)
        .bind(new.days.0.to_string())
        .bind(new.days.1.to_string())
        .bind(i64::from(new.revision))
        .bind(mail.map(|mail| mail.message_id.as_str()))
        .execute(&mut *transaction)
        .await?;
        tell(&mut transaction, portal_id, new).await?;
        if let Some(mail) = mail {
            write_mail(&mut transaction, mail, Some(&new.report_id), (built_at, now)).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// The reports of periods under a name, by period, series and revision.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn periods(&self, portal_id: i64, name: &str) -> Result<Vec<StoredPeriod>, StoreError> {
        type Row = (String, String, String, String, i64, i64, Option<String>);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT p.report_id, p.series, p.from_date, p.to_date, p.revision, r.built_at, p.mail FROM periods p \
             JOIN reports r ON r.id = p.report_id WHERE p.portal_id = ? AND p.name = ? \
             ORDER BY p.from_date, p.to_date, r.built_at, p.revision",
        )
        .bind(portal_id)
        .bind(name)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|(report_id, series, from, to, revision, built_at, mail)| {
                let (from, to) = (date(&from, "periods", "from_date")?, date(&to, "periods", "to_date")?);
                let revision = u32::try_from(revision).unwrap_or(u32::MAX);
                let built_at = time(built_at, "reports", "built_at")?;
                Ok(StoredPeriod { report_id, series, from, to, revision, built_at, mail })
            })
            .collect()
    }
}

/// The marks of what stands told now: those that were read are cleared. A record that has changed meanwhile keeps its mark,
/// with what is told now.
async fn tell(transaction: &mut Transaction<'static, Db>, portal_id: i64, new: &NewPeriod) -> Result<(), StoreError> {
    let series = &new.series.id;
    for part in parts(&new.told) {
        let mut cleared = 0;
        if new.revision == 1 {
            let before = "DELETE FROM marks WHERE portal_id = ? AND series = ? AND (";
            let one = "(kind = ? AND record_id = ? AND generation = ?)";
            let sql = statement(part, before, one, " OR ", ")");
            let mut query = sqlx::query(AssertSqlSafe(sql)).bind(portal_id).bind(series);
            for NowTold { key, generation, .. } in part {
                query = query.bind(key.kind.as_str()).bind(key.id).bind(*generation);
            }
            cleared = query.execute(&mut **transaction).await?.rows_affected();
        }
        if cleared == part.len() as u64 {
            continue;
        }
        for NowTold { key, lines, .. } in part {
            sqlx::query("UPDATE marks SET told = ? WHERE portal_id = ? AND series = ? AND kind = ? AND record_id = ?")
                .bind(told_json(lines.iter()))
                .bind(portal_id)
                .bind(series)
                .bind(key.kind.as_str())
                .bind(key.id)
                .execute(&mut **transaction)
                .await?;
        }
    }
    Ok(())
}
