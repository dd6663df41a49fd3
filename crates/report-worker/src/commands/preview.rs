//! `closing-bell preview`: a report as files, or as one trial mail.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::{WrongUsage, print};
use crate::config::{Environment, MailConfig, database_alone, reports_alone};
use crate::cycle::inline;
use crate::domain::account::{Account, Closing, Stage, Stages};
use crate::domain::changes::Rules;
use crate::domain::completeness::Completeness;
use crate::mailer::{Mail, Outcome, check_address, compose};
use crate::report::{Definition, Document, Scene, build, render, sample};
use crate::store::{Books, Store};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Which report: closed-deals or invoices, or one of REPORTS_FILE
    name: String,
    /// Show made-up records instead of the newest report in the books
    #[arg(long)]
    sample: bool,
    /// Write NAME.html, NAME.txt and NAME.eml into this folder
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
        None => sample_document(definition, now)?,
    };
    match &args.send_to {
        Some(address) => send(&args, &document, address, environment, now).await?,
        None => write(&args, &document, source, now)?,
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

fn sample_document(definition: &Definition, now: Timestamp) -> anyhow::Result<Document> {
    let account = Account {
        portal_id: 62_515_001,
        company_currency: "EUR".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        ui_domain: "app.hubspot.com".to_owned(),
    };
    let zone = TimeZone::get(&account.time_zone)?;
    let stage = |id: &str, closing| (id.to_owned(), Stage { label: id.to_owned(), closing });
    let stages =
        Stages([stage("open", Closing::Open), stage("won", Closing::Won), stage("lost", Closing::Lost)].into());
    let books_open_at = now - jiff::SignedDuration::from_hours(9);
    let rules = Rules { books_open_at, stages: &stages, zone: &zone, company_currency: "EUR" };
    let completeness =
        Completeness { compared_at: Some(books_open_at), left_different: 0, left_out: Vec::new(), unread: 0 };
    let locale = definition.locale;
    let scene = Scene { account: &account, rules, locale, now, payments_since: None, completeness: &completeness };
    let mut items = sample(&scene);
    items.retain(|item| definition.is_about(item.record.key.kind));
    let mut document = build(definition, &items, &scene)?.document;
    document.notes.insert(0, "This is a sample; none of these records exists.".to_owned());
    Ok(document)
}

fn mail(document: &Document, from: &str, to: &str, now: Timestamp) -> Mail {
    let rendered = render(document, false);
    Mail {
        message_id: format!("preview-{}@closing-bell.invalid", now.as_millisecond()),
        from: from.to_owned(),
        to: vec![to.to_owned()],
        cc: Vec::new(),
        subject: document.subject.clone(),
        date: now,
        text: rendered.text,
        html: rendered.html,
        references: Vec::new(),
        list_id: None,
        images: inline(rendered.images),
        attachments: Vec::new(),
    }
}

fn write(args: &Args, document: &Document, source: &str, now: Timestamp) -> anyhow::Result<()> {
    let folder = &args.output;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mail = mail(document, "Closing Bell <closing-bell@example.com>", "finance@example.com", now);
    let mut files = Vec::new();
    let bytes = compose(&mail)?;
    for (ending, content) in [("html", mail.html.as_bytes()), ("txt", mail.text.as_bytes()), ("eml", &bytes)] {
        let file = folder.join(format!("{}.{ending}", args.name));
        std::fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
        files.push(file);
    }
    if args.json {
        return print(&json!({ "subject": document.subject, "source": source, "files": files }).to_string());
    }
    let files: Vec<String> = files.iter().map(|file| format!("  {}", file.display())).collect();
    print(&format!("{}\n  (from {source})\n{}", document.subject, files.join("\n")))
}

async fn send(
    args: &Args,
    document: &Document,
    address: &str,
    environment: &Environment,
    now: Timestamp,
) -> anyhow::Result<()> {
    let recipient = check_address(address).map_err(|error| WrongUsage(format!("--send-to: {error}")))?;
    let config = MailConfig::read_alone(environment).await?;
    let sender = check_address(&config.from)?;
    let mail = mail(document, &config.from, address, now);
    let bytes = compose(&mail)?;
    match config.mailer.now().send(&sender, &recipient, &mail.message_id, &bytes).await {
        Outcome::Accepted { reply } if args.json => {
            print(&json!({ "subject": document.subject, "to": recipient, "reply": reply }).to_string())
        }
        Outcome::Accepted { reply } => print(&format!("sent to {recipient}: {reply}")),
        Outcome::Refused { reply } => bail!("the mail server refuses the mail to {recipient}: {reply}"),
        Outcome::Deferred { reply } | Outcome::Unauthenticated { reply } => {
            bail!("the mail server does not take the mail to {recipient} now: {reply}")
        }
        Outcome::Unknown { cause } => bail!("nobody knows whether the mail to {recipient} was taken: {cause}"),
    }
}
