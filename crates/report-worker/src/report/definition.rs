//! What a report is about, when it comes and who gets it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::build::Was;
use super::filter::Filter;
use super::locale::Locale;
use super::section::SectionKind;
use super::words::Words;
use crate::domain::changes::ChangeKind;
use crate::domain::period::{Cadence, Calendar};
use crate::domain::position::Standing;
use crate::domain::record::Kind;

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its name in commands and in the books.
    pub name: String,
    /// Its title in the mail; `None` means its name in plain words, and that of the built-in ones in the language of the mail.
    pub title: Option<String>,
    /// When it comes.
    pub trigger: Trigger,
    /// The recipients in `To`, each an address or a name and an address; none means those of `MAIL_TO`.
    pub to: Vec<String>,
    /// The recipients in `Cc`.
    pub cc: Vec<String>,
    /// The recipients that no header names.
    pub bcc: Vec<String>,
    /// The records that it is about.
    pub filter: Filter,
    /// What it shows, in this order.
    pub sections: Vec<SectionKind>,
    /// What is attached.
    pub attachments: Vec<Attachment>,
    /// True if a period in which nothing happened gets no mail. An event-driven report has always something to tell.
    pub skip_if_empty: bool,
    /// In which language it is written, and how.
    pub locale: Locale,
    /// Until the end of this day in the reporting zone, only the owner gets it.
    pub dry_run_until: Option<Date>,
}

/// When a report comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// After changes of these kinds.
    On(Vec<ChangeKind>),
    /// After each period.
    Schedule(Schedule),
}

impl Trigger {
    /// True if a report that comes so may have the section: one for a period may have any, an event-driven one those of
    /// its news.
    pub fn may_have(&self, section: SectionKind) -> bool {
        let Self::On(kinds) = self else { return true };
        let mut news = kinds.iter().filter_map(|&kind| SectionKind::of(kind));
        match section {
            SectionKind::Figures | SectionKind::Corrections => true,
            SectionKind::NonBillable => news.any(|section| section.is_about(Kind::Invoice)),
            section => news.any(|other| other == section),
        }
    }
}

/// The periods of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// How long each is.
    pub cadence: Cadence,
    /// The time of day in the reporting zone at which the report of the period before goes out.
    pub at: Time,
}

/// A file in a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attachment {
    /// A workbook, a sheet per section.
    Xlsx,
    /// Comma separated values.
    Csv,
}

impl Attachment {
    /// Every sort of file, by its word in report definitions.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Xlsx, "xlsx"), (Self::Csv, "csv")];
}

/// All reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definitions {
    /// Each report, by name.
    pub reports: Vec<Definition>,
    /// The reporting zone, if it is stated; `None` means the account's.
    pub zone: Option<TimeZone>,
    /// How weeks and years are counted.
    pub calendar: Calendar,
}

impl Definitions {
    /// The reports that work without any configuration but the recipients.
    pub fn built_in() -> Self {
        use ChangeKind as K;
        let closed_deals = Definition::on("closed-deals", vec![K::DealWon, K::DealLost]);
        let invoices = vec![
            K::InvoiceCreated,
            K::InvoicePaid,
            K::InvoicePartPaid,
            K::PaymentReceived,
            K::PaymentRefunded,
            K::InvoiceOverdue,
            K::InvoiceVoided,
        ];
        let reports = vec![closed_deals, Definition::on("invoices", invoices)];
        Self { reports, zone: None, calendar: Calendar::default() }
    }

    /// The report with this name.
    pub fn named(&self, name: &str) -> Option<&Definition> {
        self.reports.iter().find(|definition| definition.name == name)
    }

    /// The names of all reports.
    pub fn names(&self) -> Vec<&str> {
        self.reports.iter().map(|definition| definition.name.as_str()).collect()
    }

