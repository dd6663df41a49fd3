//! Books, a queue, and the page over them.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use report_worker::queue::{Embedded, EmbeddedSettings, Queue};
use report_worker::status_page::{Progress, StatusPage};
use report_worker::store::{Books, OutgoingMail, Store};
use reqwest::{Client, ClientBuilder, Response};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The page's time: 17:00 in Berlin.
pub(crate) fn now() -> Timestamp {
    "2026-11-22T16:00:00Z".parse().unwrap()
}

pub(crate) fn minutes_ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

pub(crate) struct Scene {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) progress: Progress,
    pub(crate) address: String,
    pub(crate) client: Client,
    serving: JoinHandle<()>,
    _folder: TempDir,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Scene {
    pub(crate) async fn open() -> Self {
        Self::with_password(None).await
    }

    pub(crate) async fn with_password(password: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let books = Books::Sqlite(folder.path().join("books.sqlite"));
        let queue_file = folder.path().join("queue.sqlite");
        let store = Store::open_to_work(&books).await.unwrap();
        let queue = Queue::Embedded(Embedded::open(&queue_file, EmbeddedSettings::default()).await.unwrap());
        let progress = Progress::starting(Duration::from_secs(60), minutes_ago(10));
        let page = StatusPage {
            books: books.into(),
            queue_file,
            progress: progress.clone(),
            zone: TimeZone::get("Europe/Berlin").ok(),
            password: password.map(|text| SecretString::from(text).into()),
            clock: now,
        };
        let (address, serving) = serve(page).await;
        Self { store, queue, progress, address, client: client(Client::builder()), serving, _folder: folder }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    /// The page, which has to be there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }

    pub(crate) async fn mail(&self, id: &str, subject: &str, recipients: &[&str], bytes: &[u8], at: Timestamp) {
        let mail = OutgoingMail {
            message_id: id.to_owned(),
            sender: "bell@example.com".to_owned(),
            subject: subject.to_owned(),
            recipients: recipients.iter().map(|address| (*address).to_owned()).collect(),
            bytes: bytes.to_vec(),
        };
        self.store.store_mail(&mail, at).await.unwrap();
    }
}

pub(crate) async fn serve(page: StatusPage) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (address, tokio::spawn(page.serve(listener)))
}

pub(crate) fn client(builder: ClientBuilder) -> Client {
    // The first test of the process installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder.no_proxy().tls_certs_only([]).build().unwrap()
}

/// The addresses of the mails on a page, in its order.
pub(crate) fn links(page: &str) -> Vec<String> {
    let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.map(|link| link.replace("&#x2f;", "/")).filter(|link| link.starts_with("/mails/")).collect()
}
