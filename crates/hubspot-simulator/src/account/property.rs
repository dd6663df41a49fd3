//! The properties that records have, and those that HubSpot calculates.

use std::str::FromStr;

use bigdecimal::{BigDecimal, One, RoundingMode, Zero};
use serde::Serialize;

use super::Kind;
use super::directory::{Directory, SERVICE_PIPELINE};
use crate::clock::iso;

/// A property's definition, as `GET /crm/properties/{version}/{type}` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Property {
    /// The internal name.
    pub name: String,
    /// The label that people see.
    pub label: String,
    /// `string`, `number`, `date`, `datetime`, `enumeration` or `bool`.
    #[serde(rename = "type")]
    pub data_type: String,
    /// How the form shows it: `text`, `number`, `date`, `select`, `booleancheckbox`, `calculation_equation`.
    pub field_type: String,
    /// Whether HubSpot computes it; such a property fires no webhook.
    pub calculated: bool,
}

impl Property {
    /// A property that people fill in, such as an account's own.
    pub fn new(name: &str, label: &str, data_type: &str) -> Self {
        let field_type = match data_type {
            "number" => "number",
            "date" | "datetime" => "date",
            "enumeration" => "select",
            "bool" => "booleancheckbox",
            _ => "text",
        };
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            data_type: data_type.to_owned(),
            field_type: field_type.to_owned(),
            calculated: false,
        }
    }
}

/// The properties of a fresh account. Source: HubSpot's guides to deals, invoices and commerce payments; the calculated
/// ones are those that `calculate` fills, and the stamps that HubSpot sets itself.
pub(crate) fn catalogue(kind: Kind) -> Vec<Property> {
    let (people, calculated): (&[_], &[_]) = match kind {
        Kind::Deal => (
            &[
                ("dealname", "Deal name", "string"),
                ("amount", "Amount", "number"),
                ("deal_currency_code", "Currency", "enumeration"),
                ("closedate", "Close date", "datetime"),
                ("dealstage", "Deal stage", "enumeration"),
                ("pipeline", "Pipeline", "enumeration"),
                ("dealtype", "Deal type", "enumeration"),
                ("description", "Deal description", "string"),
                ("hubspot_owner_id", "Deal owner", "enumeration"),
            ],
            &[
                ("createdate", "Create date", "datetime"),
                ("amount_in_home_currency", "Amount in company currency", "number"),
                ("hs_exchange_rate", "Exchange rate", "number"),
                ("hs_mrr", "Monthly recurring revenue", "number"),
                ("hs_arr", "Annual recurring revenue", "number"),
                ("hs_is_closed", "Is deal closed?", "bool"),
                ("hs_is_closed_won", "Is closed won", "bool"),
                ("hs_is_closed_lost", "Is closed lost", "bool"),
                ("hs_closed_won_date", "Closed won date", "datetime"),
                ("hs_closed_amount", "Closed deal amount", "number"),
                ("hs_closed_amount_in_home_currency", "Closed deal amount in company currency", "number"),
                ("hs_deal_stage_probability", "Deal probability", "number"),
            ],
        ),
        Kind::Invoice => (
            &[
                ("hs_number", "Number", "string"),
                ("hs_title", "Title", "string"),
                ("hs_currency", "Currency", "enumeration"),
                ("hs_invoice_status", "Invoice status", "enumeration"),
                ("hs_invoice_date", "Invoice date", "datetime"),
                ("hs_due_date", "Due date", "datetime"),
                ("hs_amount_billed", "Amount billed", "number"),
                ("hs_amount_paid", "Amount paid", "number"),
                ("hs_payment_date", "Payment date", "datetime"),
                ("hs_invoice_billable", "Billable", "bool"),
                ("hs_purchase_order_number", "PO number", "string"),
                ("hs_comments", "Comments", "string"),
                ("hubspot_owner_id", "Invoice owner", "enumeration"),
            ],
            &[
                ("hs_createdate", "Create date", "datetime"),
                ("hs_balance_due", "Balance due", "number"),
                ("hs_amount_billed_in_company_currency", "Amount billed in company currency", "number"),
                ("hs_invoice_latest_company_name", "Latest company name", "string"),
            ],
        ),
        Kind::Payment => (
            &[
                ("hs_reference_number", "Reference number", "string"),
                ("hs_initial_amount", "Gross amount", "number"),
                ("hs_fees_amount", "Fees", "number"),
                ("hs_refunds_amount", "Refunded", "number"),
                ("hs_currency_code", "Currency", "enumeration"),
                ("hs_latest_status", "Status", "enumeration"),
                ("hs_initiated_date", "Payment date", "datetime"),
                ("hs_payment_method_type", "Payment method", "enumeration"),
                ("hubspot_owner_id", "Payment owner", "enumeration"),
            ],
            &[
                ("hs_createdate", "Create date", "datetime"),
                ("hs_net_amount", "Net amount", "number"),
                ("hs_initial_amount_in_portal_currency", "Gross amount in account currency", "number"),
            ],
        ),
        Kind::Company => (
            &[
                ("name", "Company name", "string"),
                ("domain", "Company domain name", "string"),
                ("country", "Country", "string"),
                ("hubspot_owner_id", "Company owner", "enumeration"),
            ],
            &[("createdate", "Create date", "datetime")],
        ),
    };
    let common = [
        ("hs_object_id", "Record ID", "number"),
        ("hs_lastmodifieddate", "Last modified date", "datetime"),
        ("hs_merged_object_ids", "Merged record IDs", "enumeration"),
    ];
    let people = people.iter().map(|(name, label, data_type)| Property::new(name, label, data_type));
    let computed = calculated.iter().chain(&common).map(|(name, label, data_type)| Property {
        field_type: "calculation_equation".to_owned(),
        calculated: true,
        ..Property::new(name, label, data_type)
    });
    people.chain(computed).collect()
}

