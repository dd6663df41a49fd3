//! The books: whether they can be reached and written, their layout, and what stands in them that somebody should know.

use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::super::status::{self, BooksStatus};
use super::{Check, certificate, folder_of, room, try_to_write_into, within};
use crate::domain::account::Account;
use crate::store::{Books, Figures, Layout, Look, Store, StoreError, Tls};

const BOOKS: &str = "books";
const LAYOUT: &str = "books' layout";
const TLS: &str = "books' TLS";
const DISK: &str = "books' disk";
const OPENING: &str = "opening balance";
const COMPARED: &str = "completeness";
const RECORDS: &str = "records";
const MAILS: &str = "mails";

/// What is due is read within minutes; after so long something holds it up.
const LONG_DUE: SignedDuration = SignedDuration::from_hours(1);
/// The opening balance of the largest account takes hours.
const LONG_OPENING: SignedDuration = SignedDuration::from_hours(24);
/// The books are compared every night; one may be missed.
const COMPARED_LATELY: SignedDuration = SignedDuration::from_hours(49);

/// All checks of the books, and the account whose books they are.
pub(super) async fn checks(books: Option<&Books>, now: Timestamp) -> (Vec<Check>, Option<Account>) {
    let Some(books) = books else {
        let why = "DATABASE_URL is missing or wrong";
        return (std::iter::once(Check::not_checked(BOOKS, why)).chain(contents_not_checked(why)).collect(), None);
    };
    if let Books::Sqlite(file) = books
        && !file.exists()
    {
        return (before_the_first_start(file), None);
    }
    let looked = within(Store::look(books)).await;
    let mut checks = Vec::new();
    let (mut status, mut account) = (None, None);
    match &looked {
        Err(error) => checks.push(unreachable(books, &error.root_cause().to_string())),
        Ok(look) => {
            checks.push(judge_writing(books, look.unwritable.as_ref()));
            checks.push(judge_layout(look.layout));
            checks.extend(look.tls.iter().flat_map(|tls| judge_tls(books, tls, now)));
            if matches!(look.layout, Layout::Current(_) | Layout::Newer(_)) {
                match within(asked(look)).await {
                    Ok((found, held)) => (status, account) = (Some(found), held),
                    Err(error) => checks.push(unreachable(books, &format!("{error:#}"))),
                }
            }
        }
    }
    if let Books::Sqlite(file) = books {
        checks.push(room(DISK, file));
    }
    checks.extend(match &status {
        Some(status) => contents(status, now),
        None => contents_not_checked(unasked(looked.as_ref().ok())).into(),
    });
    (checks, account)
}

async fn asked(look: &Look) -> Result<(BooksStatus, Option<Account>), StoreError> {
    Ok((BooksStatus::ask(&look.store).await?, look.store.fact("account").await?))
}

fn contents_not_checked(why: &str) -> [Check; 4] {
    [OPENING, COMPARED, RECORDS, MAILS].map(|name| Check::not_checked(name, why))
}

fn before_the_first_start(file: &Path) -> Vec<Check> {
    let books = match try_to_write_into(folder_of(file)) {
        Ok(()) => Check::ok(BOOKS, format!("there is no {} yet; the first start makes it", file.display())),
        Err(error) => Check::wrong(
            BOOKS,
            format!("{} cannot be made: {error}", file.display()),
            "Let the user of the worker write the folder that DATABASE_URL names",
        ),
    };
    [books, room(DISK, file)].into_iter().chain(contents_not_checked("there are no books yet")).collect()
}

fn unasked(look: Option<&Look>) -> &'static str {
    match look.map(|look| look.layout) {
        None | Some(Layout::Current(_) | Layout::Newer(_)) => "the books cannot be asked",
        Some(Layout::Empty | Layout::Older(_)) => "the next start makes the tables that have to be asked",
    }
}

