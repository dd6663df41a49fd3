//! The books: whether they can be reached and written, their layout, and what stands in them that somebody should know.

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
    let Some(books) = books else { return (contents_not_checked("DATABASE_URL is missing or wrong"), None) };
    if let Books::Sqlite(file) = books {
        if !file.exists() {
            let told = format!("there is no {} yet; the first start makes it", file.display());
            let first = match try_to_write_into(folder_of(file)) {
                Ok(()) => Check::ok(BOOKS, told),
                Err(error) => Check::wrong(
                    BOOKS,
                    format!("{} cannot be made: {error}", file.display()),
                    "Let the user of the worker write the folder that DATABASE_URL names",
                ),
            };
            let mut checks = vec![first, room(DISK, file)];
            checks.extend(contents_not_checked("there are no books yet").into_iter().skip(1));
            return (checks, None);
        }
    }
    let looked = within(Store::look(books)).await;
    let mut checks = Vec::new();
    let (mut status, mut account) = (None, None);
    match &looked {
        Err(error) => checks.push(unreachable(books, &format!("{error:#}"))),
        Ok(look) => {
            checks.push(judge_writing(books, look.unwritable.as_ref()));
            checks.push(judge_layout(look.layout));
            checks.extend(look.tls.iter().flat_map(|tls| judge_tls(books, tls, now)));
            if matches!(look.layout, Layout::Current(_)) {
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
        None => contents_not_checked("the books cannot be asked").into_iter().skip(1).collect(),
    });
    (checks, account)
}

async fn asked(look: &Look) -> Result<(BooksStatus, Option<Account>), StoreError> {
    Ok((BooksStatus::ask(&look.store).await?, look.store.fact("account").await?))
}

fn contents_not_checked(why: &str) -> Vec<Check> {
    [BOOKS, OPENING, COMPARED, RECORDS, MAILS].map(|name| Check::not_checked(name, why)).into()
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
        Layout::Newer(found) => Check::wrong(
            LAYOUT,
            format!("number {found}, which only a newer version than {} knows", env!("CARGO_PKG_VERSION")),
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
            Check { told: format!("{cipher}; the certificate, {}", check.told), ..check }
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
    let told = status::compared(status.reconciled.as_ref(), now);
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
mod tests {}
