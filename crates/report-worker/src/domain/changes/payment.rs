//! The rules for payments: received, refunded.

use std::cmp::Ordering;

use super::{Change, ChangeKind, Rules, Values, steps};
use crate::domain::money::decimal;
use crate::domain::record::Record;
use crate::domain::time::BusinessDate;

pub(super) fn changes(record: &Record, rules: &Rules<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut values = Values::default();
    let mut received = false;
    // What was refunded is said twice by HubSpot; the amount is the better of the two where there is one.
    let has_refund_amounts = record.history.contains_key("hs_refunds_amount");
    for step in steps(record) {
        let was = values.take(&step);
        let now = values.get(step.property);
        let kind = match step.property {
            // A refunded payment was received once, even if nobody looked in between.
            "hs_latest_status" => match now.unwrap_or_default() {
                "succeeded" | "partially_refunded" | "refunded" if !received => {
                    received = true;
                    Some(ChangeKind::PaymentReceived)
                }
                "partially_refunded" | "refunded" if was != now && !has_refund_amounts => {
                    Some(ChangeKind::PaymentRefunded)
                }
                _ => None,
            },
            "hs_refunds_amount" => {
                let number = |text: Option<&str>| text.and_then(decimal).unwrap_or_default();
                (number(now).cmp(&number(was)) == Ordering::Greater).then_some(ChangeKind::PaymentRefunded)
            }
            _ => None,
        };
        if let Some(kind) = kind {
            // A payment counts on its own date; a refund on the day it was made.
            let own = record.property("hs_initiated_date").filter(|_| kind == ChangeKind::PaymentReceived);
            let date = BusinessDate::of(own, step.entry.at, rules.zone);
            let mut change = step.change(record, kind, was, date);
            if kind == ChangeKind::PaymentReceived {
                change.id = kind.as_str().to_owned();
            }
            changes.push(change);
        }
    }
    changes
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
    fn without_refund_amounts_the_status_tells() {
        let payment =
            record(Kind::Payment, &[("hs_latest_status", 10, "succeeded"), ("hs_latest_status", 30, "refunded")]);
        assert_eq!(kinds(&payment, 0), ["payment.received", "payment.refunded"]);
    }
}
