//! The status page of a running `local`.

use std::net::TcpListener;

use end_to_end::{Day, Local, run};
use hubspot_simulator::{Settings, Simulator};
use tempfile::TempDir;

#[tokio::test]
async fn the_page_has_a_listener_of_its_own_and_shows_what_was_mailed() {
    let day = Day::begin(Settings::default(), &[]).await;
    day.play_at_once().await;
    let (page, client) = (day.local.status_page(), day.local.client());
    let text = client.get(&page).send().await.unwrap().text().await.unwrap();
    let mails = day.local.mails();
    assert!(!mails.is_empty());
    for mail in &mails {
        assert!(text.contains(&mail.subject), "{} in {text}", mail.subject);
    }
    for told in ["All is well", "finance@example.com", "cfo@example.com", "Times are those of Europe&#x2f;Berlin"] {
        assert!(text.contains(told), "{told} in {text}");
    }
    // Neither of the two listeners does the other's work.
    let webhooks = day.local.url().strip_suffix("/webhooks/hubspot").unwrap();
    for path in ["", "/", "/style.css", "/mails/YQ"] {
        assert_eq!(client.get(format!("{webhooks}{path}")).send().await.unwrap().status(), 404, "{path}");
    }
    let delivery = client.post(format!("{page}webhooks/hubspot")).body("[]").send().await.unwrap();
    assert_eq!(delivery.status(), 405);
}

#[tokio::test]
async fn a_password_is_asked_for_on_every_address() {
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let password = [("STATUS_LISTEN", "0.0.0.0:0"), ("STATUS_PASSWORD", "hush, hush, hush")];
    let local = Local::start(&simulator, &password).await;
    let page = local.status_page().replace("0.0.0.0", "127.0.0.1");
    assert_eq!(local.client().get(&page).send().await.unwrap().status(), 401);
    let known = local.client().get(&page).basic_auth("finance", Some("hush, hush, hush"));
    assert!(known.send().await.unwrap().text().await.unwrap().contains("No mail yet."));
    assert!(!local.log().contains("hush"));
}

#[tokio::test]
async fn where_somebody_else_listens_the_work_goes_on_without_the_page() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let local = Local::start(&simulator, &[("STATUS_LISTEN", &listen)]).await;
    assert!(local.log().contains("there is no status page; is another program there? (STATUS_LISTEN)"));
    assert_eq!(local.post("[]").await, 200);
}

#[tokio::test]
async fn what_would_be_open_to_strangers_is_a_wrong_configuration() {
    for (listen, told) in [
        ("0.0.0.0:8081", "\n  STATUS_PASSWORD: not set; "),
        ("127.0.0.1:8080", "\n  STATUS_LISTEN: 127.0.0.1:8080 has the port of LISTEN"),
        ("localhost:8081", "\n  STATUS_LISTEN: not an address and port such as 127.0.0.1:8081"),
    ] {
        let folder = TempDir::new().unwrap();
        let mut local = Local::command(folder.path());
        local.env("WEBHOOK_URLS", "https://bell.example.com/hook").env("STATUS_LISTEN", listen);
        let ended = run(local, b"").await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
        assert!(ended.stderr.contains("has 1 problem:") && ended.stderr.contains(told), "{}", ended.stderr);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "it has started something");
    }
}
