//! HubSpot's CRM, read only: the account, its deal pipelines, and records with the history of their properties.
//!
//! [`Crm::read`] and [`Crm::read_many`] answer for ids, [`Crm::list`] walks the records of a kind. All of them keep
//! HubSpot's limits, and come as near to them as they can. What comes out is [`domain`](crate::domain): the wire's shapes
//! end here. Only the dated API paths are used.

mod bulk;
mod checkup;
mod error;
mod http;
mod limits;
mod names;
mod read;
mod record;
mod schema;
mod walk;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::domain::account::{Account, Closing, Stage, Stages};
use crate::domain::record::Kind;
use crate::secrets::Renewed;

pub use bulk::{Readings, TOGETHER};
pub use checkup::{Look, Nameable, Subject};
pub use error::{CrmError, ErrorReply, Flaw};
pub use limits::Windows;
pub use read::Reading;
pub use walk::{Cursor, Page};

use http::{Http, Task};
use names::Names;
use schema::Schema;

/// How HubSpot is reached.
#[derive(Debug, Clone)]
pub struct CrmSettings {
    /// The root of the API. Plain `http` only to this machine.
    pub api_url: Url,
    /// The dated version in the paths, such as `2026-09`.
    pub api_version: String,
    /// The token that reads the CRM.
    pub access_token: Renewed<SecretString>,
    /// The time one request may take, its body included.
    pub request_timeout: Duration,
    /// The pause before the first repetition of a request; the second waits twice as long. Up to half is added at
    /// random.
    pub retry_pause: Duration,
    /// The times of the limits that no header tells.
    pub windows: Windows,
    /// Properties that records are read with besides those that figures come from, because reports filter by them. One
    /// that the account does not have is logged and left out.
    pub extra_properties: BTreeMap<Kind, BTreeSet<String>>,
}

impl CrmSettings {
    /// The settings for a real account: 30 s a request; 2 s before a repetition, the least that HubSpot asks for after
    /// 423; the limits that HubSpot documents.
    pub fn new(api_url: Url, api_version: String, access_token: impl Into<Renewed<SecretString>>) -> Self {
        Self {
            api_url,
            api_version,
            access_token: access_token.into(),
            request_timeout: Duration::from_secs(30),
            retry_pause: Duration::from_secs(2),
            windows: Windows::default(),
            extra_properties: BTreeMap::new(),
        }
    }
}

/// Reads an access token.
///
/// # Errors
/// It is empty or has characters that no token has.
pub fn access_token(text: &str) -> Result<SecretString, CrmError> {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '{' | '}' | '"');
    if text.is_empty() || !text.chars().all(is_plain) {
        return Err(CrmError::Token);
    }
    Ok(SecretString::from(text))
}

/// A HubSpot account that can be read.
///
/// One value and its clones serve the whole process: together they keep HubSpot's limits, and remember for a while the
/// property definitions and the names of owners and companies.
#[derive(Clone)]
pub struct Crm {
    http: Arc<Http>,
    version: Arc<str>,
    extra_properties: Arc<BTreeMap<Kind, BTreeSet<String>>>,
    schemas: Arc<Mutex<BTreeMap<Kind, Dated>>>,
    names: Arc<Names>,
}

/// Property definitions, and when HubSpot was asked for them.
struct Dated {
    schema: Arc<Schema>,
    since: Instant,
}

/// How long property definitions are good: a property that is new in the account is read after this time at the latest.
const DEFINITIONS_GOOD_FOR: Duration = Duration::from_secs(3_600);

impl Crm {
    const ACCOUNT: Task = Task::new("read the account's details", "oauth");
    const PIPELINES: Task = Task::new("read the deal pipelines", "crm.objects.deals.read");
    const UI_DOMAIN: &str = "app.hubspot.com";

    /// Prepares the connection; nothing is sent yet. rustls must have its process-wide provider by now.
    ///
    /// # Errors
    ///
    /// The settings are unusable: the address is neither https nor on this machine, the version is not a dated one, the
    /// token cannot be a header, or no TLS client can be made. None of these is transient.
    pub fn new(settings: CrmSettings) -> Result<Self, CrmError> {
        let http = Http::new(&settings)?;
        if !is_dated(&settings.api_version) {
            return Err(CrmError::Version(settings.api_version));
        }
        Ok(Self {
            http: Arc::new(http),
            version: settings.api_version.into(),
            extra_properties: Arc::new(settings.extra_properties),
            schemas: Arc::default(),
            names: Arc::default(),
        })
    }

    /// For how long HubSpot is not asked at all, because it said so: the day's calls are used up until midnight in the
    /// account's time zone, or a reply demanded a wait of more than ten seconds.
    pub fn closed_for(&self) -> Option<Duration> {
        self.http.gate.closed_for()
    }

