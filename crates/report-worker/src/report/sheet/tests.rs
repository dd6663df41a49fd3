//! What stands in workbooks and CSV files. That other programs read the same from them is tested in tests/tests/sheets.

use std::io::{Cursor, Read};

use jiff::civil::date;
use proptest::prelude::*;

use super::super::document::{Before, Cell, Column, ColumnKind, Document, Headline, Row, Section, Total, Value};
use super::super::locale::{Dates, Language, Locale};
use super::xlsx::{LINKS, linked_rows};
use super::*;
use crate::domain::money::Money;

fn money(minor: i64, currency: &str) -> Money {
    Money::from_minor(minor, currency).unwrap()
}

fn sum(minor: i64, currency: &str) -> Sum {
    money(minor, currency).into()
}

fn column(key: &str, title: &str, kind: ColumnKind) -> Column {
    Column { key: key.into(), title: title.into(), kind }
}

fn row(name: &str, cells: impl IntoIterator<Item = Value>) -> Row {
    let url = Some("https://app.hubspot.com/contacts/4242/record/0-3/101".into());
    Row { name: name.into(), url, cells: cells.into_iter().map(Cell::from).collect(), notes: vec![] }
}

fn section(key: &str, columns: Vec<Column>, rows: Vec<Row>, total: Option<Total>) -> Section {
    let (title, record_column) = (key.to_uppercase(), "Record".into());
    Section { key: key.into(), title, record_column, columns, rows, total, left_out: 0, cut: 0, chart: None }
}

fn document(sections: Vec<Section>) -> Document {
    let before = Before { period: "October 2026".into(), count: 1, sums: vec![sum(5, "USD")] };
    Document {
        name: "closed-deals".into(),
        locale: Locale::default(),
        title: "Closed deals".into(),
        subject: "Closed deals: 2 won".into(),
        date: "22 Nov 2026".into(),
        headlines: vec![Headline {
            label: "deals won".into(),
            count: 2,
            sums: vec![sum(1_230_050, "EUR")],
            instead: None,
            before: Some(before),
        }],
        sections,
        notes: vec!["Complete.".into()],
    }
}

/// Three deals in three currencies, one of whose amounts is none.
fn won() -> Section {
    let columns = vec![
        column("company", "Company", ColumnKind::Text),
        column("close_date", "Close date", ColumnKind::Date),
        column("amount", "Amount", ColumnKind::Money),
    ];
    let cells = |company: &str, day, amount| [Value::Text(company.into()), Value::Date(date(2026, 11, day)), amount];
    let mut rows = vec![
        row("Website", cells("Müller, \"Söhne\"", 20, Value::Money(money(1_230_050, "EUR")))),
        row("=HYPERLINK(\"http://x\")", cells("@SUM(1)", 21, Value::Money(money(-7, "JPY")))),
        row("Dinars; -1", cells("Kuwait", 22, Value::Money(money(1_234, "KWD")))),
        row("Lost count", cells("Harbour", 23, Value::Text("12,5 EUR".into()))),
    ];
    rows[0].cells[1].note = Some("no date in HubSpot".into());
    let sums = vec![sum(1_230_050, "EUR"), sum(-7, "JPY"), sum(1_234, "KWD")];
    Section { left_out: 1, cut: 0, ..section("won", columns, rows, Some(Total { column: 2, sums })) }
}

/// A file out of a workbook.
fn part(workbook: &[u8], name: &str) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(workbook)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// The cell at this address, as XML.
fn cell<'x>(sheet: &'x str, address: &str) -> &'x str {
    let start = sheet.find(&format!("<c r=\"{address}\"")).unwrap_or_else(|| panic!("{address} is empty"));
    let cell = &sheet[start..];
    &cell[..cell.find("</c>").unwrap()]
}

