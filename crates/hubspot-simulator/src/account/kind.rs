//! The kinds of records, by HubSpot's names and numbers for them.

/// A kind of CRM record that the simulated account keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Deals, `0-3`.
    Deal,
    /// Invoices, `0-53`.
    Invoice,
    /// Commerce payments, `0-101`.
    Payment,
    /// Companies, `0-2`.
    Company,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Deal, Self::Invoice, Self::Payment, Self::Company];

    /// HubSpot's object type id.
    pub fn object_type_id(self) -> &'static str {
        match self {
            Self::Deal => "0-3",
            Self::Invoice => "0-53",
            Self::Payment => "0-101",
            Self::Company => "0-2",
        }
    }

    /// The name in the API's paths.
    pub fn path(self) -> &'static str {
        match self {
            Self::Deal => "deals",
            Self::Invoice => "invoices",
            Self::Payment => "commerce_payments",
            Self::Company => "companies",
        }
    }

    /// The singular that HubSpot's messages and classic events use.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Deal => "deal",
            Self::Invoice => "invoice",
            Self::Payment => "commerce_payment",
            Self::Company => "company",
        }
    }

    /// The scope that a token needs in order to read this kind.
    pub fn scope(self) -> &'static str {
        match self {
            Self::Deal => "crm.objects.deals.read",
            Self::Invoice => "crm.objects.invoices.read",
            Self::Payment => "crm.objects.commercepayments.read",
            Self::Company => "crm.objects.companies.read",
        }
    }

    /// The property by which people call such a record.
    pub fn name_property(self) -> &'static str {
        match self {
            Self::Deal => "dealname",
            Self::Invoice => "hs_number",
            Self::Payment => "hs_reference_number",
            Self::Company => "name",
        }
    }

    /// The property that holds the moment of creation.
    pub(crate) fn created_property(self) -> &'static str {
        match self {
            Self::Deal | Self::Company => "createdate",
            Self::Invoice | Self::Payment => "hs_createdate",
        }
    }

    /// What a read answers when it asks for no property. Source: HubSpot's guides to searching and to invoices.
    pub(crate) fn default_properties(self) -> &'static [&'static str] {
        match self {
            Self::Deal => &["amount", "closedate", "dealname", "dealstage", "pipeline"],
            Self::Company => &["domain", "name"],
            Self::Invoice | Self::Payment => &[],
        }
    }

    /// The kind behind a path segment: the name, its singular, or the object type id.
    pub(crate) fn of_segment(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| {
            [kind.path(), kind.singular(), kind.object_type_id()].contains(&segment)
                || *kind == Self::Payment && segment == "payments"
        })
    }
}

/// The association types from one kind to another: the primary one first where there is one. Source: HubSpot's guide to
/// associations, except payment to company and payment to deal, which are this account's own.
pub(crate) fn association_types(from: Kind, to: Kind) -> Option<&'static [u32]> {
    use Kind::{Company, Deal, Invoice, Payment};
    Some(match (from, to) {
        (Deal, Company) => &[5, 341],
        (Company, Deal) => &[6, 342],
        (Invoice, Company) => &[179],
        (Company, Invoice) => &[180],
        (Invoice, Deal) => &[175],
        (Deal, Invoice) => &[176],
        (Invoice, Payment) => &[541],
        (Payment, Invoice) => &[542],
        (Payment, Company) => &[390],
        (Company, Payment) => &[391],
        (Payment, Deal) => &[392],
        (Deal, Payment) => &[393],
        _ => return None,
    })
}
