//! `closing-bell report`: the report of a period, as it was sent; again, or anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use jiff::civil::Date;
use mail_parser::{MessageParser, MimeHeaders, PartType};
use serde_json::{Value, json};

use super::{WrongUsage, print};
use crate::config::{Environment, ReportConfig};
use crate::cycle::{Addresses, Archive, of_revision};
use crate::domain::period::Period;
use crate::report::{Definition, Document, Schedule, Trigger, render};
use crate::store::{Books, MailHead, Store, StoredPeriod};

/// How many periods an error names.
const NAMED: usize = 12;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Which report: a scheduled one of REPORTS_FILE
    name: String,
    /// Which period: 2026-11-22, 2026-W47, 2026-11, 2026-Q4 or 2026, as the report has them; or any day in it
    #[arg(long, value_name = "PERIOD")]
    period: String,
    /// Which revision, where the period was built anew; else the newest
    #[arg(long, value_name = "NUMBER", conflicts_with = "revise")]
    revision: Option<u32>,
    /// Send the same mail again to all of its recipients
    #[arg(long, conflicts_with = "revise")]
    resend: bool,
    /// Build the period anew from the books, and send it as an answer to the first mail (needs SMTP_URL, MAIL_FROM, MAIL_TO)
    #[arg(long)]
    revise: bool,
    /// Write the mail as it was sent (NAME-PERIOD.eml, of a revision NAME-PERIOD-r2.eml), its text, its HTML and its files into
    /// this folder
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What is shown of a period.
struct Shown {
    /// What is told of it in the first line.
    what: String,
    subject: String,
    text: String,
    mail: Option<(MailHead, Vec<u8>)>,
    revisions: Vec<StoredPeriod>,
    /// Which of them it is.
    revision: Option<u32>,
}

pub(super) async fn run(args: Args, environment: &Environment, now: Timestamp) -> anyhow::Result<ExitCode> {
    let config = ReportConfig::read_alone(environment, args.revise).await?;
    if let Books::Sqlite(file) = &config.books {
        ensure!(file.exists(), "there are no books in {}; `local` or `worker` makes them", file.display());
    }
    let store = Store::open(&config.books).await?;
    let archive = Archive::of(store, config.reports, config.zone).await?;
    let archive = archive.context("the books are empty: the worker opens them with its first cycle")?;
    let definition = archive.definitions().named(&args.name);
    let told = archive.periods(&args.name).await?;
    let scheduled = match definition.map(|definition| (definition, &definition.trigger)) {
        Some((definition, Trigger::Schedule(schedule))) => Some((definition, schedule)),
        Some((_, Trigger::On(_))) => {
            let what =
                format!("{:?} comes after changes and has no periods; `preview` shows its newest mail", args.name);
            return Err(WrongUsage(what).into());
        }
        None if told.is_empty() => {
            let names = archive.definitions().names().join(", ");
            return Err(WrongUsage(format!("there is no report {:?}; the reports are {names}", args.name)).into());
        }
        None => None,
    };
    let period = days(&args, scheduled, &archive, &told)?;
    if args.revise {
        let mail = config.mail.context("what a revision needs was read with it")?;
        let addresses = Addresses { from: &mail.from, to: &mail.to, owner: &mail.owner };
        let definition = scheduled.with_context(|| {
            format!("{:?} is no longer in REPORTS_FILE; only a report that is there is built anew", args.name)
        })?;
        let revised = archive.revise(definition, addresses, period.0, now).await?;
        revised.with_context(|| {
            format!(
                "{:?} has not told {} with its present definition; {}",
                args.name,
                args.period,
                known(&archive, scheduled, &told)
            )
        })?;
    }
    let told = archive.periods(&args.name).await?;
    let revisions: Vec<StoredPeriod> = told.iter().filter(|told| (told.from, told.to) == period).cloned().collect();
    let shown = match (revision(&args, &revisions)?, scheduled) {
        (Some(revision), _) => stored(&archive, revision, &revisions).await?,
        (None, Some((definition, schedule))) => {
            let period = Period::containing(schedule.cadence, period.0, &archive.definitions().calendar);
            let (today, next) = (archive.day(now), period.next(&archive.definitions().calendar));
            if !period.contains(today) && !next.contains(today) || args.resend {
                bail!("{:?} has not told {}; {}", args.name, args.period, known(&archive, scheduled, &told));
            }
            let document = archive.so_far((definition, schedule), period, now).await?;
            running(&document)
        }
        (None, None) => bail!("{:?} has not told {}; {}", args.name, args.period, known(&archive, scheduled, &told)),
    };
    let mut queued = None;
    if args.resend {
        let (head, _) = shown.mail.as_ref().context("there was nothing to tell, so there is no mail to send again")?;
        queued = Some(archive.store().send_again(&head.message_id, now).await?);
    }
    let files = match &args.output {
        Some(folder) => write(folder, &args, scheduled, &archive, period, &shown)?,
        None => Vec::new(),
    };
    print(&told_as(&args, &shown, period, queued, &files))?;
    Ok(ExitCode::SUCCESS)
}

