//! The rules for invoices: created, part paid, paid, voided, overdue.

use std::cmp::Ordering;

use jiff::ToSpan;
use jiff::civil::Date;

use super::{Change, ChangeKind, Rules, Values, steps};
use crate::domain::money::{compare, same_number, sign};
use crate::domain::record::Record;
use crate::domain::time::{BusinessDate, civil_date, start_of_day};

pub(super) fn changes(record: &Record, rules: &Rules<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut values = Values::default();
    let (mut created, mut paid_since) = (false, None);
    for step in steps(record) {
        let was = values.take(&step);
        let now = values.get(step.property);
        let mut kinds = Vec::new();
        match step.property {
            "hs_invoice_status" => {
                let (before, status) = (was.unwrap_or_default(), now.unwrap_or_default());
                let existed = created;
                if !created && !is_draft(status) {
                    created = true;
                    kinds.push(ChangeKind::InvoiceCreated);
                }
                match (before, status) {
                    (before, after) if before == after || (is_draft(before) && is_draft(after)) => {}
                    (_, "paid") => {
                        paid_since = Some(step.entry.at);
                        kinds.push(ChangeKind::InvoicePaid);
                    }
                    // HubSpot's guide knows `voided`; some accounts are said to write `cancelled` (facts 3.4).
                    (_, "voided" | "cancelled") => kinds.push(ChangeKind::InvoiceVoided),
                    (_, after) if is_draft(after) => kinds.push(ChangeKind::InvoiceDrafted),
                    ("paid" | "voided" | "cancelled", _) => kinds.push(ChangeKind::InvoiceReopened),
                    (before, _) if is_draft(before) && existed => kinds.push(ChangeKind::InvoiceReopened),
                    _ => {}
                }
            }
            _ if !created => {}
            "hs_amount_paid" => match compare(now, was) {
                Ordering::Greater if compare(now, values.get("hs_amount_billed")) == Ordering::Less => {
                    kinds.push(ChangeKind::InvoicePartPaid);
                }
                // The paid amount may follow the status, in a save of its own.
                Ordering::Greater
                    if values.get("hs_invoice_status") == Some("paid")
                        && paid_since.is_some_and(|since| since < step.entry.at) =>
                {
                    kinds.push(ChangeKind::InvoiceAmountChanged);
                }
                Ordering::Less => kinds.push(ChangeKind::InvoiceAmountChanged),
                _ => {}
            },
            "hs_amount_billed" if !same_number(was.unwrap_or_default(), now.unwrap_or_default()) => {
                kinds.push(ChangeKind::InvoiceAmountChanged);
            }
            "hs_currency" if was.is_some() && was != now => kinds.push(ChangeKind::InvoiceAmountChanged),
            // An invoice that does not say otherwise is billable.
            "hs_invoice_billable" if was.unwrap_or("true") != now.unwrap_or("true") => {
                kinds.push(ChangeKind::InvoiceAmountChanged);
            }
            "hs_invoice_date" if was.is_some() => {
                let day = |text: Option<&str>| text.and_then(|text| civil_date(text, rules.zone));
                if day(was) != day(now) {
                    kinds.push(ChangeKind::InvoiceDateMoved);
                }
            }
            _ => {}
        }
        let date = BusinessDate::of(values.get("hs_invoice_date"), step.entry.at, rules.zone);
        for kind in kinds {
            let mut change = step.change(record, kind, was, date);
            if kind == ChangeKind::InvoiceCreated {
                // An invoice is created once, whichever of its statuses was seen first.
                change.id = kind.as_str().to_owned();
            }
            changes.push(change);
        }
    }
    changes
}

fn is_draft(status: &str) -> bool {
    matches!(status, "" | "draft")
}

