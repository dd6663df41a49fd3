//! `closing-bell preview`: a report as files, or as one trial mail.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::{WrongUsage, print};
use crate::config::{Environment, MailConfig, database_alone, reports_alone};
use crate::cycle::{inline, with_files};
use crate::domain::account::{Account, Closing, Stage, Stages};
use crate::domain::changes::Rules;
use crate::domain::completeness::Completeness;
use crate::mailer::{Mail, Outcome, check_address, compose};
use crate::report::{
    Definition, Definitions, Document, Filter, Scene, Trigger, build, build_period, period_sample, sample,
};
use crate::store::{Books, Store};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Which report: closed-deals or invoices, or one of REPORTS_FILE
    name: String,
    /// Show made-up records instead of the newest report in the books
    #[arg(long)]
    sample: bool,
    /// Write NAME.html, NAME.txt, NAME.eml and what is attached into this folder
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    output: PathBuf,
    /// Send it to this address instead of writing files (needs SMTP_URL, MAIL_FROM and MAIL_TO)
    #[arg(long, value_name = "ADDRESS")]
    send_to: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Renders the newest stored report of that name, or sample data where the books have none.
pub(super) async fn run(args: Args, environment: &Environment, now: Timestamp) -> anyhow::Result<ExitCode> {
    let definitions = reports_alone(environment).await?;
    let Some(definition) = definitions.named(&args.name) else {
        let names = definitions.names().join(", ");
        return Err(WrongUsage(format!("there is no report {:?}; the reports are {names}", args.name)).into());
    };
    let stored = if args.sample { None } else { stored(definition, environment).await? };
    let source = if stored.is_some() { "the newest report in the books" } else { "sample data" };
    let document = match stored {
        Some(document) => document,
        None => sample_document(definition, &definitions, now)?,
    };
    let preview = Preview { definition, document, source, now };
    match &args.send_to {
        Some(address) => send(&args, &preview, address, environment).await?,
        None => write(&args, &preview)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn stored(definition: &Definition, environment: &Environment) -> anyhow::Result<Option<Document>> {
    let books = database_alone(environment).await?;
    if matches!(&books, Books::Sqlite(file) if !file.exists()) {
        return Ok(None);
    }
    let Some(json) = Store::open(&books).await?.newest_document(&definition.name).await? else { return Ok(None) };
    let document = serde_json::from_str(&json);
    Ok(Some(document.with_context(|| format!("the stored report {} cannot be read by this version", definition.name))?))
}

fn sample_document(definition: &Definition, definitions: &Definitions, now: Timestamp) -> anyhow::Result<Document> {
    let account = Account {
        portal_id: 62_515_001,
        company_currency: "EUR".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        ui_domain: "app.hubspot.com".to_owned(),
    };
    let zone = definitions.zone.clone().map_or_else(|| TimeZone::get(&account.time_zone), Ok)?;
    let stage = |id: &str, closing| (id.to_owned(), Stage { label: id.to_owned(), closing });
    let stages =
        Stages([stage("open", Closing::Open), stage("won", Closing::Won), stage("lost", Closing::Lost)].into());
    let opening = now - jiff::SignedDuration::from_hours(9);
    // A period's sample is from books that were open all the time; a sample of changes begins with the opening.
    let books_open_at = if matches!(definition.trigger, Trigger::On(_)) { opening } else { Timestamp::UNIX_EPOCH };
    let rules = Rules { books_open_at, stages: &stages, zone: &zone, company_currency: "EUR" };
    let completeness = Completeness { compared_at: Some(opening), ..Completeness::default() };
    let locale = definition.locale;
    let scene = Scene { account: &account, rules, locale, now, payments_since: None, completeness: &completeness };
    let built = match definition.trigger {
        Trigger::On(_) => {
            let mut items = sample(&scene);
            items.retain(|item| definition.is_about(item.record.key.kind));
            build(definition, &items, &scene)?
        }
        Trigger::Schedule(schedule) => {
            let figures = period_sample(schedule.cadence, definitions.calendar, &scene)?;
            build_period(definition, &figures, &scene)?
        }
    };
    let mut document = built.document;
    document.notes.insert(0, locale.sample_note(definition.filter != Filter::default()));
    document.subject = locale.sample_subject(&document.subject);
    Ok(document)
}

/// What is shown, and what it was made of.
struct Preview<'d> {
    definition: &'d Definition,
    document: Document,
    source: &'static str,
    now: Timestamp,
}

impl Preview<'_> {
    fn mail(&self, from: &str, to: &str) -> anyhow::Result<Mail> {
        let (rendered, attachments) = with_files(self.definition, &self.document, "preview")?;
        Ok(Mail {
            message_id: format!("preview-{}@closing-bell.invalid", self.now.as_millisecond()),
            from: from.to_owned(),
            to: vec![to.to_owned()],
            cc: Vec::new(),
            subject: self.document.subject.clone(),
            date: self.now,
            text: rendered.text,
            html: rendered.html,
            references: Vec::new(),
            list_id: None,
            images: inline(rendered.images),
            attachments,
        })
    }
}

/// The HTML as a file of its own: its pictures stand in it, since a browser knows no `cid:`.
fn alone(mail: &Mail) -> String {
    mail.images.iter().fold(mail.html.clone(), |html, image| {
        let data = format!("data:image/png;base64,{}", data_encoding::BASE64.encode(&image.bytes));
        html.replace(&format!("cid:{}", image.content_id), &data)
    })
}