#[test]
fn csv_is_for_machines_and_says_the_same_in_every_language() {
    let mut net = section(
        "corrections",
        vec![column("when", "Wann", ColumnKind::Moment), column("net_effect", "Wirkung", ColumnKind::Money)],
        vec![
            row(
                "Two at once",
                [Value::Moment(date(2026, 11, 2).at(9, 5, 0, 0)), Value::Sums(vec![sum(100, "EUR"), sum(-5, "USD")])],
            ),
            row("Nothing", [Value::Nothing, Value::Sums(vec![])]),
        ],
        None,
    );
    net.rows[1].url = None;
    net.rows[1].notes.push("+unsettled".into());
    let bytes = csv(&document(vec![won(), net]));
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with(BYTE_ORDER_MARK) && text.ends_with("\r\n"));
    insta::assert_snapshot!(text.trim_start_matches(BYTE_ORDER_MARK).replace("\r\n", "\n"), @r#"
    section,row,record,url,company,close_date,amount,amount_currency,when,net_effect,net_effect_currency,notes
    won,1,Website,https://app.hubspot.com/contacts/4242/record/0-3/101,"Müller, ""Söhne""",2026-11-20,12300.50,EUR,,,,Close date: no date in HubSpot
    won,2,"'=HYPERLINK(""http://x"")",https://app.hubspot.com/contacts/4242/record/0-3/101,'@SUM(1),2026-11-21,-7,JPY,,,,
    won,3,Dinars; '-1,https://app.hubspot.com/contacts/4242/record/0-3/101,Kuwait,2026-11-22,1.234,KWD,,,,
    won,4,Lost count,https://app.hubspot.com/contacts/4242/record/0-3/101,Harbour,2026-11-23,,,,,,"Amount: 12,5 EUR"
    corrections,1,Two at once,https://app.hubspot.com/contacts/4242/record/0-3/101,,,,,2026-11-02T09:05:00,1.00,EUR,
    corrections,1,Two at once,https://app.hubspot.com/contacts/4242/record/0-3/101,,,,,,-0.05,USD,
    corrections,2,Nothing,,,,,,,,,'+unsettled
    "#);
}

const BYTE_ORDER_MARK: char = '\u{FEFF}';

#[test]
fn amounts_are_numbers_with_the_format_of_their_currency() {
    let workbook = xlsx(&document(vec![won()])).unwrap();
    let (sheet, styles) = (part(&workbook, "xl/worksheets/sheet2.xml"), part(&workbook, "xl/styles.xml"));
    assert!(cell(&sheet, "D2").ends_with("<v>12300.5</v>"), "{sheet}");
    assert!(cell(&sheet, "D3").ends_with("<v>-7</v>"));
    assert!(cell(&sheet, "D4").ends_with("<v>1.234</v>"));
    assert!(cell(&sheet, "D5").contains("t=\"s\""), "what is no amount is text");
    for format in ["[$€-2]#,##0.00;-[$€-2]#,##0.00", "[$JPY] #,##0;-[$JPY] #,##0", "[$KWD] #,##0.000;-[$KWD] #,##0.000"]
    {
        assert!(styles.contains(&format!("formatCode=\"{format}\"")), "{format} in {styles}");
    }
    assert!(cell(&sheet, "C2").ends_with("<v>46346</v>"), "a date is its number");
    assert!(sheet.contains("<hyperlink ref=\"A2\""));
}

#[test]
fn a_figure_that_is_not_exact_is_a_number_that_says_so() {
    let mut document = document(vec![won()]);
    let about = Headline {
        instead: Some("≈ 115.218,90 €".into()),
        sums: vec![sum(11_521_890, "EUR")],
        before: None,
        ..document.headlines[0].clone()
    };
    let nothing = Headline { instead: Some("no net effect".into()), sums: vec![], ..about.clone() };
    document.headlines.extend([about, nothing]);
    let workbook = xlsx(&document).unwrap();
    let (sheet, styles) = (part(&workbook, "xl/worksheets/sheet1.xml"), part(&workbook, "xl/styles.xml"));
    assert!(cell(&sheet, "C7").ends_with("<v>115218.9</v>"), "{sheet}");
    let format = "formatCode=\"&quot;≈ &quot;[$€-2]#,##0.00;&quot;≈ &quot;-[$€-2]#,##0.00\"";
    assert!(styles.contains(format), "{styles}");
    assert!(cell(&sheet, "C8").contains("t=\"s\""), "what is no amount is text");
}

