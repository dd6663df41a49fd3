//! What was looked at, in words. Record text goes into the templates as it is, and the engine escapes it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};
use serde::Serialize;

use super::look::{BooksLook, Looked, OneMail, REFUSED_DAYS};
use super::mail::{self, Rendered};
use super::progress::Seen;
use crate::commands::operator::{ago, count};
use crate::commands::status;
use crate::store::{Glance, MOST_COUNTED, MailHead, MailState, Recipient};

/// How many recipients are told in the outbox; the mail's own page has the others.
const FIRST: usize = 3;

/// A moment, for people and for programs.
#[derive(Debug, Serialize)]
struct Moment {
    iso: String,
    text: String,
    whole: String,
}

/// One place of the line.
#[derive(Debug, Serialize)]
struct Station {
    name: &'static str,
    /// `None` where it could not be asked.
    count: Option<String>,
    /// `idle`, `busy` or `bad`.
    state: &'static str,
    meaning: String,
    more: String,
}

#[derive(Debug, Serialize)]
struct Mail {
    href: String,
    id: String,
    subject: String,
    is_report: bool,
    at: Moment,
    recipients: Vec<ToWhom>,
    others: usize,
}

#[derive(Debug, Serialize)]
struct ToWhom {
    address: String,
    state: &'static str,
    words: &'static str,
    reply: Option<String>,
    attempts: u64,
    at: Moment,
    next_at: Option<Moment>,
}

#[derive(Debug, Serialize)]
struct Letter {
    cause: String,
    at: Moment,
    more: String,
}

/// The whole page.
pub(super) fn overview(looked: &Looked) -> String {
    let troubles = troubles(looked);
    let (now, zone) = (looked.now, &looked.zone);
    let when = |at: Timestamp| moment(at, zone, now);
    let (mut mails, mut set_aside, mut has_newer, mut older) = (Vec::new(), Vec::new(), false, None);
    if let Ok(books) = &looked.books {
        mails.extend(books.mails.iter().map(|head| outline(head, zone, now, FIRST)));
        set_aside.extend(books.set_aside.iter().map(|event| Letter {
            cause: event.cause.clone(),
            at: when(event.received_at),
            more: format!("event {} of its delivery", event.member + 1),
        }));
        has_newer = books.has_newer;
        older =
            books.mails.last().filter(|_| books.has_older).map(|last| mail::place(last.created_at, &last.message_id));
    }
    let mut letters = Vec::new();
    if let Ok((_, dead)) = &looked.queue {
        letters.extend(dead.iter().map(|letter| {
            let size = count(letter.size_bytes, "byte");
            let received = match letter.received {
                None => String::new(),
                Some(1) => ", handed out once".to_owned(),
                Some(times) => format!(", handed out {times} times"),
            };
            Letter { cause: letter.cause.clone(), at: when(letter.at), more: format!("{size}{received}") }
        }));
    }
    let content = render(
        include_str!("templates/overview.html"),
        context! {
            verdict => verdict(looked, troubles.len()),
            troubles => Serde(&troubles),
            line => Serde(line(looked)),
            facts => Serde(facts(looked)),
            mails => Serde(mails),
            mails_known => looked.books.is_ok(),
            has_newer => has_newer,
            older => older,
            letters => Serde(letters),
            letters_known => looked.queue.is_ok(),
            set_aside => Serde(set_aside),
            now => Serde(when(now)),
            zone => zone_name(zone),
        },
    );
    let title = match troubles.len() {
        0 => "Closing Bell".to_owned(),
        some => format!("({some}) Closing Bell"),
    };
    shell(&title, &content, true)
}

/// One mail, as it was sent.
pub(super) fn one_mail(mail: &OneMail, shown: &Rendered, now: Timestamp) -> String {
    let outline = outline(&mail.head, &mail.zone, now, usize::MAX);
    let content = render(
        include_str!("templates/mail.html"),
        context! {
            mail => Serde(&outline),
            sender => &mail.head.sender,
            message_id => &mail.head.message_id,
            has_html => shown.html.is_some(),
            text => &shown.text,
            files => Serde(&shown.files),
            zone => zone_name(&mail.zone),
        },
    );
    shell(&outline.subject, &content, true)
}

