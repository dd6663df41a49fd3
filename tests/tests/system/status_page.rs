//! The status page in a real browser, over a program that works.

use std::path::{Path, PathBuf};

use end_to_end::Day;
use hubspot_simulator::{Kind, Settings};
use serde_json::json;

use crate::browser::Scheme;
use crate::devtools::Tab;

/// A telephone, a tablet, a desktop, and a wide one.
const WIDTHS: [u32; 4] = [375, 768, 1280, 1400];

/// The mails that are listed.
const MAILS: &str = "document.querySelectorAll('.mails > li').length";

/// A company that would like to run something.
const HOSTILE: &str = "<script>document.documentElement.dataset.ran=1</script><img src=x onerror=\"document.documentElement.dataset.ran=1\">";

#[tokio::test(flavor = "multi_thread")]
async fn the_page_can_be_read_on_every_screen_and_renews_itself() {
    let day = Day::begin(Settings::default(), &[]).await;
    day.play_at_once().await;
    for body in ["no JSON", "[{}]", "[{\"subscriptionType\":\"deal.dance\",\"portalId\":7,\"objectId\":1}]"] {
        assert_eq!(day.local.post(body).await, 200);
    }
    day.local.all_told(&day.simulator).await;
    let page = day.local.status_page();
    let mut tab = Tab::open().await;
    tab.screen(1280, Scheme::Light).await;
    tab.go(&page).await;
    landmarks(&mut tab).await;

    // A change in HubSpot is a mail on the page, in the same document and with the focus where it was.
    let mails = tab.value(MAILS).await.as_u64().unwrap();
    assert!(mails >= 2);
    let first =
        tab.value("window.stays = true, document.querySelector('.mails a').focus(), document.activeElement.id").await;
    let values = [("dealname", HOSTILE), ("amount", "77"), ("dealstage", "closedwon"), ("closedate", "2026-11-23")];
    day.simulator.account().create(Kind::Deal, &values);
    tab.until(&format!("{MAILS} > {mails}")).await;
    assert_eq!(tab.value("window.stays").await, true, "it was loaded again");
    assert_eq!(tab.value("document.activeElement.id").await, first);
    day.local.all_told(&day.simulator).await;

    let newest = tab.value("document.querySelector('.mails a').href").await.as_str().unwrap().to_owned();
    for width in WIDTHS {
        for scheme in [Scheme::Light, Scheme::Dark] {
            tab.screen(width, scheme).await;
            for (name, url) in [("overview", &page), ("mail", &newest)] {
                tab.go(url).await;
                check(&mut tab, width, &format!("{name} at {width}, {scheme:?}")).await;
                let file = format!("status-page-{name}-{width}-{scheme:?}.png").to_lowercase();
                tab.photograph(&screenshots().join(file)).await;
            }
        }
    }

    // The mail is in its frame as it was sent, and nothing in it runs.
    let shown = tab.value_in_frame("document.body.innerText").await;
    assert!(shown.as_str().unwrap().contains("€77.00"), "{shown}");
    for ran in
        ["document.documentElement.dataset.ran === undefined", "document.querySelectorAll('script').length === 0"]
    {
        assert_eq!(tab.value_in_frame(ran).await, true, "{ran}");
        assert_eq!(tab.value(&ran.replace("=== 0", "=== 1")).await, true, "{ran}");
    }
    assert_eq!(tab.complaints, [""; 0]);
    silent(&mut tab, &page, day).await;
}

/// What those go by who do not see the page.
async fn landmarks(tab: &mut Tab) {
    for condition in [
        "document.documentElement.lang === 'en'",
        "['header', 'main', 'footer', 'h1'].every((name) => document.querySelectorAll(name).length === 1)",
        "[...document.querySelectorAll('section')].every((it) => document.getElementById(it.getAttribute('aria-labelledby')))",
        "document.querySelector('#verdict').getAttribute('role') === 'status'",
        "[...document.querySelectorAll('h1, h2, h3')].map((it) => +it.tagName[1]).every((level, at, all) => at === 0 || level <= all[at - 1] + 1)",
        "new Set([...document.querySelectorAll('[id]')].map((it) => it.id)).size === document.querySelectorAll('[id]').length",
        "document.querySelectorAll('#letters .causes li').length === 1 && document.querySelectorAll('#aside .causes li').length === 2",
    ] {
        assert_eq!(tab.value(condition).await, true, "{condition}");
    }
    for kind in ["keyDown", "keyUp"] {
        tab.call(
            "Input.dispatchKeyEvent",
            json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 }),
        )
        .await;
    }
    assert_eq!(tab.value("document.activeElement.className").await, "skip");
    assert_eq!(tab.value("document.activeElement.getBoundingClientRect().left >= 0").await, true, "it is seen");
}

async fn check(tab: &mut Tab, width: u32, what: &str) {
    let widest = tab.value("document.documentElement.scrollWidth").await;
    assert_eq!(widest, width, "{what}: as wide as the screen");
    let measured = tab.value(&format!("(() => {{ {}; return found; }})()", include_str!("measure.js"))).await;
    assert!(measured["contrast"].as_f64().unwrap() >= 4.5, "{what}: {measured}");
}

/// Without scripts the page loads itself again; with them, one that nobody sees asks nothing, and one without an answer says so.
async fn silent(tab: &mut Tab, page: &str, day: Day) {
    tab.call("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    tab.go(page).await;
    assert_eq!(tab.value("document.querySelector('noscript > meta').httpEquiv").await, "refresh");
    assert!(tab.value(MAILS).await.as_u64().unwrap() > 2);
    tab.call("Emulation.setScriptExecutionDisabled", json!({ "value": false })).await;

    let hurry = "const later = setTimeout; window.asked = 0; \
                 window.setTimeout = (then, ms) => later(then, ms === 4000 ? 20 : ms); \
                 const real = fetch; window.fetch = (...all) => { window.asked += 1; return real(...all); };";
    tab.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": hurry })).await;
    tab.go(page).await;
    tab.until("window.asked > 3").await;
    let see = |hidden: bool| {
        format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }}); \
             document.dispatchEvent(new Event('visibilitychange')); window.asked"
        )
    };
    let asked = tab.value(&see(true)).await.as_u64().unwrap();
    let later = "new Promise((done) => later(() => done(window.asked), 600))";
    // The one that was under way when the tab was hidden may be one more.
    assert!(tab.value(later).await.as_u64().unwrap() <= asked + 1, "a hidden page asks on");
    let asked = tab.value(&see(false)).await.as_u64().unwrap();
    tab.until(&format!("window.asked > {asked} + 3")).await;
    assert_eq!(tab.value("document.getElementById('silence').hidden").await, true);
    day.local.end().await;
    tab.until("!document.getElementById('silence').hidden").await;
    tab.photograph(&screenshots().join("status-page-silent.png")).await;
}

/// Where the pictures lie for people to look at: target/screenshots.
fn screenshots() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