#[test]
fn totals_are_formulas_whose_cached_values_are_the_documents() {
    let workbook = xlsx(&document(vec![won()])).unwrap();
    let sheet = part(&workbook, "xl/worksheets/sheet2.xml");
    for (address, formula, value) in [
        ("D7", "ROUND(SUMIFS($D$2:$D$5,$E$2:$E$5,$E7),2)", "12300.5"),
        ("D8", "ROUND(SUMIFS($D$2:$D$5,$E$2:$E$5,$E8),0)", "-7"),
        ("D9", "ROUND(SUMIFS($D$2:$D$5,$E$2:$E$5,$E9),3)", "1.234"),
    ] {
        assert!(
            cell(&sheet, address).ends_with(&format!("<f>{formula}</f><v>{value}</v>")),
            "{}",
            cell(&sheet, address)
        );
    }
    let table = part(&workbook, "xl/tables/table1.xml");
    assert!(
        table.contains("displayName=\"won\" ref=\"A1:F5\"") && table.contains("<autoFilter ref=\"A1:F5\""),
        "{table}"
    );
}

#[test]
fn a_total_that_a_formula_would_miss_stands_there_as_a_number() {
    let mut cut = won();
    cut.rows.pop();
    cut.rows.remove(0);
    cut.cut = 1;
    let workbook = xlsx(&document(vec![cut])).unwrap();
    let sheet = part(&workbook, "xl/worksheets/sheet2.xml");
    assert!(cell(&sheet, "D5").ends_with("<v>12300.5</v>") && !cell(&sheet, "D5").contains("<f>"));
    assert!(cell(&sheet, "D6").contains("<f>"), "the yen are all here");
    let texts = part(&workbook, "xl/sharedStrings.xml");
    assert!(texts.contains("as reported, no formula") && texts.contains("1 more rows are not in this file"));
}

#[test]
fn what_a_double_cannot_carry_is_text_and_said_so() {
    assert_eq!(number(sum(i64::MAX, "EUR")), None);
    assert_eq!(number(sum(999_999_999_999_999, "EUR")), Some(9_999_999_999_999.99));
    assert_eq!(number(sum(1_000_000_000_000_001, "JPY")), None);
    // Fifteen digits and two zeros, which the nearest double has not: it ends in .801.
    assert_eq!(number(sum(33_277_965_176_663_800, "KWD")), None);
    assert_eq!(number(sum(-900_000_000_000_000, "JPY")), Some(-9e14));
    let amounts = [i64::MAX, 100].map(|minor| row("Vast", [Value::Money(money(minor, "EUR"))]));
    let sums = vec![sum(i64::MAX, "EUR")];
    let columns = vec![column("amount", "Amount", ColumnKind::Money)];
    let workbook =
        xlsx(&document(vec![section("won", columns, amounts.into(), Some(Total { column: 0, sums }))])).unwrap();
    let sheet = part(&workbook, "xl/worksheets/sheet2.xml");
    assert!(cell(&sheet, "B2").contains("t=\"s\"") && cell(&sheet, "B5").contains("t=\"s\""), "{sheet}");
    let texts = part(&workbook, "xl/sharedStrings.xml");
    assert!(texts.contains("<t>92233720368547758.07</t>"));
    assert!(texts.contains("Amount: more than the 15 digits that a spreadsheet keeps, so it is text"));
}

