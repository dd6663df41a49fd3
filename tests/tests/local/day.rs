//! A working day through signed webhooks, and the mails it leads to.

use std::collections::BTreeSet;

use end_to_end::{Day, Figures, Mail, Row, mysql_database, now_ms};
use hubspot_simulator::{Account, Kind, Settings};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The mails that tell of a record under a heading; there has to be one.
fn told<'m>(mails: &'m [Mail], title: &str, name: &str) -> &'m Row {
    let rows: Vec<&Row> = mails.iter().filter_map(|mail| mail.row(title, name)).collect();
    assert_eq!(rows.len(), 1, "{name} is told once under {title}");
    rows[0]
}

/// The record that a row is about. A payment is called by its invoice, so its id is taken from its link.
fn record(account: &Account, row: &Row) -> Option<(Kind, i64)> {
    if let Some(invoice) = row.name.strip_prefix("Payment for ") {
        account.find(Kind::Invoice, invoice)?;
        let id = row.url.rsplit('/').next()?.parse().ok()?;
        return account.ids(Kind::Payment).contains(&id).then_some((Kind::Payment, id));
    }
    [Kind::Deal, Kind::Invoice].into_iter().find_map(|kind| Some((kind, account.find(kind, &row.name)?)))
}

fn in_berlin(text: &str) -> String {
    let at = text
        .parse::<Timestamp>()
        .expect("HubSpot writes instants")
        .to_zoned(TimeZone::get("Europe/Berlin").expect("it is a zone"));
    at.strftime("%-d %b %Y %H:%M").to_string()
}

fn owner(account: &Account, deal: i64) -> String {
    let Some(id) = account.value(Kind::Deal, deal, "hubspot_owner_id") else { return "—".to_owned() };
    let owner = account.owners().into_iter().find(|owner| owner.id.to_string() == id).expect("owners are listed");
    format!("{} {}", owner.first_name, owner.last_name)
}

#[tokio::test]
async fn a_working_day_becomes_mails_that_add_up() {
    a_working_day(&[]).await;
}

#[tokio::test]
async fn a_working_day_adds_up_with_books_in_mariadb() {
    a_working_day(&[("DATABASE_URL", &mysql_database().await)]).await;
}

#[expect(clippy::unwrap_used, reason = "what is missing fails the test")]
async fn a_working_day(variables: &[(&str, &str)]) {
    let started_s = now_ms() / 1000;
    let day = Day::begin(Settings::default(), variables).await;
    day.play().await;
    let account = day.simulator.account();
    let mails = day.local.mails();

    let happened = day.happened();
    assert_eq!(Figures::of_mails(&mails), happened);
    assert_eq!(happened.won.keys().collect::<Vec<_>>(), ["EUR", "USD"], "the day is in two currencies");
    assert_eq!((happened.received["USD"], happened.refunded["USD"]), (625_000, 12_000));

    for mail in &mails {
        let html = mail.html.replace("&#x2f;", "/");
        let file = mail.file.display();
        assert_eq!(mail.from, "bell@example.com", "{file}");
        assert_eq!(mail.to, ["finance@example.com", "cfo@example.com"], "{file}");
        assert!((started_s..=now_ms() / 1000).contains(&mail.date), "{file} is of now");
        for header in ["Date", "From", "To", "Subject", "Message-ID", "MIME-Version"] {
            assert_eq!(mail.headers.iter().filter(|name| *name == header).count(), 1, "{header} of {file}");
        }
        for old in ["Legacy migration", "Annual support", "INV-2041", "PAY-7001", "Design workshop"] {
            assert!(!mail.text.contains(old) && !mail.html.contains(old), "{old} is from before the day, in {file}");
        }
        for section in &mail.sections {
            assert!(section.totals.iter().all(|total| mail.html.contains(total)), "the totals of {file} in HTML");
            for row in &section.rows {
                let (kind, id) = record(account, row).unwrap_or_else(|| panic!("{row:?}"));
                let type_id = kind.object_type_id();
                assert_eq!(row.url, format!("https://app.hubspot.com/contacts/62515001/record/{type_id}/{id}"));
                assert!(html.contains(&format!("href=\"{}\"", row.url)), "{} in {file}", row.url);
            }
        }
    }
    let ids: BTreeSet<&str> = mails.iter().map(|mail| mail.message_id.as_str()).collect();
    assert_eq!(ids.len(), mails.len(), "each mail has its own Message-ID");

    for deal in account.ids(Kind::Deal) {
        let name = account.value(Kind::Deal, deal, "dealname").unwrap();
        if account.value(Kind::Deal, deal, "hs_is_closed_won").as_deref() != Some("true") || name.starts_with("Annual")
        {
            continue;
        }
        let row = told(&mails, "WON", &name);
        assert_eq!(row.cells["Owner"], owner(account, deal), "{name}");
        assert_eq!(row.cells["Closed"], in_berlin(&account.value(Kind::Deal, deal, "closedate").unwrap()), "{name}");
    }
    let bare = told(&mails, "WON", "Framework agreement 2027");
    assert_eq!([&*bare.cells["Company"], &*bare.cells["Owner"], &*bare.cells["Amount"]], ["—", "—", "no amount"]);
    assert_eq!(told(&mails, "LOST", "Fleet tracking pilot").cells["Owner"], "Tomasz Wójcik");

    let paid = told(&mails, "MONEY RECEIVED", "Payment for INV-2042");
    assert_eq!([&*paid.cells["Company"], &*paid.cells["Amount"]], ["Müller & Söhne GmbH", "€4,165.00"]);

    let was = told(&mails, "WON", "Website relaunch");
    assert_eq!([&*was.cells["Company"], &*was.cells["Amount"]], ["Müller & Söhne GmbH", "€12,300.00"]);
    let corrected = told(&mails, "CORRECTIONS", "Website relaunch");
    let cells = ["What happened", "Was", "Now", "Net effect"].map(|column| corrected.cells[column].as_str());
    assert_eq!(cells, ["close date moved, reopened", "€12,300.00", "open", "−€12,300.00"]);
    assert!(corrected.notes.iter().any(|note| note.starts_with("reported ")), "{corrected:?}");

    let (ended, folder) = day.local.end().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
    assert!(ended.stderr.lines().last().unwrap().contains("ended as asked"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("ERROR") && !ended.stderr.contains('\x1b'), "{}", ended.stderr);
    folder.close().unwrap();
}
