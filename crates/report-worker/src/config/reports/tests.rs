use proptest::prelude::*;

use super::*;
use crate::config::{Environment, LocalConfig};
use crate::domain::changes::ChangeKind;
use crate::domain::period::Cadence;
use crate::report::{Attachment, SectionKind, Trigger};

fn around() -> Around {
    Around { mail_to_is_set: true, zone: None }
}

fn told(text: &str, around: &Around) -> String {
    let faults = definitions(text, around).expect_err("something is wrong with it");
    faults.iter().map(|(line, what)| format!("{line}: {what}\n")).collect()
}

#[test]
fn a_whole_file_is_read() {
    let text = r#"
time_zone = "Europe/Berlin"
week_start = "sunday"
fiscal_year_start = "april"
language = "de"
dates = "iso"

[reports.month-end]
schedule = "monthly"
at = "07:30"
title = "Month end"
to = ["Finance <finance@example.com>", "cfo@example.com"]
cc = "board@example.com"
bcc = ["archive@example.com"]
sections = ["figures", "won", "ageing"]
attachments = ["xlsx", "csv"]
skip_if_empty = true
language = "fr"
dates = "local"
dry_run_until = 2026-12-31

[reports.month-end.filter]
owner = ["Anna Keller", "ben@example.com"]
team = "Field sales"
currency = ["eur", "JPY"]
minimum_amount = "1000.00"
properties = { region = ["EMEA", "APAC"], segment = "Enterprise" }

[reports.big-deals]
on = "deal.won"
filter.pipeline = "Sales"
"#;
    let Definitions { reports, zone, calendar } = definitions(text, &around()).unwrap();
    assert_eq!(zone.unwrap().iana_name(), Some("Europe/Berlin"));
    assert_eq!(calendar, Calendar { week_start: Weekday::Sunday, fiscal_year_start: 4 });
    let [big_deals, month_end] = &reports[..] else { panic!("{reports:#?}") };
    assert_eq!((big_deals.name.as_str(), &big_deals.trigger), ("big-deals", &Trigger::On(vec![ChangeKind::DealWon])));
    assert_eq!(big_deals.sections, [SectionKind::Figures, SectionKind::Corrections, SectionKind::Won]);
    assert_eq!((big_deals.locale.language, big_deals.locale.dates), (Language::De, Dates::Iso));
    assert_eq!((&big_deals.to[..], &big_deals.filter.pipelines[..]), (&[][..], &["Sales".to_owned()][..]));
    let Trigger::Schedule(schedule) = month_end.trigger else { panic!("{month_end:#?}") };
    assert_eq!((schedule.cadence, schedule.at.to_string().as_str()), (Cadence::Monthly, "07:30:00"));
    assert_eq!(month_end.to, ["Finance <finance@example.com>", "cfo@example.com"]);
    assert_eq!(
        (&month_end.cc[..], &month_end.bcc[..]),
        (&["board@example.com".into()][..], &["archive@example.com".into()][..])
    );
    assert_eq!(month_end.sections, [SectionKind::Figures, SectionKind::Won, SectionKind::Ageing]);
    assert_eq!(month_end.attachments, [Attachment::Xlsx, Attachment::Csv]);
    assert_eq!((month_end.locale.language, month_end.locale.dates), (Language::Fr, Dates::Local));
    assert_eq!(month_end.dry_run_until.unwrap().to_string(), "2026-12-31");
    assert!(month_end.skip_if_empty && month_end.title.as_deref() == Some("Month end"));
    let filter = &month_end.filter;
    assert_eq!(
        (&filter.currencies[..], filter.teams.len(), filter.owners.len()),
        (&["EUR".into(), "JPY".into()][..], 1, 2)
    );
    assert_eq!(filter.minimum_amount.as_ref().map(ToString::to_string).as_deref(), Some("1000"));
    assert_eq!((filter.properties["region"].len(), filter.properties["segment"].len()), (2, 1));
}

#[test]
fn a_filter_on_pipelines_leaves_a_period_the_sections_of_deals() {
    let text = "[reports.sales]\nschedule = \"weekly\"\nfilter.pipeline = \"Sales\"";
    let sections = definitions(text, &around()).unwrap().reports.remove(0).sections;
    assert!(sections.contains(&SectionKind::ByOwner) && !sections.contains(&SectionKind::Ageing), "{sections:?}");
}

