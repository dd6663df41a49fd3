//! Periods are told while records are settled: in every engine, and by several at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::Date;
use report_worker::domain::entries::{Entry, Figure, difference};
use report_worker::domain::ledger::{Face, Ledger, Line};
use report_worker::domain::money::Amount;
use report_worker::domain::record::{Kind, RecordKey};
use report_worker::domain::time::BusinessDate;
use report_worker::store::{Books, Due, NewPeriod, NowTold, Outcome, RecordState, Store, StoredRecord};
use sqlx::{Connection, MySqlConnection};
use tokio::task::JoinSet;

use crate::mysql;
use crate::story::at;

const PORTAL: i64 = 4242;

const FIRST_DAY: Date = Date::constant(2026, 1, 1);

const DAYS: i64 = 12;

fn deal(id: i64) -> RecordKey {
    RecordKey { portal_id: PORTAL, kind: Kind::Deal, id }
}

fn day(number: i64) -> Date {
    FIRST_DAY.saturating_add(number.days())
}

fn line(id: i64, n: u32, date: Date, amount: u32) -> Line {
    let face = Face {
        name: format!("Deal {id}"),
        company: None,
        owner: None,
        team: None,
        pipeline: None,
        rate: None,
        due: None,
        properties: vec![],
        unsettled: false,
    };
    let amount = Amount::read(Some(&amount.to_string()), "EUR");
    let date = BusinessDate { date, stated: true };
    Line {
        key: deal(id),
        entry: Entry { figure: Figure::Won, n, date, at: at(0), amount, billable: true },
        face: Arc::new(face),
    }
}

/// Settles a deal with these lines.
async fn settle(store: &Store, id: i64, lines: Vec<Line>) {
    let stored = StoredRecord { key: deal(id), state: RecordState::Known, record: None, unsettled: false };
    let due = Due {
        record: deal(id),
        generation: 1,
        wanted_as_of: None,
        first_read_at: None,
        readings: 0,
        failures: 0,
        next_at: at(0),
    };
    let ledger = Ledger { lines, balances: vec![] };
    let outcome = Outcome { due, stored, open_until: None, changes: vec![], payments_follow: false };
    store.settle(&[outcome], &[], |_, _| Some(ledger.clone()), at(0)).await.unwrap();
}

/// What readers of the reports of a series know.
type Known = BTreeMap<RecordKey, Vec<Entry>>;

/// Builds the report of the next day, and lets a reader take it in.
async fn tell(store: &Store, known: &mut Known) {
    let series = store.series(PORTAL, "daily").await.unwrap().unwrap();
    let (from, to) = (series.built_through, series.built_through.tomorrow().unwrap());
    store.announce(PORTAL, &series.id, to).await.unwrap();
    let mut snapshot = store.snapshot(PORTAL).await.unwrap();
    let mut told = Vec::new();
    let mut marks = snapshot.marks(&series.id, Kind::Deal, i64::MIN, 3).await.unwrap();
    while let Some(last) = marks.last() {
        let after = last.key.id;
        for mark in marks {
            let now = snapshot.lines_of(&[mark.key]).await.unwrap().remove(&mark.key).unwrap_or_default();
            let before = |lines: &[Line]| -> Vec<Entry> {
                lines.iter().filter(|line| line.date() < from).map(|line| line.entry.clone()).collect()
            };
            let entries = known.entry(mark.key).or_default();
            for correction in difference(&before(&mark.told), &before(&now)) {
                if let Some(was) = correction.was {
                    let index =
                        entries.iter().position(|entry| *entry == was).expect("only what was told is corrected");
                    entries.remove(index);
                }
                entries.extend(correction.now);
            }
            let lines = now.into_iter().filter(|line| line.date() < to).collect();
            told.push(NowTold { key: mark.key, generation: mark.generation, lines });
        }
        marks = snapshot.marks(&series.id, Kind::Deal, after, 3).await.unwrap();
    }
    let mut lines = Vec::new();
    snapshot.lines(from, to, |line| lines.push(line)).await.unwrap();
    snapshot.end().await.unwrap();
    for line in lines {
        known.entry(line.key).or_default().push(line.entry);
    }
    // Whoever settles has time to be in between.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let new = NewPeriod {
        report_id: format!("{from}"),
        name: "daily".to_owned(),
        definition_hash: String::new(),
        days: (from, to),
        revision: 1,
        document: String::new(),
        told,
        series,
    };
    assert!(store.store_period(PORTAL, &new, None, at(0)).await.unwrap());
}

fn sorted(known: &Known) -> Vec<String> {
    let each = |(key, entries): (&RecordKey, &Vec<Entry>)| -> Vec<String> {
        entries.iter().map(|entry| format!("{key} {} {}", entry.date.date, entry.amount.text)).collect()
    };
    let mut all: Vec<String> = known.iter().flat_map(each).collect();
    all.sort();
    all
}

