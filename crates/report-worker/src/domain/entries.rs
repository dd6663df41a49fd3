//! What a record adds to the figures of the periods, by its state as last read and its history.
//!
//! A report of a period lists the entries dated in it. Unlike changes, entries are also there for what happened before
//! the books were opened: a month's figure is the whole month's. What was told and is no longer so is a [`Correction`].

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::changes::{self, Change, ChangeKind, Rules};
use super::money::{Amount, AmountError, Money, SumTooLarge, Totals, compare};
use super::position::{Position, Standing};
use super::record::Record;
use super::time::{BusinessDate, start_of_day};

/// What an entry is added up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// A won deal, on its close date.
    Won,
    /// A lost deal, on its close date.
    Lost,
    /// An invoice that stands, on its invoice date: what was billed.
    InvoiceCreated,
    /// A part payment of an invoice, on its day: what was paid so far.
    InvoicePartPaid,
    /// A paid invoice, on the day it was last paid: what was billed.
    InvoicePaid,
    /// A voided invoice, on the day it was last voided: what was billed.
    InvoiceVoided,
    /// An invoice that had a balance when its due date was over, on the day after: what was owed then.
    InvoiceOverdue,
    /// What was paid on an invoice at a time, on its day.
    InvoiceReceipt,
    /// What was given back of an invoice at a time, on its day.
    InvoiceRefund,
    /// A payment that was received, on its own date.
    PaymentReceived,
    /// What was refunded of a payment at a time, on its day; negative where a refund was taken back.
    PaymentRefund,
}

impl Figure {
    /// Every figure.
    pub const ALL: [Self; 11] = [
        Self::Won,
        Self::Lost,
        Self::InvoiceCreated,
        Self::InvoicePartPaid,
        Self::InvoicePaid,
        Self::InvoiceVoided,
        Self::InvoiceOverdue,
        Self::InvoiceReceipt,
        Self::InvoiceRefund,
        Self::PaymentReceived,
        Self::PaymentRefund,
    ];

    /// The word the books use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::Lost => "lost",
            Self::InvoiceCreated => "invoice_created",
            Self::InvoicePartPaid => "invoice_part_paid",
            Self::InvoicePaid => "invoice_paid",
            Self::InvoiceVoided => "invoice_voided",
            Self::InvoiceOverdue => "invoice_overdue",
            Self::InvoiceReceipt => "invoice_receipt",
            Self::InvoiceRefund => "invoice_refund",
            Self::PaymentReceived => "payment_received",
            Self::PaymentRefund => "payment_refund",
        }
    }

    /// The figure with this word, if there is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|figure| figure.as_str() == word)
    }

    /// False for what is progress and only listed: that an invoice was part paid or overdue stays true of its day.
    pub fn is_corrected(self) -> bool {
        !matches!(self, Self::InvoicePartPaid | Self::InvoiceOverdue)
    }
}

/// One addition to a figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The figure.
    pub figure: Figure,
    /// Which of the record's entries in this figure it is, by their time; the first is 1.
    pub n: u32,
    /// The day it counts on.
    pub date: BusinessDate,
    /// When it took effect, by HubSpot's clock.
    pub at: Timestamp,
    /// The amount; what is no money is listed and never added up.
    pub amount: Amount,
    /// False for an invoice that only tracks data; it is shown apart and never added up.
    pub billable: bool,
}

impl Entry {
    /// The money that is added up, if any is.
    pub fn money(&self) -> Option<Money> {
        self.amount.money.clone().ok().filter(|_| self.billable)
    }

    /// True if a reader would be told the same: the day, the amount and whether it counts.
    fn says_the_same_as(&self, other: &Self) -> bool {
        self.date.date == other.date.date
            && self.billable == other.billable
            && match (&self.amount.money, &other.amount.money) {
                (Ok(money), Ok(other)) => money == other,
                (Err(_), Err(_)) => {
                    (&self.amount.currency, self.amount.text.trim())
                        == (&other.amount.currency, other.amount.text.trim())
                }
                _ => false,
            }
    }
}

