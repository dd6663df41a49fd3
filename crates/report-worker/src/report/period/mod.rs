//! The report of a period: its figures in, a document out.

mod ageing;
mod chart;
mod corrections;
mod headlines;
mod home;
mod lists;
mod names;
mod notes;
#[cfg(test)]
mod properties;
mod recurring;
mod sample;
mod summaries;
#[cfg(test)]
mod tests;

pub use sample::period_sample;

use jiff::ToSpan;
use jiff::civil::Date;

use super::build::{Built, ColumnOf, Scene, columns};
use super::definition::Definition;
use super::document::{Document, Row, Section, Total};
use super::locale::Locale;
use super::period_figures::{PeriodFigures, Tally};
use super::section::SectionKind;
use super::text::one_line;
use super::words::{Noun, Words, fill};
use crate::domain::entries::Figure;
use crate::domain::ledger::{Face, Line};
use crate::domain::money::SumTooLarge;
use crate::domain::period::Period;
use crate::domain::record::{Kind, RecordKey};

/// The longest news in a subject, in characters: what lists of mails show on a wide screen.
const SUBJECT_CHARACTERS: usize = 112;

/// Builds the report of a period.
///
/// # Errors
/// Fails where a sum would not fit 128 bits.
pub fn build(definition: &Definition, figures: &PeriodFigures, scene: &Scene<'_>) -> Result<Built, SumTooLarge> {
    let page = Page { definition, figures, scene, words: scene.words() };
    let headlines = headlines::headlines(&page)?;
    let sections = page.sections()?;
    // What is owed is there on quiet days, too: it is only news where nothing else could be.
    let could_be_news = |kind: &SectionKind| !matches!(kind, SectionKind::Figures | SectionKind::Ageing);
    let is_state = |key: &str| [SectionKind::Ageing.as_str(), ageing::OLDEST].contains(&key);
    let is_about_state = !definition.sections.iter().any(could_be_news);
    let is_news = |section: &&Section| is_about_state || !is_state(&section.key);
    let tables: Vec<&Section> = sections.iter().filter(is_news).collect();
    let has_news = !tables.is_empty()
        || headlines
            .iter()
            .any(|(kind, headline)| could_be_news(kind) && *kind != SectionKind::Overdue && headline.count > 0);
    let title = definition.title(page.words);
    let shows_figures = page.has(SectionKind::Figures);
    let document = Document {
        name: definition.name.clone(),
        locale: scene.locale,
        subject: page.subject(&title, &headlines::news(&page, &headlines, &tables)?),
        title,
        date: page.date(),
        headlines: headlines.into_iter().filter(|_| shows_figures).map(|(_, headline)| headline).collect(),
        notes: notes::notes(&page, &sections, !has_news),
        sections,
    };
    Ok(Built { document, is_empty: !has_news })
}

/// All that a report is made from.
struct Page<'a> {
    definition: &'a Definition,
    figures: &'a PeriodFigures,
    scene: &'a Scene<'a>,
    words: &'static Words,
}

impl<'a> Page<'a> {
    fn has(&self, section: SectionKind) -> bool {
        self.definition.sections.contains(&section)
    }

    fn locale(&self) -> Locale {
        self.scene.locale
    }

    /// The lines that a section adds up: what is not billable stands apart.
    fn lines(&self, section: SectionKind) -> impl Iterator<Item = &'a Line> + use<'a> {
        self.figures.lines.iter().filter(move |line| line.entry.billable && section_of(line.entry.figure) == section)
    }

    /// How many lines a section has, and their sums.
    fn tally(&self, section: SectionKind) -> Result<Tally, SumTooLarge> {
        let mut tally = Tally::default();
        self.lines(section).try_for_each(|line| tally.add(&line.entry.amount))?;
        Ok(tally)
    }

    /// The last day that the report knows.
    fn last_day(&self) -> Date {
        let last = self.figures.period.to.saturating_sub(1.day());
        if self.figures.is_over {
            last
        } else {
            last.min(self.scene.now.to_zoned(self.scene.rules.zone.clone()).date())
        }
    }

    /// A period in words: `October 2026`.
    fn name_of(&self, period: &Period) -> String {
        names::in_words(period, &self.figures.calendar, self.locale())
    }

    /// The period that a day lies in, in words.
    fn period_of(&self, day: Date) -> String {
        self.name_of(&Period::containing(self.figures.period.cadence, day, &self.figures.calendar))
    }

    /// The report's own period in words, with the revision: who got the one before must not take it for the same.
    fn date(&self) -> String {
        let (name, words) = (self.name_of(&self.figures.period), self.words.period);
        match self.figures.revision {
            _ if !self.figures.is_over => fill(words.so_far, &[&name]),
            1 => name,
            revision => fill(words.revised, &[&name, &revision.to_string()]),
        }
    }

    /// The tables, corrections first; what has no rows is left out.
    fn sections(&self) -> Result<Vec<Section>, SumTooLarge> {
        let mut sections = Vec::new();
        if self.has(SectionKind::Corrections) {
            sections.extend(corrections::sections(self)?);
        }
        let mut chart = chart::chart(self)?;
        for &kind in &self.definition.sections {
            let at = sections.len();
            match kind {
                SectionKind::Figures | SectionKind::Corrections => {}
                SectionKind::ByOwner | SectionKind::ByPipeline | SectionKind::ByCompany => {
                    sections.extend(summaries::summary(self, kind)?);
                }
                SectionKind::Ageing => sections.extend(ageing::sections(self)?),
                SectionKind::Recurring => sections.extend(recurring::section(self)?),
                SectionKind::NonBillable => sections.extend(lists::not_billable(self)),
                _ => sections.extend(lists::list(self, kind)?),
            }
            if let Some(section) = sections.get_mut(at) {
                section.chart = chart.take_if(|(on, _)| *on == kind).map(|(_, chart)| chart);
            }
        }
        Ok(sections)
    }