/// A page that says one thing.
pub(super) fn sentence(title: &str, text: &str) -> String {
    let content = render(include_str!("templates/sentence.html"), context! { title => title, text => text });
    shell(title, &content, false)
}

fn shell(title: &str, content: &str, is_live: bool) -> String {
    let content = Value::from_safe_string(content.to_owned());
    let template = include_str!("templates/shell.html");
    render(template, context! { title => title, content => content, is_live => is_live, version => crate::VERSION })
}

fn render(template: &str, values: Value) -> String {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("these are the standard delimiters"));
    let rendered = environment.render_named_str("page.html", template, values);
    rendered.expect("the templates are part of the program and are rendered by the tests")
}

/// The one sentence that says how it stands.
fn verdict(looked: &Looked, troubles: usize) -> String {
    let is_opening = looked.books.as_ref().is_ok_and(|books| !books.status.opening_done);
    match (troubles, waiting(looked)) {
        (0, _) if is_opening => {
            "The books are being opened: everything in HubSpot is taken in, and none of it is mailed as news."
                .to_owned()
        }
        (0, 0) => "All is well. Everything that was received is read and reported.".to_owned(),
        (0, waiting) => format!("All is well, and {} on the way.", are(waiting, "thing is", "things are")),
        (troubles, _) => format!("{} a look.", are(troubles as u64, "thing needs", "things need")),
    }
}

/// Everything that is known to be on its way.
fn waiting(looked: &Looked) -> u64 {
    let in_queue = looked.queue.as_ref().map_or(0, |(queue, _)| queue.messages);
    let in_books = |books: &BooksLook| books.glance.due + books.glance.pending + books.glance.mails_waiting;
    in_queue + looked.books.as_ref().map_or(0, in_books)
}

/// What somebody should look at.
fn troubles(looked: &Looked) -> Vec<String> {
    let mut troubles = Vec::new();
    if let Err(problem) = &looked.books {
        troubles.push(format!("The books cannot be read: {problem}"));
    }
    if let Err(problem) = &looked.queue {
        troubles.push(format!("The queue cannot be read: {problem}"));
    }
    if looked.progress.heartbeat.check(looked.now).is_err() {
        troubles.push("The worker is stuck: its cycle does not end.".to_owned());
    }
    troubles.extend(looked.progress.problems.iter().map(|problem| format!("The last cycle had a problem: {problem}")));
    if let Ok((queue, _)) = &looked.queue
        && queue.dead_letters > 0
    {
        let number = are(queue.dead_letters, "delivery", "deliveries");
        troubles.push(format!("{number} could not be taken in: see the dead letters."));
    }
    if let Ok(books) = &looked.books {
        let (refused, unknown) = (books.refused, books.glance.mails_unknown);
        if refused > 0 {
            troubles.push(format!(
                "{} refused or given up in the last {REFUSED_DAYS} days.",
                are(refused, "mail was", "mails were")
            ));
        }
        if unknown > 0 {
            troubles.push(format!("{} perhaps sent: no answer came.", are(unknown, "mail was", "mails were")));
        }
    }
    troubles
}