/// All entries of a record, by figure and then by time.
///
/// `standing` is where the record stands if that is not as it was last read: merged away, or archived, which is also to
/// be said where it is gone or unreadable. Such a record has no entries. `today` is the day of the reporting zone:
/// nothing is overdue before its day has come.
pub fn entries(record: &Record, standing: Option<Standing>, today: Date, rules: &Rules<'_>) -> Vec<Entry> {
    let mut now = Position::now(record, rules);
    if now.standing != Standing::Archived {
        now.standing = standing.unwrap_or(now.standing);
    }
    let rules = Rules { books_open_at: Timestamp::MIN, ..rules.clone() };
    let mut page = Page { record, changes: changes::from_history(record, &rules), now, rules, entries: Vec::new() };
    match page.now.standing {
        Standing::Won => page.dated(Figure::Won, ChangeKind::DealWon),
        Standing::Lost => page.dated(Figure::Lost, ChangeKind::DealLost),
        Standing::Issued | Standing::Paid => {
            page.dated(Figure::InvoiceCreated, ChangeKind::InvoiceCreated);
            if page.now.standing == Standing::Paid {
                page.on_its_day(Figure::InvoicePaid, ChangeKind::InvoicePaid);
            }
            page.overdue(today);
            page.paid_over_time(true);
        }
        Standing::Voided => {
            page.on_its_day(Figure::InvoiceVoided, ChangeKind::InvoiceVoided);
            page.paid_over_time(false);
        }
        Standing::Received => {
            page.dated(Figure::PaymentReceived, ChangeKind::PaymentReceived);
            page.refunds();
        }
        Standing::Open | Standing::Draft | Standing::Pending | Standing::Archived | Standing::Merged { .. } => {}
    }
    let mut entries = page.entries;
    entries.sort_by_key(|entry| (entry.figure, entry.n));
    entries
}

/// The entries of one record as they are written.
struct Page<'a> {
    record: &'a Record,
    now: Position,
    rules: Rules<'a>,
    /// All changes of its life, oldest first.
    changes: Vec<Change>,
    entries: Vec<Entry>,
}

impl Page<'_> {
    fn add(&mut self, figure: Figure, at: Timestamp, date: BusinessDate, amount: Amount) {
        let n = self.entries.iter().filter(|entry| entry.figure == figure).map(|entry| entry.n).max().unwrap_or(0) + 1;
        self.entries.push(Entry { figure, n, date, at, amount, billable: self.now.billable });
    }

    /// When a change took effect for the last time; a record without such a history has been so since it was created.
    fn last(&self, kind: ChangeKind) -> Timestamp {
        let change = self.changes.iter().rev().find(|change| change.kind == kind);
        change.map_or(self.record.created_at, |change| change.effective_at)
    }

    /// Adds the record's amount on the day it states.
    fn dated(&mut self, figure: Figure, since: ChangeKind) {
        let at = self.last(since);
        self.add(figure, at, self.now.business_date(at, &self.rules), self.now.amount.clone());
    }

    /// Adds the record's amount on the day of a change.
    fn on_its_day(&mut self, figure: Figure, since: ChangeKind) {
        let at = self.last(since);
        self.add_on_day(figure, at, self.now.amount.clone());
    }

    fn add_on_day(&mut self, figure: Figure, at: Timestamp, amount: Amount) {
        self.add(figure, at, BusinessDate::of(None, at, self.rules.zone), amount);
    }

    /// Adds what was still to be paid when the due date was over.
    fn overdue(&mut self, today: Date) {
        let Some(since) = self.now.due.and_then(|due| due.checked_add(1.day()).ok()).filter(|day| *day <= today) else {
            return;
        };
        let at = start_of_day(since, self.rules.zone);
        let Some(then) = Position::as_of(self.record, at, &self.rules) else { return };
        let owes = compare(Some(&then.amount.text), Some(&then.settled.text)).is_gt();
        if then.standing == Standing::Issued && owes {
            self.add(Figure::InvoiceOverdue, at, BusinessDate { date: since, stated: true }, then.owed());
        }
    }

    /// Adds what was paid and given back since the invoice was first issued, and its part payments.
    fn paid_over_time(&mut self, with_part_payments: bool) {
        let mut life = Position::over_time(self.record, &self.rules);
        life.drain(..life.iter().take_while(|(_, position)| position.standing == Standing::Draft).count());
        if with_part_payments {
            for (at, position) in &life {
                let is_part_payment =
                    |change: &Change| change.kind == ChangeKind::InvoicePartPaid && change.effective_at == *at;
                if self.changes.iter().any(is_part_payment) {
                    self.add_on_day(Figure::InvoicePartPaid, *at, position.settled.clone());
                }
            }
        }
        for (at, amount) in movements(&life) {
            match &amount.money {
                Ok(money) if money.minor() < 0 => {
                    let back = Amount::from_minor(-i128::from(money.minor()), money.currency());
                    self.add_on_day(Figure::InvoiceRefund, at, back);
                }
                _ => self.add_on_day(Figure::InvoiceReceipt, at, amount),
            }
        }
    }

    /// Adds each refund; where HubSpot gives no amounts, the status tells that there was one.
    fn refunds(&mut self) {
        if changes::has_refund_amounts(self.record) {
            for (at, amount) in movements(&Position::over_time(self.record, &self.rules)) {
                self.add_on_day(Figure::PaymentRefund, at, amount);
            }
            return;
        }
        let refunds = self.changes.iter().filter(|change| change.kind == ChangeKind::PaymentRefunded);
        for at in refunds.map(|change| change.effective_at).collect::<Vec<_>>() {
            self.add_on_day(Figure::PaymentRefund, at, self.now.settled.clone());
        }
    }
}

