//! One story, told to every kind of store through its public methods.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use report_worker::domain::account::{Closing, Stage, Stages};
use report_worker::domain::changes::{self, Change, Rules};
use report_worker::domain::ledger::{Bookkeeping, Ledger};
use report_worker::domain::position::Position;
use report_worker::domain::record::{HistoryEntry, Kind, Record, RecordKey};
use report_worker::store::{
    Books, DeliveredEvent, Delivery, Digest, Due, Engine, MailState, NewChange, NewReport, Outcome, OutgoingMail,
    RawBody, RecordState, SetAside, Store, StoredRecord, TakenIn,
};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::mysql;

const DEAL: RecordKey = RecordKey { portal_id: 4242, kind: Kind::Deal, id: 332_507_367_001 };
const INVOICE: RecordKey = RecordKey { kind: Kind::Invoice, id: 7, ..DEAL };

#[tokio::test]
async fn every_engine_tells_the_story_and_holds_the_same_books() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    for books in [Books::Sqlite(folder.path().join("books.sqlite")), mysql::database().await] {
        tell(&Store::open(&books).await.unwrap()).await;
        let again = Store::open(&books).await.unwrap();
        assert_eq!(again.change_count().await.unwrap(), 2, "opened again, the books hold what they held: {books:?}");
        told.push(everything(&again).await);
    }
    let [sqlite, mysql] = &told[..] else { panic!("two engines") };
    assert_eq!(sqlite.len(), 1_241, "{sqlite:#?}");
    assert_eq!(sqlite, mysql);
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Store::sqlite(&folder.path().join("missing/books.sqlite")).await.unwrap_err().to_string();
    assert!(error.contains("missing/books.sqlite cannot be opened; check DATABASE_URL"), "{error}");
}

/// Every row of the books, table by table. Numbers that an engine gives are left out.
async fn everything(store: &Store) -> Vec<String> {
    let mut rows = Vec::new();
    for question in [
        "SELECT id, received_at, taken_in_at, signature_version, correlation_id, body_encoding, body FROM deliveries \
         ORDER BY id",
        "SELECT portal_id, occurred_at, dedupe_key, delivery_id, member FROM events ORDER BY dedupe_key",
        "SELECT delivery_id, member, cause, raw FROM set_aside ORDER BY delivery_id, member",
        "SELECT portal_id, kind, record_id, generation, wanted_as_of, first_read_at, readings, next_at FROM due \
         ORDER BY portal_id, kind, record_id",
        "SELECT portal_id, kind, record_id, state, merged_into, updated_at, read_at, unsettled, record FROM records \
         ORDER BY portal_id, kind, record_id",
        "SELECT portal_id, record_id, due_date FROM open_invoices ORDER BY portal_id, record_id",
        "SELECT portal_id, kind, record_id, CAST(change_id AS CHAR), change_kind, effective_at, business_date, observed_at, \
         `change` FROM changes ORDER BY seq",
        "SELECT p.report_name, CAST(c.change_id AS CHAR) FROM pending p JOIN changes c ON c.seq = p.change_seq ORDER BY c.seq",
        "SELECT id, name, definition_hash, built_at, document FROM reports ORDER BY id",
        "SELECT r.report_name, CAST(c.change_id AS CHAR), r.report_id FROM report_changes r \
         JOIN changes c ON c.seq = r.change_seq ORDER BY c.seq",
        "SELECT report_name, portal_id, kind, record_id, built_at, report_id, position FROM report_lines ORDER BY built_at",
        "SELECT message_id, report_id, sender, subject, created_at, bytes FROM mails ORDER BY message_id",
        "SELECT message_id, address, state, attempts, next_at, reply, changed_at FROM mail_recipients \
         ORDER BY message_id, address",
        "SELECT name, value FROM facts ORDER BY name",
        "SELECT portal_id, date, record_id, kind, figure, n, entry, face FROM entries ORDER BY date, record_id",
    ] {
        let table = question.split_once("FROM ").unwrap().1.split(' ').next().unwrap();
        for row in sqlx::query(question).fetch_all(store.pool()).await.unwrap() {
            let values: Vec<String> = (0..row.len()).map(|column| value(&row, column)).collect();
            rows.push(format!("{table}: {}", values.join(" | ")));
        }
    }
    rows
}