/// Received, waiting, read, reported, failed.
fn line(looked: &Looked) -> [Station; 5] {
    let books = looked.books.as_ref().ok();
    let queue = looked.queue.as_ref().ok().map(|(waiting, _)| *waiting);
    let glance = books.map(|books| &books.glance);
    let clock = |at: Timestamp| on_or_at(at, &looked.zone, looked.now);
    let station = |name, count: Option<u64>, busy, meaning: &str, more: String| Station {
        name,
        count: count.map(capped),
        state: if count.is_some_and(|count| count > 0) { busy } else { "idle" },
        meaning: meaning.to_owned(),
        more: if count.is_some() { more } else { "This cannot be read now.".to_owned() },
    };
    let newest = glance.and_then(|glance| glance.newest_delivery_at);
    let received = newest.map_or("None has come yet.".to_owned(), |at| format!("The newest came {}.", clock(at)));
    let in_queue = queue.zip(glance).map(|(queue, glance)| queue.messages + glance.due);
    let oldest = queue.and_then(|queue| queue.oldest_at);
    let waits = match (queue, glance) {
        (Some(queue), Some(glance)) if queue.messages + glance.due > 0 => {
            let since = oldest.map_or(String::new(), |at| format!(", the oldest sent {}", clock(at)));
            format!("{} in the queue{since}; {} to read.", capped(queue.messages), records(glance))
        }
        _ => "Nothing waits.".to_owned(),
    };
    let read = count(looked.progress.records_read, "record");
    let pending = glance.map_or(0, |glance| glance.pending);
    let told = match pending {
        0 => "Nothing is left to tell.".to_owned(),
        pending => format!("{} until the record is quiet.", are(pending, "change waits", "changes wait")),
    };
    let failed = books.zip(queue).map(|(books, queue)| books.refused + queue.dead_letters);
    [
        station("Received", glance.map(|glance| glance.deliveries), "busy", "deliveries from HubSpot today", received),
        station("Waiting", in_queue, "busy", "deliveries and records on the way", waits),
        Station {
            count: glance
                .map(|glance| if glance.changes >= 1_000 { "1,000+".to_owned() } else { glance.changes.to_string() }),
            ..station(
                "Read",
                glance.map(|glance| glance.changes),
                "busy",
                "finance changes found today",
                format!(
                    "{read} read from HubSpot since {}.",
                    moment(looked.progress.heartbeat.started_at, &looked.zone, looked.now).text
                ),
            )
        },
        station("Reported", glance.map(|glance| glance.reports), "busy", "report mails today", told),
        station(
            "Failed",
            failed,
            "bad",
            "deliveries and mails given up",
            failures(books, queue.map(|queue| queue.dead_letters)),
        ),
    ]
}

fn failures(books: Option<&BooksLook>, dead_letters: Option<u64>) -> String {
    let (Some(books), Some(dead)) = (books, dead_letters) else { return String::new() };
    if dead + books.refused == 0 {
        return "Nothing was given up.".to_owned();
    }
    let dead = are(dead, "dead letter", "dead letters");
    format!("{dead}; {} in {REFUSED_DAYS} days.", are(books.refused, "mail refused", "mails refused"))
}

fn records(glance: &Glance) -> String {
    are(glance.due, "record", "records")
}

/// The worker, HubSpot and the books, a sentence each.
fn facts(looked: &Looked) -> Vec<(&'static str, String)> {
    let (now, progress) = (looked.now, &looked.progress);
    let mut facts = vec![
        ("Last cycle", sentence_of(&status::worker(Some(&progress.heartbeat), now))),
        ("Next cycle", next_cycle(progress, looked)),
    ];
    if let Ok(books) = &looked.books {
        let opened = match books.status.open_at {
            None => "Not open yet; the first cycle opens them.".to_owned(),
            Some(at) => {
                let at = moment(at, &looked.zone, now).text;
                let done = "every change since then is in them.";
                let going_on = "what was there before is still being taken in.";
                format!("Open since {at}; {}", if books.status.opening_done { done } else { going_on })
            }
        };
        // The demo's worker writes down nothing of it.
        if books.status.last_work.is_some() {
            facts.push(("HubSpot", sentence_of(&status::hubspot(&books.status, now))));
        }
        facts.extend([
            ("Books", opened),
            ("Completeness", sentence_of(&status::compared(&books.status, now))),
            ("Mails", sentence_of(&status::mails(&books.status.figures))),
        ]);
    }
    facts
}