type Scheduled<'a> = Option<(&'a Definition, &'a Schedule)>;

/// The first day of the period that is meant, and the first day after it.
fn days(
    args: &Args,
    scheduled: Scheduled<'_>,
    archive: &Archive,
    told: &[StoredPeriod],
) -> anyhow::Result<(Date, Date)> {
    if let Some((_, schedule)) = scheduled {
        let period = Period::parse(schedule.cadence, &args.period, &archive.definitions().calendar);
        let period = period.map_err(|error| WrongUsage(format!("--period: {error}")))?;
        return Ok((period.from, period.to));
    }
    // How long the periods of a report were that is no longer there, the books know.
    let day = args.period.parse::<Date>().ok();
    let told_on = |day: Date| told.iter().find(|told| told.from <= day && day < told.to);
    let of = day.and_then(told_on).with_context(|| {
        format!("{:?} is no longer in REPORTS_FILE; {}", args.name, known(archive, scheduled, told))
    })?;
    Ok((of.from, of.to))
}

/// Which periods are known, for an error.
fn known(archive: &Archive, scheduled: Scheduled<'_>, told: &[StoredPeriod]) -> String {
    let name = |told: &StoredPeriod| match scheduled {
        Some((_, schedule)) => {
            let calendar = &archive.definitions().calendar;
            let period = Period::containing(schedule.cadence, told.from, calendar);
            if (period.from, period.to) == (told.from, told.to) { period.name(calendar) } else { told.from.to_string() }
        }
        None => told.from.to_string(),
    };
    let mut names: Vec<String> = told.iter().map(name).collect();
    names.dedup();
    match names.len() {
        0 => "none was told yet".to_owned(),
        count if count > NAMED => format!("the newest of {count} are {}", names[count - NAMED..].join(", ")),
        _ => format!("the known ones are {}", names.join(", ")),
    }
}

/// The revision that is meant; `None` if the period was not told.
fn revision<'r>(args: &Args, revisions: &'r [StoredPeriod]) -> anyhow::Result<Option<&'r StoredPeriod>> {
    let Some(number) = args.revision else { return Ok(revisions.last()) };
    let found = revisions.iter().rev().find(|it| it.revision == number);
    let numbers: BTreeSet<u32> = revisions.iter().map(|it| it.revision).collect();
    ensure!(found.is_some(), "{:?} has no revision {number} of {}; there are {numbers:?}", args.name, args.period);
    Ok(found)
}

/// A report as it is in the books.
async fn stored(archive: &Archive, it: &StoredPeriod, revisions: &[StoredPeriod]) -> anyhow::Result<Shown> {
    let mail = match &it.mail {
        Some(id) => Some(archive.store().mail(id).await?.context("the mail of the report is no longer in the books")?),
        None => None,
    };
    let (subject, text) = match &mail {
        Some((head, bytes)) => (head.subject.clone(), text_of(bytes)),
        None => {
            let document = archive.store().document(&it.report_id).await?.unwrap_or_default();
            let document: Document =
                serde_json::from_str(&document).context("the stored report cannot be read by this version")?;
            (document.subject.clone(), render(&document, false).text)
        }
    };
    let sent = match &mail {
        Some((head, _)) => {
            let states = head.recipients.iter().map(|it| format!("{} to {}", it.state.as_str(), it.address));
            states.collect::<Vec<_>>().join(", ")
        }
        None => "no mail, since there was nothing to tell".to_owned(),
    };
    let what = format!("revision {} of {}, built {}: {sent}", it.revision, revisions.len(), it.built_at);
    Ok(Shown { what, subject, text, mail, revisions: revisions.to_vec(), revision: Some(it.revision) })
}