#[test]
fn every_mistake_is_told_at_once_with_its_line_and_key() {
    let text = r#"tme_zone = "Europe/Berlin"
time_zone = "Mars/Olympus"
week_start = "Monday"
fiscal_year_start = 4
language = "english"
owner = "nobody"

[reports.Month_End]
schedule = "montly"
at = "25:00"
title = " "
to = ["nobody", "cfo@example.com", 5]
cc = []
bcc = ["CFO@example.com"]
sections = ["won", "lots", "won"]
attachments = "pdf"
skip_if_empty = "yes"
dates = 2026-12-31
dry_run_until = "soon"
recipients = ["a@example.com"]

[reports.month-end.filter]
pipelines = ["Sales"]
currency = ["EUR", "EURO"]
minimum_amount = 1000.00
properties = { "Deal region" = ["EMEA"], region = [] }

[reports.both]
on = ["deal.won", "deal.lost"]
schedule = "daily"

[reports.news]
on = ["deal.won", "deal.lost", "deal.wno"]
at = 07:30:00

[reports.small]
on = ["deal.won", "invoice.reopened"]
sections = ["lost", "ageing", "non-billable", "corrections"]
skip_if_empty = false
filter = "Sales"

[reports.mixed]
on = ["deal.won", "invoice.paid"]
filter.pipeline = ["Sales"]

[reports.nothing]
on = []

[reports.figures]
schedule = "daily"
at = 7
sections = ["figures", "corrections"]
filter.minimum_amount = "1.000,00"

[reports]
list = 5
"#;
    insta::assert_snapshot!(told(text, &around()));
}

#[test]
fn what_is_no_toml_is_told_with_its_lines_and_nothing_is_missed_that_may_stand_there() {
    let text =
        "[reports.a]\non = [\"deal.won\nat = 5 5\n[reports.b]\nschedule = daily\nlanguage = \"xx\"\n[reports.a]\n";
    insta::assert_snapshot!(told(text, &around()));
}