fn value(row: &AnyRow, column: usize) -> String {
    row.try_get::<Option<i64>, _>(column)
        .map(|number| number.map_or("null".to_owned(), |number| number.to_string()))
        .or_else(|_| row.try_get::<String, _>(column))
        .or_else(|_| row.try_get::<Vec<u8>, _>(column).map(|bytes| format!("{bytes:?}")))
        .unwrap()
}

#[tokio::test]
async fn what_an_ended_process_was_sending_is_sent_at_once_where_nobody_else_can_be_sending_it() {
    let folder = tempfile::tempdir().unwrap();
    for books in [Books::Sqlite(folder.path().join("books.sqlite")), mysql::database().await] {
        let store = Store::open_to_work(&books).await.unwrap();
        store.store_mail(&mail("first@example.com", &["anna@example.com"]), at(60)).await.unwrap();
        let waiting = store.mails_to_send(at(61), 10).await.unwrap().remove(0);
        assert!(store.claim_mail(&waiting, at(1_200), at(62)).await.unwrap());
        let alone = store.engine() == Engine::Sqlite;
        assert_eq!(store.take_up_interrupted_mails(at(70)).await.unwrap(), u64::from(alone), "{books:?}");
        let again = store.mails_to_send(at(if alone { 70 } else { 1_200 }), 10).await.unwrap();
        assert_eq!((again.len(), again[0].state, again[0].attempts), (1, MailState::Sending, 1));
    }
}

#[tokio::test]
async fn the_largest_mail_that_servers_take_is_stored_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for books in [Books::Sqlite(folder.path().join("books.sqlite")), mysql::database().await] {
        let store = Store::open_to_work(&books).await.unwrap();
        // Postfix's limit if nobody sets another (message_size_limit).
        let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(10_240_000).collect();
        let mail = OutgoingMail { bytes, ..mail("month-end@example.com", &["anna@example.com"]) };
        store.store_mail(&mail, at(60)).await.unwrap();
        assert!(store.mail_bytes("month-end@example.com").await.unwrap() == mail.bytes, "{books:?}");
    }
}

async fn tell(store: &Store) {
    facts(store).await;
    deliveries(store).await;
    generations(store).await;
    let won = changes_and_records(store).await;
    reports(store, &won).await;
    mails(store).await;
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_341_600 + seconds).unwrap()
}

async fn facts(store: &Store) {
    assert_eq!(store.fact::<Timestamp>("books_open_at").await.unwrap(), None);
    for seconds in [-60, -30] {
        store.set_fact("books_open_at", &at(seconds)).await.unwrap();
    }
    assert_eq!(store.fact("books_open_at").await.unwrap(), Some(at(-30)), "written over what was there");
    let error = store.fact::<u32>("books_open_at").await.unwrap_err().to_string();
    assert_eq!(error, "the books hold an unreadable value in facts.value");
}

fn digest(name: &str) -> Digest {
    let mut digest = Digest::default();
    digest[..name.len()].copy_from_slice(name.as_bytes());
    digest
}

pub(crate) fn event(key: &str, seconds: i64) -> DeliveredEvent {
    DeliveredEvent {
        portal_id: DEAL.portal_id,
        dedupe_key: digest(key),
        member: 0,
        occurred_at: at(seconds),
        records: vec![DEAL],
        wanted_as_of: Some(at(seconds)),
    }
}

pub(crate) fn delivery(id: &str, mut events: Vec<DeliveredEvent>) -> Delivery {
    for (member, event) in events.iter_mut().enumerate() {
        event.member = member;
    }
    let (signature_version, body) = ("v3".to_owned(), RawBody::Plain(b"[\xff\x00]".to_vec()));
    let set_aside = vec![SetAside { member: 9, cause: "null is no event".to_owned(), raw: "null".to_owned() }];
    Delivery { id: digest(id), received_at: at(0), signature_version, correlation_id: None, body, events, set_aside }
}

async fn due_now(store: &Store, seconds: i64) -> Vec<Due> {
    store.due(DEAL.portal_id, &[Kind::Deal], at(seconds), 10).await.unwrap()
}

