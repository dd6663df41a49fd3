//! What the account tells about itself: details, people, pipelines, properties and exchange rates.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::objects::with_paging;
use super::reply::Reply;
use super::{Api, Request};
use crate::account::{Kind, Owner, Team};
use crate::clock::iso;

/// When the account was set up; pipelines, properties and rates have not changed since.
const ESTABLISHED_MS: i64 = 1_577_880_000_000;

impl Api {
    pub(super) fn account_details(&self) -> Reply {
        let settings = self.account.settings();
        let now = Timestamp::from_millisecond(self.account.now_ms()).unwrap_or(Timestamp::UNIX_EPOCH);
        let offset = self.zone.to_offset(now).seconds();
        let (hours, minutes) = (offset / 3_600, offset.abs() / 60 % 60);
        Reply::ok(json!({
            "portalId": settings.portal_id,
            "accountType": "STANDARD",
            "timeZone": settings.time_zone,
            "companyCurrency": settings.company_currency,
            "additionalCurrencies": settings.additional_currencies,
            "utcOffset": format!("{hours:+03}:{minutes:02}"),
            "utcOffsetMilliseconds": i64::from(offset) * 1_000,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        }))
    }

    pub(super) fn pipelines(&self) -> Reply {
        let (state, established) = (self.account.lock(), iso(ESTABLISHED_MS));
        let pipelines = state.directory.pipelines.iter().enumerate().map(|(order, pipeline)| {
            let stages = pipeline.stages.iter().enumerate().map(|(order, stage)| {
                json!({
                    "id": stage.id,
                    "label": stage.label,
                    "displayOrder": order,
                    "metadata": { "isClosed": stage.closed.to_string(), "probability": stage.probability },
                    "createdAt": established,
                    "updatedAt": established,
                    "archived": false,
                    "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
                })
            });
            json!({
                "id": pipeline.id,
                "label": pipeline.label,
                "displayOrder": order,
                "stages": stages.collect::<Vec<_>>(),
                "createdAt": established,
                "updatedAt": established,
                "archived": false,
            })
        });
        Reply::ok(json!({ "results": pipelines.collect::<Vec<_>>() }))
    }

    pub(super) fn owners(&self, request: &Request) -> Result<Reply, Reply> {
        let limit = request.limit(100, 500)?;
        let after = request.query.get("after").map_or(Ok(0), |text| text.parse::<i64>());
        let after = after.map_err(|_| Reply::invalid("after is not a cursor of an earlier page."))?;
        let state = self.account.lock();
        let email = request.query.get("email");
        let mut owners: Vec<&Owner> = state.directory.owners.iter().collect();
        owners.sort_by_key(|owner| owner.id);
        let mut rest = owners.into_iter().filter(|owner| {
            owner.id >= after
                && owner.archived == request.wants_archived()
                && email.is_none_or(|email| *email == owner.email)
        });
        let page: Vec<Value> = rest.by_ref().take(limit).map(show_owner).collect();
        let next = rest.next().map(|owner| owner.id.to_string());
        Ok(Reply::ok(with_paging(json!({ "results": page }), next)))
    }

    pub(super) fn owner(&self, id: &str, request: &Request) -> Result<Reply, Reply> {
        let state = self.account.lock();
        let owner = state
            .directory
            .owners
            .iter()
            .find(|owner| owner.id.to_string() == id && owner.archived == request.wants_archived());
        owner
            .map(|owner| Reply::ok(show_owner(owner)))
            .ok_or_else(|| Reply::not_found(format!("The owner {id} is not found.")))
    }

    pub(super) fn properties(&self, kind: Kind) -> Reply {
        Reply::ok(json!({ "results": self.account.lock().properties[&kind] }))
    }

    pub(super) fn exchange_rates(&self) -> Reply {
        let state = self.account.lock();
        let rates = state.directory.rates.iter().map(|(code, rate)| {
            // HubSpot answers with a JSON number; six decimals survive one.
            let rate: Value = serde_json::from_str(&rate.to_plain_string()).unwrap_or_default();
            json!({
                "id": format!("{code}-{}", state.directory.company_currency),
                "fromCurrencyCode": code,
                "toCurrencyCode": state.directory.company_currency,
                "conversionRate": rate,
                "effectiveAt": iso(ESTABLISHED_MS),
                "visibleInUI": true,
                "createdAt": iso(ESTABLISHED_MS),
                "updatedAt": iso(ESTABLISHED_MS),
            })
        });
        Reply::ok(json!({ "results": rates.collect::<Vec<_>>() }))
    }
}

/// The user's id of a former colleague is null, and stands in another field. Who is in no team has no list of them.
fn show_owner(owner: &Owner) -> Value {
    let mut shown = json!({
        "id": owner.id.to_string(),
        "email": owner.email,
        "type": "PERSON",
        "firstName": owner.first_name,
        "lastName": owner.last_name,
        "userId": (!owner.archived).then_some(owner.user_id),
        "userIdIncludingInactive": owner.user_id,
        "createdAt": iso(ESTABLISHED_MS),
        "updatedAt": iso(ESTABLISHED_MS),
        "archived": owner.archived,
    });
    if !owner.teams.is_empty() {
        let team = |team: &Team| json!({"id": team.id.to_string(), "name": team.name, "primary": team.primary});
        shown["teams"] = owner.teams.iter().map(team).collect();
    }
    shown
}
