//! One report of the file.

use super::filter::filter;
use super::table::{Faults, Found, Table};
use crate::domain::changes::ChangeKind;
use crate::domain::period::Cadence;
use crate::domain::record::Kind;
use crate::mailer::check_address;
use crate::report::{Attachment, Dates, Definition, Language, Locale, Schedule, SectionKind, Trigger};

pub(super) const KEYS: [&str; 14] = [
    "on",
    "schedule",
    "at",
    "title",
    "to",
    "cc",
    "bcc",
    "sections",
    "attachments",
    "skip_if_empty",
    "language",
    "dates",
    "dry_run_until",
    "filter",
];

/// When a scheduled report goes out unless it is told otherwise: before anybody is at work.
const AT: jiff::civil::Time = jiff::civil::time(7, 0, 0, 0);

/// The longest name of a report, which is part of file names and Message-IDs.
const MAX_NAME: usize = 60;

/// The longest title, which is the beginning of a subject.
const MAX_TITLE_CHARACTERS: usize = 80;

/// Reads a report. What it does not say of its language is as in `locale`.
pub(super) fn report(
    name: &str,
    table: &Table<'_>,
    locale: Locale,
    mail_to_is_set: bool,
    faults: &mut Faults,
) -> Option<Definition> {
    let known = faults.found.len();
    table.only(&KEYS, faults);
    if !is_name(name) {
        let what = format!(
            "is no name for a report; write one of lower-case letters, digits and hyphens, such as month-end, of at most {MAX_NAME} characters"
        );
        faults.add(table.at, format!("{}: {what}", table.path));
    }
    let title = table.text("title", "Month end", faults).and_then(|found| found.read(faults, |text| title(text)));
    let mut everybody = Vec::new();
    let mut people = |name, faults: &mut Faults| recipients(table, name, &mut everybody, faults);
    let (to, cc, bcc) = (people("to", faults), people("cc", faults), people("bcc", faults));
    if !table.has("to") && !mail_to_is_set {
        let what = "nobody gets it: MAIL_TO is not set; write to = [\"finance@example.com\"], or set MAIL_TO";
        faults.missing(table.at, format!("{}: {what}", table.key("to")));
    }
    let language = table.word("language", &Language::ALL, faults).unwrap_or(locale.language);
    let dates = table.word("dates", &Dates::ALL, faults).unwrap_or(locale.dates);
    let attachments = table.words("attachments", &Attachment::ALL, faults);
    let dry_run_until = table.date("dry_run_until", faults);
    let trigger = trigger(table, faults);
    let skip_if_empty = table.flag("skip_if_empty", faults);
    if skip_if_empty.is_some() && matches!(trigger, Some(Trigger::On(_))) {
        let what = "is only for scheduled reports; one with `on` comes when there is something to tell: take it out";
        table.refuse("skip_if_empty", what, faults);
    }
    let filter = filter(table, faults);
    let sections = table.words("sections", &SectionKind::ALL, faults);
    let mut definition = Definition::new(name, trigger?);
    if filter.as_ref().is_some_and(|filter| !filter.pipelines.is_empty()) {
        if matches!(definition.trigger, Trigger::Schedule(_)) && sections.is_none() {
            definition.sections.retain(|section| !shows_invoices(*section));
        } else if sections.as_ref().map_or_else(
            || definition.sections.iter().any(|section| shows_invoices(*section)),
            |given| given.iter().any(|section| shows_invoices(section.value)),
        ) {
            let what = "only deals have a pipeline, and this report tells of invoices; define a report for each";
            faults.add(table.at_key("filter"), format!("{}.filter.pipeline: {what}", table.path));
        }
    }
    if let Some(given) = sections {
        allowed(&given, &definition.trigger, table, faults);
        definition.sections = given.into_iter().map(|section| section.value).collect();
    }
    let values = |found: Option<Vec<Found<_>>>| found.into_iter().flatten().map(|found| found.value).collect();
    let definition = Definition {
        title,
        to,
        cc,
        bcc,
        filter: filter?,
        attachments: values(attachments),
        skip_if_empty: skip_if_empty.unwrap_or(false),
        locale: Locale { language, dates },
        dry_run_until,
        ..definition
    };
    (faults.found.len() == known).then_some(definition)
}

fn shows_invoices(section: SectionKind) -> bool {
    section.is_about(Kind::Invoice)
}

fn is_name(name: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    name.len() <= MAX_NAME && name.split('-').all(is_word)
}

fn title(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("is empty; write one such as \"Month end\", or leave the key out".to_owned()),
        title if title.chars().any(char::is_control) => Err("has more than one line; write it in one".to_owned()),
        title if title.chars().count() > MAX_TITLE_CHARACTERS => Err(format!(
            "is longer than {MAX_TITLE_CHARACTERS} characters, which leave no room in a subject for the news"
        )),
        title => Ok(title.to_owned()),
    }
}

