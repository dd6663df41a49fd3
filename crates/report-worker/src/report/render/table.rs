//! What a mail shows of a table, and how much room it needs.

use serde::Serialize;

use super::super::document::{Cell, ColumnKind, Row, Section, Value};
use super::super::locale::Locale;
use super::super::text::{line_of, one_line};
use super::super::words::fill;
use super::chart::Drawn;
use super::page::{counted, missing};

/// The longest description of a picture, in characters.
const ALT_CHARACTERS: usize = 300;

/// A longer word may be broken anywhere.
const WORD_CHARACTERS: usize = 18;

/// A longer figure may be broken anywhere. Nobody's books hold one.
const FIGURE_CHARACTERS: usize = 28;

/// What may be broken anywhere is reckoned to need this much room.
const BROKEN_CHARACTERS: usize = 10;

/// A table that needs more room side by side breaks its dates at their spaces, then everything wherever it has to.
const LINE_CHARACTERS: usize = 94;

/// A table that needs more room, even with broken dates, is no table in a pane beside a list of mails.
const PANE_CHARACTERS: usize = 62;

/// Between two columns, in characters.
const GAP_CHARACTERS: usize = 2;

/// Figures that are together shorter than this stand beside their name on a telephone.
const NARROW_CHARACTERS: usize = 24;

/// A table.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    pub(super) title: String,
    pub(super) is_correction: bool,
    /// True if it is narrow enough to stay a table on a telephone.
    pub(super) is_narrow: bool,
    /// True if it is a table on a desktop only.
    pub(super) is_wide: bool,
    /// True if its dates have to be broken.
    pub(super) is_full: bool,
    /// True if nothing less than broken words makes it fit.
    pub(super) is_crowded: bool,
    pub(super) record_column: String,
    pub(super) is_record_column_long: bool,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<ShownRow>,
    pub(super) total: Option<ShownTotal>,
    pub(super) left_out: Option<String>,
    pub(super) chart: Option<ShownChart>,
    /// What is said of the rows that are not shown.
    pub(super) missing: Vec<String>,
}

