//! The reports: what their filters name has to be in the account, or nothing ever passes them.

use std::collections::BTreeSet;

use super::hubspot::connect;
use super::{Check, chain, within};
use crate::config::CrmConfig;
use crate::config::nearest::nearest;
use crate::crm::Nameable;
use crate::domain::record::Kind;
use crate::report::{Definition, Definitions};

const REPORTS: &str = "reports";

/// Looks for everything that the filters name.
pub(super) async fn checks(reports: Option<&Definitions>, config: Option<&CrmConfig>) -> Vec<Check> {
    let Some(reports) = reports else {
        return vec![Check::not_checked(REPORTS, "REPORTS_FILE is wrong")];
    };
    if reports.reports.iter().all(|report| report.filter.is_empty()) {
        return vec![well(reports)];
    }
    let Some(Ok(crm)) = config.map(connect) else {
        return vec![Check::not_checked(REPORTS, "what their filters name is not known without HubSpot")];
    };
    let kinds = Kind::ALL.into_iter().filter(|&kind| !reports.properties_of(kind).is_empty()).collect::<Vec<_>>();
    match within(crm.nameable(&kinds)).await {
        Ok(nameable) => judge(reports, &nameable),
        Err(error) => {
            vec![Check::not_checked(REPORTS, format!("what their filters name is not known: {}", chain(error)))]
        }
    }
}

fn well(reports: &Definitions) -> Check {
    Check::ok(REPORTS, reports.names().join(", "))
}

fn judge(reports: &Definitions, nameable: &Nameable) -> Vec<Check> {
    let mut checks: Vec<Check> = reports.reports.iter().flat_map(|report| unknown(report, nameable)).collect();
    if checks.is_empty() {
        checks.push(well(reports));
    }
    checks
}

/// What the account does not have.
fn unknown(report: &Definition, nameable: &Nameable) -> Vec<Check> {
    let filter = &report.filter;
    let key = |name: &str| format!("reports.{}.filter.{name}", report.name);
    let properties: BTreeSet<String> = nameable
        .properties
        .iter()
        .filter(|(kind, _)| report.is_about(**kind))
        .flat_map(|(_, names)| names)
        .cloned()
        .collect();
    let named = [
        (key("pipeline"), "pipeline", filter.pipelines.iter().collect::<Vec<_>>(), &nameable.pipelines),
        (key("owner"), "owner", filter.owners.iter().collect(), &nameable.owners),
        (key("team"), "primary team of an owner", filter.teams.iter().collect(), &nameable.teams),
        (key("properties"), "property", filter.properties.keys().collect(), &properties),
    ];
    let mut checks = Vec::new();
    for (key, what, names, known) in named {
        let is_known = |name: &str| known.iter().any(|known| crate::report::same(known, name));
        for name in names.into_iter().filter(|name| !is_known(name)) {
            let of_address = nameable.addresses.iter().find(|(address, _)| crate::report::same(address, name));
            let meant = match of_address {
                Some((_, name)) if what == "owner" => Some(name.as_str()),
                _ => nearest(name, known.iter().map(String::as_str)),
            };
            let fix = match meant {
                Some(meant) => format!("Write {meant:?} in {key} of REPORTS_FILE"),
                None => format!("Correct {key} of REPORTS_FILE, or name it so in HubSpot"),
            };
            checks.push(Check::warning(
                REPORTS,
                format!("{key}: the account has no {what} {name:?}, so none passes by it"),
                fix,
            ));
        }
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;
    use crate::domain::changes::ChangeKind;

    #[test]
    fn what_the_account_does_not_have_is_told_with_what_may_be_meant() {
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        let nameable = Nameable {
            pipelines: set(&["Sales Pipeline", "default"]),
            owners: set(&["Anna Keller", "77"]),
            teams: set(&["Field sales"]),
            addresses: [("anna@example.com".to_owned(), "Anna Keller".to_owned())].into(),
            properties: [(Kind::Deal, set(&["region"])), (Kind::Invoice, set(&["segment"]))].into(),
        };
        let mut reports = Definitions::built_in();
        let filter = &mut reports.reports[0].filter;
        filter.pipelines = vec!["sales pipeline".into(), "Renewals".into()];
        filter.owners = vec!["77".into(), "Anna Kelle".into(), "Anna@example.com".into()];
        filter.teams = vec!["Field sale".into()];
        filter.properties = [("regoin".into(), vec!["EMEA".into()]), ("segment".into(), vec!["A".into()])].into();
        insta::assert_snapshot!(words(&judge(&reports, &nameable)), @r#"
        reports         warning      reports.closed-deals.filter.pipeline: the account has no pipeline "Renewals", so none passes by it
                        └ fix        Correct reports.closed-deals.filter.pipeline of REPORTS_FILE, or name it so in HubSpot
        reports         warning      reports.closed-deals.filter.owner: the account has no owner "Anna Kelle", so none passes by it
                        └ fix        Write "Anna Keller" in reports.closed-deals.filter.owner of REPORTS_FILE
        reports         warning      reports.closed-deals.filter.owner: the account has no owner "Anna@example.com", so none passes by it
                        └ fix        Write "Anna Keller" in reports.closed-deals.filter.owner of REPORTS_FILE
        reports         warning      reports.closed-deals.filter.team: the account has no primary team of an owner "Field sale", so none passes by it
                        └ fix        Write "Field sales" in reports.closed-deals.filter.team of REPORTS_FILE
        reports         warning      reports.closed-deals.filter.properties: the account has no property "regoin", so none passes by it
                        └ fix        Write "region" in reports.closed-deals.filter.properties of REPORTS_FILE
        reports         warning      reports.closed-deals.filter.properties: the account has no property "segment", so none passes by it
                        └ fix        Correct reports.closed-deals.filter.properties of REPORTS_FILE, or name it so in HubSpot

        6 checks: 6 warning
        "#);
        let plain = Definitions { reports: vec![Definition::on("won", vec![ChangeKind::DealWon])], ..reports };
        assert_eq!(judge(&plain, &nameable), [Check::ok(REPORTS, "won")]);
    }
}
