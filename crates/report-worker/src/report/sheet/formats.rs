//! How values look in a workbook, in the manner of the report's language.

use std::collections::BTreeMap;

use rust_xlsxwriter::{Color, Format, FormatAlign, FormatBorder, FormatUnderline};

use super::super::locale::{Dates, Language, Locale};
use crate::domain::money::Sum;

/// Before an amount that is not exact.
pub(super) const ABOUT: &str = "≈ ";

/// The formats of a workbook's cells.
pub(super) struct Formats {
    locale: Locale,
    pub(super) title: Format,
    pub(super) subtitle: Format,
    /// Above what is of the period before.
    pub(super) period: Format,
    pub(super) header: Format,
    pub(super) header_of_figures: Format,
    pub(super) text: Format,
    pub(super) wrapped: Format,
    pub(super) link: Format,
    pub(super) date: Format,
    pub(super) moment: Format,
    pub(super) count: Format,
    /// A number that had to become text.
    pub(super) long: Format,
    pub(super) remark: Format,
    /// The line between a table and its totals.
    pub(super) rule: Format,
    pub(super) total: Format,
    pub(super) long_total: Format,
    money: BTreeMap<&'static str, [Format; 2]>,
}

impl Formats {
    pub(super) fn of(locale: Locale) -> Self {
        let top = || Format::new().set_align(FormatAlign::Top);
        // Off the column on its left, where figures end at the very edge.
        let left = || top().set_align(FormatAlign::Left).set_indent(1);
        let head = |cell: Format| {
            cell.set_bold().set_background_color(Color::RGB(0xE7_ECF3)).set_border_bottom(FormatBorder::Thin)
        };
        let grey = Color::RGB(0x5A_6472);
        let date = date_format(locale);
        Self {
            locale,
            title: left().set_bold().set_font_size(16),
            subtitle: left().set_font_color(grey),
            period: top().set_align(FormatAlign::Right).set_font_color(grey),
            header: head(left()),
            header_of_figures: head(top().set_align(FormatAlign::Right)),
            text: left(),
            wrapped: left().set_text_wrap(),
            link: left().set_font_color(Color::RGB(0x0B_5394)).set_underline(FormatUnderline::Single),
            date: left().set_num_format(date),
            moment: left().set_num_format(format!("{date} hh:mm")),
            count: top().set_num_format("#,##0"),
            long: top().set_align(FormatAlign::Right),
            remark: left().set_italic().set_font_color(grey),
            rule: Format::new().set_border_bottom(FormatBorder::Thin),
            total: left().set_bold(),
            long_total: top().set_align(FormatAlign::Right).set_bold(),
            money: BTreeMap::new(),
        }
    }

    /// The format of amounts in the currency of this sum.
    pub(super) fn money(&mut self, sum: Sum) -> &Format {
        &self.money_and_total(sum)[0]
    }

    /// The format of totals in the currency of this sum.
    pub(super) fn total_of(&mut self, sum: Sum) -> &Format {
        &self.money_and_total(sum)[1]
    }

    /// The format of an amount in the currency of this sum that is not exact.
    pub(super) fn about(&self, sum: Sum) -> Format {
        let money = money_format(self.locale.language, sum);
        let about = money.split(';').map(|part| format!("\"{ABOUT}\"{part}")).collect::<Vec<_>>().join(";");
        Format::new().set_align(FormatAlign::Top).set_num_format(about)
    }

    fn money_and_total(&mut self, sum: Sum) -> &[Format; 2] {
        let language = self.locale.language;
        self.money.entry(sum.currency()).or_insert_with(|| {
            let format = Format::new().set_align(FormatAlign::Top).set_num_format(money_format(language, sum));
            [format.clone(), format.set_bold()]
        })
    }
}

/// The separators are those of the reader's machine; order, symbol and decimals are the report's.
fn money_format(language: Language, sum: Sum) -> String {
    let decimals = if sum.decimals() > 0 { format!(".{}", "0".repeat(sum.decimals())) } else { String::new() };
    let digits = format!("#,##0{decimals}");
    // The symbol with the number of a language that writes it so, as Excel itself names it.
    let unit = match (sum.symbol(), language) {
        (Some("€"), Language::En) => "€-2",
        (Some("€"), Language::De) => "€-407",
        (Some("€"), Language::Fr) => "€-40C",
        (Some("$"), _) => "$-409",
        (Some("£"), _) => "£-809",
        (symbol, _) => symbol.unwrap_or_else(|| sum.currency()),
    };
    let space = if sum.symbol().is_none() { " " } else { "" };
    let positive = match language {
        Language::En => format!("[${unit}]{space}{digits}"),
        Language::De | Language::Fr => format!("{digits} [${unit}]"),
    };
    format!("{positive};-{positive}")
}

fn date_format(locale: Locale) -> &'static str {
    match (locale.dates, locale.language) {
        (Dates::Iso, _) => "yyyy\\-mm\\-dd",
        (Dates::Local, Language::En) => "[$-409]d\\ mmm\\ yyyy",
        (Dates::Local, Language::De) => "dd\\.mm\\.yyyy",
        (Dates::Local, Language::Fr) => "dd\\/mm\\/yyyy",
    }
}
