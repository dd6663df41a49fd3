//! What a mail shows of a document, in words: the one thing that its text and its HTML are made of.

use serde::Serialize;

use super::super::document::{Document, Headline};
use super::super::locale::{Language, Locale};
use super::super::text::{line_of, one_line};
use super::super::words::{MailWords, fill};
use super::change::change;
use super::chart::Drawn;
use super::table::Table;
use crate::domain::money::{Money, Sum};

/// The longest text in place of a headline's sums, in characters: what the corrections changed, by figure and currency.
const INSTEAD_CHARACTERS: usize = 1_000;

/// The longest note in the footer, in characters.
const NOTE_CHARACTERS: usize = 400;

/// The most notes in the footer.
const NOTES: usize = 20;

/// The longest preheader, in characters: what lists of mails show on a wide screen.
const PREHEADER_CHARACTERS: usize = 150;

/// How many rows of a table the preheader names.
const NAMED_ROWS: usize = 3;

/// How much of a document is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Of each table.
    pub(super) rows: usize,
    /// Tables.
    pub(super) sections: usize,
    /// Headlines.
    pub(super) headlines: usize,
}

/// A whole mail.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) language: Language,
    #[serde(skip)]
    pub(super) locale: Locale,
    #[serde(skip)]
    pub(super) colon: &'static str,
    pub(super) title: String,
    pub(super) subject: String,
    pub(super) date: String,
    pub(super) preheader: String,
    pub(super) cards: Vec<Card>,
    /// How many cards stand side by side.
    pub(super) abreast: usize,
    pub(super) tables: Vec<Table>,
    /// What is said of tables that are not shown at all.
    pub(super) missing: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) sent_by: &'static str,
}

/// A headline.
#[derive(Debug, Serialize)]
pub(super) struct Card {
    /// What is counted, with the count where there is money to stand above it.
    pub(super) label: String,
    pub(super) figures: Vec<Figure>,
    pub(super) is_correction: bool,
}

/// A large figure.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub(super) text: String,
    /// Its change against the period before, which is named.
    pub(super) change: Option<String>,
    /// The same without the period.
    #[serde(skip)]
    percent: Option<String>,
}

impl Page {
    pub(super) fn new(document: &Document, charts: &[Option<Drawn>], limits: Limits, has_attachment: bool) -> Self {
        let (locale, words) = (document.locale, document.locale.words());
        let cards: Vec<Card> =
            document.headlines.iter().take(limits.headlines).map(|headline| Card::new(headline, locale)).collect();
        let (shown, hidden) = document.sections.split_at(limits.sections);
        let cut = hidden.iter().map(|section| section.cut).sum();
        let rows = hidden.iter().map(|section| section.rows.len()).sum();
        Self {
            language: locale.language,
            locale,
            colon: words.colon,
            title: one_line(&document.title),
            subject: line_of(&document.subject, NOTE_CHARACTERS),
            date: one_line(&document.date),
            preheader: preheader(document),
            abreast: abreast(&cards),
            cards,
            tables: shown
                .iter()
                .zip(charts)
                .map(|(section, chart)| Table::new(section, chart.as_ref(), limits.rows, has_attachment, locale))
                .collect(),
            missing: missing(rows, cut, has_attachment, locale),
            notes: document.notes.iter().take(NOTES).map(|note| line_of(note, NOTE_CHARACTERS)).collect(),
            sent_by: words.sent_by,
        }
    }
}

/// As many cards side by side as leave room for their figures and fill their rows.
fn abreast(cards: &[Card]) -> usize {
    let figures = cards.iter().flat_map(|card| &card.figures);
    let longest = figures.map(|figure| figure.text.chars().count()).max().unwrap_or_default();
    match (cards.len(), longest) {
        (_, 27..) => 1,
        (2 | 4, _) | (_, 17..) => 2,
        (count, _) => count.clamp(1, 3),
    }
}