#[test]
fn a_file_without_reports_and_reports_without_recipients_are_told() {
    let nobody = Around::default();
    insta::assert_snapshot!(told("", &nobody), @"1: no report is defined; write a table for each, such as [reports.month-end], or unset REPORTS_FILE for the built-in ones");
    insta::assert_snapshot!(told("reports = 5", &nobody), @"1: reports: is a whole number; write a table, [reports]");
    insta::assert_snapshot!(told("[reports.a]\non = \"deal.won\"\n[reports.b]\non = \"deal.won\"\nto = \"b@example.com\"", &nobody), @r#"1: reports.a.to: nobody gets it: MAIL_TO is not set; write to = ["finance@example.com"], or set MAIL_TO"#);
    let paris = Around { zone: zone("Europe/Paris"), mail_to_is_set: true };
    let text = "time_zone = \"Europe/Berlin\"\n[reports.a]\non = \"deal.won\"";
    insta::assert_snapshot!(told(text, &paris), @"1: time_zone: Europe/Berlin contradicts TIME_ZONE, which is Europe/Paris; keep one of them");
    assert!(definitions(&text.replace("Berlin", "Paris"), &paris).is_ok(), "the same zone twice is no contradiction");
}

fn variables(file: &str) -> Vec<(&'static str, String)> {
    let own = [
        ("WEBHOOK_URLS", "https://bell.example.com/webhooks/hubspot"),
        ("HUBSPOT_CLIENT_SECRETS", "secret"),
        ("HUBSPOT_ACCESS_TOKEN", "pat"),
        ("SMTP_URL", "file:outbox"),
        ("MAIL_FROM", "bell@example.com"),
        (FILE, file),
    ];
    own.map(|(name, value)| (name, value.to_owned())).to_vec()
}

async fn local(variables: &[(&'static str, String)]) -> Result<LocalConfig, String> {
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    LocalConfig::read(&Environment::of(&variables)).await.map_err(|problems| problems.to_string())
}

#[tokio::test]
async fn the_file_joins_the_rest_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reports.toml");
    let file = path.to_str().unwrap();
    let write = |text: &[u8]| std::fs::write(&path, text).unwrap();
    let shown =
        |problems: String| problems.replace(file, "reports.toml").replace(folder.path().to_str().unwrap(), "folder");

    write(b"time_zone = \"Asia/Tokyo\"\n[reports.a]\non = \"deal.won\"\nto = \"a@example.com\"");
    let config = local(&variables(file)).await.unwrap();
    assert_eq!((config.work.mail.owner.as_str(), config.work.mail.to.len()), ("a@example.com", 0));
    assert_eq!(config.work.zone.unwrap().iana_name(), Some("Asia/Tokyo"));
    assert_eq!(config.work.reports.names(), ["a"]);

    write(b"[reports.a]\non = \"deal.won\"\n[reports.b]\non = \"deal.on\"\nto = \"b\"");
    let mut wrong = variables(file);
    wrong.push(("POLL_INTERVAL", "often".to_owned()));
    insta::assert_snapshot!(shown(local(&wrong).await.unwrap_err()), @r#"
    the configuration has 4 problems:
      REPORTS_FILE: reports.toml:1: reports.a.to: nobody gets it: MAIL_TO is not set; write to = ["finance@example.com"], or set MAIL_TO
      REPORTS_FILE: reports.toml:4: reports.b.on: "deal.on" is not known; did you mean "deal.won"? There are deal.won, deal.lost, deal.reopened, deal.amount_changed, deal.close_date_moved, invoice.created, invoice.part_paid, invoice.paid, invoice.voided, invoice.reopened, invoice.amount_changed, invoice.drafted, invoice.date_moved, invoice.overdue, payment.received, payment.failed, payment.amount_changed, payment.refunded, record.merged, record.archived, record.restored
      REPORTS_FILE: reports.toml:5: reports.b.to: "b" is not an address to write to: it has no @; write name@example.com
      POLL_INTERVAL: not a duration such as 60s or 5m
    "#);

    write(b"# fine\n\xff");
    insta::assert_snapshot!(shown(local(&variables(file)).await.unwrap_err()), @r"
    the configuration has 1 problem:
      REPORTS_FILE: reports.toml:2: is not UTF-8; save the file as UTF-8
    ");
    write(&vec![b'#'; 1_000_001]);
    insta::assert_snapshot!(shown(local(&variables(file)).await.unwrap_err()), @r"
    the configuration has 1 problem:
      REPORTS_FILE: reports.toml is larger than 1 MB
    ");
    insta::assert_snapshot!(shown(local(&variables(folder.path().to_str().unwrap())).await.unwrap_err()), @r"
    the configuration has 1 problem:
      REPORTS_FILE: folder cannot be read: Is a directory (os error 21)
    ");
    std::fs::remove_file(&path).unwrap();
    insta::assert_snapshot!(shown(local(&variables(file)).await.unwrap_err()), @r"
    the configuration has 1 problem:
      REPORTS_FILE: reports.toml cannot be read: No such file or directory (os error 2)
    ");
}

/// Bits of such files, so that random ones come far.
fn bits() -> impl Strategy<Value = String> {
    const BITS: [&str; 37] = [
        "[reports.a]\n",
        "[reports.a.filter]\n",
        "[[reports]]\n",
        "on = ",
        "schedule = ",
        "at = ",
        "to = ",
        "sections = ",
        "filter.",
        "pipeline = ",
        "minimum_amount = ",
        "properties = ",
        "dry_run_until = ",
        "language = ",
        "time_zone = ",
        "\"deal.won\"",
        "\"monthly\"",
        "\"07:30\"",
        "07:30",
        "2026-12-31",
        "2026-02-30",
        "[",
        "]",
        "{ region = ",
        "}",
        ", ",
        "\n",
        "\"",
        "\"\"\"",
        "1e400",
        "true",
        "é",
        "\u{0}",
        "\u{feff}",
        "\r\n",
        "#",
        "x = ",
    ];
    proptest::collection::vec(proptest::sample::select(&BITS[..]).prop_map(str::to_owned), 0..40)
        .prop_map(|bits| bits.concat())
}

proptest! {
    /// Always: any text gives reports, or at least one fault on one of its lines.
    #[test]
    fn any_text_is_reports_or_what_is_wrong_with_it(random in "\\PC{0,200}", bits in bits()) {
        for text in [random, bits] {
            match definitions(&text, &around()) {
                Ok(definitions) => prop_assert!(!definitions.reports.is_empty()),
                Err(faults) => {
                    prop_assert!(!faults.is_empty());
                    let lines = text.matches('\n').count() + 1;
                    prop_assert!(faults.iter().all(|(line, what)| (1..=lines).contains(line) && !what.contains('\n')));
                }
            }
        }
    }
}

#[test]
fn the_example_and_the_readmes_are_files_that_can_be_read() {
    let example = include_str!("../../../../../infra/reports.example.toml");
    let read = definitions(example, &around()).unwrap();
    assert_eq!(read.names(), ["closed-deals", "field-sales-weekly", "month-end"]);
    for key in KEYS.iter().chain(&report::KEYS).chain(&filter::KEYS) {
        assert!(
            example.contains(&format!("{key} =")) || example.contains(&format!("{key}]")) || *key == "reports",
            "{key}"
        );
    }
    for (section, word) in SectionKind::ALL {
        assert!(read.named("month-end").unwrap().sections.contains(&section), "{word}");
    }
    let readme = include_str!("../../../../../README.md");
    let snippet = readme.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    assert_eq!(definitions(snippet, &Around::default()).unwrap().names(), ["big-deals", "month-end"]);
}
