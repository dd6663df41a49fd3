//! The reports of `REPORTS_FILE`, as the commands have them.

use std::fs;
use std::path::Path;

use end_to_end::{Ended, Local, Mail, command, mails_in, run};
use hubspot_simulator::{Settings, Simulator};
use tempfile::TempDir;

/// Runs a command where `reports.toml` is, with what mails need.
async fn bell(folder: &Path, arguments: &[&str]) -> Ended {
    let mut bell = command("closing-bell");
    bell.args(arguments).current_dir(folder).envs([
        ("REPORTS_FILE", "reports.toml"),
        ("SMTP_URL", "file:outbox"),
        ("MAIL_FROM", "bell@example.com"),
        ("DATABASE_URL", "sqlite:books.sqlite"),
    ]);
    run(bell, b"").await
}

const MISTAKES: &str = r#"
[reports.month-end]
schedule = "montly"
at = "7 o'clock"
to = ["finance"]

[reports.big_deals]
on = ["deal.won"]
filter.minimum_amount = 1000.0
recipients = "cfo@example.com"
"#;

#[tokio::test]
async fn all_that_is_wrong_with_the_file_ends_worker_and_local_with_2() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("reports.toml"), MISTAKES).unwrap();
    for name in ["worker", "local"] {
        let ended = bell(folder.path(), &[name]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
        let told: Vec<&str> =
            ended.stderr.lines().filter_map(|line| line.strip_prefix("  REPORTS_FILE: reports.toml:")).collect();
        insta::allow_duplicates! {
            insta::assert_snapshot!(told.join("\n"), @r#"
            3: reports.month-end.schedule: "montly" is not known; did you mean "monthly"? There are daily, weekly, monthly, quarterly, yearly
            4: reports.month-end.at: "7 o'clock" is no time of day to the minute; write one such as "07:30"
            5: reports.month-end.to: "finance" is not an address to write to: it has no @; write name@example.com
            7: reports.big_deals: is no name for a report; write one of lower-case letters, digits and hyphens, such as month-end, of at most 60 characters
            7: reports.big_deals.to: nobody gets it: MAIL_TO is not set; write to = ["finance@example.com"], or set MAIL_TO
            9: reports.big_deals.filter.minimum_amount: is a decimal number; write "1000.00"
            10: reports.big_deals.recipients: there is no such key; the keys here are on, schedule, at, title, to, cc, bcc, sections, attachments, skip_if_empty, language, dates, dry_run_until, filter
            "#);
        }
        assert!(ended.stderr.contains("HUBSPOT_CLIENT_SECRETS: not set"), "the rest is told with it: {}", ended.stderr);
    }
    let doctor = bell(folder.path(), &["doctor"]).await;
    assert_eq!(doctor.code, Some(2), "{doctor:?}");
    let told = doctor.stdout.lines().filter(|line| line.contains("REPORTS_FILE: reports.toml:")).count();
    assert_eq!(told, 7, "{}", doctor.stdout);
    let fixes =
        doctor.stdout.matches("Correct it there, then start `local` again: the file is read at its start").count();
    assert_eq!(fixes, 7, "{}", doctor.stdout);
}

#[tokio::test]
async fn any_report_is_previewed_by_its_name_and_sent_once_as_a_trial() {
    let folder = TempDir::new().unwrap();
    let reports = "[reports.grosse-deals]\non = \"deal.won\"\ntitle = \"Große Deals\"\nlanguage = \"de\"\nto = \"board@example.com\"";
    fs::write(folder.path().join("reports.toml"), reports).unwrap();
    let ended = bell(folder.path(), &["preview", "grosse-deals", "--output", "out"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let text = fs::read_to_string(folder.path().join("out/grosse-deals.txt")).unwrap();
    assert!(text.contains("Große Deals") && text.contains("12.300,50"), "{text}");
    assert!(text.contains("Dies ist ein Beispiel; keiner dieser Datensätze existiert."), "{text}");
    assert!(!text.contains("Verloren"), "what is not listed is not in it: {text}");
    assert!(!folder.path().join("outbox").exists(), "nothing is sent");

    let ended = bell(folder.path(), &["preview", "grosse-deals", "--send-to", "me@example.com"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mails = mails_in(&folder.path().join("outbox"));
    let [Mail { to, subject, .. }] = &mails[..] else { panic!("{mails:#?}") };
    assert_eq!(to, &["me@example.com"], "and to nobody of the report's own");
    assert!(subject.starts_with("Beispiel: Große Deals: "), "{subject}");

    let ended = bell(folder.path(), &["preview", "closed-deals"]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("there is no report \"closed-deals\"; the reports are grosse-deals"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn what_filters_name_is_looked_for_in_the_account() {
    let folder = TempDir::new().unwrap();
    let toml = r#"
        [reports.sales]
        on = "deal.won"
        filter = { pipeline = "sales pipeline", currency = "EUR", properties = { dealtype = "newbusiness" } }
        [reports.others]
        on = "deal.won"
        filter = { pipeline = "Sales Pipelin", owner = "Nobody At All", properties = { deal_type = "newbusiness" } }
    "#;
    fs::write(folder.path().join("reports.toml"), toml).unwrap();
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let mut doctor = command("closing-bell");
    let local = Local::command(folder.path());
    let environment = local.as_std().get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    doctor.arg("doctor").current_dir(folder.path()).envs(environment);
    doctor.env("REPORTS_FILE", "reports.toml").env("HUBSPOT_API_URL", simulator.api_url());
    let ended = run(doctor, b"").await;
    let reports = ended.stdout.split_once("\nreports ").expect("a line for the reports").1;
    insta::assert_snapshot!(reports.split_once("\n\n").unwrap().0, @r#"
            warning      reports.others.filter.pipeline: the account has no pipeline "Sales Pipelin", so none passes by it
                    └ fix        Write "Sales Pipeline" in reports.others.filter.pipeline of REPORTS_FILE
    reports         warning      reports.others.filter.owner: the account has no owner "Nobody At All", so none passes by it
                    └ fix        Correct reports.others.filter.owner of REPORTS_FILE, or name it so in HubSpot
    reports         warning      reports.others.filter.properties: the account has no property "deal_type", so none passes by it
                    └ fix        Write "dealtype" in reports.others.filter.properties of REPORTS_FILE
    "#);
}