fn unreachable(books: &Books, cause: &str) -> Check {
    let fix = match books {
        Books::Sqlite(_) => {
            "Set DATABASE_URL to the file of the books, and let this user read and write it and its folder"
        }
        Books::MySql(_) => {
            "Check DATABASE_URL, that the server runs and lets this machine and user in; a database that sleeps needs a minute, \
             so run `closing-bell doctor` again"
        }
    };
    Check::wrong(BOOKS, format!("{} cannot be opened: {cause}", place(books)), fix)
}

fn place(books: &Books) -> String {
    match books {
        Books::Sqlite(file) => file.display().to_string(),
        Books::MySql(url) => url.to_string(),
    }
}

fn judge_writing(books: &Books, unwritable: Option<&StoreError>) -> Check {
    let place = place(books);
    let Some(error) = unwritable else { return Check::ok(BOOKS, format!("{place} can be read and written")) };
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let fix = match books {
        Books::Sqlite(_) => "Let this user write the file of DATABASE_URL and the folder that it is in",
        Books::MySql(_) => "Let DATABASE_URL name the server that takes writes, and grant its user ALL on the database",
    };
    Check::wrong(BOOKS, format!("{place} cannot be written: {cause}"), fix)
}

fn judge_layout(layout: Layout) -> Check {
    match layout {
        Layout::Empty => Check::ok(LAYOUT, "there are no tables yet; the first start makes them"),
        Layout::Older(found) => {
            Check::ok(LAYOUT, format!("number {found}, an older one; the next start brings it up to date"))
        }
        Layout::Current(found) => Check::ok(LAYOUT, format!("number {found}, this version's")),
        Layout::Newer(found) => Check::warning(
            LAYOUT,
            format!(
                "number {found}, of a newer version than {}, which has only added to it",
                env!("CARGO_PKG_VERSION")
            ),
            "Update this program to the version that was at work on the books last",
        ),
    }
}