fn next_cycle(progress: &Seen, looked: &Looked) -> String {
    match progress.next_at {
        Some(at) if at > looked.now => format!("At {}.", at.to_zoned(looked.zone.clone()).strftime("%H:%M:%S")),
        Some(_) => "Now: one is running.".to_owned(),
        None => format!("The first one is running; it began {}.", ago(progress.heartbeat.started_at, looked.now)),
    }
}

/// `nothing is due` as a sentence of its own.
fn sentence_of(words: &str) -> String {
    let mut rest = words.chars();
    rest.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), rest.as_str()))
}

fn outline(head: &MailHead, zone: &TimeZone, now: Timestamp, most: usize) -> Mail {
    let key = mail::key(&head.message_id);
    Mail {
        href: format!("/mails/{key}"),
        id: format!("mail-{key}"),
        subject: head.subject.clone(),
        is_report: head.is_report,
        at: moment(head.created_at, zone, now),
        recipients: head.recipients.iter().take(most).map(|to| to_whom(to, zone, now)).collect(),
        others: head.recipients.len().saturating_sub(most),
    }
}

fn to_whom(recipient: &Recipient, zone: &TimeZone, now: Timestamp) -> ToWhom {
    ToWhom {
        address: recipient.address.clone(),
        state: recipient.state.as_str(),
        words: match recipient.state {
            MailState::Waiting => "to be sent",
            MailState::Sending => "being sent",
            MailState::Unknown => "perhaps sent",
            MailState::Sent => "sent",
            MailState::Refused => "refused",
        },
        reply: recipient.reply.clone().filter(|reply| !reply.is_empty()),
        attempts: recipient.attempts,
        at: moment(recipient.changed_at, zone, now),
        next_at: recipient.next_at.map(|at| moment(at, zone, now)),
    }
}

/// Today's moments by their time, older ones with their date.
fn moment(at: Timestamp, zone: &TimeZone, now: Timestamp) -> Moment {
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let text = if at.date() == now.date() { at.strftime("%H:%M") } else { at.strftime("%-d %b %Y, %H:%M") };
    Moment {
        iso: at.timestamp().to_string(),
        text: text.to_string(),
        whole: at.strftime("%A, %-d %B %Y, %H:%M:%S %Z").to_string(),
    }
}

/// `at 14:05`, or `on 22 Nov 2026, 14:05`.
fn on_or_at(at: Timestamp, zone: &TimeZone, now: Timestamp) -> String {
    let text = moment(at, zone, now).text;
    if text.len() == "14:05".len() { format!("at {text}") } else { format!("on {text}") }
}

fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("UTC").to_owned()
}

/// `1 thing is`, `2 things are`, `10,000+ things are`.
fn are(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", capped(number), if number == 1 { one } else { many })
}

/// A count, which goes no further than [`MOST_COUNTED`].
fn capped(number: u64) -> String {
    let more = if number >= MOST_COUNTED { "+" } else { "" };
    let number = number.min(MOST_COUNTED);
    match (number / 1_000, number % 1_000) {
        (0, rest) => format!("{rest}{more}"),
        (thousands, rest) => format!("{thousands},{rest:03}{more}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_moments_as_one_reads_them() {
        assert_eq!(
            [0, 999, 1_000, 9_999, 10_000, 20_001].map(capped),
            ["0", "999", "1,000", "9,999", "10,000+", "10,000+"]
        );
        assert_eq!(
            [are(1, "mail was", "mails were"), are(2, "mail was", "mails were")],
            ["1 mail was", "2 mails were"]
        );
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now = "2026-11-22T23:30:00Z".parse().unwrap();
        let told = |at: &str| moment(at.parse().unwrap(), &zone, now);
        assert_eq!(told("2026-11-22T23:05:09Z").text, "00:05");
        assert_eq!(told("2026-11-22T22:05:09Z").text, "22 Nov 2026, 23:05");
        assert_eq!(told("2026-07-01T10:00:00Z").whole, "Wednesday, 1 July 2026, 12:00:00 CEST");
        assert_eq!(sentence_of("all are sent"), "All are sent.");
    }
}