    /// The subject: the period, the news, as much of it as a list of mails shows, and the report's title.
    fn subject(&self, title: &str, news: &[String]) -> String {
        let mut text = format!("{}{}", capitalised(&self.date()), self.words.colon);
        for (index, part) in news.iter().enumerate() {
            if index > 0 && text.chars().count() + part.chars().count() > SUBJECT_CHARACTERS {
                text.push_str(&format!(" {}", self.words.and_more));
                break;
            }
            text.push_str(if index == 0 { "" } else { ", " });
            text.push_str(part);
        }
        format!("{text} · {title}")
    }

    /// So many of something.
    fn noun(&self, noun: &Noun, count: usize) -> &'static str {
        if self.locale().is_one(count) { noun.one } else { noun.many }
    }

    /// What a record is called, as one inert line.
    fn record_name(&self, key: RecordKey, face: &Face) -> String {
        let is_named = key.kind == Kind::Payment && face.name != key.to_string();
        one_line(&if is_named { fill(self.words.notes.payment_for, &[&face.name]) } else { face.name.clone() })
    }

    /// The row of a record, with its page in HubSpot.
    fn record_row(&self, key: RecordKey, face: &Face) -> Row {
        Row {
            name: self.record_name(key, face),
            url: Some(self.scene.account.record_url(key.kind.type_id(), key.id)),
            cells: Vec::new(),
            notes: face.unsettled.then(|| self.words.notes.unsettled.to_owned()).into_iter().collect(),
        }
    }

    /// A table without picture.
    fn section(&self, key: &str, title: &str, columns_of: &[ColumnOf], rows: Vec<Row>) -> Section {
        Section {
            key: key.to_owned(),
            title: title.to_owned(),
            record_column: self.words.columns.record.to_owned(),
            columns: columns(columns_of, self.words),
            rows,
            total: None,
            left_out: 0,
            cut: 0,
            chart: None,
        }
    }
}

/// A sum below a table, if there is anything to sum.
fn total(column: usize, tally: &Tally) -> Option<Total> {
    (!tally.totals.is_empty()).then(|| Total { column, sums: tally.totals.all_sums() })
}

impl Definition {
    /// True if the report of a period shows a figure: what it never shows it does not correct either.
    pub fn shows(&self, figure: Figure) -> bool {
        let any = |sections: &[SectionKind]| sections.iter().any(|section| self.sections.contains(section));
        let closed = any(&[SectionKind::ByOwner, SectionKind::ByPipeline, SectionKind::ByCompany]);
        any(&[section_of(figure)])
            || match figure {
                Figure::Won => closed || any(&[SectionKind::Recurring]),
                Figure::Lost => closed,
                Figure::PaymentReceived | Figure::PaymentRefund => false,
                _ => any(&[SectionKind::NonBillable]),
            }
    }
}

/// The section that a figure is listed in.
fn section_of(figure: Figure) -> SectionKind {
    match figure {
        Figure::Won => SectionKind::Won,
        Figure::Lost => SectionKind::Lost,
        Figure::InvoiceCreated => SectionKind::Created,
        Figure::InvoicePartPaid => SectionKind::PartPaid,
        Figure::InvoicePaid => SectionKind::Paid,
        Figure::InvoiceVoided => SectionKind::Voided,
        Figure::InvoiceOverdue => SectionKind::Overdue,
        Figure::InvoiceReceipt | Figure::PaymentReceived => SectionKind::Received,
        Figure::InvoiceRefund | Figure::PaymentRefund => SectionKind::Refunds,
    }
}

/// What a figure counts, in words.
fn noun_of(figure: Figure, words: &Words) -> &Noun {
    let nouns = &words.nouns;
    match section_of(figure) {
        SectionKind::Lost => &nouns.lost,
        SectionKind::Created => &nouns.created,
        SectionKind::PartPaid => &nouns.part_paid,
        SectionKind::Paid => &nouns.paid,
        SectionKind::Voided => &nouns.voided,
        SectionKind::Overdue => &nouns.overdue,
        SectionKind::Received => &nouns.received,
        SectionKind::Refunds => &nouns.refunded,
        _ => &nouns.won,
    }
}

/// True for a figure whose day the record states itself, where it states one.
fn states_its_day(figure: Figure) -> bool {
    matches!(figure, Figure::Won | Figure::Lost | Figure::InvoiceCreated | Figure::PaymentReceived)
}

/// The currencies of lines, the most frequent first.
fn currencies<'l>(lines: impl Iterator<Item = &'l Line>) -> Vec<&'static str> {
    let mut counts = std::collections::BTreeMap::<&'static str, usize>::new();
    for money in lines.filter_map(|line| line.entry.money()) {
        *counts.entry(money.currency()).or_default() += 1;
    }
    let mut order: Vec<_> = counts.into_iter().collect();
    order.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
    order.into_iter().map(|(code, _)| code).collect()
}

/// With a capital letter in front.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default() + letters.as_str()
}
