//! `closing-bell report`: a period as it was sent, again, anew, and so far.

use std::fs;
use std::path::Path;

use end_to_end::{Ended, command, run};
use hubspot_simulator::Kind;
use report_worker::cycle::{Addresses, Archive};
use report_worker::domain::period::{Cadence, Calendar, Period};
use report_worker::report::{Definition, Definitions, Schedule, Trigger, render};
use report_worker::store::Store;

use crate::world::{World, definitions, section};

const DAILY: &str = "[reports.daily]\nschedule = \"daily\"\nat = \"06:00\"\nsections = [\"won\", \"corrections\"]\n\
                     attachments = [\"csv\"]\n";

/// The books with a deal of 22 November that is told with 100 euro, and has 130 since.
async fn told_otherwise() -> (World, i64) {
    let definitions = definitions(DAILY).await;
    let mut world = World::open_with(|choice| choice.definitions = definitions, |_| {}).await;
    let values =
        [("dealname", "Roof"), ("amount", "100"), ("dealstage", "closedwon"), ("closedate", "2026-11-22T09:00:00Z")];
    let deal = world.create(Kind::Deal, &values).await;
    world.cycle().await;
    assert_eq!(world.cycle_at("2026-11-23T05:00:00Z").await.mails_sent, 1);
    world.set(Kind::Deal, deal, &[("amount", "130")]).await;
    world.cycle().await;
    (world, deal)
}

async fn archive(world: &World) -> Archive {
    let store = Store::open(&world.books).await.unwrap();
    Archive::of(store, definitions(DAILY).await, None).await.unwrap().expect("the books are open")
}

fn scheduled(definitions: &Definitions) -> (&Definition, &Schedule) {
    let daily = definitions.named("daily").unwrap();
    match &daily.trigger {
        Trigger::Schedule(schedule) => (daily, schedule),
        Trigger::On(_) => panic!("it is scheduled"),
    }
}

/// Runs the command on a world's books, where these are in a file.
async fn bell(world: &World, arguments: &[&str]) -> Ended {
    let folder = world.folder.path();
    fs::write(folder.join("reports.toml"), DAILY).unwrap();
    let mut bell = command("closing-bell");
    bell.arg("report").args(arguments).current_dir(folder).envs([
        ("REPORTS_FILE", "reports.toml"),
        ("SMTP_URL", "file:outbox"),
        ("MAIL_FROM", "Closing Bell <bell@example.com>"),
        ("MAIL_TO", "finance@example.com"),
        ("DATABASE_URL", "sqlite:books.sqlite"),
    ]);
    run(bell, b"").await
}

fn written(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join("out").join(name)).unwrap()
}