    /// The account that the token belongs to. Its time zone is given as HubSpot names it.
    ///
    /// # Errors
    ///
    /// HubSpot did not answer as asked.
    pub async fn account(&self) -> Result<Account, CrmError> {
        let path = format!("/account-info/{}/details", self.version);
        let details: wire::Details = self.http.get(Self::ACCOUNT, &path, &mut 0).await?;
        self.http.keeps_days_of(&details.time_zone);
        Ok(account_of(details))
    }

    /// The stages of all deal pipelines, archived ones included: a deal's history may name them.
    ///
    /// # Errors
    ///
    /// HubSpot did not answer as asked.
    pub async fn stages(&self) -> Result<Stages, CrmError> {
        let stages = self.pipelines(&mut 0).await?.into_iter().flat_map(|pipeline| pipeline.stages);
        Ok(Stages(stages.map(|stage| (stage.id.clone(), stage_of(stage))).collect()))
    }

    async fn pipelines(&self, calls: &mut u32) -> Result<Vec<wire::Pipeline>, CrmError> {
        let path = format!("/crm/pipelines/{}/deals", self.version);
        let pipelines: wire::All<wire::Pipeline> = self.http.get(Self::PIPELINES, &path, calls).await?;
        Ok(pipelines.results)
    }

    /// The properties that reports ask for besides those of every account.
    fn extra(&self, kind: Kind) -> &BTreeSet<String> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        self.extra_properties.get(&kind).unwrap_or(&NONE)
    }

    /// The properties of a kind that this account has, at most an hour old. Older ones still serve while HubSpot is away.
    ///
    /// A token that may not see the definitions (403) does not stop the reading: all names are asked for, dates are
    /// taken as they come, and the next reading tries again.
    async fn schema(&self, kind: Kind, calls: &mut u32) -> Result<Arc<Schema>, CrmError> {
        let mut schemas = self.schemas.lock().await;
        let known = schemas.get(&kind).map(|known| (Arc::clone(&known.schema), known.since.elapsed()));
        if let Some((schema, age)) = &known
            && *age < DEFINITIONS_GOOD_FOR
        {
            return Ok(Arc::clone(schema));
        }
        let path = format!("/crm/properties/{}/{}", self.version, kind.type_id());
        match self.http.get::<wire::All<wire::Property>>(task(kind), &path, calls).await {
            Ok(properties) => {
                let wanted = self.extra(kind);
                let schema = Arc::new(Schema::new(kind, wanted, &properties.results));
                let missing = schema.missing(wanted);
                if known.is_none_or(|(before, _)| before.missing(wanted) != missing) && !missing.is_empty() {
                    let properties = missing.join(", ");
                    tracing::warn!(%kind, properties, "reports filter by properties that the account does not have");
                }
                schemas.insert(kind, Dated { schema: Arc::clone(&schema), since: Instant::now() });
                Ok(schema)
            }
            Err(CrmError::Forbidden { .. }) => Ok(Arc::new(Schema::unknown(kind, self.extra(kind)))),
            Err(error) => known.map(|(schema, _)| schema).filter(|_| error.is_transient()).ok_or(error),
        }
    }
}

/// What reading a kind is called, and the scope it needs.
fn task(kind: Kind) -> Task {
    match kind {
        Kind::Deal => Task::new("read deals", "crm.objects.deals.read"),
        Kind::Invoice => Task::new("read invoices", "crm.objects.invoices.read"),
        Kind::Payment => Task::new("read payments", "crm.objects.commercepayments.read"),
    }
}

fn account_of(details: wire::Details) -> Account {
    Account {
        portal_id: details.portal_id.0,
        company_currency: details.company_currency,
        time_zone: details.time_zone,
        ui_domain: details.ui_domain.0.unwrap_or_else(|| Crm::UI_DOMAIN.to_owned()),
    }
}

fn stage_of(stage: wire::PipelineStage) -> Stage {
    let text = |name| stage.metadata.get(name).and_then(|text| text.0.as_deref()).unwrap_or_default();
    let closing = Closing::of_stage(text("isClosed"), text("probability"));
    Stage { label: stage.label.0.unwrap_or(stage.id), closing }
}

/// Whether a version is written as HubSpot's dated ones are: `2026-09`, `2027-03-beta`.
fn is_dated(version: &str) -> bool {
    let date = version.strip_suffix("-beta").unwrap_or(version).as_bytes();
    matches!(date, [year @ .., b'-', m1, m2] if year.len() == 4 && year.iter().chain([m1, m2]).all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dated_versions_are_used() {
        for (version, dated) in [
            ("2026-09", true),
            ("2027-03-beta", true),
            ("v3", false),
            ("2026.09", false),
            ("2026-09/..", false),
            ("", false),
        ] {
            assert_eq!(is_dated(version), dated, "{version}");
        }
    }
}
