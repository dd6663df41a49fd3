//! What is shown.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::TimeZone;
use report_worker::queue::Queue;
use report_worker::status_page::{Cycle, Progress, StatusPage};
use report_worker::store::{Books, Delivery, MailState, RawBody, SetAside, Store};

use crate::scene::{Scene, links, minutes_ago, now, serve};

/// Somebody's company, in every field that is not ours.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}{% raw %}\u{202e}</title>";

/// mixed(related(alternative(text, html), image), file).
fn big_mail() -> Vec<u8> {
    let lines = [
        "Subject: Invoices",
        "MIME-Version: 1.0",
        "Content-Type: multipart/mixed; boundary=mixed",
        "",
        "--mixed",
        "Content-Type: multipart/related; boundary=related",
        "",
        "--related",
        "Content-Type: multipart/alternative; boundary=alternative",
        "",
        "--alternative",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "Paid: =E2=82=AC6,250.00 by <script>alert(1)</script>",
        "--alternative",
        "Content-Type: text/html; charset=utf-8",
        "",
        "<html><head><title>x</title></head><body><p>Paid</p><img src=\"cid:chart@bell\" alt=\"a chart\"></body></html>",
        "--alternative--",
        "--related",
        "Content-Type: image/png; name=\"chart.png\"",
        "Content-ID: <chart@bell>",
        "Content-Disposition: inline",
        "Content-Transfer-Encoding: base64",
        "",
        "iVBORw0KGgo=",
        "--related--",
        "--mixed",
        "Content-Type: application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "Content-Disposition: attachment; filename=\"invoices.xlsx\"",
        "Content-Transfer-Encoding: base64",
        "",
        "UEsDBA==",
        "--mixed--",
        "",
    ];
    lines.join("\r\n").into_bytes()
}

async fn die(queue: &Queue, cause: &str) {
    queue.send("a body that nobody is shown", now()).await.unwrap();
    let message = queue.receive(1, Duration::ZERO, now()).await.unwrap().remove(0);
    queue.move_to_dead_letters(&message, cause, now()).await.unwrap();
}

fn delivery(number: u8, causes: &[&str]) -> Delivery {
    let aside =
        |(member, cause): (usize, &&str)| SetAside { member, cause: (*cause).to_owned(), raw: "hush".to_owned() };
    Delivery {
        id: [number; 16],
        received_at: minutes_ago(i64::from(number)),
        signature_version: "v3".to_owned(),
        correlation_id: None,
        body: RawBody::Plain(b"[]".to_vec()),
        events: vec![],
        set_aside: causes.iter().enumerate().map(aside).collect(),
    }
}

#[tokio::test]
async fn at_first_there_is_nothing_and_the_page_says_so() {
    let scene = Scene::open().await;
    assert!(scene.page("/").await.contains("The books are being opened"));
    scene.store.set_fact("books_open_at", &minutes_ago(60)).await.unwrap();
    scene.store.set_fact("opening_done", &now()).await.unwrap();
    let page = scene.page("/").await;
    for told in [
        "Open since 16:00; every change since then is in them.",
        "All is well. Everything that was received is read and reported.",
        "None has come yet.",
        "No mail yet.",
        "None. Every delivery could be taken in.",
        "Times are those of Europe&#x2f;Berlin.",
        "Looked at <time datetime=\"2026-11-22T16:00:00Z\" title=\"Sunday, 22 November 2026, 17:00:00 CET\">17:00</time>",
        "<noscript><meta http-equiv=\"refresh\"",
    ] {
        assert!(page.contains(told), "{told} in {page}");
    }
}

#[tokio::test]
async fn the_line_the_letters_and_what_was_set_aside() {
    let scene = Scene::open().await;
    let deliveries =
        [delivery(5, &[]), delivery(9, &["portal: 7 is not the token's"]), delivery(20, &["type: unknown"])];
    scene.store.take_in(&deliveries, now()).await.unwrap();
    for cause in ["signature: signature_mismatch", "body: not JSON at line 1"] {
        die(&scene.queue, cause).await;
    }
    scene.queue.send("waits", minutes_ago(3)).await.unwrap();
    scene.mail("refused@b", "Invoices", &["cfo@example.com"], b"", minutes_ago(9)).await;
    let waiting = scene.store.mails_to_send(now(), 9).await.unwrap().remove(0);
    assert!(scene.store.claim_mail(&waiting, now(), now()).await.unwrap());
    scene.store.set_mail_state(&waiting, MailState::Refused, "550 5.1.1 no such user", None, now()).await.unwrap();
    let problems = vec!["enrich: HubSpot is away".to_owned()];
    let cycle =
        Cycle { duration_ms: 12, records_read: 1_234, problems, next_at: Some(now() + Duration::from_secs(30)) };
    scene.progress.cycle_finished(cycle, Duration::from_secs(60), minutes_ago(1));

    let page = scene.page("/").await;
    for told in [
        "3 things need a look.",
        "The last cycle had a problem: enrich: HubSpot is away",
        "2 deliveries could not be taken in: see the dead letters.",
        "1 mail was refused or given up in the last 7 days.",
        "The newest came at 16:55.",
        "1 in the queue, the oldest sent at 16:57; 0 records to read.",
        "1234 records read from HubSpot since 16:50.",
        "2 dead letters; 1 mail refused in 7 days.",
        "Its last cycle ended 1 minute ago and took 12 ms, with 1 problem.",
        "At 17:00:30.",
        "550 5.1.1 no such user",
        "1 refused or given up; the owner was told.",
        "<title>(3) Closing Bell</title>",
    ] {
        assert!(page.contains(told), "{told} in {page}");
    }
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} in {page}"));
    assert!(at("body: not JSON at line 1") < at("signature: signature_mismatch"), "the newest comes first");
    assert!(at("portal: 7 is not the token&#x27;s") < at("type: unknown"));
    assert!(!page.contains("hush") && !page.contains("a body that nobody is shown"), "{page}");
}