/// What is said of rows that are not shown: `cut` of them are not in the document either.
pub(super) fn missing(rows: usize, cut: usize, has_attachment: bool, locale: Locale) -> Vec<String> {
    let words = MailWords::of(locale.language);
    let (attached, elsewhere) = if has_attachment { (rows, cut) } else { (0, rows + cut) };
    let mut said = Vec::new();
    for (count, one, many) in
        [(attached, words.attached_one, words.attached_many), (elsewhere, words.elsewhere_one, words.elsewhere_many)]
    {
        if count > 0 {
            let text = if count == 1 { one } else { many };
            said.push(fill(text, &[&counted(count, locale)]));
        }
    }
    said
}

pub(super) fn counted(count: usize, locale: Locale) -> String {
    locale.count(i64::try_from(count).unwrap_or(i64::MAX))
}

impl Card {
    fn new(headline: &Headline, locale: Locale) -> Self {
        let label = one_line(&headline.label);
        let nouns = &locale.words().nouns.corrections;
        let is_correction = label == nouns.one || label == nouns.many;
        let count = counted(headline.count, locale);
        let before = headline.before.as_ref();
        let figure = |text: String, percent: Option<String>| {
            let percent = percent.filter(|_| before.is_some());
            let against = MailWords::of(locale.language).against;
            let change =
                percent.as_deref().zip(before).map(|(it, before)| fill(against, &[it, &one_line(&before.period)]));
            Figure { text, change, percent }
        };
        let sum_before = |sum: &Sum| {
            let sums = before.map_or(&[][..], |before| &before.sums);
            sums.iter().find(|before| before.currency() == sum.currency()).map_or(0, |sum| sum.minor())
        };
        let mut figures: Vec<Figure> = match &headline.instead {
            Some(instead) => vec![figure(line_of(instead, INSTEAD_CHARACTERS), None)],
            None => figures_of(headline)
                .map(|sum| figure(locale.money(sum), change(sum.minor(), sum_before(&sum), locale)))
                .collect(),
        };
        if !figures.is_empty() {
            return Self { label: format!("{count} {label}"), figures, is_correction };
        }
        let [now, earlier] = [headline.count, before.map_or(0, |before| before.count)].map(|count| count as i128);
        figures.push(figure(count, change(now, earlier, locale)));
        Self { label, figures, is_correction }
    }

    /// The headline in words, each figure with its change.
    pub(super) fn figures(&self) -> Vec<String> {
        self.figures
            .iter()
            .map(|figure| match &figure.change {
                Some(change) => format!("{} ({change})", figure.text),
                None => figure.text.clone(),
            })
            .collect()
    }
}

/// The sums of a headline, and nothing in the currencies that only the period before had.
fn figures_of(headline: &Headline) -> impl Iterator<Item = Sum> {
    let gone = headline.before.iter().flat_map(|before| &before.sums).filter_map(|before| {
        let still = headline.sums.iter().any(|sum| sum.currency() == before.currency());
        if still { None } else { Money::from_minor(0, before.currency()).map(Sum::from) }
    });
    headline.sums.iter().copied().chain(gone)
}

/// The hidden line: the figures that the subject does not say or that have changed, against a period that is named once, then
/// what it is about.
fn preheader(document: &Document) -> String {
    let (locale, colon) = (document.locale, document.locale.words().colon);
    let (mut parts, mut is_period_named) = (Vec::new(), false);
    for headline in &document.headlines {
        let figures: Vec<String> = Card::new(headline, locale)
            .figures
            .into_iter()
            .filter_map(|Figure { text, change, percent }| {
                let said = if is_period_named { percent } else { change };
                is_period_named |= said.is_some();
                match said {
                    Some(change) => Some(format!("{text} ({change})")),
                    None => Some(text).filter(|text| !document.subject.contains(text)),
                }
            })
            .collect();
        if !figures.is_empty() {
            parts.push(format!("{}{colon}{}", one_line(&headline.label), figures.join(", ")));
        }
    }
    for section in document.sections.iter().filter(|section| section.rows.iter().any(|row| row.url.is_some())) {
        let mut names: Vec<String> = section.rows.iter().take(NAMED_ROWS).map(|row| one_line(&row.name)).collect();
        if section.rows.len() + section.cut > names.len() {
            names.push("…".to_owned());
        }
        parts.push(format!("{}{colon}{}", one_line(&section.title), names.join(", ")));
    }
    line_of(&parts.join(" · "), PREHEADER_CHARACTERS)
}