/// A period that was not told yet.
fn running(document: &Document) -> Shown {
    Shown {
        what: "so far; nobody was sent it".to_owned(),
        subject: document.subject.clone(),
        text: render(document, false).text,
        mail: None,
        revisions: Vec::new(),
        revision: None,
    }
}

/// The text part of a mail.
fn text_of(bytes: &[u8]) -> String {
    let message = MessageParser::default().parse(bytes);
    let text = message.as_ref().and_then(|message| message.body_text(0));
    text.unwrap_or_default().replace("\r\n", "\n")
}

fn write(
    folder: &Path,
    args: &Args,
    scheduled: Scheduled<'_>,
    archive: &Archive,
    (from, _): (Date, Date),
    shown: &Shown,
) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let calendar = &archive.definitions().calendar;
    let period = match scheduled {
        Some((_, schedule)) => Period::containing(schedule.cadence, from, calendar).name(calendar),
        None => from.to_string(),
    };
    let stem = format!("{}-{}", args.name, of_revision(&period, shown.revision.unwrap_or(1)));
    let mut contents = vec![(format!("{stem}.txt"), shown.text.clone().into_bytes())];
    if let Some((_, bytes)) = &shown.mail {
        contents.push((format!("{stem}.eml"), bytes.clone()));
        let message = MessageParser::default().parse(bytes.as_slice());
        for part in message.iter().flat_map(|message| &message.parts) {
            match (&part.body, part.attachment_name()) {
                (PartType::Html(html), None) => contents.push((format!("{stem}.html"), html.as_bytes().to_vec())),
                (PartType::Text(text), Some(name)) => contents.push((safe(name), text.as_bytes().to_vec())),
                (PartType::Binary(file) | PartType::InlineBinary(file), Some(name)) => {
                    contents.push((safe(name), file.to_vec()));
                }
                _ => {}
            }
        }
    }
    let mut files = Vec::new();
    for (name, content) in contents {
        let file = folder.join(name);
        std::fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
        files.push(file);
    }
    Ok(files)
}

/// A name as a file in a folder can have it; it was ours when the mail was made.
fn safe(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_control() || "/\\:".contains(c) { '-' } else { c }).collect();
    name.trim_start_matches('.').to_owned()
}

fn told_as(args: &Args, shown: &Shown, (from, to): (Date, Date), queued: Option<u64>, files: &[PathBuf]) -> String {
    if args.json {
        let revisions: Vec<Value> = shown.revisions.iter().map(revision_json).collect();
        let recipients = shown.mail.iter().flat_map(|(head, _)| &head.recipients);
        let recipients: Vec<Value> = recipients
            .map(|it| json!({ "address": it.address, "state": it.state.as_str(), "reply": it.reply }))
            .collect();
        let result = json!({
            "report": args.name, "from": from, "to": to, "revision": shown.revision, "revisions": revisions,
            "subject": shown.subject, "text": shown.text, "recipients": recipients, "queued": queued, "files": files,
        });
        return result.to_string();
    }
    let mut lines = vec![format!("{} {from}: {}", args.name, shown.what)];
    for older in shown.revisions.iter().filter(|it| Some(it.revision) != shown.revision) {
        lines.push(format!("  also revision {}, built {}", older.revision, older.built_at));
    }
    if let Some(queued) = queued {
        lines.push(format!("  it is sent again to {}", super::operator::count(queued, "recipient")));
    }
    lines.extend(files.iter().map(|file| format!("  {}", file.display())));
    lines.push(format!("\n{}\n\n{}", shown.subject, shown.text.trim_end()));
    lines.join("\n")
}

fn revision_json(it: &StoredPeriod) -> Value {
    json!({ "revision": it.revision, "report_id": it.report_id, "series": it.series, "built_at": it.built_at, "mail": it.mail })
}