/// The recipients under a key; nobody is one twice, under whatever key.
fn recipients(
    table: &Table<'_>,
    name: &'static str,
    everybody: &mut Vec<(&'static str, String)>,
    faults: &mut Faults,
) -> Vec<String> {
    let mut people = Vec::new();
    for found in table.texts(name, "finance@example.com", faults).into_iter().flatten() {
        let address = found.read(faults, |text| {
            let address = check_address(text).map_err(|error| format!("{error}; write name@example.com"))?;
            match everybody.iter().find(|(_, other)| other.eq_ignore_ascii_case(&address)) {
                Some((other, _)) => Err(format!("{address} is in {other} already; once is enough")),
                None => Ok(address),
            }
        });
        if let Some(address) = address {
            everybody.push((name, address));
            people.push(found.value.trim().to_owned());
        }
    }
    people
}

/// After changes, or after each period.
fn trigger(table: &Table<'_>, faults: &mut Faults) -> Option<Trigger> {
    let at = table.time("at", faults);
    match (table.has("on"), table.has("schedule")) {
        (true, true) => {
            let what = "is beside `on`; a report comes after changes or after each period: take one of them out";
            table.refuse("schedule", what, faults);
            None
        }
        (false, false) => {
            let what = "says neither `on` nor `schedule`; write on = [\"deal.won\"] or schedule = \"monthly\"";
            faults.missing(table.at, format!("{}: {what}", table.path));
            None
        }
        (true, false) => {
            if table.has("at") {
                let what = "is only for scheduled reports; one with `on` comes when there is news: take it out";
                table.refuse("at", what, faults);
            }
            let kinds = table.words("on", &ChangeKind::ALL, faults)?;
            for kind in &kinds {
                news_of(kind, &kinds, faults);
            }
            Some(Trigger::On(kinds.into_iter().map(|kind| kind.value).collect()))
        }
        (false, true) => {
            let cadences = Cadence::ALL.map(|cadence| (cadence, cadence.as_str()));
            let cadence = table.word("schedule", &cadences, faults)?;
            Some(Trigger::Schedule(Schedule { cadence, at: at.unwrap_or(AT) }))
        }
    }
}

/// What only corrects is worth naming beside what it corrects, and nothing by itself.
fn news_of(kind: &Found<ChangeKind>, all: &[Found<ChangeKind>], faults: &mut Faults) {
    let family = |kind: ChangeKind| kind.as_str().split_once('.').map_or("", |(family, _)| family);
    let is_same = |other: &str| match family(kind.value) {
        "record" => true,
        "deal" => other == "deal",
        _ => other != "deal",
    };
    let is_told = |other: &Found<ChangeKind>| SectionKind::of(other.value).is_some() && is_same(family(other.value));
    if SectionKind::of(kind.value).is_none() && !all.iter().any(is_told) {
        let example = if family(kind.value) == "deal" { "deal.won" } else { "invoice.created" };
        let what = format!(
            "{} only corrects what the report told, and comes by itself; name what it tells, such as {example}",
            kind.value.as_str()
        );
        faults.add(kind.at, format!("{}: {what}", kind.key));
    }
}

/// Whether the report can have these sections, and has one for all of its news.
fn allowed(given: &[Found<SectionKind>], trigger: &Trigger, table: &Table<'_>, faults: &mut Faults) {
    for section in given.iter().filter(|section| !trigger.may_have(section.value)) {
        let word = section.value.as_str();
        let told_by = ChangeKind::ALL.iter().find(|(kind, _)| SectionKind::of(*kind) == Some(section.value));
        let what = match told_by {
            Some((_, kind)) => format!("{word} has nothing to show; add {kind:?} to `on`, or take it out"),
            None if section.value == SectionKind::NonBillable => {
                format!("{word} has nothing to show; add \"invoice.created\" to `on`, or take it out")
            }
            None => format!("{word} shows a period; it is for reports with `schedule`"),
        };
        faults.add(section.at, format!("{}: {what}", section.key));
    }
    let has = |section| given.iter().any(|it| it.value == section);
    match trigger {
        Trigger::On(kinds) => {
            for (kind, section) in kinds.iter().filter_map(|&kind| Some((kind, SectionKind::of(kind)?))) {
                if !has(section) {
                    let what = format!("lacks {:?}, where {} is told; add it", section.as_str(), kind.as_str());
                    table.refuse("sections", &what, faults);
                }
            }
        }
        Trigger::Schedule(_) => {
            if !given.iter().any(|section| Kind::ALL.into_iter().any(|kind| section.value.is_about(kind))) {
                let what = "show no records; add one that does, such as \"won\" or \"created\"";
                table.refuse("sections", what, faults);
            }
        }
    }
}