fn judge_tls(books: &Books, tls: &Tls, now: Timestamp) -> Vec<Check> {
    let Books::MySql(url) = books else { return vec![] };
    let Some(cipher) = &tls.cipher else {
        return vec![match url.is_this_machine() {
            true => Check::ok(TLS, "none is needed for a server on this machine"),
            false => Check::wrong(
                TLS,
                "the connection is not encrypted: password and books cross the network in the clear",
                "Take ssl-mode out of DATABASE_URL, and name the server's authority with ssl-ca=PATH if it is a private one",
            ),
        }];
    };
    let end = tls.not_after.as_deref().and_then(|text| {
        let time = DateTime::strptime("%b %e %H:%M:%S %Y GMT", text).ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    vec![match end {
        Some(end) => {
            let check = certificate::judge(TLS, &url.to_string(), end, now);
            Check { told: format!("{cipher}; {}", check.told), ..check }
        }
        None => Check::ok(TLS, format!("{cipher}; the server does not tell until when its certificate is good")),
    }]
}

fn contents(status: &BooksStatus, now: Timestamp) -> Vec<Check> {
    vec![
        judge_opening(status, now),
        judge_compared(status, now),
        judge_records(&status.figures, now),
        judge_mails(&status.figures),
    ]
}

fn judge_opening(status: &BooksStatus, now: Timestamp) -> Check {
    let told = status::opened(status, now);
    match status.open_at {
        Some(at) if !status.opening_done && now.duration_since(at) > LONG_OPENING => Check::warning(
            OPENING,
            told,
            "Read in the worker's log why the opening balance does not come to its end; no report goes out before",
        ),
        _ => Check::ok(OPENING, told),
    }
}

fn judge_compared(status: &BooksStatus, now: Timestamp) -> Check {
    let told = status::compared(status, now);
    let last = status.reconciled.as_ref().map(|result| result.began_at).or(status.open_at);
    match &status.reconciled {
        Some(result) if result.found > 0 && !result.repaired => Check::warning(
            COMPARED,
            told,
            "Run `closing-bell reconcile --repair`, which has the worker read them again",
        ),
        _ if last.is_some_and(|at| now.duration_since(at) > COMPARED_LATELY) => Check::warning(
            COMPARED,
            told,
            "Run `closing-bell reconcile`, and read in the worker's log why it has not done so at night",
        ),
        _ => Check::ok(COMPARED, told),
    }
}

fn judge_records(figures: &Figures, now: Timestamp) -> Check {
    let told = status::records(figures, now);
    if figures.due_at.is_some_and(|at| now.duration_since(at) > LONG_DUE) {
        return Check::warning(RECORDS, told, "Start the worker, or read in its log why it does not read what is due");
    }
    if figures.unsettled > 0 {
        return Check::warning(
            RECORDS,
            told,
            "Run `closing-bell reconcile --repair`, which compares them with HubSpot",
        );
    }
    Check::ok(RECORDS, told)
}

fn judge_mails(figures: &Figures) -> Check {
    let told = status::mails(figures);
    if figures.mails_refused > 0 {
        let fix = "Correct MAIL_TO if an address was wrong, and send the report again with \
                   `closing-bell preview NAME --send-to ADDRESS`";
        return Check::warning(MAILS, told, fix);
    }
    if figures.mails_unknown > 0 {
        return Check::warning(
            MAILS,
            told,
            "Ask who should have them; the worker repeats them until the server takes one",
        );
    }
    Check::ok(MAILS, told)
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;
    use crate::cycle::reconcile::Reconciled;

    fn now() -> Timestamp {
        "2026-11-23T08:00:00Z".parse().unwrap()
    }

    fn mysql(host: &str) -> Books {
        format!("mysql://bell:hush@{host}/books").parse().unwrap()
    }

    #[test]
    fn books_that_cannot_be_used() {
        let file = Books::Sqlite("books.sqlite".into());
        let refused = || StoreError::Database(sqlx::Error::Protocol("read only".to_owned()));
        let mut checks: Vec<Check> = [&file, &mysql("db.example.com")]
            .into_iter()
            .flat_map(|books| {
                [unreachable(books, "no"), judge_writing(books, Some(&refused())), judge_writing(books, None)]
            })
            .collect();
        checks.extend([Layout::Empty, Layout::Older(1), Layout::Current(2), Layout::Newer(9)].map(judge_layout));
        insta::assert_snapshot!(words(&checks), @"
        books           wrong        books.sqlite cannot be opened: no
                        └ fix        Set DATABASE_URL to the file of the books, and let this user read and write it and its folder
        books           wrong        books.sqlite cannot be written: encountered unexpected or invalid data: read only
                        └ fix        Let this user write the file of DATABASE_URL and the folder that it is in
        books           ok           books.sqlite can be read and written
        books           wrong        mysql://db.example.com/books cannot be opened: no
                        └ fix        Check DATABASE_URL, that the server runs and lets this machine and user in; a database that sleeps needs a minute, so run `closing-bell doctor` again
        books           wrong        mysql://db.example.com/books cannot be written: encountered unexpected or invalid data: read only
                        └ fix        Let DATABASE_URL name the server that takes writes, and grant its user ALL on the database
        books           ok           mysql://db.example.com/books can be read and written
        books' layout   ok           there are no tables yet; the first start makes them
        books' layout   ok           number 1, an older one; the next start brings it up to date
        books' layout   ok           number 2, this version's
        books' layout   warning      number 9, of a newer version than 0.1.0, which has only added to it
                        └ fix        Update this program to the version that was at work on the books last

        10 checks: 4 wrong, 1 warning, 5 ok
        ");
    }

    #[test]
    fn encryption_on_the_way_to_the_server() {
        let tls = |cipher: Option<&str>, not_after: Option<&str>| Tls {
            cipher: cipher.map(str::to_owned),
            not_after: not_after.map(str::to_owned),
        };
        let cipher = Some("TLS_AES_256_GCM_SHA384");
        let far = mysql("db.example.com");
        let checks = [
            judge_tls(&mysql("127.0.0.1"), &tls(None, None), now()),
            judge_tls(&far, &tls(None, None), now()),
            judge_tls(&far, &tls(cipher, None), now()),
            judge_tls(&far, &tls(cipher, Some("Nov 14 08:00:00 2027 GMT")), now()),
            judge_tls(&far, &tls(cipher, Some("Dec  1 08:00:00 2026 GMT")), now()),
        ];
        insta::assert_snapshot!(words(&checks.concat()), @"
        books' TLS      ok           none is needed for a server on this machine
        books' TLS      wrong        the connection is not encrypted: password and books cross the network in the clear
                        └ fix        Take ssl-mode out of DATABASE_URL, and name the server's authority with ssl-ca=PATH if it is a private one
        books' TLS      ok           TLS_AES_256_GCM_SHA384; the server does not tell until when its certificate is good
        books' TLS      ok           TLS_AES_256_GCM_SHA384; the certificate of mysql://db.example.com/books is good until 2027-11-14 08:00:00Z (356 days left)
        books' TLS      warning      TLS_AES_256_GCM_SHA384; the certificate of mysql://db.example.com/books is good until 2026-12-01 08:00:00Z (8 days left)
                        └ fix        Renew the certificate of mysql://db.example.com/books, and find out why that has not happened by itself

        5 checks: 1 wrong, 1 warning, 3 ok
        ");
    }

    fn status(figures: Figures, reconciled: Option<Reconciled>) -> BooksStatus {
        BooksStatus {
            open_at: Some(now() - SignedDuration::from_hours(72)),
            opening_done: true,
            opening_left_out: Vec::new(),
            last_work: None,
            reconciled,
            figures,
        }
    }

    fn compared(hours_ago: i64, found: u64, repaired: bool) -> Option<Reconciled> {
        let began_at = now() - SignedDuration::from_hours(hours_ago);
        Some(Reconciled { began_at, ended_at: began_at, listed: 1_204, found, repaired, left_out: vec![] })
    }

    #[test]
    fn what_stands_in_them() {
        let none = Figures::default();
        let late = Figures { due: 3, due_at: Some(now() - SignedDuration::from_hours(2)), ..none.clone() };
        let unsettled = Figures { unsettled: 2, ..none.clone() };
        let refused = Figures { mails_refused: 1, mails_unknown: 1, ..none.clone() };
        let unknown = Figures { mails_unknown: 1, ..none.clone() };
        let opening = BooksStatus { opening_done: false, ..status(none.clone(), None) };
        let mut checks = contents(&status(none.clone(), compared(9, 0, false)), now());
        checks.push(judge_opening(&opening, now()));
        for reconciled in [None, compared(50, 0, false), compared(9, 3, true), compared(9, 3, false)] {
            checks.push(judge_compared(&status(none.clone(), reconciled), now()));
        }
        checks.extend([late, unsettled].map(|figures| judge_records(&figures, now())));
        checks.extend([refused, unknown].map(|figures| judge_mails(&figures)));
        insta::assert_snapshot!(words(&checks), @"
        opening balance ok           open since 2026-11-20 08:00:00Z (3 days ago)
        completeness    ok           compared with HubSpot 9 hours ago: of 1204 records the books agreed
        records         ok           none has to be read
        mails           ok           all are sent
        opening balance warning      opened 3 days ago; what was there before is still being taken in
                        └ fix        Read in the worker's log why the opening balance does not come to its end; no report goes out before
        completeness    warning      all records were taken in from HubSpot 3 days ago; the worker compares them every night
                        └ fix        Run `closing-bell reconcile`, and read in the worker's log why it has not done so at night
        completeness    warning      compared with HubSpot 2 days ago: of 1204 records the books agreed
                        └ fix        Run `closing-bell reconcile`, and read in the worker's log why it has not done so at night
        completeness    ok           compared with HubSpot 9 hours ago: of 1204 records 3 differed and were read again
        completeness    warning      compared with HubSpot 9 hours ago: of 1204 records 3 differed and were left so
                        └ fix        Run `closing-bell reconcile --repair`, which has the worker read them again
        records         warning      3 to read, the first was due 2 hours ago
                        └ fix        Start the worker, or read in its log why it does not read what is due
        records         warning      none has to be read; of 2 HubSpot never showed what it had told
                        └ fix        Run `closing-bell reconcile --repair`, which compares them with HubSpot
        mails           warning      1 perhaps sent: nobody knows whether they arrived, 1 refused or given up; the owner was told
                        └ fix        Correct MAIL_TO if an address was wrong, and send the report again with `closing-bell preview NAME --send-to ADDRESS`
        mails           warning      1 perhaps sent: nobody knows whether they arrived
                        └ fix        Ask who should have them; the worker repeats them until the server takes one

        13 checks: 8 warning, 5 ok
        ");
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let told = &before_the_first_start(Path::new("/no/such/books.sqlite"))[..1];
        insta::assert_snapshot!(words(told), @"
        books           wrong        /no/such/books.sqlite cannot be made: No such file or directory (os error 2)
                        └ fix        Let the user of the worker write the folder that DATABASE_URL names

        1 check: 1 wrong
        ");
    }

    #[tokio::test]
    async fn a_look_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("books.sqlite");
        let books = Books::Sqlite(file.clone());
        let mut told = Vec::new();
        let mut look = async || {
            let (mut checks, account) = checks(Some(&books), now()).await;
            checks.retain(|check| check.check != DISK);
            told.extend(checks);
            account
        };
        assert_eq!(look().await, None);
        assert!(!file.exists());
        std::fs::write(&file, "").unwrap();
        assert_eq!(look().await, None);
        // A worker has them, and does not mind.
        let store = Store::open_to_work(&books).await.unwrap();
        let account = Account {
            portal_id: 7,
            company_currency: "EUR".to_owned(),
            time_zone: "UTC".to_owned(),
            ui_domain: "app.hubspot.com".to_owned(),
        };
        store.set_fact("account", &account).await.unwrap();
        assert_eq!(look().await.as_ref(), Some(&account));
        let newest =
            "UPDATE _sqlx_migrations SET version = 9000 WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)";
        sqlx::query(newest).execute(store.pool()).await.unwrap();
        assert_eq!(look().await, Some(account));
        let told = words(&told).replace(&folder.path().display().to_string(), "[folder]");
        // Which number it is changes with every new table.
        insta::with_settings!({filters => [(r"number \d+", "number [layout]")]}, {
            insta::assert_snapshot!(told, @"
            books           ok           there is no [folder]/books.sqlite yet; the first start makes it
            opening balance not checked  there are no books yet
            completeness    not checked  there are no books yet
            records         not checked  there are no books yet
            mails           not checked  there are no books yet
            books           ok           [folder]/books.sqlite can be read and written
            books' layout   ok           there are no tables yet; the first start makes them
            opening balance not checked  the next start makes the tables that have to be asked
            completeness    not checked  the next start makes the tables that have to be asked
            records         not checked  the next start makes the tables that have to be asked
            mails           not checked  the next start makes the tables that have to be asked
            books           ok           [folder]/books.sqlite can be read and written
            books' layout   ok           number [layout], this version's
            opening balance ok           not open yet; the first cycle opens them
            completeness    ok           not compared with HubSpot yet; the worker does so every night
            records         ok           none has to be read
            mails           ok           all are sent
            books           ok           [folder]/books.sqlite can be read and written
            books' layout   warning      number [layout], of a newer version than 0.1.0, which has only added to it
                            └ fix        Update this program to the version that was at work on the books last
            opening balance ok           not open yet; the first cycle opens them
            completeness    ok           not compared with HubSpot yet; the worker does so every night
            records         ok           none has to be read
            mails           ok           all are sent

            23 checks: 1 warning, 8 not checked, 14 ok
            ");
        });
    }
}