#[tokio::test]
async fn a_sent_period_comes_back_byte_for_byte_also_after_a_revision() {
    let (world, _) = told_otherwise().await;
    let sent = world.mails.sent().remove(0);
    let period = ["daily", "--period", "2026-11-22"];
    let ended = bell(&world, &[&period[..], &["--output", "out"]].concat()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("revision 1 of 1") && ended.stdout.contains("€100.00"), "{}", ended.stdout);
    assert_eq!(written(world.folder.path(), "daily-2026-11-22.eml"), sent.bytes);
    assert!(String::from_utf8(written(world.folder.path(), "daily-2026-11-22.html")).unwrap().contains("Roof"));

    let ended = bell(&world, &[&period[..], &["--revise", "--json"]].concat()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let revised: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(revised["revision"], 2);
    let (subject, text) = (revised["subject"].as_str().unwrap(), revised["text"].as_str().unwrap());
    assert!(subject.starts_with("22 Nov 2026, revision 2: 1 deal won €130.00, 1 correction (+€30.00)"), "{subject}");
    assert!(text.contains("€100.00 (won, 22 Nov 2026)") && text.contains("€130.00 (won, 22 Nov 2026)"), "{text}");
    assert_eq!(revised["recipients"][0]["state"], "waiting");
    let answers = world.ask("SELECT CAST(bytes AS CHAR) FROM mails ORDER BY created_at").await.pop().unwrap();
    assert!(answers.contains(&format!("In-Reply-To: <{}>", sent.message_id)), "{answers}");

    let ended = bell(&world, &[&period[..], &["--revision", "2", "--output", "out"]].concat()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(String::from_utf8(written(world.folder.path(), "daily-2026-11-22-r2.eml")).unwrap().contains("revision"));
    let ended = bell(&world, &[&period[..], &["--revision", "1", "--resend", "--output", "out"]].concat()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("sent again to 1 recipient"), "{}", ended.stdout);
    assert_eq!(written(world.folder.path(), "daily-2026-11-22.eml"), sent.bytes);
    let [first, second] = ["", "-r2"].map(|of| written(world.folder.path(), &format!("daily-2026-11-22{of}.csv")));
    assert_ne!(first, second, "neither file takes the place of the other");
    assert_eq!(world.ask("SELECT DISTINCT state FROM mail_recipients").await, ["waiting"]);
    assert_eq!(world.ask("SELECT CAST(COUNT(*) AS CHAR) FROM mails").await, ["2"], "no third mail");
}

#[tokio::test]
async fn what_is_not_there_is_answered_with_what_is() {
    let (world, _) = told_otherwise().await;
    for (arguments, code, error) in [
        (
            &["daily", "--period", "2026-10-01"][..],
            1,
            "\"daily\" has not told 2026-10-01; the known ones are 2026-11-22",
        ),
        (
            &["daily", "--period", "2026-11-22", "--revision", "7"],
            1,
            "\"daily\" has no revision 7 of 2026-11-22; there are {1}",
        ),
        (&["daily", "--period", "November"], 2, "--period: \"November\" is not a day: write it like 2026-11-22"),
        (&["weekly", "--period", "2026-11-22"], 2, "there is no report \"weekly\"; the reports are daily"),
    ] {
        let ended = bell(&world, arguments).await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stderr.contains(error), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn what_a_revision_tells_needs_no_correction() {
    let (world, _) = told_otherwise().await;
    let archive = archive(&world).await;
    let (to, day) = (["finance@example.com".to_owned()], "2026-11-22".parse().unwrap());
    let addresses = Addresses { from: "bell@example.com", to: &to, owner: "owner@example.com" };
    let revised = archive.revise(scheduled(archive.definitions()), addresses, day, world.now()).await.unwrap();
    assert_eq!(revised.map(|revised| revised.revision), Some(2));
    let other_day =
        archive.revise(scheduled(archive.definitions()), addresses, day.tomorrow().unwrap(), world.now()).await;
    assert_eq!(other_day.unwrap(), None, "nobody was told that one");
    let summary = world.cycle_at("2026-11-24T05:00:00Z").await;
    assert_eq!((summary.reports, summary.mails_sent), (1, 2), "the revision, and the next day");
    assert!(section(&world.newest("daily").await, "Corrections").is_none());
}

#[tokio::test]
async fn a_running_period_is_shown_so_far_and_nothing_is_stored() {
    let (mut world, _) = told_otherwise().await;
    let values =
        [("dealname", "Barn"), ("amount", "7"), ("dealstage", "closedwon"), ("closedate", "2026-11-23T09:00:00Z")];
    world.create(Kind::Deal, &values).await;
    world.cycle().await;
    let archive = archive(&world).await;
    let today = Period::containing(Cadence::Daily, "2026-11-23".parse().unwrap(), &Calendar::default());
    let document = archive.so_far(scheduled(archive.definitions()), today, world.now()).await.unwrap();
    let text = render(&document, false).text;
    assert!(text.contains("Barn") && text.contains("so far") && !text.contains("Roof"), "{text}");
    assert_eq!(archive.periods("daily").await.unwrap().len(), 1);
}