#[test]
fn sums_of_several_currencies_have_a_column_each() {
    let sums = |minor| Value::Sums(vec![sum(minor, "USD"), sum(2 * minor, "EUR")]);
    let columns = vec![column("net_effect", "Net effect", ColumnKind::Money)];
    let total = Total { column: 0, sums: vec![sum(600, "EUR"), sum(300, "USD")] };
    let rows = vec![row("a", [sums(100)]), row("b", [sums(200)])];
    let workbook = xlsx(&document(vec![section("corrections", columns, rows, Some(total))])).unwrap();
    let sheet = part(&workbook, "xl/worksheets/sheet2.xml");
    assert!(cell(&sheet, "B5").ends_with("<f>ROUND(SUM($B$2:$B$3),2)</f><v>6</v>"), "{sheet}");
    assert!(cell(&sheet, "C5").ends_with("<f>ROUND(SUM($C$2:$C$3),2)</f><v>3</v>"));
    let table = part(&workbook, "xl/tables/table1.xml");
    assert!(table.contains("name=\"Net effect EUR\"") && table.contains("name=\"Net effect USD\""), "{table}");
}

#[test]
fn what_does_not_fit_on_a_sheet_goes_on_on_the_next_and_is_summed_with_it() {
    let workbook = workbook_of(&document(vec![won()]), 3);
    let (first, second) = (part(&workbook, "xl/worksheets/sheet2.xml"), part(&workbook, "xl/worksheets/sheet3.xml"));
    assert!(first.contains("r=\"A4\"") && !first.contains("r=\"A5\""));
    let formula = "ROUND(SUMIFS('WON'!$D$2:$D$4,'WON'!$E$2:$E$4,$E4)+SUMIFS($D$2:$D$2,$E$2:$E$2,$E4),2)";
    assert!(cell(&second, "D4").contains(&format!("<f>{formula}</f>")), "{second}");
    let names = part(&workbook, "xl/workbook.xml");
    assert!(names.contains("name=\"WON\"") && names.contains("name=\"WON (2)\""), "{names}");
    assert!(part(&workbook, "xl/tables/table2.xml").contains("displayName=\"won_2\""));
}

fn workbook_of(document: &Document, rows: usize) -> Vec<u8> {
    xlsx::workbook(document, rows).unwrap()
}

#[test]
fn tall_and_empty_sections_are_written_and_a_document_is_always_the_same_bytes() {
    let mut tall = won();
    tall.rows = (0..6_000).map(|_| tall.rows[0].clone()).collect();
    let empty = Section { rows: vec![], total: None, ..won() };
    let document = document(vec![tall, empty, won()]);
    let first = xlsx(&document).unwrap();
    assert!(part(&first, "xl/worksheets/sheet2.xml").contains("r=\"D6001\""), "as many rows as the document has");
    assert_eq!(first, xlsx(&document).unwrap());
    assert!(part(&first, "docProps/core.xml").contains("1980-01-01T00:00:00Z"));
}

#[test]
fn hostile_text_is_never_a_formula_nor_breaks_the_file() {
    let hostile = ["=1+1", " +1", "-1", "@x", "\t=1", "＝1", "\u{1}\u{FFFE}a\u{202E}b\u{200B}", "<a>&\"'", "_x0041_"];
    let rows = hostile.map(|text| row(text, [Value::Text(text.into())])).into();
    let workbook =
        xlsx(&document(vec![section("won", vec![column("company", "C", ColumnKind::Text)], rows, None)])).unwrap();
    let sheet = part(&workbook, "xl/worksheets/sheet2.xml");
    assert!(!sheet.contains("<f>"));
    let texts = part(&workbook, "xl/sharedStrings.xml");
    assert!(texts.contains(">  ab</t>") || texts.contains("> ab</t>"), "{texts}");
    assert!(texts.contains("_x005F_x0041_") && texts.contains("&lt;a&gt;&amp;"));
    assert!(part(&workbook, "xl/styles.xml").contains("quotePrefix=\"1\""));
    let long = inert(&"ä😀".repeat(40_000)).into_owned();
    assert_eq!((long.encode_utf16().count(), long.ends_with('…')), (CELL_UNITS, true));
}

#[test]
fn links_lead_into_the_web_or_nowhere() {
    let urls = ["file:///etc/passwd", "internal:Sheet1!A1", "javascript:alert(1)", "https://a\u{1}b", ""];
    let mut rows: Vec<Row> = urls.map(|url| Row { url: Some(url.into()), ..row("x", []) }).into();
    rows.push(Row { url: Some(format!("https://{}", "x".repeat(2_100))), ..row("x", []) });
    let sheet = part(&xlsx(&document(vec![section("won", vec![], rows, None)])).unwrap(), "xl/worksheets/sheet2.xml");
    assert!(!sheet.contains("<hyperlink"), "{sheet}");
}