    /// The properties that the filters read of records of this kind, besides those that are always read.
    pub fn properties_of(&self, kind: Kind) -> BTreeSet<String> {
        self.reports.iter().flat_map(|definition| definition.properties_of(kind)).cloned().collect()
    }

    /// The same of every kind.
    pub fn properties(&self) -> BTreeMap<Kind, BTreeSet<String>> {
        Kind::ALL.into_iter().map(|kind| (kind, self.properties_of(kind))).collect()
    }
}

impl Definition {
    /// An event-driven report as it is unless more is said: all of its news, to `MAIL_TO`.
    pub fn on(name: &str, kinds: Vec<ChangeKind>) -> Self {
        Self::new(name, Trigger::On(kinds))
    }

    /// A report as it is unless more is said: with every section that its trigger allows, to `MAIL_TO`.
    pub fn new(name: &str, trigger: Trigger) -> Self {
        let sections = SectionKind::ALL.into_iter().map(|(section, _)| section);
        Self {
            name: name.to_owned(),
            title: None,
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            filter: Filter::default(),
            sections: sections.filter(|section| trigger.may_have(*section)).collect(),
            attachments: Vec::new(),
            skip_if_empty: false,
            locale: Locale::default(),
            dry_run_until: None,
            trigger,
        }
    }

    /// Its title: the one that is stated, or the name in plain words (`month-end`: `Month end`), those of the built-in
    /// reports in the language of the mail.
    pub(super) fn title(&self, words: &Words) -> String {
        if let Some(title) = &self.title {
            return title.clone();
        }
        match self.name.as_str() {
            "closed-deals" => words.closed_deals.to_owned(),
            "invoices" => words.invoices.to_owned(),
            name => {
                let plain = name.replace('-', " ");
                let mut letters = plain.chars();
                letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
            }
        }
    }

    /// True if a change of this kind is news in this report.
    pub fn is_news(&self, kind: ChangeKind) -> bool {
        let listed = match &self.trigger {
            Trigger::On(kinds) => kinds.contains(&kind),
            Trigger::Schedule(_) => true,
        };
        listed && SectionKind::of(kind).is_some_and(|section| self.sections.contains(&section))
    }

    /// True if the report shows records of this kind.
    pub fn is_about(&self, kind: Kind) -> bool {
        self.sections.iter().any(|section| section.is_about(kind))
    }

    /// True if an event-driven report has to look at a change of this kind of a record of that kind.
    ///
    /// It looks at its news and at whatever can correct what it told, listed or not: a deal told as won may be lost by
    /// the next change, and money received shows in the paid amounts of invoices where the account keeps no payment
    /// records.
    pub fn tells(&self, kind: ChangeKind, of: Kind) -> bool {
        use ChangeKind as K;
        if matches!(self.trigger, Trigger::Schedule(_)) || !self.is_about(of) {
            return false;
        }
        match kind {
            K::InvoiceCreated | K::InvoiceOverdue | K::PaymentReceived => self.is_news(kind),
            K::InvoicePaid | K::InvoicePartPaid => {
                [kind, K::PaymentReceived, K::PaymentRefunded].into_iter().any(|kind| self.is_news(kind))
            }
            _ => true,
        }
    }

    /// True if the reader takes the record to stand as it stood: a report said so, or it stood so when the books were
    /// opened and is of the sort that this report would have told.
    pub fn has_told(&self, was: &Was) -> bool {
        use ChangeKind as K;
        let any = |kinds: &[ChangeKind]| kinds.iter().any(|&kind| self.is_news(kind));
        was.reported_at.is_some()
            || match was.position.standing {
                Standing::Won => any(&[K::DealWon]),
                Standing::Lost => any(&[K::DealLost]),
                Standing::Issued => any(&[K::InvoiceCreated]),
                Standing::Paid => any(&[K::InvoiceCreated, K::InvoicePaid]),
                Standing::Voided => any(&[K::InvoiceCreated, K::InvoiceVoided]),
                Standing::Received => any(&[K::PaymentReceived]),
                Standing::Open | Standing::Draft | Standing::Pending | Standing::Archived | Standing::Merged { .. } => {
                    false
                }
            }
    }