/// What HubSpot computes from a record's other values; `""` empties a property. `value` answers with what is stored.
pub(crate) fn calculate(
    kind: Kind,
    value: impl Fn(&str) -> Option<String>,
    directory: &Directory,
    at_ms: i64,
) -> Vec<(&'static str, String)> {
    let number = |name: &str| value(name).and_then(|text| BigDecimal::from_str(text.trim()).ok());
    let plain = |number: BigDecimal| number.normalized().to_plain_string();
    let home = |amount: &Option<BigDecimal>, currency: &str| {
        let rate = value(currency).and_then(|code| directory.rate(&code));
        amount.as_ref().zip(rate).map_or_else(String::new, |(amount, rate)| plain(amount * rate))
    };
    match kind {
        Kind::Deal => {
            let stage = directory.stage(&value("dealstage").unwrap_or_default());
            let (closed, probability) =
                stage.map_or((false, "0.0"), |stage| (stage.closed, stage.probability.as_str()));
            let won = closed && BigDecimal::from_str(probability).is_ok_and(|p| p.is_one());
            let lost = closed && BigDecimal::from_str(probability).is_ok_and(|p| p.is_zero());
            let amount = number("amount");
            let in_home = home(&amount, "deal_currency_code");
            let won_date = match value("hs_closed_won_date") {
                _ if !won => String::new(),
                Some(since) => since,
                None => iso(at_ms),
            };
            // HubSpot computes these from line items; here a service contract is one that runs for a year, and other deals
            // recur not at all. A month of it comes with more decimals than any currency has.
            let yearly = amount.clone().filter(|_| value("pipeline").as_deref() == Some(SERVICE_PIPELINE));
            let monthly = yearly
                .clone()
                .map(|yearly| (yearly / BigDecimal::from(12)).with_scale_round(12, RoundingMode::HalfEven));
            let closed_amount = |text: String| if won { text } else { "0".to_owned() };
            vec![
                ("hs_is_closed", closed.to_string()),
                ("hs_is_closed_won", won.to_string()),
                ("hs_is_closed_lost", lost.to_string()),
                ("hs_deal_stage_probability", probability_text(probability)),
                (
                    "hs_exchange_rate",
                    value("deal_currency_code").map_or_else(String::new, |code| rate_text(directory, &code)),
                ),
                ("hs_mrr", monthly.map_or_else(String::new, plain)),
                ("hs_arr", yearly.map_or_else(String::new, plain)),
                ("amount_in_home_currency", in_home.clone()),
                ("hs_closed_amount", closed_amount(value("amount").unwrap_or_default())),
                ("hs_closed_amount_in_home_currency", closed_amount(in_home)),
                ("hs_closed_won_date", won_date),
            ]
        }
        Kind::Invoice => {
            let billed = number("hs_amount_billed");
            let due = billed.clone().unwrap_or_default() - number("hs_amount_paid").unwrap_or_default();
            vec![("hs_balance_due", plain(due)), ("hs_amount_billed_in_company_currency", home(&billed, "hs_currency"))]
        }
        Kind::Payment => {
            let initial = number("hs_initial_amount");
            let taken = number("hs_fees_amount").unwrap_or_default() + number("hs_refunds_amount").unwrap_or_default();
            vec![
                ("hs_net_amount", plain(initial.clone().unwrap_or_default() - taken)),
                ("hs_initial_amount_in_portal_currency", home(&initial, "hs_currency_code")),
            ]
        }
        Kind::Company => Vec::new(),
    }
}

/// The probability as accounts really show it: the shortest decimals become the 53 digits of a binary fraction.
fn probability_text(probability: &str) -> String {
    match probability {
        "0.4" => "0.40000000000000002220446049250313080847263336181640625".to_owned(),
        other => other.to_owned(),
    }
}

fn rate_text(directory: &Directory, code: &str) -> String {
    directory.rate(code).map_or_else(String::new, |rate| rate.to_plain_string())
}

/// Rounds a rate to the six decimals that HubSpot keeps.
pub(crate) fn six_decimals(rate: &BigDecimal) -> BigDecimal {
    rate.with_scale_round(6, RoundingMode::HalfEven).normalized()
}