/// The change of an open invoice whose due date has passed with something left to pay.
///
/// HubSpot has no such status: it is a dated fact of the calendar, effective at the first instant after the due date in
/// the reporting zone, once per invoice and due date. An invoice that was overdue when the books were opened is no news.
/// Source: facts 3.4.
pub fn overdue(record: &Record, today: Date, rules: &Rules<'_>) -> Option<Change> {
    let due = civil_date(record.property("hs_due_date")?, rules.zone)?;
    let open = record.property("hs_invoice_status") == Some("open");
    let owed = match record.property("hs_balance_due") {
        Some(balance) => sign(balance) == Ordering::Greater,
        None => compare(record.property("hs_amount_billed"), record.property("hs_amount_paid")) == Ordering::Greater,
    };
    let since = due.checked_add(1.day()).ok()?;
    let at = start_of_day(since, rules.zone);
    if !open || !owed || due >= today || at <= rules.books_open_at || record.archived_at.is_some() {
        return None;
    }
    let date = BusinessDate { date: since, stated: true };
    let mut change = Change::standing(record.key, ChangeKind::InvoiceOverdue, &due.to_string(), at, date);
    "CALENDAR".clone_into(&mut change.source);
    Some(change)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::testing::*;
    use super::*;
    use crate::domain::record::Kind;

    #[test]
    fn an_invoice_is_created_part_paid_and_paid() {
        let invoice = record(
            Kind::Invoice,
            &[
                ("hs_invoice_status", 10, "draft"),
                ("hs_amount_billed", 10, "1000"),
                ("hs_amount_billed", 15, "1200"),
                ("hs_invoice_status", 20, "open"),
                ("hs_amount_paid", 30, "400"),
                ("hs_amount_paid", 40, "1200"),
                ("hs_invoice_status", 40, "paid"),
            ],
        );
        assert_eq!(kinds(&invoice, 0), ["invoice.created", "invoice.part_paid", "invoice.paid"]);
    }

    #[test]
    fn a_paid_amount_that_follows_the_status_is_a_change_of_its_own() {
        let invoice = record(
            Kind::Invoice,
            &[
                ("hs_amount_billed", 10, "80"),
                ("hs_invoice_status", 10, "open"),
                ("hs_invoice_status", 20, "paid"),
                ("hs_amount_paid", 21, "80"),
            ],
        );
        assert_eq!(kinds(&invoice, 0), ["invoice.created", "invoice.paid", "invoice.amount_changed"]);
    }

    #[test]
    fn a_draft_again_another_date_and_other_billing_are_changes() {
        let invoice = record(
            Kind::Invoice,
            &[
                ("hs_invoice_date", 10, "2026-11-01"),
                ("hs_invoice_status", 10, "open"),
                ("hs_invoice_status", 20, "draft"),
                ("hs_invoice_status", 30, "open"),
                ("hs_invoice_date", 40, "2026-11-01T08:00:00Z"),
                ("hs_invoice_date", 50, "2026-12-01"),
                ("hs_invoice_billable", 60, "true"),
                ("hs_invoice_billable", 70, "false"),
            ],
        );
        assert_eq!(
            kinds(&invoice, 0),
            ["invoice.created", "invoice.drafted", "invoice.reopened", "invoice.date_moved", "invoice.amount_changed"]
        );
    }

    #[test]
    fn an_invoice_created_as_paid_is_both() {
        let invoice = record(Kind::Invoice, &[("hs_invoice_status", 10, "paid"), ("hs_amount_billed", 10, "80")]);
        assert_eq!(kinds(&invoice, 0), ["invoice.created", "invoice.paid"]);
    }

    #[test]
    fn an_invoice_created_with_a_part_paid_is_both() {
        let one_save =
            [("hs_invoice_status", 10, "open"), ("hs_amount_billed", 10, "80"), ("hs_amount_paid", 10, "30")];
        assert_eq!(kinds(&record(Kind::Invoice, &one_save), 0), ["invoice.created", "invoice.part_paid"]);
    }

    #[test]
    fn voiding_reopening_and_other_amounts_are_changes() {
        let invoice = record(
            Kind::Invoice,
            &[
                ("hs_amount_billed", 10, "80"),
                ("hs_currency", 10, "EUR"),
                ("hs_invoice_status", 10, "open"),
                ("hs_amount_billed", 20, "80.00"),
                ("hs_amount_billed", 30, "90"),
                ("hs_currency", 35, "USD"),
                ("hs_amount_paid", 40, "30"),
                ("hs_amount_paid", 50, "10"),
                ("hs_invoice_status", 60, "voided"),
                ("hs_invoice_status", 70, "open"),
            ],
        );
        assert_eq!(
            kinds(&invoice, 0),
            [
                "invoice.created",
                "invoice.amount_changed",
                "invoice.amount_changed",
                "invoice.part_paid",
                "invoice.amount_changed",
                "invoice.voided",
                "invoice.reopened"
            ]
        );
        assert_eq!(kinds(&record(Kind::Invoice, &[("hs_invoice_status", 10, "draft")]), 0), Vec::<&str>::new());
    }

    #[test]
    fn overdue_is_one_dated_change_per_due_date() {
        let stages = stages();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let rules = Rules { books_open_at: at(0), stages: &stages, zone: &zone, company_currency: "EUR" };
        let mut invoice = record(
            Kind::Invoice,
            &[
                ("hs_invoice_status", 10, "open"),
                ("hs_amount_billed", 10, "80"),
                ("hs_due_date", 10, "2026-11-20"),
                ("hs_invoice_date", 10, "2026-11-01"),
            ],
        );
        let on = |day: &str| day.parse::<Date>().unwrap();
        assert_eq!(overdue(&invoice, on("2026-11-20"), &rules), None, "on the due date it is not overdue");
        let change = overdue(&invoice, on("2026-11-21"), &rules).unwrap();
        assert_eq!(change.id, "invoice.overdue:2026-11-20");
        assert_eq!(change.effective_at.to_string(), "2026-11-20T23:00:00Z", "midnight in Berlin");
        assert_eq!(overdue(&invoice, on("2026-12-24"), &rules).unwrap().id, change.id);

        let opened_later = Rules { books_open_at: change.effective_at, ..rules.clone() };
        assert_eq!(overdue(&invoice, on("2026-11-21"), &opened_later), None, "overdue before the books were opened");

        for (property, value) in [("hs_balance_due", "0.00"), ("hs_amount_paid", "80"), ("hs_invoice_status", "paid")] {
            let mut settled = invoice.clone();
            settled.properties.insert(property.into(), value.into());
            assert_eq!(overdue(&settled, on("2026-11-21"), &rules), None, "{property}");
        }
        invoice.properties.remove("hs_due_date");
        assert_eq!(overdue(&invoice, on("2026-11-21"), &rules), None);
    }
}