fn write(args: &Args, preview: &Preview<'_>) -> anyhow::Result<()> {
    let folder = &args.output;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mail = preview.mail("Closing Bell <closing-bell@example.com>", "finance@example.com")?;
    let mut contents: Vec<(String, Vec<u8>)> = vec![
        (format!("{}.html", args.name), alone(&mail).into_bytes()),
        (format!("{}.txt", args.name), mail.text.clone().into_bytes()),
        (format!("{}.eml", args.name), compose(&mail)?),
    ];
    contents.extend(mail.attachments.into_iter().map(|file| (file.name, file.bytes)));
    let mut files = Vec::new();
    for (name, content) in contents {
        let file = folder.join(name);
        std::fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
        files.push(file);
    }
    let (subject, source) = (&preview.document.subject, preview.source);
    if args.json {
        return print(&json!({ "subject": subject, "source": source, "files": files }).to_string());
    }
    let files: Vec<String> = files.iter().map(|file| format!("  {}", file.display())).collect();
    print(&format!("{subject}\n  (from {source})\n{}", files.join("\n")))
}

async fn send(args: &Args, preview: &Preview<'_>, address: &str, environment: &Environment) -> anyhow::Result<()> {
    let recipient = check_address(address).map_err(|error| WrongUsage(format!("--send-to: {error}")))?;
    let config = MailConfig::read_alone(environment).await?;
    let sender = check_address(&config.from)?;
    let mail = preview.mail(&config.from, address)?;
    let bytes = compose(&mail)?;
    match config.mailer.now().send(&sender, &recipient, &mail.message_id, &bytes).await {
        Outcome::Accepted { reply } if args.json => {
            print(&json!({ "subject": mail.subject, "to": recipient, "reply": reply }).to_string())
        }
        Outcome::Accepted { reply } => print(&format!("sent to {recipient}: {reply}")),
        Outcome::Refused { reply } => bail!("the mail server refuses the mail to {recipient}: {reply}"),
        Outcome::Deferred { reply } | Outcome::Unauthenticated { reply } => {
            bail!("the mail server does not take the mail to {recipient} now: {reply}")
        }
        Outcome::Unknown { cause } => bail!("nobody knows whether the mail to {recipient} was taken: {cause}"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::Time;

    use super::*;
    use crate::domain::changes::ChangeKind;
    use crate::domain::period::Cadence;
    use crate::report::{Dates, Language, Locale, Schedule};

    fn sampled(definition: &Definition, zone: Option<TimeZone>) -> Document {
        let definitions = Definitions { zone, ..Definitions::built_in() };
        sample_document(definition, &definitions, "2026-11-23T09:00:00Z".parse().unwrap()).unwrap()
    }

    fn monthly() -> Definition {
        Definition::new("month-end", Trigger::Schedule(Schedule { cadence: Cadence::Monthly, at: Time::midnight() }))
    }

    #[test]
    fn a_sample_says_first_that_it_is_one_in_its_own_language() {
        let built_in = Definitions::built_in();
        let closed_deals = built_in.named("closed-deals").unwrap();
        let said = |definition: &Definition, filter: Filter| {
            Language::ALL.map(|(language, _)| {
                let locale = Locale { language, dates: Dates::Local };
                let document = sampled(&Definition { locale, filter: filter.clone(), ..definition.clone() }, None);
                let subject: String = document.subject.chars().take(18).collect();
                format!("{subject}… {}", document.notes[0])
            })
        };
        insta::assert_snapshot!(said(closed_deals, Filter::default()).join("\n"), @r"
        Sample: Closed dea… This is a sample; none of these records exists.
        Beispiel: Abgeschl… Dies ist ein Beispiel; keiner dieser Datensätze existiert.
        Exemple : Transact… Ceci est un exemple ; aucun de ces enregistrements n’existe.
        ");
        let filter = Filter { owners: vec!["Ada".to_owned()], ..Filter::default() };
        insta::assert_snapshot!(said(&monthly(), filter).join("\n"), @r"
        Sample: October 20… This is a sample; none of these records exists. The report’s filter is not applied to them.
        Beispiel: Oktober … Dies ist ein Beispiel; keiner dieser Datensätze existiert. Der Filter des Berichts ist auf sie nicht angewendet.
        Exemple : Octobre … Ceci est un exemple ; aucun de ces enregistrements n’existe. Le filtre du rapport ne leur est pas appliqué.
        ");
    }

    #[test]
    fn a_sample_has_something_of_whatever_a_report_may_be_about() {
        let definitions = ChangeKind::ALL.map(|(kind, _)| (kind, Definition::on("one", vec![kind])));
        for (kind, definition) in definitions.iter().filter(|(kind, definition)| definition.is_news(*kind)) {
            let document = sampled(definition, None);
            let has_news = document.sections.iter().any(|section| section.key != "corrections");
            assert!(has_news && !document.headlines.is_empty(), "{kind:?}: {}", document.subject);
        }
    }

    #[test]
    fn a_sample_is_in_the_zone_of_the_file() {
        for definition in [monthly(), Definitions::built_in().reports.remove(0)] {
            let document = sampled(&definition, TimeZone::get("Asia/Tokyo").ok());
            assert!(document.notes.iter().any(|note| note.contains("Asia/Tokyo")), "{:?}", document.notes);
        }
    }
}