#[tokio::test]
async fn the_outbox_has_pages_and_every_mail_once() {
    let scene = Scene::open().await;
    // Three at a time have the same moment.
    for number in 0..45 {
        let subject = format!("Report {number:02}");
        scene.mail(&format!("{number:02}@b"), &subject, &["a@example.com"], b"", minutes_ago(number / 3)).await;
    }
    let (mut seen, mut sizes, mut path) = (BTreeSet::new(), Vec::new(), "/".to_owned());
    loop {
        let page = scene.page(&path).await;
        let mails = links(&page);
        sizes.push(mails.len());
        seen.extend(mails);
        assert_eq!(page.contains("Newest mails"), sizes.len() > 1);
        let Some((_, older)) = page.split_once("id=\"older\" href=\"") else { break };
        path = older.split('"').next().unwrap().replace("&#x2f;", "/");
        path.truncate(path.find('#').unwrap());
    }
    assert_eq!((sizes, seen.len()), (vec![20, 20, 5], 45));
    assert!(scene.page("/").await.find("Report 00").unwrap() < scene.page("/").await.find("Report 05").unwrap());
    for nonsense in ["/?before=", "/?before=x.y", "/?before=1", "/?other=1"] {
        assert_eq!(links(&scene.page(nonsense).await).len(), 20, "{nonsense}");
    }
}

#[tokio::test]
async fn a_mail_is_shown_as_it_was_sent_with_its_images_and_files() {
    let scene = Scene::open().await;
    scene
        .mail(
            "big@bell.example",
            "Invoices: 1 paid €6,250.00",
            &["a@example.com", "b@example.com"],
            &big_mail(),
            minutes_ago(1_500),
        )
        .await;
    let link = links(&scene.page("/").await).remove(0);
    let page = scene.page(&link).await;
    for told in [
        "Invoices: 1 paid €6,250.00",
        "Saturday, 21 November 2026, 16:00:00 CET",
        "big@bell.example",
        "<span class=\"state waiting\">to be sent</span> <bdi>a@example.com</bdi>",
        "sandbox=\"allow-popups allow-popups-to-escape-sandbox\"",
        "Paid: €6,250.00 by &lt;script&gt;alert(1)&lt;&#x2f;script&gt;",
        "<bdi>invoices.xlsx</bdi></a> <span class=\"quiet\">4 bytes</span>",
    ] {
        assert!(page.contains(told), "{told} in {page}");
    }
    assert!(!page.contains("chart.png"), "an image of the text is no file");

    let html = scene.page(&format!("{link}/html")).await;
    assert!(html.contains("<img src=\"data:image/png;base64,iVBORw0KGgo=\" alt=\"a chart\">"), "{html}");
    assert!(!html.contains("cid:"));
    let raw = scene.get(&format!("{link}/raw")).await;
    assert_eq!(raw.headers()["content-type"], "message/rfc822");
    assert!(
        raw.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment; filename=\"big_bell.example.eml\"")
    );
    assert_eq!(raw.bytes().await.unwrap(), big_mail());

    let part = page.split("/parts/").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let file = scene.get(&format!("{link}/parts/{part}")).await;
    assert_eq!(file.headers()["content-type"], "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
    assert_eq!(
        file.headers()["content-disposition"],
        "attachment; filename=\"invoices.xlsx\"; filename*=UTF-8''invoices.xlsx"
    );
    assert_eq!(file.bytes().await.unwrap(), &b"PK\x03\x04"[..]);
    for nothing in ["/parts/0", "/parts/99", "/parts/x", "/parts/-1", "/other"] {
        let status = scene.get(&format!("{link}{nothing}")).await.status().as_u16();
        assert!(matches!(status, 400 | 404), "{nothing}: {status}");
    }
    for nobody in ["/mails/", "/mails/%00", "/mails/YQ", "/mails/YQ/html", "/mails/____", "/mails/..%2f..%2fetc"] {
        assert_eq!(scene.get(nobody).await.status(), 404, "{nobody}");
    }
}

