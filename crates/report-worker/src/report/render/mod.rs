//! A document as a mail: text, HTML and pictures that say the same.

mod change;
mod chart;
mod html;
mod page;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use self::chart::Drawn;
use self::page::{Limits, Page};
use super::document::Document;

/// The most bytes of HTML: Gmail cuts a mail off at 102 kB and hides the rest, sums and footer with it.
const MOST_BYTES: usize = 100_000;

/// No row of a table is written in fewer bytes of HTML.
const LEAST_BYTES_OF_A_ROW: usize = 100;

/// A document as the parts of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// What lists of mails show after the subject, which says the news; this says how it has changed, or of what it is. It
    /// stands hidden in the HTML.
    pub preheader: String,
    /// The text part: all that the HTML says.
    pub text: String,
    /// The HTML part, of fewer than 100,000 bytes.
    pub html: String,
    /// What the HTML shows by `cid:`.
    pub images: Vec<Image>,
}

/// A picture in the HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What the HTML names it by.
    pub content_id: String,
    /// The file.
    pub png: Vec<u8>,
}

/// Renders a document. `has_attachment` is true if a file with all its rows comes with the mail: tables that are too long
/// for a mail refer to it.
///
/// Tables are cut evenly: none shows more rows than another has to hide. Their sums are always those of all rows.
pub fn render(document: &Document, has_attachment: bool) -> Rendered {
    let charts: Vec<Option<Drawn>> = document
        .sections
        .iter()
        .map(|section| section.chart.as_ref().and_then(|chart| chart::draw(chart, document.locale)))
        .collect();
    let page = |limits| Page::new(document, &charts, limits, has_attachment);
    let fits = |limits| html::html(&page(limits)).len() < MOST_BYTES;
    let (rows, sections) = (most_rows(document), document.sections.len());
    let mut limits = Limits { rows, sections, headlines: document.headlines.len() };
    limits.rows = most(rows, |rows| fits(Limits { rows, ..limits }));
    // Only what no report of ours is: hundreds of tables, or of currencies.
    limits.sections = most(sections, |sections| fits(Limits { sections, ..limits }));
    limits.headlines = most(limits.headlines, |headlines| fits(Limits { headlines, ..limits }));
    let page = page(limits);
    let (html, text) = (html::html(&page), text::text(&page));
    let shown = charts.into_iter().take(limits.sections).flatten();
    let images: BTreeMap<String, Vec<u8>> = shown.map(|drawn| (drawn.content_id, drawn.png)).collect();
    let images = images.into_iter().map(|(content_id, png)| Image { content_id, png }).collect();
    Rendered { preheader: page.preheader, text, html, images }
}

/// The greatest number up to `all` that fits; where one fits, every smaller one does.
fn most(all: usize, fits: impl Fn(usize) -> bool) -> usize {
    if fits(all) {
        return all;
    }
    let (mut good, mut bad) = (0, all);
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        if fits(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    good
}

/// More rows of each table than can fit, so that the work does not grow with the tables.
fn most_rows(document: &Document) -> usize {
    let longest = document.sections.iter().map(|section| section.rows.len()).max().unwrap_or_default();
    let bytes = |most: usize| -> usize {
        document.sections.iter().map(|section| section.rows.len().min(most) * LEAST_BYTES_OF_A_ROW).sum()
    };
    (0..longest).find(|&rows| bytes(rows) >= MOST_BYTES).unwrap_or(longest)
}
