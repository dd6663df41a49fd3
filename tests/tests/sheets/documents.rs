//! Documents to write: one as reports are, with every kind of value, and any others.

use jiff::civil::{Date, date};
use proptest::prelude::*;
use report_worker::domain::money::{Money, Sum, Totals};
use report_worker::report::{
    Before, Cell, Column, ColumnKind, Dates, Document, Headline, Language, Locale, Row, Section, Total, Value,
};

/// The columns that the sections here choose from.
const COLUMNS: [(&str, &str, ColumnKind); 7] = [
    ("company", "Company", ColumnKind::Text),
    ("close_date", "Close date", ColumnKind::Date),
    ("paid_at", "Paid at", ColumnKind::Moment),
    ("days", "Days", ColumnKind::Count),
    ("amount", "Amount", ColumnKind::Money),
    ("still_to_pay", "Still to pay", ColumnKind::Money),
    ("net_effect", "Net effect", ColumnKind::Money),
];

/// A report of a small company's month, in a language.
pub(crate) fn month(language: Language) -> Document {
    let locale = Locale { language, dates: Dates::Local };
    let companies =
        ["Müller & Söhne GmbH", "Northwind Traders", "=HYPERLINK(\"http://x\")", "株式会社サンプル", "Kuwait Oil"];
    let currencies = ["EUR", "USD", "EUR", "JPY", "KWD"];
    let money = |index: usize, factor: i64| {
        let minor = (i64::try_from(index).unwrap() * 7_919 + 13) * factor * if index % 7 == 6 { -1 } else { 101 };
        Value::Money(Money::from_minor(minor, currencies[index % 5]).unwrap())
    };
    let day = |index: usize| date(2026, 11, i8::try_from(index % 28 + 1).unwrap());
    let won = (0..40).map(|index| {
        let cells = vec![
            Value::Text(companies[index % 5].into()).into(),
            Cell { value: Value::Date(day(index)), note: (index % 9 == 1).then(|| "no date in HubSpot".into()) },
            Value::Moment(day(index).at(i8::try_from(index % 24).unwrap(), 5, 0, 0)).into(),
            Value::Count(i64::try_from(index).unwrap() * 31).into(),
            money(index, 10).into(),
        ];
        row(&format!("Website relaunch, part {index}"), cells)
    });
    let ledger = (0..6).map(|index| {
        let sums = if index % 2 == 0 { vec![sum(120_000, "EUR"), sum(-840_000, "USD")] } else { vec![sum(5, "EUR")] };
        row(&format!("-1 corrected deal {index}"), vec![Value::Sums(sums).into()])
    });
    Document {
        name: "month".into(),
        locale,
        title: "Closed deals & invoices".into(),
        subject: "Closed deals: 40 won · November 2026".into(),
        date: "November 2026".into(),
        headlines: vec![
            headline("deals won", 40, vec![sum(1_230_050, "EUR"), sum(840_000, "USD")], 33),
            Headline { instead: Some("no net effect".into()), ..headline("corrections", 6, vec![], 2) },
        ],
        sections: vec![
            section("corrections", &[6], ledger.collect(), 0),
            section("won", &[0, 1, 2, 3, 4], won.collect(), 2),
        ],
        notes: vec![
            "Complete: the books were compared with HubSpot at 2 Nov 2026 06:05 and nothing differed.".into(),
            "Days are those of Europe/Berlin. Amounts are as in HubSpot at 1 Dec 2026 06:00. ".repeat(2),
        ],
    }
}

fn headline(label: &str, count: usize, sums: Vec<Sum>, before: usize) -> Headline {
    let before = Before { period: "October 2026".into(), count: before, sums: vec![sum(99, "EUR"), sum(3, "JPY")] };
    Headline { label: label.into(), count, sums, instead: None, before: Some(before) }
}

fn sum(minor: i64, currency: &str) -> Sum {
    Money::from_minor(minor, currency).unwrap().into()
}

fn row(name: &str, cells: Vec<Cell>) -> Row {
    Row {
        name: name.into(),
        url: Some("https://app.hubspot.com/contacts/62515001/record/0-3/101".into()),
        cells,
        notes: vec![],
    }
}

