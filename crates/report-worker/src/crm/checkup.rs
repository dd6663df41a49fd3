//! A look at the account for `closing-bell doctor`: each question is asked once, outside the limits and without a
//! repetition, and comes with what the head of its reply tells. What is read is thrown away.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde::de::IgnoredAny;

use super::error::CrmError;
use super::http::{date, http_date};
use super::names::{COMPANIES, OWNERS, Person, owners_query, person};
use super::wire::{self, All, Details, Owners, Pipeline, Property};
use super::{Crm, account_of, task};
use crate::domain::account::Account;
use crate::domain::record::Kind;

/// What the head of a reply tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// When it was sent, by HubSpot's clock, UTC; to the second.
    pub sent_at: Option<Timestamp>,
    /// The calls that are left of the day's, and how many these are. HubSpot does not tell them to OAuth tokens.
    pub daily: Option<(u64, u64)>,
    /// When the API of this version ends, UTC (RFC 8594).
    pub ends_at: Option<Timestamp>,
}

/// What a token may be allowed to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Records that figures come from.
    Records(Kind),
    /// Companies.
    Companies,
    /// Owners.
    Owners,
}

impl Crm {
    /// The account that the token belongs to, as [`Crm::account`] reads it.
    pub async fn look_at_account(&self) -> (Look, Result<Account, CrmError>) {
        let path = format!("/account-info/{}/details", self.version);
        let (headers, details) = self.http.look::<Details>(Self::ACCOUNT, &path).await;
        (Look::of(&headers), details.map(account_of))
    }

    /// Whether the token may read this.
    ///
    /// # Errors
    ///
    /// HubSpot did not answer as asked; without the scope that is [`CrmError::Forbidden`].
    pub async fn look_for(&self, subject: Subject) -> Result<(), CrmError> {
        let Self { version, .. } = self;
        let (task, path) = match subject {
            Subject::Records(kind) => (task(kind), format!("/crm/objects/{version}/{}?limit=1", kind.type_id())),
            Subject::Companies => (COMPANIES, format!("/crm/objects/{version}/0-2?limit=1")),
            Subject::Owners => (OWNERS, format!("/crm/owners/{version}?limit=1")),
        };
        self.http.look::<IgnoredAny>(task, &path).await.1.map(drop)
    }

    /// Which of the properties that figures come from, or that reports filter by, the account does not have.
    ///
    /// # Errors
    ///
    /// HubSpot did not answer as asked.
    pub async fn missing_properties(&self, kind: Kind) -> Result<Vec<String>, CrmError> {
        let path = format!("/crm/properties/{}/{}", self.version, kind.type_id());
        let there = self.http.look::<All<Property>>(task(kind), &path).await.1?.results;
        let wanted = kind.tracked_properties().iter().copied().chain(self.extra(kind).iter().map(String::as_str));
        let missing = wanted.filter(|&name| !there.iter().any(|property| property.name == name));
        Ok(missing.map(str::to_owned).collect())
    }
}

/// What the filters of reports can name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nameable {
    /// The deal pipelines, by label and by id.
    pub pipelines: BTreeSet<String>,
    /// The owners of today, by name and by id.
    pub owners: BTreeSet<String>,
    /// Their primary teams.
    pub teams: BTreeSet<String>,
    /// Their names by their e-mail addresses.
    pub addresses: BTreeMap<String, String>,
    /// The properties of deals, invoices and payments, by internal name.
    pub properties: BTreeMap<Kind, BTreeSet<String>>,
}

impl Crm {
    /// What the filters of reports can name, of these kinds of record.
    ///
    /// # Errors
    ///
    /// HubSpot did not answer as asked.
    pub async fn nameable(&self, kinds: &[Kind]) -> Result<Nameable, CrmError> {
        let mut nameable = Nameable::default();
        let path = format!("/crm/pipelines/{}/deals", self.version);
        for Pipeline { id, label, .. } in self.http.look::<All<Pipeline>>(Self::PIPELINES, &path).await.1?.results {
            nameable.pipelines.extend([Some(id), label.0].into_iter().flatten());
        }
        let (mut after, mut seen) = (String::new(), BTreeSet::new());
        while seen.insert(after.clone()) {
            let path = format!("/crm/owners/{}?{}", self.version, owners_query(false, &after));
            let page = self.http.look::<Owners>(OWNERS, &path).await.1?;
            for owner in page.results {
                let (id, email) = (owner.id.0.to_string(), owner.email.0.clone());
                let Person { name, team } = person(owner);
                nameable.addresses.extend(email.zip(name.clone()));
                nameable.owners.extend([Some(id), name].into_iter().flatten());
                nameable.teams.extend(team);
            }
            after = wire::after(page.paging).unwrap_or_default();
        }
        for &kind in kinds {
            let path = format!("/crm/properties/{}/{}", self.version, kind.type_id());
            let properties = self.http.look::<All<Property>>(task(kind), &path).await.1?.results;
            nameable.properties.insert(kind, properties.into_iter().map(|property| property.name).collect());
        }
        Ok(nameable)
    }
}

impl Look {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name)?.to_str().ok();
        let number = |name| text(name)?.trim().parse::<u64>().ok();
        let daily = number("x-hubspot-ratelimit-daily-remaining").zip(number("x-hubspot-ratelimit-daily"));
        Self { sent_at: date(headers), daily, ends_at: text("sunset").and_then(http_date) }
    }
}
