//! The rules for payments: received, failed after all, refunded.

use super::{Change, ChangeKind, Rules, Values, steps};
use crate::domain::money::same_number;
use crate::domain::record::Record;
use crate::domain::time::BusinessDate;

pub(super) fn changes(record: &Record, rules: &Rules<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut values = Values::default();
    let mut received_before = false;
    let has_refund_amounts = has_refund_amounts(record);
    for step in steps(record) {
        let was = values.take(&step);
        let now = values.get(step.property);
        let counts = is_received(values.get("hs_latest_status"));
        let kind = match step.property {
            // A refunded payment was received, even if nobody looked in between.
            "hs_latest_status" => match (is_received(was), counts) {
                (false, true) => Some(ChangeKind::PaymentReceived),
                (true, false) => Some(ChangeKind::PaymentFailed),
                (true, true) if was != now && now != Some("succeeded") && !has_refund_amounts => {
                    Some(ChangeKind::PaymentRefunded)
                }
                _ => None,
            },
            "hs_refunds_amount" if !same_number(was.unwrap_or("0"), now.unwrap_or("0")) => {
                Some(ChangeKind::PaymentRefunded)
            }
            "hs_initial_amount" if counts && !same_number(was.unwrap_or_default(), now.unwrap_or_default()) => {
                Some(ChangeKind::PaymentAmountChanged)
            }
            "hs_currency_code" if counts && was.is_some() && was != now => Some(ChangeKind::PaymentAmountChanged),
            _ => None,
        };
        if let Some(kind) = kind {
            // A payment counts on its own date; a refund on the day it was made.
            let own = record.property("hs_initiated_date").filter(|_| kind == ChangeKind::PaymentReceived);
            let date = BusinessDate::of(own, step.entry.at, rules.zone);
            let mut change = step.change(record, kind, was, date);
            if kind == ChangeKind::PaymentReceived && !received_before {
                // The first time is one, whichever of its statuses was seen first.
                received_before = true;
                change.id = kind.as_str().to_owned();
            }
            changes.push(change);
        }
    }
    changes
}

/// What was refunded is said twice by HubSpot; the amount is the better of the two where there is one.
pub(in crate::domain) fn has_refund_amounts(record: &Record) -> bool {
    record.history.contains_key("hs_refunds_amount")
}

fn is_received(status: Option<&str>) -> bool {
    matches!(status, Some("succeeded" | "partially_refunded" | "refunded"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::domain::record::Kind;

    #[test]
    fn a_payment_is_received_once_and_each_refund_is_a_change() {
        let payment = record(
            Kind::Payment,
            &[
                ("hs_latest_status", 10, "processing"),
                ("hs_refunds_amount", 10, "0"),
                ("hs_latest_status", 20, "succeeded"),
                ("hs_refunds_amount", 30, "10"),
                ("hs_latest_status", 30, "partially_refunded"),
                ("hs_refunds_amount", 40, "25"),
                ("hs_latest_status", 40, "refunded"),
            ],
        );
        assert_eq!(kinds(&payment, 0), ["payment.received", "payment.refunded", "payment.refunded"]);
    }

    #[test]
    fn what_is_undone_or_altered_later_is_a_change_too() {
        let payment = record(
            Kind::Payment,
            &[
                ("hs_initial_amount", 10, "50"),
                ("hs_currency_code", 10, "EUR"),
                ("hs_latest_status", 10, "succeeded"),
                ("hs_latest_status", 20, "failed"),
                ("hs_initial_amount", 25, "60"),
                ("hs_latest_status", 30, "succeeded"),
                ("hs_initial_amount", 40, "70"),
                ("hs_currency_code", 50, "USD"),
                ("hs_refunds_amount", 60, "20"),
                ("hs_refunds_amount", 70, "0.00"),
            ],
        );
        assert_eq!(
            kinds(&payment, 0),
            [
                "payment.received",
                "payment.failed",
                "payment.received",
                "payment.amount_changed",
                "payment.amount_changed",
                "payment.refunded",
                "payment.refunded"
            ]
        );
    }

    #[test]
    fn without_refund_amounts_the_status_tells() {
        let payment =
            record(Kind::Payment, &[("hs_latest_status", 10, "succeeded"), ("hs_latest_status", 30, "refunded")]);
        assert_eq!(kinds(&payment, 0), ["payment.received", "payment.refunded"]);
    }
}