#[test]
fn every_language_writes_money_and_dates_its_own_way() {
    let mut formats = Vec::new();
    for (language, _) in Language::ALL {
        let document = Document { locale: Locale { language, dates: Dates::Local }, ..document(vec![won()]) };
        let styles = part(&xlsx(&document).unwrap(), "xl/styles.xml");
        let codes = styles.split("formatCode=\"").skip(1).filter_map(|code| code.split('"').next());
        formats.push(codes.filter(|code| !code.contains("KWD")).collect::<Vec<_>>().join("   "));
    }
    insta::assert_snapshot!(formats.join("\n"), @r"
    #,##0   [$€-2]#,##0.00;-[$€-2]#,##0.00   [$$-409]#,##0.00;-[$$-409]#,##0.00   [$-409]d\ mmm\ yyyy   [$JPY] #,##0;-[$JPY] #,##0
    #,##0   #,##0.00 [$€-407];-#,##0.00 [$€-407]   #,##0.00 [$$-409];-#,##0.00 [$$-409]   dd\.mm\.yyyy   #,##0 [$JPY];-#,##0 [$JPY]
    #,##0   #,##0.00 [$€-40C];-#,##0.00 [$€-40C]   #,##0.00 [$$-409];-#,##0.00 [$$-409]   dd\/mm\/yyyy   #,##0 [$JPY];-#,##0 [$JPY]
    ");
}

proptest! {
    /// Always: a workbook has no more links than it may, and none is missing that could be there.
    #[test]
    fn links_are_shared_out(rows in prop::collection::vec(0_usize..9_000, 0..8)) {
        let most = linked_rows(rows.iter().copied());
        let links = |most: usize| rows.iter().map(|&rows| rows.min(most)).sum::<usize>();
        prop_assert!(links(most) <= LINKS);
        prop_assert!(most == usize::MAX || links(most + 1) > LINKS);
    }

    /// Always: however a program splits the lines, no field with record text is a formula, and what RFC 4180 reads is the
    /// text but for the apostrophes.
    #[test]
    fn csv_text_is_inert(texts in prop::collection::vec("[-=+@＝,;|\"' \t\r\na1\u{202E}]{0,12}", 1..6)) {
        let columns = vec![column("company", "Company", ColumnKind::Text)];
        let rows = texts.iter().map(|text| row(text, [Value::Text(text.clone())])).collect();
        let bytes = csv(&document(vec![section("won", columns, rows, None)]));
        let text = std::str::from_utf8(&bytes).unwrap().trim_start_matches(BYTE_ORDER_MARK);
        for field in text.split(['\r', '\n', ',', ';', '|', '\t']) {
            let field = field.trim_start_matches(|c: char| c == '"' || c.is_whitespace());
            prop_assert!(!field.starts_with(starts_formula), "{field} in {text}");
        }
        let mut reader = ::csv::ReaderBuilder::new().has_headers(true).from_reader(text.as_bytes());
        let read: Vec<String> = reader.records().map(|record| record.unwrap()[2].replace('\'', "")).collect();
        let wanted: Vec<String> = texts.iter().map(|text| inert(text).replace('\'', "")).collect();
        prop_assert_eq!(read, wanted);
    }

    /// Always: an amount of any currency is the number that it was, or text.
    #[test]
    fn numbers_are_exact(minor in any::<i64>(), digits in 0_u32..19, currency in prop::sample::select(vec!["EUR", "JPY", "KWD"])) {
        let amount = sum(minor / 10_i64.pow(digits), currency);
        match number(amount) {
            Some(number) => prop_assert_eq!(format!("{number:.*}", amount.decimals()), plain(amount)),
            None => prop_assert!(amount.minor().unsigned_abs() > 999_999_999_999_999),
        }
    }
}