async fn deliveries(store: &Store) {
    let first = delivery("first", vec![event("a", 5), event("b", 9), event("c", 7)]);
    let taken = store.take_in(std::slice::from_ref(&first), at(10)).await.unwrap();
    assert_eq!(taken, TakenIn { new_events: 3, repeated_events: 0, set_aside: 1 });
    let wanted = Due {
        record: DEAL,
        generation: 1,
        wanted_as_of: Some(at(9)),
        first_read_at: None,
        readings: 0,
        failures: 0,
        next_at: at(10),
    };
    assert_eq!(
        due_now(store, 10).await,
        std::slice::from_ref(&wanted),
        "three events are one asking, for the newest of them"
    );
    assert_eq!(due_now(store, 9).await, []);

    let taken = store.take_in(std::slice::from_ref(&first), at(11)).await.unwrap();
    assert_eq!(taken, TakenIn { new_events: 0, repeated_events: 3, set_aside: 0 });
    let taken = store.take_in(&[delivery("second", vec![event("b", 9)])], at(11)).await.unwrap();
    assert_eq!(taken, TakenIn { new_events: 0, repeated_events: 1, set_aside: 1 });
    assert_eq!(due_now(store, 11).await, [wanted], "repeats ask for nothing");
    let taken = store.taken_in().await.unwrap();
    assert_eq!(taken, (2, TakenIn { new_events: 3, repeated_events: 0, set_aside: 2 }));
    a_round(store).await;
    let of_another = store.due(1, &[Kind::Deal], at(99), 10).await.unwrap();
    assert_eq!((of_another, store.waiting(1).await.unwrap()), (vec![], (0, None)));
}

/// A round of deliveries is stored as a whole, and each event of it once: whoever came first.
async fn a_round(store: &Store) {
    let before = store.taken_in().await.unwrap();
    let invoice = |number: i64| {
        let records = vec![RecordKey { id: 1_000 + number, ..INVOICE }];
        DeliveredEvent { records, ..event(&format!("round {number}"), number) }
    };
    let of = |id: &str, numbers: std::ops::Range<i64>| Delivery {
        body: RawBody::Gzip(vec![7; 40]),
        ..delivery(id, numbers.map(invoice).collect())
    };
    let round = [of("many", 0..300), of("more", 250..350), of("many", 0..300)];
    let taken = store.take_in(&round, at(9)).await.unwrap();
    assert_eq!(taken, TakenIn { new_events: 350, repeated_events: 350, set_aside: 2 });
    assert_eq!(store.due(DEAL.portal_id, &[Kind::Invoice], at(9), 1_000).await.unwrap().len(), 350);
    let taken = store.take_in(&[of("most", 100..400), of("more", 0..999)], at(10)).await.unwrap();
    assert_eq!(taken, TakenIn { new_events: 50, repeated_events: 250 + 999, set_aside: 1 });
    let due = store.due(DEAL.portal_id, &[Kind::Invoice], at(10), 1_000).await.unwrap();
    assert!(due.len() == 400 && due.iter().all(|due| due.generation == 1), "repeats ask for nothing");
    let (deliveries, taken) = store.taken_in().await.unwrap();
    assert_eq!((deliveries - before.0, taken.new_events - before.1.new_events), (3, 400));
    for due in due {
        let closed = StoredRecord { key: due.record, state: RecordState::Gone, record: None, unsettled: false };
        let outcome = Outcome { due, stored: closed, open_until: None, changes: vec![], payments_follow: false };
        store.settle(&[outcome], &[], |_, _| None, at(10)).await.unwrap();
    }
}

async fn generations(store: &Store) {
    let read = due_now(store, 12).await.remove(0);
    store.put_off(&read, at(12), at(14)).await.unwrap();
    assert_eq!((due_now(store, 13).await, store.waiting(DEAL.portal_id).await.unwrap()), (vec![], (1, Some(at(14)))));
    let again = due_now(store, 14).await.remove(0);
    assert_eq!((again.readings, again.first_read_at, again.generation), (1, Some(at(12)), 1));
    store.put_off(&again, at(14), at(24)).await.unwrap();
    let again = due_now(store, 24).await.remove(0);
    assert_eq!((again.readings, again.first_read_at), (2, Some(at(12))));

    // HubSpot fails over it: that is counted until it is read, whatever asks for it meanwhile.
    store.put_off_failed(std::slice::from_ref(&again), at(24)).await.unwrap();
    let failed = due_now(store, 24).await.remove(0);
    assert_eq!((failed.failures, failed.readings, failed.first_read_at), (1, 2, Some(at(12))));

    // An older event arrives during the reading: another asking, which wants no less than the first.
    store.take_in(&[delivery("third", vec![event("d", 1)])], at(25)).await.unwrap();
    store.put_off(&again, at(25), at(90)).await.unwrap();
    store.put_off_failed(std::slice::from_ref(&again), at(90)).await.unwrap();
    settle(store, &again, record(9, "new", &[(1, "new")]), vec![], 25).await;
    let newer = due_now(store, 25).await.remove(0);
    assert_eq!(newer, Due { generation: 2, next_at: at(25), failures: 1, readings: 0, first_read_at: None, ..read });
    settle(store, &newer, record(9, "new", &[(1, "new")]), vec![], 26).await;
    assert_eq!(store.waiting(DEAL.portal_id).await.unwrap(), (0, None));
}

