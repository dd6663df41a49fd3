//! What an account knows besides records: people, pipelines and exchange rates.

use std::collections::BTreeMap;
use std::str::FromStr;

use bigdecimal::BigDecimal;

use super::property::six_decimals;

/// A user to whom records belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// What `hubspot_owner_id` holds; not the user's id.
    pub id: i64,
    /// The user's id, which property history names.
    pub user_id: i64,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Email address.
    pub email: String,
    /// The teams the person is in, the primary one wherever it happens to stand.
    pub teams: Vec<Team>,
    /// Whether the person has left: listed only with `archived=true`.
    pub archived: bool,
}

/// A team, as one of its people shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// The team's id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whether it is the person's primary team; nobody has two.
    pub primary: bool,
}

/// A deal pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// The id, unique in the account.
    pub id: String,
    /// The label that people see and may edit.
    pub label: String,
    /// The stages in the order of display.
    pub stages: Vec<Stage>,
}

/// A stage of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The id, unique in the account.
    pub id: String,
    /// The label that people see and may edit.
    pub label: String,
    /// Whether a deal in this stage is closed.
    pub closed: bool,
    /// HubSpot's probability: closed with 1.0 is won, closed with 0.0 is lost.
    pub probability: String,
}

/// People, pipelines and rates.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) owners: Vec<Owner>,
    pub(crate) pipelines: Vec<Pipeline>,
    pub(crate) company_currency: String,
    /// From an additional currency to the company's.
    pub(crate) rates: BTreeMap<String, BigDecimal>,
}

/// The pipeline of service contracts, which run by the year.
pub(super) const SERVICE_PIPELINE: &str = "73150024";

/// What one unit was worth in euro when this account was imagined.
const IN_EURO: &[(&str, &str)] = &[
    ("EUR", "1"),
    ("USD", "0.921659"),
    ("GBP", "1.174398"),
    ("CHF", "1.062586"),
    ("JPY", "0.006021"),
    ("PLN", "0.233918"),
];

impl Directory {
    /// The account's people and pipelines, and a rate for each currency of which the worth in euro is known.
    pub(crate) fn new(company_currency: &str, additional: &[String]) -> Self {
        let in_euro = |code: &str| {
            let worth = IN_EURO.iter().find(|(known, _)| *known == code)?.1;
            Some(BigDecimal::from_str(worth).expect("the table holds decimals"))
        };
        let rates = additional.iter().filter_map(|code| {
            let rate = in_euro(code)? / in_euro(company_currency)?;
            Some((code.clone(), six_decimals(&rate)))
        });
        Self {
            owners: owners(),
            pipelines: pipelines(),
            company_currency: company_currency.to_owned(),
            rates: rates.collect(),
        }
    }

    pub(crate) fn stage(&self, id: &str) -> Option<&Stage> {
        self.pipelines.iter().flat_map(|pipeline| &pipeline.stages).find(|stage| stage.id == id)
    }

    /// The rate from a currency to the company's.
    pub(crate) fn rate(&self, code: &str) -> Option<BigDecimal> {
        if code == self.company_currency { Some(BigDecimal::from(1)) } else { self.rates.get(code).cloned() }
    }

    /// The user behind an owner; records without one were written by the account's first user.
    pub(crate) fn user_of(&self, owner_id: Option<&str>) -> i64 {
        let owner = owner_id.and_then(|id| self.owners.iter().find(|owner| owner.id.to_string() == id));
        owner.or_else(|| self.owners.first()).map_or(0, |owner| owner.user_id)
    }
}

fn owners() -> Vec<Owner> {
    let team = |id, name: &str, primary| Team { id, name: name.to_owned(), primary };
    let (dach, key_accounts, service) = ((48_110_237, "DACH"), (48_110_241, "Key accounts"), (51_770_902, "Service"));
    let owner = |id, first: &str, last: &str, email: &str, teams, archived| Owner {
        id,
        user_id: id - 41_000_000,
        first_name: first.to_owned(),
        last_name: last.to_owned(),
        email: email.to_owned(),
        teams,
        archived,
    };
    let anna = vec![team(key_accounts.0, key_accounts.1, false), team(dach.0, dach.1, true)];
    let tomasz = vec![team(service.0, service.1, true)];
    let priya = vec![team(key_accounts.0, key_accounts.1, true)];
    vec![
        owner(53_118_204, "Anna", "Keller", "anna.keller@example.com", anna, false),
        owner(53_118_377, "Tomasz", "Wójcik", "tomasz.wojcik@example.com", tomasz, false),
        owner(54_902_115, "Priya", "Nair", "priya.nair@example.com", priya, false),
        owner(49_660_981, "Lars", "Østergaard", "lars.ostergaard@example.com", vec![], true),
    ]
}

fn pipelines() -> Vec<Pipeline> {
    let stage = |id: &str, label: &str, closed, probability: &str| Stage {
        id: id.to_owned(),
        label: label.to_owned(),
        closed,
        probability: probability.to_owned(),
    };
    vec![
        Pipeline {
            id: "default".to_owned(),
            label: "Sales Pipeline".to_owned(),
            stages: vec![
                stage("appointmentscheduled", "Appointment scheduled", false, "0.2"),
                stage("qualifiedtobuy", "Qualified to buy", false, "0.4"),
                stage("contractsent", "Contract sent", false, "0.9"),
                stage("closedwon", "Closed won", true, "1.0"),
                stage("closedlost", "Closed lost", true, "0.0"),
            ],
        },
        // Numbers for ids and an edited label, as pipelines that people add have them: nobody may test for "closedwon".
        Pipeline {
            id: SERVICE_PIPELINE.to_owned(),
            label: "Service & Wartung".to_owned(),
            stages: vec![
                stage("141520871", "Angebot erstellt", false, "0.5"),
                stage("141520872", "Beauftragt 🎉", true, "1"),
                stage("141520873", "Abgesagt", true, "0"),
            ],
        },
    ]
}