#[tokio::test]
async fn a_hostile_name_is_only_text() {
    let scene = Scene::open().await;
    let bytes = format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{HOSTILE}");
    scene.mail(&format!("{HOSTILE}@b"), HOSTILE, &[HOSTILE], bytes.as_bytes(), now()).await;
    let waiting = scene.store.mails_to_send(now(), 9).await.unwrap().remove(0);
    assert!(scene.store.claim_mail(&waiting, now(), now()).await.unwrap());
    scene.store.set_mail_state(&waiting, MailState::Unknown, HOSTILE, Some(now()), now()).await.unwrap();
    scene.store.take_in(&[delivery(1, &[HOSTILE])], now()).await.unwrap();
    die(&scene.queue, HOSTILE).await;
    let cycle = Cycle { problems: vec![HOSTILE.to_owned()], ..Cycle::default() };
    scene.progress.cycle_finished(cycle, Duration::from_secs(60), now());
    let overview = scene.page("/").await;
    let mail = scene.page(&links(&overview)[0]).await;
    // Subject, address, reply, dead letter, set-aside event and problem; title, subject, id, address, reply and text.
    for (page, times) in [(&overview, 6), (&mail, 6)] {
        assert_eq!(page.matches("<script").count(), 1, "our own: {page}");
        assert!(page.contains("<script src=\"/script.js\" defer></script>"));
        assert!(!page.contains("<img") && !page.contains("onerror=alert(1)>{{ 49"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;alert(1)").count(), times, "{page}");
        assert_eq!(page.matches("{{ 7*7 }}{% raw %}").count(), times, "{page}");
        assert_eq!(page.matches("</title>").count(), 1, "{page}");
    }
}

#[tokio::test]
async fn where_the_books_or_the_queue_are_away_the_rest_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let page = StatusPage {
        books: Books::Sqlite(folder.path().join("books.sqlite")).into(),
        queue_file: folder.path().join("queue.sqlite"),
        progress: Progress::starting(Duration::from_secs(60), minutes_ago(60)),
        zone: Some(TimeZone::UTC),
        password: None,
        clock: now,
    };
    let (address, serving) = serve(page).await;
    let client = crate::scene::client(reqwest::Client::builder());
    let get = async |path: &str| {
        let response = client.get(format!("http://{address}{path}")).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let (status, text) = get("/").await;
    assert_eq!(status, 200);
    for told in [
        "3 things need a look.",
        "The books cannot be read: ",
        "The queue cannot be read: cannot look into the queue file ",
        "The worker is stuck: its cycle does not end.",
        "This cannot be read now.",
    ] {
        assert!(text.contains(told), "{told} in {text}");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "looking makes no file");
    assert_eq!(get("/mails/YQ").await.0, 503);
    serving.abort();
}

#[tokio::test]
async fn looking_neither_waits_for_who_writes_nor_writes() {
    let scene = Scene::open().await;
    scene.mail("a@b", "before", &["a@example.com"], b"", now()).await;
    let mut writing = scene.store.pool().begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("UPDATE mails SET subject = 'after'").execute(&mut *writing).await.unwrap();
    assert!(scene.page("/").await.contains("before"), "a transaction that is not done is not seen");
    writing.commit().await.unwrap();
    assert!(scene.page("/").await.contains("after"));

    let folder = tempfile::tempdir().unwrap();
    let books = Books::Sqlite(folder.path().join("books.sqlite"));
    let _worker = Store::open_to_work(&books).await.unwrap();
    let looking = Store::to_glance_at(&books).unwrap();
    assert_eq!(looking.fact::<String>("x").await.unwrap(), None);
    let error = format!("{:#}", anyhow::Error::from(looking.set_fact("x", &1).await.unwrap_err()));
    assert!(error.contains("readonly") || error.contains("read only"), "{error}");
}

#[tokio::test]
async fn what_is_much_is_not_counted_to_its_end() {
    let scene = Scene::open().await;
    for many in [
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10050) \
         INSERT INTO due (portal_id, kind, record_id, generation, readings, next_at) SELECT 1, 'deal', i, 1, 0, 1 FROM n",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10050) \
         INSERT INTO mails SELECT 'm' || i, NULL, 's', 'subject', i, x'' FROM n",
        "INSERT INTO mail_recipients SELECT message_id, 'a', 'unknown', 1, 1, NULL, 1 FROM mails",
    ] {
        sqlx::query(many).execute(scene.store.pool()).await.unwrap();
    }
    let page = scene.page("/").await;
    for told in ["<p class=\"count\">10,000+</p>", "10,000+ records to read.", "10,000+ mails were perhaps sent"] {
        assert!(page.contains(told), "{told} in {page}");
    }
    assert_eq!(links(&page).len(), 20);
}