pub(crate) fn record(updated: i64, stage: &str, history: &[(i64, &str)]) -> Record {
    let entry = |(seconds, value): &(i64, &str)| HistoryEntry {
        at: at(*seconds),
        value: (*value).to_owned(),
        source: "CRM_UI".to_owned(),
        source_id: None,
    };
    Record {
        key: DEAL,
        properties: [("dealstage".to_owned(), stage.to_owned()), ("amount".to_owned(), "12.50".to_owned())].into(),
        history: [("dealstage".to_owned(), history.iter().map(entry).collect())].into(),
        created_at: at(1),
        updated_at: at(updated),
        archived_at: None,
        owner: None,
        team: None,
        pipeline: None,
        company: None,
        invoice: None,
    }
}

fn stored(record: Record, state: RecordState) -> StoredRecord {
    StoredRecord { key: record.key, state, record: Some(record), unsettled: false }
}

async fn settle(store: &Store, due: &Due, record: Record, changes: Vec<NewChange>, seconds: i64) -> u64 {
    let stored = stored(record, RecordState::Known);
    let outcome = Outcome { due: due.clone(), stored, open_until: None, changes, payments_follow: false };
    store.settle(&[outcome], &[], ledger, at(seconds)).await.unwrap()
}

/// What a record's history tells, for the report `deals`.
fn derived(record: &Record) -> Vec<Change> {
    changes::from_history(record, &rules(&stages()))
}

fn ledger(stored: &StoredRecord, _: Option<&StoredRecord>) -> Option<Ledger> {
    let (stages, asked_for, today) = (stages(), BTreeSet::new(), "2026-11-22".parse().unwrap());
    let keeping = Bookkeeping { rules: rules(&stages), today, asked_for: &asked_for };
    Some(keeping.ledger(stored.record.as_ref()?, None, None, false))
}

pub(crate) fn stages() -> Stages {
    let stage = |closing| Stage { label: String::new(), closing };
    Stages([("new", Closing::Open), ("won", Closing::Won)].map(|(id, it)| (id.to_owned(), stage(it))).into())
}

pub(crate) fn rules(stages: &Stages) -> Rules<'_> {
    static ZONE: TimeZone = TimeZone::UTC;
    Rules { books_open_at: at(-30), stages, zone: &ZONE, company_currency: "EUR" }
}

fn for_deals(changes: Vec<Change>) -> Vec<NewChange> {
    changes.into_iter().map(|change| NewChange { change, reports: vec!["deals".to_owned()] }).collect()
}

