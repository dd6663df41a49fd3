//! A HubSpot account that behaves like the real one: it answers the CRM API with HubSpot's limits and error bodies, signs
//! and sends webhooks under HubSpot's delivery contract, and misbehaves on request.
//!
//! For the demo, the tests and load; never part of a production image. Start a [`Simulator`], change its [`Account`], and
//! watch what the program under test makes of it. Every listener is on the loopback interface unless told otherwise.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

pub use crate::account::{Account, Kind, Owner, Pipeline, Property, Stage, Team};
pub use crate::clock::Clock;
pub use crate::counters::Counters;
pub use crate::events::{EventShape, Subscription, Topic};
pub use crate::faults::{Fault, Faults};
pub use crate::limits::Limits;
pub use crate::sender::{Outcome, Sender, SignatureHeaders};

mod account;
mod api;
mod clock;
pub mod conformance;
mod counters;
mod events;
pub mod faults;
mod limits;
mod outbox;
mod sender;
pub mod story;

/// How the simulated account is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The account's id.
    pub portal_id: i64,
    /// The app's id, which events name.
    pub app_id: i64,
    /// The bearer token that the API takes.
    pub access_token: String,
    /// The app's client secret, the key of its signatures.
    pub client_secret: String,
    /// ISO 4217 code of the company's currency.
    pub company_currency: String,
    /// ISO 4217 codes of the other currencies.
    pub additional_currencies: Vec<String>,
    /// The account's zone, an IANA name or one of its old aliases.
    pub time_zone: String,
    /// Where webhooks go; without it nothing is sent, and events fall away.
    pub target_url: Option<String>,
    /// What the app listens to.
    pub subscriptions: Vec<Subscription>,
    /// The shape of deals' events.
    pub event_shape: EventShape,
    /// Which signatures a delivery carries.
    pub signature_headers: SignatureHeaders,
    /// The API's limits.
    pub limits: Limits,
    /// The 24 h retry schedule runs this many times faster.
    pub retry_speed: u32,
    /// How long the receiver of a webhook has for its answer; HubSpot gives 5 s.
    pub delivery_timeout: Duration,
    /// Where the API listens.
    pub listen: SocketAddr,
    /// The account's clock.
    pub clock: Clock,
    /// Faults from the start.
    pub faults: Vec<Fault>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            portal_id: 62_515_001,
            app_id: 7_340_112,
            access_token: "pat-simulated-62515001".to_owned(),
            client_secret: "simulated-client-secret".to_owned(),
            company_currency: "EUR".to_owned(),
            additional_currencies: vec!["USD".to_owned()],
            time_zone: "Europe/Berlin".to_owned(),
            target_url: None,
            subscriptions: Subscription::finance(),
            event_shape: EventShape::default(),
            signature_headers: SignatureHeaders::default(),
            limits: Limits::default(),
            retry_speed: 1,
            delivery_timeout: Duration::from_secs(5),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clock: Clock::default(),
            faults: Vec::new(),
        }
    }
}

/// A running account: its API and its webhook sender.
#[derive(Debug)]
pub struct Simulator {
    account: Account,
    outbox: Arc<outbox::Outbox>,
    faults: Faults,
    sender: Sender,
    tally: Arc<counters::Tally>,
    address: SocketAddr,
    closing: watch::Sender<bool>,
    sending: AbortHandle,
    /// The API and the sender; they end with the simulator.
    tasks: JoinSet<()>,
}

impl Simulator {
    /// Starts the API and the sender.
    ///
    /// # Errors
    /// When the zone is unknown, the client secret empty, or the address cannot be listened on.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        // Another part of the same process may have installed it already, which is just as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let zone = TimeZone::get(&settings.time_zone).with_context(|| format!("time zone {}", settings.time_zone))?;
        let listener =
            TcpListener::bind(settings.listen).await.with_context(|| format!("listening on {}", settings.listen))?;
        let address = listener.local_addr().context("asking for the address that is listened on")?;
        let (outbox, faults, tally) =
            (Arc::new(outbox::Outbox::new(settings.target_url.clone())), Faults::default(), Arc::default());
        for fault in &settings.faults {
            faults.arm(*fault);
        }
        let contract = sender::Contract {
            secret: settings.client_secret.clone(),
            headers: settings.signature_headers,
            retry_speed: settings.retry_speed,
            timeout: settings.delivery_timeout,
            clock: settings.clock.clone(),
        };
        let sender = Sender::new(contract, outbox.clone(), faults.clone(), Arc::clone(&tally))?;
        let account = Account::new(settings, outbox.clone());
        let (closing, closes) = watch::channel(false);
        let api = api::Api {
            account: account.clone(),
            faults: faults.clone(),
            tally: tally.clone(),
            zone,
            limiter: Mutex::default(),
            closing: closes.clone(),
        };
        let server = axum::serve(listener, api::router(Arc::new(api))).with_graceful_shutdown(closed(closes));
        let mut tasks = JoinSet::new();
        tasks.spawn(async {
            if let Err(error) = server.await {
                tracing::error!(%error, "the API ended");
            }
        });
        let sending = tasks.spawn(sender.clone().run());
        Ok(Self { account, outbox, faults, sender, tally, address, closing, sending, tasks })
    }

    /// Where the API answers, without a slash at the end.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The faults, to be switched on while it runs.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The sender, for deliveries of one's own.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Sends webhooks there from now on, signed for exactly this text.
    pub fn set_target_url(&self, url: impl Into<String>) {
        self.outbox.set_target_url(Some(url.into()));
    }

    /// Returns once every event was accepted or given up.
    pub async fn drained(&self) {
        self.outbox.drained().await;
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.tally.read(self.outbox.total())
    }

    /// Ends the sender and the API; calls that are being answered get their answer.
    pub async fn stop(mut self) {
        self.sending.abort();
        self.closing.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn closed(mut closing: watch::Receiver<bool>) {
    // A simulator that was dropped is closed too.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// A random id in the shape of HubSpot's correlation ids.
pub(crate) fn correlation_id() -> String {
    let id = fastrand::u128(..);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        id >> 96,
        (id >> 80) & 0xffff,
        (id >> 64) & 0xfff,
        (id >> 48) & 0xfff,
        id & 0xffff_ffff_ffff
    )
}
