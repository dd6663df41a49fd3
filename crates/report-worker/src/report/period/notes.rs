//! What a reader must know to trust the figures of a period.

use std::collections::BTreeSet;

use super::{Page, headlines, home, section_of, states_its_day};
use crate::domain::completeness::Completeness;
use crate::domain::ledger::Line;
use crate::report::build::{Scene, days_and_amounts};
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
    // What the report did not wait for any longer may have been read by now; it is not in these figures.
    let known = page.scene.completeness;
    let known = Completeness { unread: known.unread.max(figures.unread), ..known.clone() };
    notes.push(completeness(&Scene { completeness: &known, ..page.scene.clone() }));
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
    let kinds = shown_kinds(page, sections);
    let shown: Vec<&Line> = figures.lines.iter().filter(|line| kinds.contains(&kind_of(line))).collect();
    let records = |is: fn(&Line) -> bool| {
        let keys: BTreeSet<_> = shown.iter().filter(|line| is(line)).map(|line| line.key).collect();
        u64::try_from(keys.len()).unwrap_or(u64::MAX)
    };
    let unsettled = records(|line| line.face.unsettled);
    let undated = records(|line| states_its_day(line.entry.figure) && !line.entry.date.stated);
    let rounded = shown.iter().filter(|line| line.entry.amount.rounded).count();
    // Where more of them are told above, each row of them says so, too.
    let unsettled = if known.unsettled == 0 { unsettled } else { 0 };
    notes.extend(counted(page, unsettled, words.unsettled_one, words.unsettled_many));
    notes.extend(counted(page, undated, words.undated_one, words.undated_many));
    notes.extend(counted(page, u64::try_from(rounded).unwrap_or(u64::MAX), words.rounded_one, words.rounded_many));
    notes
}

/// The section that a line stands in.
fn kind_of(line: &Line) -> SectionKind {
    if line.entry.billable { section_of(line.entry.figure) } else { SectionKind::NonBillable }
}

/// What the tables list or add up.
fn shown_kinds(page: &Page<'_>, sections: &[Section]) -> Vec<SectionKind> {
    let mut kinds: Vec<SectionKind> = sections.iter().filter_map(|section| SectionKind::parse(&section.key)).collect();
    let by = [SectionKind::ByOwner, SectionKind::ByPipeline, SectionKind::ByCompany];
    if by.into_iter().any(|kind| page.has(kind)) {
        kinds.extend([SectionKind::Won, SectionKind::Lost]);
    }
    kinds
}

/// A sentence about so many, or nothing about none.
fn counted(page: &Page<'_>, count: u64, one: &str, many: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(one.to_owned()),
        _ => Some(fill(many, &[&page.locale().count(i64::try_from(count).unwrap_or(i64::MAX))])),
    }
}