/// Returns the deal as won.
async fn changes_and_records(store: &Store) -> Record {
    let won = record(40, "won", &[(1, "new"), (40, "won")]);
    let due = Due {
        record: DEAL,
        generation: 2,
        wanted_as_of: None,
        first_read_at: None,
        readings: 0,
        failures: 0,
        next_at: at(26),
    };
    assert_eq!(settle(store, &due, won.clone(), for_deals(derived(&won)), 41).await, 1);
    assert_eq!(settle(store, &due, won.clone(), for_deals(derived(&won)), 42).await, 0, "a change is stored once");
    settle(store, &due, record(30, "new", &[(1, "new")]), vec![], 43).await;
    let books = store.records(&[DEAL, INVOICE]).await.unwrap();
    assert_eq!(books, [stored(won.clone(), RecordState::Known)], "no older version replaces a newer one");

    let pending = store.pending("deals").await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(
        (pending[0].change.kind.as_str(), pending[0].observed_at, pending[0].record_due),
        ("deal.won", at(41), false)
    );
    assert!(store.pending("other").await.unwrap().is_empty());
    store.take_in(&[delivery("fourth", vec![event("e", 44)])], at(44)).await.unwrap();
    assert!(store.pending("deals").await.unwrap()[0].record_due, "more may be coming");

    // The opening balance leaves alone what is there, and asks for what may have changed meanwhile.
    let invoice = Record { key: INVOICE, ..record(20, "", &[]) };
    let due_date = Some("2026-11-20".parse().unwrap());
    let page = [(record(99, "new", &[]), None), (invoice, due_date)]
        .map(|(record, due_date)| (stored(record, RecordState::Known), due_date));
    store.open_with(&page, &[INVOICE], ("opening", &"page 2"), ledger, at(45)).await.unwrap();
    assert_eq!(store.records(&[DEAL]).await.unwrap()[0].record.as_ref(), Some(&won));
    assert_eq!(store.fact::<String>("opening").await.unwrap().as_deref(), Some("page 2"));
    assert_eq!(store.due(DEAL.portal_id, &[Kind::Invoice], at(45), 10).await.unwrap()[0].record, INVOICE);
    let before = |day: &str, after| store.open_invoices_due_before(DEAL.portal_id, day.parse().unwrap(), after, 10);
    assert_eq!(before("2026-11-20", 0).await.unwrap(), []);
    assert_eq!(before("2026-11-21", 0).await.unwrap(), [INVOICE]);
    assert_eq!(before("2026-11-21", INVOICE.id).await.unwrap(), []);
    assert_eq!(store.known_records(DEAL.portal_id, Kind::Invoice).await.unwrap(), 1);

    // A merge closes the loser and asks for the winner, in one transaction.
    let merged = stored(won.clone(), RecordState::Merged { into: 5 });
    let outcome = Outcome { due, stored: merged.clone(), open_until: None, changes: vec![], payments_follow: false };
    let nothing = |_: &StoredRecord, _: Option<&StoredRecord>| Some(Ledger::default());
    store.settle(&[outcome], &[RecordKey { id: 5, ..DEAL }], nothing, at(46)).await.unwrap();
    assert_eq!(store.records(&[DEAL]).await.unwrap(), [merged]);
    assert!(due_now(store, 46).await.iter().any(|due| due.record.id == 5));

    let mut moved = derived(&won).remove(0);
    "calendar".clone_into(&mut moved.id);
    for expected in [1, 0] {
        assert_eq!(store.store_changes(&for_deals(vec![moved.clone()]), at(47)).await.unwrap(), expected);
    }
    won
}

fn mail(message_id: &str, recipients: &[&str]) -> OutgoingMail {
    OutgoingMail {
        message_id: message_id.to_owned(),
        sender: "bell@example.com".to_owned(),
        subject: "1 deal won".to_owned(),
        recipients: recipients.iter().map(|&address| address.to_owned()).collect(),
        bytes: vec![0xff, 0, b'\n'],
    }
}

async fn reports(store: &Store, won: &Record) {
    let (stages, pending) = (Stages(BTreeMap::new()), store.pending("deals").await.unwrap());
    let position = Position::now(won, &rules(&stages));
    let report = |id: &str, changes: Vec<i64>| NewReport {
        id: id.to_owned(),
        name: "deals".to_owned(),
        definition_hash: "hash".to_owned(),
        document: format!("{{\"id\":\"{id}\"}}"),
        changes,
        lines: vec![(DEAL, position.clone())],
    };
    let [first, second] = [pending[0].seq, pending[1].seq];
    let to = mail("first@example.com", &["anna@example.com", "ben@example.com"]);
    assert!(store.store_report(&report("first", vec![first]), Some(&to), at(50)).await.unwrap());
    assert_eq!(store.pending("deals").await.unwrap().len(), 1);
    let reported = store.reported("deals", &[DEAL, INVOICE]).await.unwrap();
    assert_eq!(reported.into_iter().collect::<Vec<_>>(), [(DEAL, (position.clone(), at(50)))]);
    assert_eq!(store.told().await.unwrap(), [(DEAL, pending[0].change.id.clone(), "first".to_owned())]);

    let never = mail("never@example.com", &["anna@example.com"]);
    assert!(!store.store_report(&report("second", vec![second, first]), Some(&never), at(51)).await.unwrap());
    assert_eq!(store.pending("deals").await.unwrap().len(), 1, "nothing of it is stored, not even what was new");
    assert_eq!(store.newest_document("deals").await.unwrap().as_deref(), Some("{\"id\":\"first\"}"));
    assert_eq!(store.mail_states().await.unwrap().len(), 2);

    // Nothing to tell: settled without a mail. The clock has gone back meanwhile, and the line is the newest all the same.
    let mut settled = report("third", vec![second]);
    let mut archived = won.clone();
    archived.archived_at = Some(at(48));
    settled.lines = vec![(DEAL, Position::now(&archived, &rules(&stages)))];
    assert!(store.store_report(&settled, None, at(49)).await.unwrap());
    let (newest, built_at) = store.reported("deals", &[DEAL]).await.unwrap().remove(&DEAL).unwrap();
    assert_eq!((newest, built_at), (settled.lines[0].1.clone(), at(50) + SignedDuration::from_millis(1)));
    assert!(store.pending("deals").await.unwrap().is_empty());
    assert!(store.reported("other", &[DEAL]).await.unwrap().is_empty());
    assert_eq!(store.told_in("deals", &[INVOICE, DEAL]).await.unwrap(), ["first", "third"]);
    assert!(store.told_in("other", &[DEAL]).await.unwrap().is_empty());
    let known =
        [store.has_mail("first@example.com").await.unwrap(), store.has_mail("never@example.com").await.unwrap()];
    assert_eq!(known, [true, false]);
}

