//! The text part: for those who read mail without HTML, and for those who search it.

use super::page::Page;
use super::table::Table;

/// The longest line of what could as well stand in several.
const LINE_CHARACTERS: usize = 72;

/// Between two columns.
const GAP: &str = "  ";

/// The text part.
pub(super) fn text(page: &Page) -> String {
    let mut text = format!("{} · {}\n", page.title, page.date);
    for card in &page.cards {
        let figures = card.figures();
        let line = format!("  {}{}{}", card.label, page.colon, page.locale.list(&figures));
        if line.chars().count() <= LINE_CHARACTERS {
            text.push_str(&format!("{line}\n"));
        } else {
            text.push_str(&format!("  {}{}\n    {}\n", card.label, page.colon.trim_end(), figures.join("\n    ")));
        }
    }
    for table in &page.tables {
        text.push_str(&format!("\n{}\n{}\n", table.title.to_uppercase(), "-".repeat(table.title.chars().count())));
        if let Some(chart) = &table.chart {
            text.push_str(&format!("{}\n\n", chart.alt));
        }
        text.push_str(&aligned(table).unwrap_or_else(|| blocks(table, page.colon)));
        if let Some(left_out) = &table.left_out {
            text.push_str(&format!("{left_out}\n"));
        }
        for missing in &table.missing {
            text.push_str(&format!("{missing}\n"));
        }
    }
    text.push('\n');
    for line in page.missing.iter().chain(&page.notes) {
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// One block for each record, with its page.
fn blocks(table: &Table, colon: &str) -> String {
    let mut text = String::new();
    for row in &table.rows {
        text.push_str(&format!("\n{}\n", row.name));
        for (column, cell) in table.columns.iter().zip(&row.cells) {
            text.push_str(&format!("  {}{colon}{}\n", column.title, cell.text));
        }
        for note in &row.notes {
            text.push_str(&format!("  ({note})\n"));
        }
        if let Some(url) = &row.url {
            text.push_str(&format!("  {url}\n"));
        }
    }
    if let Some(total) = &table.total {
        text.push_str(&format!("\n{}{colon}{}\n", total.word, total.text));
    }
    text
}

/// Columns side by side, figures set right, where the rows are nothing but names and what fits beside them.
fn aligned(table: &Table) -> Option<String> {
    if table.rows.iter().any(|row| row.url.is_some() || !row.notes.is_empty()) {
        return None;
    }
    let mut lines = vec![vec![&*table.record_column]];
    lines[0].extend(table.columns.iter().map(|column| &*column.title));
    let (heading, width) = (1, lines[0].len());
    for row in &table.rows {
        if row.cells.iter().any(|cell| cell.note.is_some()) {
            return None;
        }
        for at in 0..row.cells.iter().map(|cell| cell.lines.len()).max().unwrap_or(1) {
            let mut line = vec![if at == 0 { &*row.name } else { "" }];
            line.extend(row.cells.iter().map(|cell| cell.lines.get(at).map_or("", |line| line)));
            lines.push(line);
        }
    }
    let foot = lines.len();
    for (at, sum) in table.total.iter().flat_map(|total| total.sums.iter().enumerate()) {
        let total = table.total.as_ref()?;
        let mut line = vec![""; width];
        line[0] = if at == 0 { total.word } else { "" };
        line[total.before.min(width - 1)] = sum;
        lines.push(line);
    }
    let wide = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..width).map(|column| wide(column).unwrap_or_default()).collect();
    let whole: usize = widths.iter().sum::<usize>() + GAP.len() * (width - 1);
    if whole > LINE_CHARACTERS {
        return None;
    }
    let rule = "─".repeat(whole);
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let mut shown = String::new();
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let gap = if column == 0 { "" } else { GAP };
            let is_figure = column > 0 && table.columns[column - 1].is_figure;
            let room = " ".repeat(width - cell.chars().count());
            shown.push_str(&if is_figure { format!("{gap}{room}{cell}") } else { format!("{gap}{cell}{room}") });
        }
        if at == foot {
            text.push_str(&format!("{rule}\n"));
        }
        text.push_str(&format!("{}\n", shown.trim_end()));
        if at + 1 == heading {
            text.push_str(&format!("{rule}\n"));
        }
    }
    Some(text)
}
