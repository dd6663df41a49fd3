//! The rules for deals: won, lost, reopened; amount and close date once they count.

use super::{Change, ChangeKind, Rules, Values, steps};
use crate::domain::account::Closing;
use crate::domain::money::same_number;
use crate::domain::record::Record;
use crate::domain::time::{BusinessDate, civil_date};

pub(super) fn changes(record: &Record, rules: &Rules<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut values = Values::default();
    for step in steps(record) {
        let before = values.clone();
        let was = values.take(&step);
        let closing = |values: &Values<'_>| closing(record, values.get("dealstage"), rules);
        let now = values.get(step.property);
        let kind = match step.property {
            "dealstage" => match (closing(&before), closing(&values)) {
                (Closing::Open | Closing::Lost, Closing::Won) => Some(ChangeKind::DealWon),
                (Closing::Open | Closing::Won, Closing::Lost) => Some(ChangeKind::DealLost),
                (Closing::Won | Closing::Lost, Closing::Open) => Some(ChangeKind::DealReopened),
                _ => None,
            },
            _ if closing(&values) != Closing::Won => None,
            "amount" => (!same_number(was.unwrap_or_default(), now.unwrap_or_default()))
                .then_some(ChangeKind::DealAmountChanged),
            "deal_currency_code" => (was.unwrap_or(rules.company_currency) != now.unwrap_or(rules.company_currency))
                .then_some(ChangeKind::DealAmountChanged),
            "closedate" => {
                let day = |text: Option<&str>| text.and_then(|text| civil_date(text, rules.zone));
                (day(was) != day(now)).then_some(ChangeKind::DealCloseDateMoved)
            }
            _ => None,
        };
        if let Some(kind) = kind {
            let date = BusinessDate::of(values.get("closedate"), step.entry.at, rules.zone);
            changes.push(step.change(record, kind, was, date));
        }
    }
    changes
}

/// What a stage meant for this deal. A stage that no pipeline has any more is judged by the deal's own flags if the
/// deal is in it now, else it counts as open. Source: facts 3.5, the flags survive the deletion of a stage.
pub(in crate::domain) fn closing(record: &Record, stage: Option<&str>, rules: &Rules<'_>) -> Closing {
    let Some(stage) = stage else { return Closing::Open };
    rules.stages.closing(stage).unwrap_or_else(|| {
        let flag = |name| record.property(name) == Some("true");
        match record.property("dealstage") == Some(stage) && flag("hs_is_closed") {
            true if flag("hs_is_closed_won") => Closing::Won,
            true => Closing::Lost,
            false => Closing::Open,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::domain::record::Kind;

    #[test]
    fn a_deal_is_won_reopened_and_lost() {
        let deal = record(
            Kind::Deal,
            &[
                ("dealstage", 10, "new"),
                ("dealstage", 20, "won"),
                ("dealstage", 30, "talk"),
                ("dealstage", 40, "lost"),
                ("dealstage", 50, "won2"),
                ("dealstage", 60, "won"),
            ],
        );
        assert_eq!(kinds(&deal, 0), ["deal.won", "deal.reopened", "deal.lost", "deal.won"]);
        assert_eq!(kinds(&deal, 30), ["deal.lost", "deal.won"], "nothing from before the books were opened");
    }

    #[test]
    fn a_deal_created_as_won_is_news_and_its_amount_is_part_of_it() {
        let deal =
            record(Kind::Deal, &[("dealstage", 10, "won"), ("amount", 10, "500"), ("closedate", 10, "2026-11-22")]);
        assert_eq!(kinds(&deal, 0), ["deal.won"]);
    }

    #[test]
    fn amount_currency_and_close_date_count_while_a_deal_is_won() {
        let deal = record(
            Kind::Deal,
            &[
                ("amount", 5, "100"),
                ("dealstage", 10, "won"),
                ("amount", 20, "100.00"),
                ("amount", 30, "120"),
                ("deal_currency_code", 40, "EUR"),
                ("deal_currency_code", 50, "USD"),
                ("closedate", 60, "2026-11-22T08:00:00Z"),
                ("closedate", 70, "2026-11-22T18:00:00Z"),
                ("closedate", 80, "2026-12-01T08:00:00Z"),
                ("dealstage", 90, "talk"),
                ("amount", 95, "130"),
            ],
        );
        assert_eq!(
            kinds(&deal, 0),
            [
                "deal.won",
                "deal.amount_changed",
                "deal.amount_changed",
                "deal.close_date_moved",
                "deal.close_date_moved",
                "deal.reopened"
            ]
        );
    }

    #[test]
    fn a_deleted_stage_is_judged_by_the_deals_own_flags() {
        let mut deal = record(Kind::Deal, &[("dealstage", 10, "new"), ("dealstage", 20, "vanished")]);
        assert_eq!(kinds(&deal, 0), Vec::<&str>::new());
        deal.properties.insert("hs_is_closed".into(), "true".into());
        assert_eq!(kinds(&deal, 0), ["deal.lost"]);
        deal.properties.insert("hs_is_closed_won".into(), "true".into());
        assert_eq!(kinds(&deal, 0), ["deal.won"]);
    }
}
