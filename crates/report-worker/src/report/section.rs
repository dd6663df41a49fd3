//! The sections a report can have.

use crate::domain::changes::ChangeKind;
use crate::domain::record::Kind;

/// A section of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SectionKind {
    /// The headline figures; for a period, with the change against the period before.
    Figures,
    /// Deals won.
    Won,
    /// Deals lost.
    Lost,
    /// Closed deals by owner.
    ByOwner,
    /// Closed deals by pipeline.
    ByPipeline,
    /// Closed deals by company.
    ByCompany,
    /// Invoices created.
    Created,
    /// Invoices paid.
    Paid,
    /// Invoices part paid.
    PartPaid,
    /// Invoices voided.
    Voided,
    /// Invoices overdue.
    Overdue,
    /// What is owed, by its age.
    Ageing,
    /// Payments received.
    Received,
    /// Payments refunded.
    Refunds,
    /// Recurring revenue, where HubSpot has it.
    Recurring,
    /// Invoices that are not billable.
    NonBillable,
    /// What was reported and then changed.
    Corrections,
}

impl SectionKind {
    /// Every section with its word in report definitions, in the order in which a report has them unless told otherwise.
    pub const ALL: [(Self, &'static str); 17] = [
        (Self::Figures, "figures"),
        (Self::Corrections, "corrections"),
        (Self::Won, "won"),
        (Self::Lost, "lost"),
        (Self::ByOwner, "by-owner"),
        (Self::ByPipeline, "by-pipeline"),
        (Self::ByCompany, "by-company"),
        (Self::Created, "created"),
        (Self::Paid, "paid"),
        (Self::PartPaid, "part-paid"),
        (Self::Received, "received"),
        (Self::Refunds, "refunds"),
        (Self::Overdue, "overdue"),
        (Self::Voided, "voided"),
        (Self::Ageing, "ageing"),
        (Self::Recurring, "recurring"),
        (Self::NonBillable, "non-billable"),
    ];

    /// Its stable word.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(section, _)| *section == self).map_or("", |(_, word)| word)
    }

    /// The section with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, it)| *it == word).map(|(section, _)| *section)
    }

    /// The section in which a change of this kind is news; `None` for one that can only correct what was told.
    pub fn of(kind: ChangeKind) -> Option<Self> {
        Some(match kind {
            ChangeKind::DealWon => Self::Won,
            ChangeKind::DealLost => Self::Lost,
            ChangeKind::InvoiceCreated => Self::Created,
            ChangeKind::InvoicePartPaid => Self::PartPaid,
            ChangeKind::InvoicePaid => Self::Paid,
            ChangeKind::InvoiceVoided => Self::Voided,
            ChangeKind::InvoiceOverdue => Self::Overdue,
            ChangeKind::PaymentReceived => Self::Received,
            ChangeKind::PaymentRefunded => Self::Refunds,
            ChangeKind::DealReopened
            | ChangeKind::DealAmountChanged
            | ChangeKind::DealCloseDateMoved
            | ChangeKind::InvoiceReopened
            | ChangeKind::InvoiceAmountChanged
            | ChangeKind::InvoiceDrafted
            | ChangeKind::InvoiceDateMoved
            | ChangeKind::PaymentFailed
            | ChangeKind::PaymentAmountChanged
            | ChangeKind::RecordMerged
            | ChangeKind::RecordArchived
            | ChangeKind::RecordRestored => return None,
        })
    }

    /// True if the section shows records of this kind. Corrections and figures are about whatever the others show.
    pub fn is_about(self, kind: Kind) -> bool {
        match self {
            Self::Figures | Self::Corrections => false,
            Self::Won | Self::Lost | Self::ByOwner | Self::ByPipeline | Self::ByCompany | Self::Recurring => {
                kind == Kind::Deal
            }
            // What was paid on an invoice and the payment records tell of the same money.
            _ => kind != Kind::Deal,
        }
    }
}
