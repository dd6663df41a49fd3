//! Chromium without a window.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::Command;

/// As the operating system tells it to pages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scheme {
    Dark = 0,
    Light = 1,
}

/// A browser with a profile of its own.
pub(crate) struct Browser {
    profile: TempDir,
}

/// What a page looks like.
pub(crate) struct Seen {
    /// The page as the browser understood it.
    pub(crate) dom: String,
    /// The window's width in CSS pixels.
    pub(crate) width: u32,
    /// How far the widest element reaches.
    pub(crate) widest: u32,
    /// Which that is.
    pub(crate) wide: String,
    /// The page's height.
    pub(crate) height: u32,
    /// The weakest contrast between a text and its background, as WCAG 2.2 reckons it: 4.5 is enough for small text.
    pub(crate) contrast: f64,
    /// The text that has it.
    pub(crate) faintest: String,
    /// How many images could not be shown.
    pub(crate) images_missing: u32,
    /// What the page has fetched or tried to, data URLs apart.
    pub(crate) fetched: Vec<String>,
}

#[derive(Deserialize)]
struct Measured {
    width: u32,
    widest: u32,
    wide: String,
    height: u32,
    contrast: f64,
    faintest: String,
    images_missing: u32,
    fetched: Vec<String>,
}

/// The browser keeps some of the screen's height for itself.
const BROWSERS_OWN: u32 = 60;

/// Long enough for a loaded machine; only ever waited for to its end when something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

impl Browser {
    pub(crate) fn new() -> Self {
        Self { profile: tempfile::tempdir().unwrap() }
    }

    /// Opens a copy of the page that measures itself.
    pub(crate) async fn look(&self, page: &Path, width: u32, scheme: Scheme) -> Seen {
        let copy = page.with_extension("measured.html");
        let html = fs::read_to_string(page).unwrap();
        let measuring = format!("<script>{}</script></body>", include_str!("measure.js"));
        assert!(html.contains("</body>"));
        fs::write(&copy, html.replacen("</body>", &measuring, 1)).unwrap();
        let dom = self.run(&copy, width, 1_000, scheme, &["--dump-dom"]).await;
        let (_, measured) = dom.rsplit_once("<!--measured ").expect("the page has measured itself");
        let (measured, _) = measured.split_once("-->").unwrap();
        let Measured { width, widest, wide, height, contrast, faintest, images_missing, fetched } =
            serde_json::from_str(measured).unwrap();
        Seen { dom, width, widest, wide, height, contrast, faintest, images_missing, fetched }
    }

    /// Takes a picture of the whole page.
    pub(crate) async fn photograph(&self, page: &Path, width: u32, height: u32, scheme: Scheme, target: &Path) {
        let screenshot = format!("--screenshot={}", target.display());
        self.run(page, width, height + BROWSERS_OWN, scheme, &["--hide-scrollbars", &screenshot]).await;
    }

    async fn run(&self, page: &Path, width: u32, height: u32, scheme: Scheme, what: &[&str]) -> String {
        let chromium = std::env::var_os("CLOSING_BELL_CHROMIUM").expect("run `cargo xtask test --system`");
        // A window is never narrower than 500 pixels, but a screen can be, and the window fills it.
        let child = Command::new(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .arg(format!("--user-data-dir={}", self.profile.path().display()))
            .args([format!("--screen-info={{{width}x{height}}}"), "--start-fullscreen".to_owned()])
            .arg(format!("--blink-settings=preferredColorScheme={}", scheme as u8))
            .args(what)
            .arg(format!("file://{}", page.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("Chromium ends").unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}
