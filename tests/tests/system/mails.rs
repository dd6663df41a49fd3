//! The mails as people see them, in a real browser.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use mail_parser::{MessageParser, MimeHeaders};
use report_worker::report::{Document, Language, render};

use crate::browser::{Browser, Scheme, Seen};
use crate::demo;
use crate::samples::{everywhere, month};

/// How a mail is looked at: how wide, and what the screen asks for.
#[derive(Clone, Copy)]
struct Screen {
    width: u32,
    look: Look,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Look {
    Light,
    Dark,
    /// As Outlook on the web and on telephones darkens a mail: it marks what it has darkened by itself.
    Outlook,
}

/// A telephone, panes beside a list of mails, and a desktop.
const SCREENS: [Screen; 7] = [
    Screen { width: 375, look: Look::Light },
    Screen { width: 375, look: Look::Dark },
    Screen { width: 600, look: Look::Light },
    Screen { width: 600, look: Look::Outlook },
    Screen { width: 700, look: Look::Light },
    Screen { width: 1200, look: Look::Light },
    Screen { width: 1200, look: Look::Dark },
];

/// The narrowest and the widest.
const TWO_SCREENS: [Screen; 2] = [SCREENS[0], SCREENS[6]];

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_s_mails_can_be_read_on_every_screen() {
    let folder = tempfile::tempdir().unwrap();
    let browser = Browser::new();
    let mut dom_of_all = String::new();
    for (number, file) in (1..).zip(demo::mails(folder.path()).await) {
        let bytes = fs::read(&file).unwrap();
        let mail = MessageParser::default().parse(&bytes).unwrap();
        let images =
            mail.attachments().filter_map(|part| Some((part.content_id()?.to_owned(), part.contents().to_owned())));
        let images = images.collect::<Vec<_>>();
        let text = mail.body_text(0).unwrap();
        let page = page(folder.path(), &format!("mail-{number}"), &mail.body_html(0).unwrap(), &images);
        for seen in on_screens(&SCREENS, &browser, &page, &number.to_string()).await {
            for amount in amounts(&text) {
                assert!(seen.dom.contains(&amount), "{amount} of the text part is not in the HTML part of {number}");
            }
            dom_of_all.push_str(&seen.dom);
        }
    }
    for told in [
        "Website relaunch",
        "€12,300.00",
        "−€12,300.00",
        "Müller &amp; Söhne GmbH",
        "Café Lumière 🌟",
        "Tomasz Wójcik",
        "$26,899.99",
        "INV-2044",
        "€6,150.00",
    ] {
        assert!(dom_of_all.contains(told), "{told} is in none of the mails");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_can_be_read_on_every_screen() {
    let folder = tempfile::tempdir().unwrap();
    let browser = Browser::new();
    look_at(&SCREENS, &browser, folder.path(), "month-en", &month(Language::En, 14)).await;
    for (language, name) in [(Language::De, "de"), (Language::Fr, "fr")] {
        look_at(&TWO_SCREENS, &browser, folder.path(), &format!("month-{name}"), &month(language, 14)).await;
    }
    look_at(&TWO_SCREENS, &browser, folder.path(), "month-long", &month(Language::En, 2_000)).await;
    // As long as a report lets a name be, in one word and in many.
    look_at(&TWO_SCREENS, &browser, folder.path(), "month-wide", &everywhere(&format!("{}…", "W".repeat(120)), 3))
        .await;
    look_at(&TWO_SCREENS, &browser, folder.path(), "month-wordy", &everywhere(&"Wagga ".repeat(20), 3)).await;
}

/// Renders a document and looks at it.
async fn look_at(screens: &[Screen], browser: &Browser, folder: &Path, name: &str, document: &Document) -> Vec<Seen> {
    let rendered = render(document, true);
    assert!(rendered.html.len() < 100_000, "{name} has {} bytes", rendered.html.len());
    let images: Vec<_> = rendered.images.into_iter().map(|image| (image.content_id, image.png)).collect();
    on_screens(screens, browser, &page(folder, name, &rendered.html, &images), name).await
}

/// Looks at a page on screens, and leaves pictures for people to look at.
async fn on_screens(screens: &[Screen], browser: &Browser, page: &Path, name: &str) -> Vec<Seen> {
    let html = fs::read_to_string(page).unwrap();
    let outlook = page.with_extension("outlook.html");
    fs::write(&outlook, html.replacen("<body ", "<body data-ogsc data-ogsb ", 1)).unwrap();
    let mut all = Vec::new();
    for &Screen { width, look } in screens {
        let page = if look == Look::Outlook { &outlook } else { page };
        let scheme = if look == Look::Dark { Scheme::Dark } else { Scheme::Light };
        let seen = browser.look(page, width, scheme).await;
        let at = format!("{name}-{width}-{look:?}").to_lowercase();
        assert_eq!(seen.width, width, "{at}: the window is as wide as the screen");
        assert!(seen.widest <= width, "{at}: {} wide at {}", seen.widest, seen.wide);
        assert!(seen.contrast >= 4.5, "{at}: {} at “{}”", seen.contrast, seen.faintest);
        assert_eq!(seen.images_missing, 0, "{at}");
        assert_eq!(seen.fetched, [""; 0], "{at}: nothing comes from elsewhere");
        assert!(!seen.dom.contains("data-ran"), "{at}: a script ran");
        let target = screenshots().join(format!("{at}.png"));
        browser.photograph(page, width, seen.height, scheme, &target).await;
        assert_eq!(png_width(&target), width);
        all.push(seen);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_is_only_text() {
    let run = "document.documentElement.dataset.ran=1";
    let hostile = [
        format!("<script>{run}</script>"),
        format!("<img src=x onerror=\"{run}\">"),
        format!("\" onmouseover=\"{run}\" autofocus onfocus=\"{run}\" x=\""),
        format!("</title></style></td></table><svg onload={run}>"),
        format!("--><![endif]--><img src=https://example.invalid/pixel.png onerror={run}>"),
        "{{ 7 * 7 }}{% raw %}".to_owned(),
        "\u{202E}\u{200B}lavE\r\n".to_owned(),
    ];
    let folder = tempfile::tempdir().unwrap();
    let browser = Browser::new();
    let control = page(folder.path(), "control", &format!("<html><body>{}</body></html>", hostile[1]), &[]);
    assert!(browser.look(&control, 375, Scheme::Light).await.dom.contains("data-ran"), "the trap is set");
    for (number, text) in hostile.iter().enumerate() {
        let seen =
            look_at(&TWO_SCREENS[..1], &browser, folder.path(), &format!("hostile-{number}"), &everywhere(text, 2))
                .await;
        assert!(!seen[0].dom.contains(['\u{202E}', '\u{200B}']), "marks that nobody sees are left out");
        if number == 0 || number == 5 {
            let told = ["&lt;script&gt;document", "{{ 7 * 7 }}{% raw %}"][number / 5];
            assert!(seen[0].dom.contains(told), "{told} is not shown as it is");
        }
    }
}

/// The HTML part as a file, with its images where `cid:` names them.
fn page(folder: &Path, name: &str, html: &str, images: &[(String, Vec<u8>)]) -> PathBuf {
    let mut html = html.to_owned();
    for (content_id, png) in images {
        let shown = format!("src=\"cid:{content_id}\"");
        assert!(html.contains(&shown), "an image that nothing shows");
        html = html.replace(&shown, &format!("src=\"data:image/png;base64,{}\"", BASE64.encode(png)));
    }
    assert!(!html.contains("cid:"), "an image that is not there");
    let file = folder.join(format!("{name}.html"));
    fs::write(&file, html).unwrap();
    file
}

/// Everything in a text that is an amount of money.
fn amounts(text: &str) -> BTreeSet<String> {
    let is_money = |word: &&str| word.trim_start_matches('−').starts_with(['€', '$']);
    let words = text.split_whitespace().filter(is_money).map(|word| word.trim_end_matches([',', '.']).to_owned());
    let found: BTreeSet<String> = words.collect();
    assert!(!found.is_empty(), "{text}");
    found
}

/// Where the pictures lie for people to look at: target/screenshots.
fn screenshots() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The width that a PNG's header gives (PNG, 11.2.1), after making sure that it is one and not blank.
fn png_width(file: &Path) -> u32 {
    let bytes = fs::read(file).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "{} is no PNG", file.display());
    assert!(bytes.len() > 10_000, "{} is blank", file.display());
    u32::from_be_bytes(bytes[16..20].try_into().unwrap())
}