    /// The properties that the filter reads of records of this kind, besides those that are always read.
    pub fn properties_of(&self, kind: Kind) -> impl Iterator<Item = &String> {
        self.filter.properties.keys().filter(move |_| self.is_about(kind))
    }

    /// Digest of all that decides the figures, 64 hex digits. A stored report names the one it was built by. Who gets the
    /// report, when and how it is written decides nothing; `zone` is the reporting zone.
    pub fn hash(&self, calendar: &Calendar, zone: &TimeZone) -> String {
        let filter = &self.filter;
        let trigger = match &self.trigger {
            Trigger::On(kinds) => json!({ "on": sorted(kinds.iter().map(|kind| kind.as_str())) }),
            Trigger::Schedule(schedule) => json!({
                "schedule": schedule.cadence.as_str(),
                "begins": begins(schedule.cadence, calendar),
                "zone": zone.iana_name(),
            }),
        };
        let properties: Vec<(&String, Value)> =
            filter.properties.iter().map(|(name, values)| (name, sorted(values.iter()))).collect();
        let canonical = json!({
            "trigger": trigger,
            "pipelines": sorted(filter.pipelines.iter()),
            "owners": sorted(filter.owners.iter()),
            "teams": sorted(filter.teams.iter()),
            "currencies": sorted(filter.currencies.iter()),
            "minimum_amount": filter.minimum_amount.as_ref().map(ToString::to_string),
            "properties": properties,
            "sections": sorted(self.sections.iter().map(|section| section.as_str())),
        });
        data_encoding::HEXLOWER.encode(&Sha256::digest(canonical.to_string()))
    }
}

