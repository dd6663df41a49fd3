//! What a report is about.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::domain::changes::ChangeKind;

/// What a report speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Deals won and lost.
    ClosedDeals,
    /// Invoices and payments.
    Invoices,
}

/// An event-driven report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Definition {
    /// Its name in commands and in the books.
    pub name: &'static str,
    /// Its title in the mail.
    pub title: &'static str,
    /// What it speaks of.
    pub subject: Subject,
}

/// The reports that work without any configuration but the recipients.
pub const BUILT_IN: [Definition; 2] = [
    Definition { name: "closed-deals", title: "Closed deals", subject: Subject::ClosedDeals },
    Definition { name: "invoices", title: "Invoices", subject: Subject::Invoices },
];

impl Definition {
    /// The report with this name.
    pub fn named(name: &str) -> Option<Self> {
        BUILT_IN.into_iter().find(|definition| definition.name == name)
    }

    /// True if the report has to tell changes of this kind about records of this kind.
    pub fn tells(&self, kind: ChangeKind, of_deal: bool) -> bool {
        use ChangeKind as K;
        let about_deals = self.subject == Subject::ClosedDeals;
        match kind {
            K::DealWon | K::DealLost | K::DealReopened | K::DealAmountChanged | K::DealCloseDateMoved => about_deals,
            K::RecordMerged | K::RecordArchived | K::RecordRestored => about_deals == of_deal,
            _ => !about_deals,
        }
    }

    /// Digest of all that decides what the report says, 64 hex digits. A stored report names the one it was built by.
    pub fn hash(&self) -> String {
        let canonical = serde_json::to_vec(self).expect("a definition is plain text and words");
        data_encoding::HEXLOWER.encode(&Sha256::digest(canonical))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_by_one_report() {
        for name in ["deal.won", "invoice.created", "invoice.overdue", "payment.received", "record.merged"] {
            let kind = ChangeKind::parse(name).unwrap();
            for of_deal in [true, false] {
                assert_eq!(BUILT_IN.iter().filter(|it| it.tells(kind, of_deal)).count(), 1, "{name}");
            }
        }
    }
}
