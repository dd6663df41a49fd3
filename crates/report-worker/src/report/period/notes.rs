//! What a reader must know to trust the figures of a period.

use std::collections::BTreeSet;

use super::{Page, headlines, home, states_its_day};
use crate::domain::ledger::Line;
use crate::report::build::days_and_amounts;
use crate::report::completeness::completeness;
use crate::report::document::Section;
use crate::report::section::SectionKind;
use crate::report::words::fill;

/// The lines at a report's end, what speaks against the figures first.
pub(super) fn notes(page: &Page<'_>, sections: &[Section], is_quiet: bool) -> Vec<String> {
    let (words, figures) = (&page.words.period.notes, page.figures);
    let mut notes = Vec::new();
    if is_quiet {
        notes.push(page.words.period.quiet.to_owned());
    }
    if !figures.is_over {
        notes.push(words.running.to_owned());
    }
    notes.extend(counted(figures.unread, words.unread_one, words.unread_many));
    notes.push(completeness(page.scene));
    notes.push(days_and_amounts(page.scene));
    if figures.revision > 1 {
        notes.push(fill(words.revision, &[&figures.revision.to_string()]));
    }
    let (zone, opened) = (page.scene.rules.zone, page.scene.rules.books_open_at);
    if figures.period.start(zone) < opened {
        let day = page.locale().date(opened.to_zoned(zone.clone()).date());
        notes.push(fill(words.books_opened, &[&day]));
    }
    if page.has(SectionKind::Figures) {
        notes.extend(home::rates(page, &headlines::converted(page)));
    }
    let shown: Vec<&Line> = figures.lines.iter().filter(|line| is_shown(page, line, sections)).collect();
    let records = |is: fn(&Line) -> bool| {
        let keys: BTreeSet<_> = shown.iter().filter(|line| is(line)).map(|line| line.key).collect();
        u64::try_from(keys.len()).unwrap_or(u64::MAX)
    };
    let unsettled = records(|line| line.face.unsettled);
    let undated = records(|line| states_its_day(line.entry.figure) && !line.entry.date.stated);
    let rounded = shown.iter().filter(|line| line.entry.amount.rounded).count();
    notes.extend(counted(unsettled, words.unsettled_one, words.unsettled_many));
    notes.extend(counted(undated, words.undated_one, words.undated_many));
    notes.extend(counted(u64::try_from(rounded).unwrap_or(u64::MAX), words.rounded_one, words.rounded_many));
    notes
}

/// True if a table lists the line, or adds it up.
fn is_shown(page: &Page<'_>, line: &Line, sections: &[Section]) -> bool {
    let kind = if line.entry.billable { super::section_of(line.entry.figure) } else { SectionKind::NonBillable };
    let is_closed = matches!(kind, SectionKind::Won | SectionKind::Lost);
    let by = [SectionKind::ByOwner, SectionKind::ByPipeline, SectionKind::ByCompany];
    let has = |kind: SectionKind| sections.iter().any(|section| section.key == kind.as_str());
    has(kind) || (is_closed && by.into_iter().any(|kind| page.has(kind)))
}

/// A sentence about so many, or nothing about none.
fn counted(count: u64, one: &str, many: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(one.to_owned()),
        many_of => Some(fill(many, &[&many_of.to_string()])),
    }
}
