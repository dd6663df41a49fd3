//! Chromium without a window, steered by its DevTools protocol over a pair of pipes: for pages that live.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::browser::Scheme;

/// Long enough for a loaded machine; only ever waited for to its end when something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// One tab of a browser with a profile of its own. It ends with this value.
pub(crate) struct Tab {
    _browser: Child,
    _profile: TempDir,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: String,
    calls: u64,
    /// What the browser has complained about: exceptions, and what a policy forbids.
    pub(crate) complaints: Vec<String>,
}

impl Tab {
    pub(crate) async fn open() -> Self {
        let chromium = std::env::var_os("CLOSING_BELL_CHROMIUM").expect("run `cargo xtask test --system`");
        let profile = tempfile::tempdir().unwrap();
        // The protocol is spoken over descriptors 3 and 4.
        let mut browser = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--remote-debugging-pipe", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (to, from) = (browser.stdin.take().unwrap(), BufReader::new(browser.stdout.take().unwrap()));
        let (session, complaints) = (String::new(), Vec::new());
        let mut tab = Self { _browser: browser, _profile: profile, to, from, session, calls: 0, complaints };
        let target = tab.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        tab.session = tab.call("Target.attachToTarget", attach).await["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            tab.call(&format!("{domain}.enable"), json!({})).await;
        }
        tab
    }

    /// Calls a method; answers with its result.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": params });
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        self.to.write_all(format!("{call}\0").as_bytes()).await.unwrap();
        loop {
            let message = self.message().await;
            if message["id"] == self.calls {
                assert!(message["error"].is_null(), "{call}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// The next message of any kind. What it complains about is kept.
    async fn message(&mut self) -> Value {
        let mut bytes = Vec::new();
        timeout(PATIENCE, self.from.read_until(0, &mut bytes)).await.expect("Chromium answers").unwrap();
        let message: Value = serde_json::from_slice(bytes.strip_suffix(&[0]).expect("Chromium is there")).unwrap();
        let params = &message["params"];
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(params["exceptionDetails"].to_string()),
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.complaints.push(format!("{} {}", params["entry"]["text"], params["entry"]["url"]));
            }
            _ => {}
        }
        message
    }

    /// Goes to an address, and waits until all of it is there.
    pub(crate) async fn go(&mut self, url: &str) {
        let gone = self.call("Page.navigate", json!({ "url": url })).await;
        assert!(gone["errorText"].is_null(), "{url}: {gone}");
        while self.message().await["method"] != "Page.loadEventFired" {}
    }

    /// The value of an expression in the page; a promise is waited for.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", asked).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until a condition holds in the page.
    pub(crate) async fn until(&mut self, condition: &str) {
        let look = format!(
            "new Promise((done) => {{ const look = () => {condition} ? done(true) : setTimeout(look, 50); look(); }})"
        );
        assert_eq!(self.value(&look).await, true);
    }

    /// A screen of this width, and what the operating system tells pages of its colours.
    pub(crate) async fn screen(&mut self, width: u32, scheme: Scheme) {
        self.window(width, 900).await;
        let scheme = match scheme {
            Scheme::Dark => "dark",
            Scheme::Light => "light",
        };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", media).await;
    }

    /// Takes a picture of the whole page, in a window in which all of it is: what is outside it is not drawn in frames.
    pub(crate) async fn photograph(&mut self, target: &Path) {
        let size = self.call("Page.getLayoutMetrics", json!({})).await["cssContentSize"].clone();
        let side = |side: &str| u32::try_from(size[side].as_u64().unwrap()).unwrap();
        self.window(side("width"), side("height")).await;
        self.value("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))")
            .await;
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" })).await;
        let bytes = BASE64.decode(picture["data"].as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(target, bytes).unwrap();
        self.window(side("width"), 900).await;
    }

    async fn window(&mut self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// What the only frame of the page answers. A sandboxed one has a process of its own.
    pub(crate) async fn value_in_frame(&mut self, expression: &str) -> Value {
        let targets = self.call("Target.getTargets", json!({})).await["targetInfos"].clone();
        let frame = targets.as_array().unwrap().iter().find(|target| target["type"] == "iframe").expect("there is one");
        let attach = json!({ "targetId": frame["targetId"], "flatten": true });
        let session = self.call("Target.attachToTarget", attach).await["sessionId"].as_str().unwrap().to_owned();
        let own = std::mem::replace(&mut self.session, session);
        let value = self.value(expression).await;
        self.session = own;
        value
    }
}
