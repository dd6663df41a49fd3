//! Which call a method and a path mean.

use axum::http::{Method, StatusCode};

use super::reply::Reply;
use crate::account::Kind;
use crate::limits::Budget;

/// A call that the simulated API knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    BatchRead(Kind),
    Search(Kind),
    List(Kind),
    Object(Kind, String),
    Associations(Kind, Kind),
    Pipelines,
    Owners,
    Owner(String),
    Properties(Kind),
    AccountDetails,
    ExchangeRates,
}

/// The dated versions of HubSpot's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V2025_09,
    V2026_03,
    V2026_09,
}

impl Version {
    fn parse(segment: &str) -> Option<Self> {
        match segment {
            "2025-09" => Some(Self::V2025_09),
            "2026-03" => Some(Self::V2026_03),
            "2026-09" => Some(Self::V2026_09),
            _ => None,
        }
    }

    /// Whether this version declares 207 for a batch with errors.
    pub(crate) fn has_multi_status(self) -> bool {
        self < Self::V2026_09
    }
}

impl Call {
    /// Reads method and path.
    pub(crate) fn parse(method: &Method, path: &str) -> Result<(Version, Self), Reply> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let unknown = || Reply::not_found(format!("The resource {path} is not found."));
        let kind = |segment| {
            Kind::of_segment(segment)
                .ok_or_else(|| Reply::invalid(format!("Unable to infer object type from: {segment}")))
        };
        let (version, expected, call) = match segments[..] {
            ["crm", "objects", version, name, "batch", "read"] => (version, Method::POST, Self::BatchRead(kind(name)?)),
            ["crm", "objects", version, name, "search"] => (version, Method::POST, Self::Search(kind(name)?)),
            ["crm", "objects", version, name, id] => (version, Method::GET, Self::Object(kind(name)?, id.to_owned())),
            ["crm", "objects", version, name] => (version, Method::GET, Self::List(kind(name)?)),
            ["crm", "associations", version, from, to, "batch", "read"] => {
                (version, Method::POST, Self::Associations(kind(from)?, kind(to)?))
            }
            ["crm", "pipelines", version, "deals" | "deal" | "0-3"] => (version, Method::GET, Self::Pipelines),
            ["crm", "owners", version] => (version, Method::GET, Self::Owners),
            ["crm", "owners", version, id] => (version, Method::GET, Self::Owner(id.to_owned())),
            ["crm", "properties", version, name] => (version, Method::GET, Self::Properties(kind(name)?)),
            ["account-info", version, "details"] => (version, Method::GET, Self::AccountDetails),
            ["settings", "currencies", version, "exchange-rates", "current"] => {
                (version, Method::GET, Self::ExchangeRates)
            }
            _ => return Err(unknown()),
        };
        let version = Version::parse(version).ok_or_else(unknown)?;
        if *method != expected {
            let message = format!("{method} is not allowed on {path}.");
            return Err(Reply::error(StatusCode::METHOD_NOT_ALLOWED, "VALIDATION_ERROR", message));
        }
        Ok((version, call))
    }

    /// The name under which the call is counted.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::BatchRead(kind) => format!("POST /crm/objects/{}/batch/read", kind.path()),
            Self::Search(kind) => format!("POST /crm/objects/{}/search", kind.path()),
            Self::List(kind) => format!("GET /crm/objects/{}", kind.path()),
            Self::Object(kind, _) => format!("GET /crm/objects/{}/{{id}}", kind.path()),
            Self::Associations(from, to) => format!("POST /crm/associations/{}/{}/batch/read", from.path(), to.path()),
            Self::Pipelines => "GET /crm/pipelines/deals".to_owned(),
            Self::Owners => "GET /crm/owners".to_owned(),
            Self::Owner(_) => "GET /crm/owners/{id}".to_owned(),
            Self::Properties(kind) => format!("GET /crm/properties/{}", kind.path()),
            Self::AccountDetails => "GET /account-info/details".to_owned(),
            Self::ExchangeRates => "GET /settings/currencies/exchange-rates/current".to_owned(),
        }
    }

    /// The scope that the token needs.
    pub(crate) fn scope(&self) -> &'static str {
        match self {
            Self::BatchRead(kind)
            | Self::Search(kind)
            | Self::List(kind)
            | Self::Object(kind, _)
            | Self::Associations(kind, _)
            | Self::Properties(kind) => kind.scope(),
            Self::Pipelines => Kind::Deal.scope(),
            Self::Owners | Self::Owner(_) => "crm.objects.owners.read",
            Self::AccountDetails => "oauth",
            Self::ExchangeRates => "settings.currencies.read",
        }
    }

    /// The limit that the call counts against.
    pub(crate) fn budget(&self) -> Budget {
        match self {
            Self::Search(_) => Budget::Search,
            Self::Associations(..) => Budget::Associations,
            _ => Budget::Ordinary,
        }
    }
}
