//! The figures of a period, as the books have them: what the report of a period is built from.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::changes::ChangeKind;
use crate::domain::entries::{Correction, Entry, Figure};
use crate::domain::ledger::{Balance, Face, Line};
use crate::domain::money::{Amount, AmountError, SumTooLarge, Totals};
use crate::domain::period::{Calendar, Period};
use crate::domain::record::RecordKey;
use crate::report::filter::Difference;

/// All that a report of a period says, before it is said. Everything in it passes the definition's filter, and money
/// received is counted once: by payments since the account keeps them, by invoices before.
#[derive(Debug, Clone)]
pub struct PeriodFigures {
    /// The period.
    pub period: Period,
    /// The period before it.
    pub before: Period,
    /// How weeks and fiscal years are counted: it names the periods.
    pub calendar: Calendar,
    /// 1 for the report as it was first sent, more for each time that it was built anew.
    pub revision: u32,
    /// False while the period is running: then these are its figures so far, and nobody was sent them.
    pub is_over: bool,
    /// The entries of the period, by date and record. Of each record all entries of a day follow one another.
    pub lines: Vec<Line>,
    /// The sums of the period before, as the books have them now.
    pub sums_before: BTreeMap<Figure, Sums>,
    /// What recurs of the deals won in the period before, as the books have them now.
    pub recurring_before: Recurring,
    /// What was past due at the end of the period before, as the books have it now; nothing where `ageing` is not asked
    /// for either.
    pub past_due_before: Tally,
    /// What earlier reports of the series told of earlier periods and is no longer so, each merge as one; in a new revision,
    /// what they told of its own period. Empty while the period is running.
    pub corrections: Vec<CorrectedRecord>,
    /// What was owed at the end of the period's last day, or is now while it is running: the oldest due date first, invoices
    /// without one last.
    pub ageing: Vec<Balance>,
    /// Records that HubSpot told of before the report was due and that were still to be read when it was built.
    pub unread: u64,
}

/// The sums of a figure over a period: what is not billable is never added to what is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// Of what is billable.
    pub billable: Tally,
    /// Of what only tracks data.
    pub non_billable: Tally,
}

/// How many entries there are, and their sum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// All entries, those without an amount too.
    pub count: u64,
    /// The sum per currency.
    pub totals: Totals,
    /// How many entries are not in the sum, because they have no amount that can be added up.
    pub left_out: u64,
}

/// What recurs of deals won, as HubSpot calculates it from their line items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recurring {
    /// Each month.
    pub mrr: Tally,
    /// Each year.
    pub arr: Tally,
}

impl Recurring {
    /// HubSpot's property for what recurs each month.
    pub(super) const MRR: &str = "hs_mrr";
    /// HubSpot's property for what recurs each year.
    pub(super) const ARR: &str = "hs_arr";

    /// Adds what recurs of a deal won; other lines have nothing that does.
    ///
    /// # Errors
    /// Fails where a sum would not fit 128 bits.
    pub fn add(&mut self, line: &Line) -> Result<(), SumTooLarge> {
        if line.entry.figure != Figure::Won {
            return Ok(());
        }
        for (tally, property) in [(&mut self.mrr, Self::MRR), (&mut self.arr, Self::ARR)] {
            recurs(line, property).iter().try_for_each(|amount| tally.add(amount))?;
        }
        Ok(())
    }
}

/// What recurs of a deal: none where HubSpot says nothing, or zero.
pub(super) fn recurs(line: &Line, property: &str) -> Option<Amount> {
    let amount = Amount::read(line.face.property(property), &line.entry.amount.currency);
    let is_none = match &amount.money {
        Ok(money) => money.minor() == 0,
        Err(error) => *error == AmountError::Missing,
    };
    (!is_none).then_some(amount)
}

impl Sums {
    /// Adds an entry.
    ///
    /// # Errors
    /// Fails where the sum would not fit 128 bits.
    pub fn add(&mut self, entry: &Entry) -> Result<(), SumTooLarge> {
        let tally = if entry.billable { &mut self.billable } else { &mut self.non_billable };
        tally.add(&entry.amount)
    }
}

impl Tally {
    /// Adds an amount.
    ///
    /// # Errors
    /// Fails where the sum would not fit 128 bits.
    pub fn add(&mut self, amount: &Amount) -> Result<(), SumTooLarge> {
        self.count += 1;
        match &amount.money {
            Ok(money) => self.totals.add(*money),
            Err(_) => {
                self.left_out += 1;
                Ok(())
            }
        }
    }

    /// Adds all of another.
    ///
    /// # Errors
    /// Fails where a sum would not fit 128 bits.
    pub fn add_all(&mut self, other: &Self) -> Result<(), SumTooLarge> {
        self.count += other.count;
        self.left_out += other.left_out;
        self.totals.add_all(&other.totals)
    }
}

/// A record of which something was told that is no longer so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrectedRecord {
    /// The record; of a merge, the one that is left.
    pub key: RecordKey,
    /// The record as it is shown.
    pub face: Arc<Face>,
    /// What was told and what is so, entry by entry; of a merge, those of all records that went into it. The net effect
    /// is the sum of what is, less the sum of what was.
    pub corrections: Vec<Correction>,
    /// What has happened to it since the report before, in the order in which it happened, each once. Empty where what
    /// changed is not money: an owner, or the rules.
    pub kinds: Vec<ChangeKind>,
    /// Why it is in the report of the earlier period now, or is no longer; `None` where the filter is not why.
    pub refiltered: Option<Refiltered>,
    /// When the last of it happened.
    pub changed_at: Option<Timestamp>,
    /// The names of the records that were merged into it since.
    pub merged: Vec<String>,
}

/// A record passes the report's filter and did not when it was told, or the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refiltered {
    /// Whether it passes now.
    pub passes: bool,
    /// What of it differs that the filter reads; empty where that is an amount or its currency.
    pub differences: Vec<Difference>,
}