/// A section with these of [`COLUMNS`], and the sum of the last one that holds money.
fn section(key: &str, columns: &[usize], rows: Vec<Row>, left_out: usize) -> Section {
    let totalled = columns.iter().rposition(|&column| COLUMNS[column].2 == ColumnKind::Money);
    let total = totalled.map(|column| {
        let mut totals = Totals::default();
        for money in rows.iter().flat_map(|row| money(&row.cells[column].value)) {
            totals.add(money).unwrap();
        }
        Total { column, sums: totals.all_sums() }
    });
    let column = |&column: &usize| {
        let (key, title, kind) = COLUMNS[column];
        Column { key: key.into(), title: title.into(), kind }
    };
    Section {
        key: key.into(),
        title: key.replace('_', " ").to_uppercase(),
        record_column: "Record".into(),
        columns: columns.iter().map(column).collect(),
        rows,
        total: total.filter(|total| !total.sums.is_empty()),
        left_out,
        cut: 0,
        chart: None,
    }
}

fn money(value: &Value) -> Vec<Money> {
    match value {
        Value::Money(money) => vec![*money],
        Value::Sums(sums) => {
            let money = |sum: &Sum| Money::from_minor(i64::try_from(sum.minor()).unwrap(), sum.currency()).unwrap();
            sums.iter().map(money).collect()
        }
        _ => vec![],
    }
}

/// Any document that fits the types.
pub(crate) fn any_document() -> impl Strategy<Value = Document> {
    let language = prop::sample::select(vec![Language::En, Language::De, Language::Fr]);
    let sections = prop::collection::vec(any_section(), 0..4);
    (language, sections, any_text()).prop_map(|(language, sections, note)| Document {
        sections,
        notes: vec![note],
        locale: Locale { language, dates: Dates::Iso },
        ..month(language)
    })
}

fn any_section() -> impl Strategy<Value = Section> {
    let columns = prop::sample::subsequence((0..COLUMNS.len()).collect::<Vec<_>>(), 1..=COLUMNS.len());
    let keys = prop::sample::select(vec!["won", "part_paid", "aged_31_60", "abc1", "R1C1", "history"]);
    (columns, keys, 0_usize..3).prop_flat_map(|(columns, key, left_out)| {
        let cells: Vec<_> = columns.iter().map(|&column| any_cell(COLUMNS[column].0)).collect();
        let row = (any_text(), any_url(), cells, prop::collection::vec(any_text(), 0..3));
        let row = row.prop_map(|(name, url, cells, notes)| Row { name, url, cells, notes });
        prop::collection::vec(row, 0..8).prop_map(move |rows| section(key, &columns, rows, left_out))
    })
}

fn any_url() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        (0_u32..9_999).prop_map(|id| Some(format!("https://app.hubspot.com/contacts/1/record/0-3/{id}")))
    ]
}

fn any_cell(key: &str) -> BoxedStrategy<Cell> {
    let value = match key {
        "company" => any_text().prop_map(Value::Text).boxed(),
        "close_date" => any_date().prop_map(Value::Date).boxed(),
        "paid_at" => {
            let time = (0_i8..24, 0_i8..60);
            (any_date(), time).prop_map(|(date, (hour, minute))| Value::Moment(date.at(hour, minute, 0, 0))).boxed()
        }
        "days" => any::<i64>().prop_map(Value::Count).boxed(),
        "net_effect" => prop::collection::btree_map(any_currency(), any_minor(), 0..3)
            .prop_map(|sums| Value::Sums(sums.iter().map(|(currency, &minor)| sum(minor, currency)).collect()))
            .boxed(),
        _ => (any_minor(), any_currency())
            .prop_map(|(minor, currency)| Value::Money(Money::from_minor(minor, currency).unwrap()))
            .boxed(),
    };
    let value = prop_oneof![8 => value, 1 => Just(Value::Nothing), 1 => any_text().prop_map(Value::Text)];
    (value, prop::option::weighted(0.2, any_text())).prop_map(|(value, note)| Cell { value, note }).boxed()
}

/// Most dates are of our days; the rest are of any that have one.
fn any_date() -> impl Strategy<Value = Date> {
    (prop_oneof![4 => 2020_i16..2036, 1 => 1_i16..=9999], 1_i8..=12, 1_i8..=28).prop_map(|(y, m, d)| date(y, m, d))
}

fn any_minor() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -10_000_000_i64..10_000_000, 1 => any::<i64>(), 1 => any::<i64>().prop_map(|minor| minor / 10_000)]
}

fn any_currency() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["EUR", "USD", "JPY", "KWD", "CHF"])
}

/// Names as people give them, and as attackers do.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-zäöüß&.,' ]{0,20}",
        "[=+@＝＋－＠ \"';,|<>&\t\r\n-]{1,4}[A-Z0-9()!\"]{0,12}",
        "\\PC{0,12}",
        Just("=HYPERLINK(\"http://example.com\",\"x\")".to_owned()),
        Just("\u{1}\u{FFFF}\u{202E}gpj.exe\u{200B}".to_owned()),
    ]
}