/// How what is settled moved from moment to moment: by how much it rose, negative where it fell. In another currency all
/// goes back in the old one and comes anew in the new one. What is no money is told as it is and moves nothing.
fn movements(life: &[(Timestamp, Position)]) -> Vec<(Timestamp, Amount)> {
    let mut moves = Vec::new();
    let (mut last, mut standing): (Option<&Amount>, Option<Money>) = (None, None);
    for (at, position) in life {
        let amount = &position.settled;
        if last.replace(amount) == Some(amount) {
            continue;
        }
        let now = match &amount.money {
            Ok(money) => Some(*money),
            Err(AmountError::Missing) => None,
            Err(_) => {
                moves.push((*at, amount.clone()));
                continue;
            }
        };
        if let Some(before) = standing.filter(|before| now.is_none_or(|now| now.currency() != before.currency())) {
            moves.push((*at, Amount::from_minor(-i128::from(before.minor()), before.currency())));
            standing = None;
        }
        if let Some(money) = now {
            let rise = i128::from(money.minor()) - standing.map_or(0, |before| i128::from(before.minor()));
            let whole = standing.is_none_or(|before| before.minor() == 0);
            // The first time, HubSpot's own text.
            let amount = if whole { amount.clone() } else { Amount::from_minor(rise, money.currency()) };
            moves.push((*at, amount));
        }
        standing = now;
    }
    moves.retain(|(_, amount)| amount.money.as_ref().is_err() || amount.money.as_ref().is_ok_and(|it| it.minor() != 0));
    moves
}

/// What was told of a record in a figure and is no longer so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// The figure.
    pub figure: Figure,
    /// What was told, if anything was.
    pub was: Option<Entry>,
    /// What is so now, if anything is.
    pub now: Option<Entry>,
}

impl Correction {
    /// Adds its net effect on its figure, per currency, over all periods: less what was, plus what is.
    ///
    /// # Errors
    /// Fails where a sum would not fit 128 bits.
    pub fn add_effect(&self, totals: &mut Totals) -> Result<(), SumTooLarge> {
        if let Some(money) = self.was.as_ref().and_then(Entry::money) {
            totals.subtract(money)?;
        }
        if let Some(money) = self.now.as_ref().and_then(Entry::money) {
            totals.add(money)?;
        }
        Ok(())
    }
}

/// What has to be corrected of what was told of one record: both sides are its entries in the same periods.
///
/// Entries of one figure are paired by their ordinal, those left over in their order; a pair that says the same is
/// nothing to correct. Figures that are only listed are left out.
pub fn difference(told: &[Entry], now: &[Entry]) -> Vec<Correction> {
    let mut corrections = Vec::new();
    for figure in Figure::ALL.into_iter().filter(|figure| figure.is_corrected()) {
        let of_figure = |entries: &[Entry]| -> Vec<Entry> {
            entries.iter().filter(|entry| entry.figure == figure).cloned().collect()
        };
        let (mut was, mut is) = (of_figure(told), of_figure(now));
        let mut pairs: Vec<(Option<Entry>, Option<Entry>)> = Vec::new();
        was.retain(|entry| {
            let same = is.iter().position(|other| other.n == entry.n).map(|index| is.remove(index));
            let alone = same.is_none();
            pairs.extend(same.map(|other| (Some(entry.clone()), Some(other))));
            alone
        });
        let (mut was, mut is) = (was.into_iter(), is.into_iter());
        pairs.extend(std::iter::from_fn(|| match (was.next(), is.next()) {
            (None, None) => None,
            pair => Some(pair),
        }));
        let differs = |was: &Option<Entry>, now: &Option<Entry>| match (was, now) {
            (Some(was), Some(now)) => !was.says_the_same_as(now),
            _ => true,
        };
        let wrong = pairs.into_iter().filter(|(was, now)| differs(was, now));
        corrections.extend(wrong.map(|(was, now)| Correction { figure, was, now }));
    }
    corrections
}

#[cfg(test)]
mod tests;