/// The same members in another order are the same list.
fn sorted<T: AsRef<str>>(members: impl Iterator<Item = T>) -> Value {
    members.map(|member| member.as_ref().to_owned()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The part of the calendar that decides where such a period begins.
fn begins(cadence: Cadence, calendar: &Calendar) -> Value {
    match cadence {
        Cadence::Daily | Cadence::Monthly => Value::Null,
        Cadence::Weekly => json!(calendar.week_start.to_monday_one_offset()),
        Cadence::Quarterly | Cadence::Yearly => json!(calendar.fiscal_year_start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Amount;
    use crate::domain::position::Position;
    use crate::report::filter::Minimum;

    const ZONE: TimeZone = TimeZone::UTC;

    fn kinds(names: &[&str]) -> Vec<ChangeKind> {
        names.iter().map(|name| ChangeKind::parse(name).unwrap()).collect()
    }

    fn scheduled(cadence: Cadence) -> Definition {
        Definition::new("month-end", Trigger::Schedule(Schedule { cadence, at: Time::midnight() }))
    }

    #[test]
    fn each_change_is_told_by_one_built_in_report() {
        let built_in = Definitions::built_in();
        for (name, of) in [
            ("deal.won", Kind::Deal),
            ("deal.reopened", Kind::Deal),
            ("record.merged", Kind::Deal),
            ("invoice.created", Kind::Invoice),
            ("invoice.overdue", Kind::Invoice),
            ("record.merged", Kind::Invoice),
            ("payment.received", Kind::Payment),
            ("payment.amount_changed", Kind::Payment),
        ] {
            let kind = ChangeKind::parse(name).unwrap();
            assert_eq!(built_in.reports.iter().filter(|it| it.tells(kind, of)).count(), 1, "{name}");
        }
    }

    #[test]
    fn whatever_a_report_lists_its_corrections_come_and_only_what_it_lists_is_news() {
        let won = Definition::on("won", kinds(&["deal.won"]));
        for correction in
            ["deal.lost", "deal.reopened", "deal.amount_changed", "deal.close_date_moved", "record.merged"]
        {
            let kind = ChangeKind::parse(correction).unwrap();
            assert!(won.tells(kind, Kind::Deal) && !won.is_news(kind), "{correction}");
        }
        assert!(!won.tells(ChangeKind::RecordArchived, Kind::Invoice));
        let overdue = Definition::on("dunning", kinds(&["invoice.overdue"]));
        for (kind, tells) in [("invoice.voided", true), ("invoice.created", false), ("payment.failed", true)] {
            let kind = ChangeKind::parse(kind).unwrap();
            assert_eq!((overdue.tells(kind, Kind::Invoice), overdue.is_news(kind)), (tells, false), "{kind:?}");
        }
        let received = Definition::on("cash", kinds(&["payment.received"]));
        assert!(received.tells(ChangeKind::InvoicePaid, Kind::Invoice), "paid amounts are money received, too");
        assert!(!scheduled(Cadence::Daily).tells(ChangeKind::DealWon, Kind::Deal), "a period collects by itself");
    }

    #[test]
    fn what_stood_before_the_first_report_is_told_only_by_those_who_tell_such() {
        let amount = Amount::read(Some("5"), "EUR");
        let position = |standing| Position {
            standing,
            amount: amount.clone(),
            settled: amount.clone(),
            date: None,
            due: None,
            billable: true,
        };
        let opening = |standing| Was { position: position(standing), reported_at: None };
        let lost = Definition::on("lost", kinds(&["deal.lost"]));
        assert!(lost.has_told(&opening(Standing::Lost)) && !lost.has_told(&opening(Standing::Won)));
        assert!(lost.has_told(&Was { reported_at: Some(jiff::Timestamp::UNIX_EPOCH), ..opening(Standing::Won) }));
        let overdue = Definition::on("dunning", kinds(&["invoice.overdue"]));
        assert!(!overdue.has_told(&opening(Standing::Issued)), "nobody was told of an invoice that was only issued");
    }

    #[test]
    fn a_title_is_stated_or_the_name() {
        let title = |definition: &Definition| definition.title(&crate::report::words::DE);
        let mut month_end = scheduled(Cadence::Monthly);
        assert_eq!(title(&month_end), "Month end");
        month_end.title = Some("Der Monat".to_owned());
        assert_eq!(title(&month_end), "Der Monat");
        assert_ne!(title(&Definitions::built_in().reports[0]), "Closed deals", "it is in the reader's language");
    }

    #[test]
    fn the_hash_is_of_what_decides_the_figures() {
        let calendar = Calendar::default();
        let hash = |definition: &Definition| definition.hash(&calendar, &ZONE);
        let plain = scheduled(Cadence::Monthly);
        let mut same = plain.clone();
        same.title = Some("Month end".to_owned());
        same.to = vec!["cfo@example.com".to_owned()];
        same.attachments = vec![Attachment::Xlsx];
        same.locale.language = crate::report::Language::De;
        same.sections.reverse();
        assert_eq!(hash(&plain), hash(&same));
        let fiscal = Calendar { fiscal_year_start: 4, ..calendar };
        assert_eq!(hash(&plain), plain.hash(&fiscal, &ZONE), "a month is a month in every fiscal year");
        let quarterly = scheduled(Cadence::Quarterly);
        assert_ne!(hash(&quarterly), quarterly.hash(&fiscal, &ZONE));
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_ne!(hash(&plain), plain.hash(&calendar, &berlin));
        let minimum = |text| {
            let mut with = plain.clone();
            with.filter.minimum_amount = Minimum::parse(text);
            hash(&with)
        };
        assert_eq!(minimum("1000"), minimum("1000.00"));
        let mut fewer = plain.clone();
        fewer.sections.pop();
        let others = [minimum("1000"), hash(&fewer), hash(&quarterly)];
        assert!(others.iter().all(|other| *other != hash(&plain)));
    }
}