/// A picture of a table.
#[derive(Debug, Serialize)]
pub(super) struct ShownChart {
    pub(super) content_id: String,
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) alt: String,
    pub(super) legend: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Column {
    pub(super) title: String,
    /// True if the title may be broken anywhere.
    pub(super) is_long: bool,
    pub(super) is_figure: bool,
    /// True for dates, which never break.
    pub(super) is_short: bool,
    /// True for what a correction takes back.
    pub(super) is_struck: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct ShownRow {
    pub(super) name: String,
    /// True if the name may be broken anywhere.
    pub(super) is_long: bool,
    pub(super) url: Option<String>,
    pub(super) cells: Vec<ShownCell>,
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ShownCell {
    /// One for each currency, else one.
    pub(super) lines: Vec<String>,
    pub(super) note: Option<String>,
    /// True if it may be broken anywhere.
    pub(super) is_long: bool,
    /// All of it in one line.
    #[serde(skip)]
    pub(super) text: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ShownTotal {
    pub(super) word: &'static str,
    /// How many columns stand before the sums, with the records' own.
    pub(super) before: usize,
    pub(super) sums: Vec<String>,
    pub(super) is_long: bool,
    /// How many columns stand behind the sums.
    pub(super) after: usize,
    #[serde(skip)]
    pub(super) text: String,
}

impl Table {
    pub(super) fn new(
        section: &Section,
        drawn: Option<&Drawn>,
        most: usize,
        has_attachment: bool,
        locale: Locale,
    ) -> Self {
        let words = locale.words();
        let is_correction = section.key == "corrections";
        let columns: Vec<Column> = section
            .columns
            .iter()
            .map(|column| Column {
                title: one_line(&column.title),
                is_long: longest_word(&column.title) > WORD_CHARACTERS,
                is_figure: column.kind.is_figure(),
                is_short: matches!(column.kind, ColumnKind::Date | ColumnKind::Moment),
                is_struck: is_correction && column.title == words.columns.was,
            })
            .collect();
        let shown = section.rows.len().min(most);
        let rows: Vec<ShownRow> =
            section.rows[..shown].iter().map(|row| ShownRow::new(row, &columns, locale)).collect();
        let total = section.total.as_ref().map(|total| {
            let column = total.column.min(columns.len().saturating_sub(1));
            let sums: Vec<String> = total.sums.iter().map(|&sum| locale.money(sum)).collect();
            ShownTotal {
                word: words.total,
                before: column + 1,
                is_long: sums.iter().any(|sum| characters(sum) > FIGURE_CHARACTERS),
                sums,
                after: columns.len().saturating_sub(column + 1),
                text: locale.sums(&total.sums),
            }
        });
        let [whole, broken] = [false, true].map(|is_full| widths(&columns, &rows, total.as_ref(), is_full));
        let name = rows.iter().map(|row| room(longest_word(&row.name), row.is_long)).max().unwrap_or_default();
        let needs = |widths: &[usize]| name + widths.iter().map(|width| width + GAP_CHARACTERS).sum::<usize>();
        let chart = drawn.zip(section.chart.as_ref()).map(|(drawn, chart)| ShownChart {
            content_id: drawn.content_id.clone(),
            width: drawn.width,
            height: drawn.height,
            alt: line_of(&chart.alt, ALT_CHARACTERS),
            legend: drawn.legend.clone(),
        });
        Self {
            title: one_line(&section.title),
            chart,
            is_correction,
            is_narrow: columns.iter().all(|column| column.is_figure)
                && whole.iter().sum::<usize>() <= NARROW_CHARACTERS,
            is_wide: needs(&broken) > PANE_CHARACTERS,
            is_full: needs(&whole) > LINE_CHARACTERS,
            is_crowded: needs(&broken) > LINE_CHARACTERS,
            record_column: one_line(&section.record_column),
            is_record_column_long: longest_word(&section.record_column) > WORD_CHARACTERS,
            columns,
            rows,
            total,
            left_out: (section.left_out > 0).then(|| fill(words.not_added_up, &[&counted(section.left_out, locale)])),
            missing: missing(section.rows.len() - shown, section.cut, has_attachment, locale),
        }
    }
}

/// The least room that each column needs, in characters; where the table is full, with dates broken.
fn widths(columns: &[Column], rows: &[ShownRow], total: Option<&ShownTotal>, is_full: bool) -> Vec<usize> {
    let mut widths: Vec<usize> =
        columns.iter().map(|column| room(longest_word(&column.title), column.is_long)).collect();
    for row in rows {
        for ((width, cell), column) in widths.iter_mut().zip(&row.cells).zip(columns) {
            let whole = column.is_figure || (column.is_short && !is_full);
            let longest = cell.lines.iter().map(|line| if whole { characters(line) } else { longest_word(line) }).max();
            let note = cell.note.as_deref().map_or(0, longest_word);
            *width = (*width).max(room(longest.unwrap_or_default().max(note), cell.is_long));
        }
    }
    if let Some(total) = total
        && let Some(width) = widths.get_mut(total.before - 1)
    {
        let longest = total.sums.iter().map(|sum| characters(sum)).max();
        *width = (*width).max(room(longest.unwrap_or_default(), total.is_long));
    }
    widths
}

fn room(characters: usize, is_long: bool) -> usize {
    if is_long { characters.min(BROKEN_CHARACTERS) } else { characters }
}

fn characters(text: &str) -> usize {
    text.chars().count()
}

fn longest_word(text: &str) -> usize {
    text.split(' ').map(characters).max().unwrap_or_default()
}

impl ShownRow {
    fn new(row: &Row, columns: &[Column], locale: Locale) -> Self {
        let notes: Vec<String> = row.notes.iter().map(|note| one_line(note)).collect();
        let longest = notes.iter().chain([&row.name]).map(|text| longest_word(text)).max().unwrap_or_default();
        Self {
            is_long: longest > WORD_CHARACTERS,
            name: one_line(&row.name),
            url: row.url.clone().filter(|url| is_page(url)),
            cells: row.cells.iter().zip(columns).map(|(cell, column)| ShownCell::new(cell, column, locale)).collect(),
            notes,
        }
    }
}

/// True for what can be behind a name: a page, in the letters that an address is written in (RFC 3986, 2).
fn is_page(url: &str) -> bool {
    url.starts_with("https://") && url.len() < 2_000 && url.bytes().all(|byte| byte.is_ascii_graphic())
}

impl ShownCell {
    fn new(cell: &Cell, column: &Column, locale: Locale) -> Self {
        let value = match &cell.value {
            Value::Text(text) => Value::Text(one_line(text)),
            other => other.clone(),
        };
        let note = cell.note.as_deref().map(one_line);
        let lines: Vec<String> = match &value {
            Value::Sums(sums) if !sums.is_empty() => sums.iter().map(|&sum| locale.money(sum)).collect(),
            _ => vec![locale.cell(&Cell::from(value.clone()))],
        };
        let is_long = |line: &String| {
            let is_whole = column.is_figure || column.is_short;
            if is_whole { characters(line) > FIGURE_CHARACTERS } else { longest_word(line) > WORD_CHARACTERS }
        };
        Self {
            is_long: lines.iter().any(is_long)
                || note.as_ref().is_some_and(|note| longest_word(note) > WORD_CHARACTERS),
            lines,
            text: locale.cell(&Cell { value, note: note.clone() }),
            note,
        }
    }
}