/// Whatever interleaving the engine makes of it: the reports and what they corrected are what the books say in the end.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_settled_while_a_period_is_told_is_told_or_late() {
    let folder = tempfile::tempdir().unwrap();
    for books in [Books::Sqlite(folder.path().join("books.sqlite")), mysql::database().await] {
        let store = Store::open(&books).await.unwrap();
        store.begin_series(PORTAL, ("daily", "daily"), FIRST_DAY, at(0)).await.unwrap();
        let mut workers = JoinSet::new();
        for worker in 0..4 {
            let store = Store::open(&books).await.unwrap();
            workers.spawn(async move {
                let mut random = fastrand::Rng::with_seed(worker);
                for _ in 0..60 {
                    let id = random.i64(0..6);
                    let lines =
                        (1..=random.u32(0..3)).map(|n| line(id, n, day(random.i64(0..DAYS)), random.u32(1..999)));
                    settle(&store, id, lines.collect()).await;
                }
            });
        }
        let mut known = Known::new();
        for _ in 0..DAYS {
            tell(&store, &mut known).await;
        }
        while workers.join_next().await.transpose().unwrap().is_some() {}
        tell(&store, &mut known).await;
        let mut now = Known::new();
        let mut snapshot = store.snapshot(PORTAL).await.unwrap();
        for (key, lines) in snapshot.lines_of(&(0..6).map(deal).collect::<Vec<_>>()).await.unwrap() {
            now.insert(key, lines.into_iter().map(|line| line.entry).collect());
        }
        assert_eq!(sorted(&known), sorted(&now), "{books:?}");
        assert!(snapshot.marks("daily", Kind::Deal, i64::MIN, 9).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_day_of_many_lines_is_read_in_parts_and_each_line_once() {
    let folder = tempfile::tempdir().unwrap();
    for books in [Books::Sqlite(folder.path().join("books.sqlite")), mysql::database().await] {
        let store = Store::open(&books).await.unwrap();
        // Deals of more lines than a part has rows, and of few; the parts end within some and between others.
        let mut expected = Vec::new();
        for (id, lines) in [(1, 3), (2, 2_500), (3, 1_496), (4, 1), (5, 1)] {
            let lines: Vec<Line> = (1..=lines).map(|n| line(id, n, day(0), n)).collect();
            expected.extend(lines.clone());
            settle(&store, id, lines).await;
        }
        settle(&store, 6, vec![line(6, 1, day(1), 1), line(6, 2, day(2), 1)]).await;
        expected.push(line(6, 1, day(1), 1));
        let mut read = Vec::new();
        let mut snapshot = store.snapshot(PORTAL).await.unwrap();
        snapshot.lines(day(0), day(2), |line| read.push(line)).await.unwrap();
        assert_eq!(read.len(), expected.len());
        assert!(read == expected, "{books:?}");
    }
}

/// Waits until something waits for a lock in this database.
pub(crate) async fn somebody_waits(connection: &mut MySqlConnection) {
    let waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx t \
                   JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id \
                   WHERE p.db = DATABASE() AND t.trx_state = 'LOCK WAIT'";
    tokio::time::sleep(Duration::from_millis(150)).await;
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut *connection).await.unwrap() == 0 {
        // The server looks anew only for who has not asked for 0.1 s.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// A period is not announced between somebody's look at the series and the end of what he settles, or the change would be
/// neither in the figures nor marked. In SQLite one writes at a time.
#[tokio::test]
async fn whoever_announces_and_whoever_settles_wait_for_each_other() {
    let url = mysql::database_url().await;
    let store = Store::open(&url.parse().unwrap()).await.unwrap();
    store.begin_series(PORTAL, ("daily", "daily"), FIRST_DAY, at(0)).await.unwrap();
    store.announce(PORTAL, "daily", day(1)).await.unwrap();
    let [mut other, mut watch] =
        [MySqlConnection::connect(&url).await.unwrap(), MySqlConnection::connect(&url).await.unwrap()];
    // Somebody has looked at the series and has not ended.
    let look = "SELECT value FROM facts WHERE name = 'announced' LOCK IN SHARE MODE";
    for statement in ["START TRANSACTION", look] {
        sqlx::raw_sql(statement).execute(&mut other).await.unwrap();
    }
    settle(&store, 1, vec![line(1, 1, day(0), 5)]).await;
    let mut announcing = Box::pin(store.announce(PORTAL, "daily", day(2)));
    tokio::select! {
        announced = &mut announcing => panic!("announced meanwhile: {announced:?}"),
        () = somebody_waits(&mut watch) => {}
    }
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    announcing.await.unwrap();
    // Somebody announces and has not ended.
    for statement in ["START TRANSACTION", "UPDATE facts SET value = '\"2026-01-04\"' WHERE name = 'announced'"] {
        sqlx::raw_sql(statement).execute(&mut other).await.unwrap();
    }
    let mut settling = Box::pin(settle(&store, 1, vec![line(1, 1, day(0), 6)]));
    tokio::select! {
        () = &mut settling => panic!("settled meanwhile"),
        () = somebody_waits(&mut watch) => {}
    }
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    settling.await;
}
