//! The page to look at: how the line stands, the mails as they were sent, and what failed with its cause.
//!
//! It looks and changes nothing: connections of its own that cannot write, questions that stay small however long the history
//! is, and an answer that says so where the books do not. `guard` decides who may look, `look` asks, `view` puts it into
//! words, `mail` takes a stored mail apart; the templates hold everything that is shown.

mod connections;
mod guard;
mod look;
mod mail;
mod progress;
mod tries;
mod view;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::net::TcpListener;

use self::connections::{Connections, Peer};
use self::guard::Guard;
use self::mail::Rendered;
pub use self::progress::{Cycle, Progress};
use crate::queue::Glimpse;
use crate::secrets::Renewed;
use crate::store::{Books, Store, StoreError};

/// Answers that are no page.
type Answer<T> = Result<T, (StatusCode, Html<String>)>;

/// What the page is made of.
#[derive(Debug)]
pub struct StatusPage {
    /// Where the books are.
    pub books: Renewed<Books>,
    /// The embedded queue's file.
    pub queue_file: PathBuf,
    /// What the worker tells.
    pub progress: Progress,
    /// The reporting zone; `None` means the account's.
    pub zone: Option<TimeZone>,
    /// What whoever looks has to know; `None` only on a loopback address, where the name that was asked for has to be local.
    pub password: Option<Renewed<SecretString>>,
    /// Tells the time.
    pub clock: fn() -> Timestamp,
}

/// What the handlers share.
#[derive(Debug)]
struct Shared {
    page: StatusPage,
    queue: Glimpse,
    /// The books as they were opened by the login beside them.
    opened: Mutex<Option<(Arc<Books>, Store)>>,
}

impl StatusPage {
    /// Answers whoever comes to `listener`, for ever.
    pub async fn serve(self, listener: TcpListener) {
        let guard = Arc::new(Guard::new(self.password.clone()));
        let queue = Glimpse::of(&self.queue_file);
        let shared = Arc::new(Shared { page: self, queue, opened: Mutex::default() });
        let routes = Router::new()
            .route("/", get(overview))
            .route("/mails/{key}", get(one_mail))
            .route("/mails/{key}/html", get(html_part))
            .route("/mails/{key}/raw", get(raw))
            .route("/mails/{key}/parts/{number}", get(attachment))
            .route("/style.css", get(async || asset("text/css; charset=utf-8", include_str!("templates/style.css"))))
            .route(
                "/script.js",
                get(async || asset("text/javascript; charset=utf-8", include_str!("templates/script.js"))),
            )
            .route("/icon.svg", get(async || asset("image/svg+xml", include_str!("templates/icon.svg"))))
            .fallback(async || nothing_here())
            .layer(from_fn_with_state(guard, guard::guard))
            .with_state(shared);
        let service = routes.into_make_service_with_connect_info::<Peer>();
        if let Err(error) = axum::serve(Connections::new(listener), service).await {
            tracing::warn!(%error, "the status page has ended; everything else goes on");
        }
    }
}

impl Shared {
    /// The books, opened anew where the worker has been given another login since.
    fn books(&self) -> Result<Store, StoreError> {
        let books = self.page.books.now();
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        match &*opened {
            Some((known, store)) if Arc::ptr_eq(known, &books) => Ok(store.clone()),
            _ => {
                let store = Store::to_glance_at(&books)?;
                *opened = Some((books, store.clone()));
                Ok(store)
            }
        }
    }

    async fn mail(&self, key: &str) -> Answer<look::OneMail> {
        let Some(message_id) = mail::message_id(key) else { return Err(nothing_here()) };
        match look::one_mail(self, &message_id).await {
            Ok(Some(mail)) => Ok(mail),
            Ok(None) => Err(nothing_here()),
            Err(problem) => Err(answer(StatusCode::SERVICE_UNAVAILABLE, "The books cannot be read", &problem)),
        }
    }
}

/// Which mails of the outbox are shown.
#[derive(Debug, Deserialize)]
struct Paging {
    /// Those that are older than this one, as [`mail::place`] writes it.
    before: Option<String>,
}

async fn overview(State(shared): State<Arc<Shared>>, Query(paging): Query<Paging>) -> Html<String> {
    let before = paging.before.as_deref().and_then(mail::read_place);
    let looked = look::everything(&shared, before, (shared.page.clock)()).await;
    Html(view::overview(&looked))
}

async fn one_mail(State(shared): State<Arc<Shared>>, Path(key): Path<String>) -> Answer<Html<String>> {
    let mail = shared.mail(&key).await?;
    Ok(Html(view::one_mail(&mail, &Rendered::of(&mail.bytes), (shared.page.clock)())))
}

/// What runs in the mail is nothing; what it loads is in it.
const MAIL_POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox";

async fn html_part(State(shared): State<Arc<Shared>>, Path(key): Path<String>) -> Answer<Response> {
    let mail = shared.mail(&key).await?;
    let html = Rendered::of(&mail.bytes).html.ok_or_else(nothing_here)?;
    let policy = [(header::CONTENT_SECURITY_POLICY, MAIL_POLICY), (header::X_FRAME_OPTIONS, "SAMEORIGIN")];
    Ok((policy, Html(html)).into_response())
}

async fn raw(State(shared): State<Arc<Shared>>, Path(key): Path<String>) -> Answer<Response> {
    let mail = shared.mail(&key).await?;
    let name = format!("{}.eml", mail.head.message_id);
    Ok(download("message/rfc822", &name, mail.bytes))
}

async fn attachment(State(shared): State<Arc<Shared>>, Path((key, number)): Path<(String, usize)>) -> Answer<Response> {
    let mail = shared.mail(&key).await?;
    let (name, kind, bytes) = mail::attachment(&mail.bytes, number).ok_or_else(nothing_here)?;
    Ok(download(&kind, &name, bytes))
}

/// A file to keep. A browser that showed it all the same would run nothing of it.
fn download(kind: &str, name: &str, bytes: Vec<u8>) -> Response {
    let disposition = mail::disposition(name);
    let policy: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, &disposition),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
    ];
    (policy, bytes).into_response()
}

fn asset(kind: &'static str, text: &'static str) -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, kind)], text)
}

fn nothing_here() -> (StatusCode, Html<String>) {
    answer(StatusCode::NOT_FOUND, "Nothing is here", "No mail and no page has this address.")
}

fn answer(status: StatusCode, title: &str, text: &str) -> (StatusCode, Html<String>) {
    (status, Html(view::sentence(title, text)))
}