async fn mails(store: &Store) {
    store.store_mail(&mail("trouble@example.com", &["owner@example.com"]), at(60)).await.unwrap();
    store.store_mail(&mail("trouble@example.com", &["somebody@example.com"]), at(61)).await.unwrap();
    let waiting = store.mails_to_send(at(61), 10).await.unwrap();
    let addresses: Vec<_> = waiting.iter().map(|mail| (mail.address.as_str(), mail.is_report, mail.attempts)).collect();
    let [anna, ben] = ["anna@example.com", "ben@example.com"];
    assert_eq!(
        addresses,
        [(anna, true, 0), (ben, true, 0), ("owner@example.com", false, 0)],
        "each once, oldest first"
    );
    assert_eq!(waiting[0].sender, "bell@example.com");
    assert_eq!(store.mail_bytes(&waiting[0].message_id).await.unwrap(), [0xff, 0, b'\n']);
    assert!(store.mail_bytes("nobody@example.com").await.is_err());
    assert_eq!(store.mails_to_send(at(61), 1).await.unwrap().len(), 1);

    let [anna, ben, owner] = [&waiting[0], &waiting[1], &waiting[2]];
    for mail in [anna, ben, owner] {
        assert!(store.claim_mail(mail, at(1_200), at(62)).await.unwrap());
        assert!(!store.claim_mail(mail, at(1_200), at(62)).await.unwrap(), "one worker claims it");
    }
    assert!(store.mails_to_send(at(1_199), 10).await.unwrap().is_empty(), "they belong to their sender");
    store.set_mail_state(anna, MailState::Sent, "250 ok", None, at(63)).await.unwrap();
    store.set_mail_state(ben, MailState::Unknown, "lost", Some(at(90)), at(63)).await.unwrap();
    assert_eq!(store.next_mail_at().await.unwrap(), Some(at(90)));
    let states = store.mail_states().await.unwrap();
    let told: Vec<_> = states.iter().map(|it| (it.state.as_str(), it.attempts, it.reply.as_deref())).collect();
    assert_eq!(told, [("sent", 1, Some("250 ok")), ("unknown", 1, Some("lost")), ("sending", 1, None)]);

    assert_eq!(store.mails_to_send(at(1_200), 10).await.unwrap().len(), 2, "what was sent is never sent again");

    assert!(store.keep_mail(owner, at(1_300)).await.unwrap());
    assert!(!store.keep_mail(ben, at(1_300)).await.unwrap(), "its attempt is over");
    assert_eq!(store.mails_to_send(at(1_299), 10).await.unwrap().len(), 1, "the owner's is kept");
    let taken_up = store.mails_to_send(at(1_300), 10).await.unwrap().pop().unwrap();
    assert!(store.claim_mail(&taken_up, at(1_400), at(1_300)).await.unwrap());
    assert!(!store.keep_mail(owner, at(1_500)).await.unwrap(), "another worker has it");
    let state = async || store.mail_states().await.unwrap().pop().unwrap().state;
    store.set_mail_state(owner, MailState::Waiting, "late", Some(at(1_301)), at(1_301)).await.unwrap();
    assert_eq!(state().await, MailState::Sending, "who has lost it does not decide when it is sent again");
    store.set_mail_state(owner, MailState::Sent, "250 late", None, at(1_302)).await.unwrap();
    store.set_mail_state(&taken_up, MailState::Unknown, "lost", Some(at(1_400)), at(1_303)).await.unwrap();
    assert_eq!(state().await, MailState::Sent, "and what a server took was taken");
}
