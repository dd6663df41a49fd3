//! The HubSpot account: its money, its zone, its pipelines.

use std::collections::BTreeMap;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use serde::{Deserialize, Serialize};

/// The account that the access token belongs to. Source: HubSpot's account-info API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The account's id.
    pub portal_id: i64,
    /// The company currency, ISO 4217; deals without a currency of their own are in it.
    pub company_currency: String,
    /// The account's time zone as HubSpot names it (`US/Eastern`; old aliases occur).
    pub time_zone: String,
    /// The host of its web pages (`app.hubspot.com`, `app-eu1.hubspot.com`), for links.
    pub ui_domain: String,
}

impl Account {
    /// The page of a record in HubSpot.
    pub fn record_url(&self, type_id: &str, id: i64) -> String {
        format!("https://{}/contacts/{}/record/{type_id}/{id}", self.ui_domain, self.portal_id)
    }
}

/// What a deal stage means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// Not closed.
    Open,
    /// Closed, with a probability of 1.
    Won,
    /// Closed, with a probability of 0.
    Lost,
}

/// One stage of a deal pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The label that people see and may edit.
    pub label: String,
    /// What it means.
    pub closing: Closing,
}

/// The stages of all deal pipelines by their id, which is unique in an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages(pub BTreeMap<String, Stage>);

impl Stages {
    /// What a stage means; `None` for one that the pipelines do not have (any more).
    pub fn closing(&self, stage_id: &str) -> Option<Closing> {
        self.0.get(stage_id).map(|stage| stage.closing)
    }
}

impl Closing {
    /// Reads a stage's `isClosed` and `probability`, which HubSpot gives as text and people write in several ways.
    ///
    /// Won is closed with a probability of exactly one, lost is closed with exactly zero; they are compared as
    /// decimals (`"1"`, `"1.0"`, `"1.000"`), never as text. A closed stage with any other probability is neither, so it
    /// counts as open.
    pub fn of_stage(is_closed: &str, probability: &str) -> Self {
        match BigDecimal::from_str(probability.trim()) {
            Ok(p) if is_closed == "true" && p == 1 => Self::Won,
            Ok(p) if is_closed == "true" && p == 0 => Self::Lost,
            _ => Self::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_won_or_lost_by_its_numbers() {
        for (closed, probability, expected) in [
            ("true", "1.0", Closing::Won),
            ("true", "1", Closing::Won),
            ("true", " 1.000 ", Closing::Won),
            ("true", "0.0", Closing::Lost),
            ("true", "0", Closing::Lost),
            ("false", "1.0", Closing::Open),
            ("true", "0.5", Closing::Open),
            ("true", "", Closing::Open),
        ] {
            assert_eq!(Closing::of_stage(closed, probability), expected, "{closed} {probability:?}");
        }
    }
}
