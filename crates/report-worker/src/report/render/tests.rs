//! What holds for the mail of every document.

use jiff::civil::date;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::domain::money::{Money, Sum};
use crate::report::{
    Bar, Before, Cell, Chart, Column, ColumnKind, Dates, Headline, Language, Locale, Row, Section, Total, Value,
};

fn sum(minor: i64, currency: &str) -> Sum {
    Sum::from(Money::from_minor(minor, currency).unwrap())
}

fn cell(value: Value) -> Cell {
    Cell::from(value)
}

fn column(title: &str, kind: ColumnKind) -> Column {
    Column { key: title.to_lowercase(), title: title.to_owned(), kind }
}

fn deal(number: usize) -> Row {
    let money = Money::from_minor(i64::try_from(number).unwrap() * 1_234_567, "EUR").unwrap();
    Row {
        name: format!("Rahmenvertrag {number} – Größe & Söhne"),
        url: Some(format!("https://app-eu1.hubspot.com/contacts/4242/record/0-3/{number}")),
        cells: vec![
            cell(Value::Text("Müller & Söhne GmbH".to_owned())),
            cell(Value::Date(date(2026, 10, 17))),
            cell(Value::Money(money)),
        ],
        notes: Vec::new(),
    }
}

fn section(key: &str, rows: usize, cut: usize) -> Section {
    Section {
        key: key.to_owned(),
        title: key.to_owned(),
        record_column: "Record".to_owned(),
        columns: vec![
            column("Company", ColumnKind::Text),
            column("Close date", ColumnKind::Date),
            column("Amount", ColumnKind::Money),
        ],
        rows: (1..=rows).map(deal).collect(),
        total: Some(Total { column: 2, sums: vec![sum(123_456_789, "EUR")] }),
        left_out: 0,
        cut,
        chart: None,
    }
}

fn document(language: Language, sections: Vec<Section>) -> Document {
    Document {
        name: "month".to_owned(),
        locale: Locale { language, dates: Dates::Local },
        title: "Month".to_owned(),
        subject: "Month: 3 deals won €45,300.00 · October 2026".to_owned(),
        date: "October 2026".to_owned(),
        headlines: vec![Headline {
            label: "deals won".to_owned(),
            count: 3,
            sums: vec![sum(4_530_000, "EUR"), sum(700, "JPY")],
            instead: None,
            before: Some(Before {
                period: "September 2026".to_owned(),
                count: 4,
                sums: vec![sum(4_000_000, "EUR"), sum(99, "USD")],
            }),
        }],
        sections,
        notes: vec!["Complete as of 1 Nov 2026 00:05.".to_owned()],
    }
}

#[test]
fn headlines_say_how_they_have_changed() {
    let rendered = render(&document(Language::En, vec![section("Won", 4, 0)]), false);
    let head: Vec<&str> = rendered.text.lines().take(5).collect();
    insta::assert_snapshot!(head.join("\n"), @r"
    Month · October 2026
      3 deals won:
        €45,300.00 (+13.3% vs September 2026)
        JPY 700
        $0.00 (−100.0% vs September 2026)
    ");
    insta::assert_snapshot!(rendered.preheader, @"deals won: €45,300.00 (+13.3% vs September 2026), JPY 700, $0.00 (−100.0%) · Won: Rahmenvertrag 1 – Größe & Söhne, Rahmenvertrag 2 – Größe & Söhne, Ra…");
    assert!(rendered.html.contains(&rendered.preheader.replace('&', "&amp;")));
    let german = render(&document(Language::De, Vec::new()), false).text.replace('\u{A0}', "~");
    insta::assert_snapshot!(german.lines().nth(2).unwrap(), @"    45.300,00~€ (+13,3~% ggü. September 2026)");
}

#[test]
fn long_tables_are_cut_evenly_and_say_so() {
    let sections = vec![section("corrections", 3, 0), section("Won", 5_000, 7), section("Lost", 400, 0)];
    for (has_attachment, language) in [(true, Language::En), (false, Language::De), (true, Language::Fr)] {
        let Rendered { text, html, .. } = render(&document(language, sections.clone()), has_attachment);
        assert!((97_000..100_000).contains(&html.len()), "{} bytes", html.len());
        let shown = html.matches("<tr><th scope=\"row\"").count();
        let each = (shown - 3) / 2;
        assert_eq!(shown, 3 + each * 2, "the long ones show the same number");
        let count = |count: usize| document(language, Vec::new()).locale.count(i64::try_from(count).unwrap());
        let (won, lost) = (count(5_000 - each), count(400 - each));
        let said = match (has_attachment, language) {
            (true, Language::En) => vec![
                format!("{won} more rows; all are in the attachment"),
                "7 more in HubSpot".to_owned(),
                format!("{lost} more rows; all are in the attachment"),
            ],
            (true, _) => vec![
                format!("{won} lignes de plus\u{A0}; toutes sont dans la pièce jointe"),
                "7 lignes de plus dans HubSpot".to_owned(),
                format!("{lost} lignes de plus\u{A0}; toutes sont dans la pièce jointe"),
            ],
            (false, _) => vec![
                format!("{} weitere Zeilen in HubSpot", count(5_007 - each)),
                format!("{lost} weitere Zeilen in HubSpot"),
            ],
        };
        for said in said {
            assert!(html.contains(&said) && text.contains(&said), "{said}");
        }
        assert_eq!(
            html.matches("1.234.567,89").count()
                + html.matches("1,234,567.89").count()
                + html.matches("1\u{202F}234\u{202F}567,89").count(),
            3,
            "sums are of all rows"
        );
    }
}

#[test]
fn narrow_tables_stand_in_columns_in_the_text() {
    let mut by_owner = section("Won by owner", 0, 0);
    by_owner.record_column = "Owner".to_owned();
    by_owner.columns = vec![column("Deals", ColumnKind::Count), column("Amount", ColumnKind::Money)];
    let row = |name: &str, count, sums: Vec<Sum>| Row {
        name: name.to_owned(),
        url: None,
        cells: vec![cell(Value::Count(count)), cell(Value::Sums(sums))],
        notes: Vec::new(),
    };
    by_owner.rows = vec![
        row("Anna Keller", 12, vec![sum(4_530_000, "EUR"), sum(-700, "JPY")]),
        row("Tomasz Wójcik", 1, Vec::new()),
    ];
    by_owner.total = Some(Total { column: 1, sums: vec![sum(4_530_000, "EUR"), sum(-700, "JPY")] });
    let Rendered { text, html, .. } = render(&document(Language::En, vec![by_owner]), false);
    insta::assert_snapshot!(text, @r"
    Month · October 2026
      3 deals won:
        €45,300.00 (+13.3% vs September 2026)
        JPY 700
        $0.00 (−100.0% vs September 2026)

    WON BY OWNER
    ------------
    Owner          Deals      Amount
    ────────────────────────────────
    Anna Keller       12  €45,300.00
                            −JPY 700
    Tomasz Wójcik      1           —
    ────────────────────────────────
    Total                 €45,300.00
                            −JPY 700

    Complete as of 1 Nov 2026 00:05.
    ");
    assert!(html.contains("<table class=\"d\"") && !html.contains("class=\"l\""), "it stays a table everywhere");
}

#[test]
fn nothing_but_a_page_is_behind_a_name() {
    let mut section = section("Won", 2, 0);
    section.rows[0].url = Some("javascript:alert(1)".to_owned());
    section.rows[1].url = Some("https://app.hubspot.com/\"><script>".to_owned());
    let html = render(&document(Language::En, vec![section]), false).html;
    assert!(!html.contains("javascript:") && !html.contains("<script"));
    assert!(html.contains("href=\"https://app.hubspot.com/&quot;&gt;&lt;script&gt;\""));
}

fn bar(label: &str, minor: i64, is_marked: bool) -> Bar {
    Bar { label: label.to_owned(), sum: sum(minor, "EUR"), is_marked }
}

#[test]
fn a_chart_is_a_picture_with_a_name_and_a_description() {
    let mut with_chart = section("Won", 1, 0);
    let bars = vec![bar("Jan", 1_200_000, false), bar("شركة", -300_000, false), bar("株式会社", 4_530_000, true)];
    with_chart.chart = Some(Chart { alt: "Won by \"company\"".to_owned(), bars });
    let twice = document(Language::En, vec![with_chart.clone(), with_chart.clone()]);
    let Rendered { text, html, images, .. } = render(&twice, false);
    assert_eq!(images.len(), 1, "the same picture is sent once");
    let [Image { content_id, png }] = &images[..] else { panic!("{images:?}") };
    assert_eq!(html.matches(&format!("<img src=\"cid:{content_id}\" width=\"520\" height=\"230\"")).count(), 2);
    assert!(html.contains("alt=\"Won by &quot;company&quot;\"") && text.contains("\nWon by \"company\"\n"));
    let caption = html.matches("<p class=\"m\" aria-hidden=\"true\"").count();
    assert!(caption == 2 && html.contains("<bdi>Won by &quot;company&quot;</bdi></p>"), "it is there to read, too");
    assert!(
        html.contains("<bdi>2: شركة</bdi> · <bdi>3: 株式会社</bdi>"),
        "what the picture cannot write stands below it"
    );
    assert_eq!(png[16..24], [0, 0, 4, 16, 0, 0, 1, 204], "twice as sharp as the page");
    assert!((3_000..20_000).contains(&png.len()), "{} bytes", png.len());
    assert_eq!(render(&twice, false).images, images, "the same bytes each time");
    // Drawn on another machine, these would be the same bytes too.
    insta::assert_snapshot!(content_id, @"chart-7aa0468ce362b15b42115505@closing-bell");

    for bars in [Vec::new(), vec![bar("x", 1, false); 63]] {
        with_chart.chart = Some(Chart { alt: "Nothing".to_owned(), bars });
        assert_eq!(render(&document(Language::En, vec![with_chart.clone()]), false).images, []);
    }
}

const CURRENCIES: [&str; 12] = ["EUR", "USD", "GBP", "JPY", "KWD", "CHF", "CLF", "SEK", "BHD", "INR", "BRL", "ZAR"];

/// Text as strangers write it: markup, template syntax, breaks, marks of direction, letters of many bytes, and a great deal.
fn text() -> impl Strategy<Value = String> {
    let hostile = select(vec![
        "<script>alert(1)</script>",
        "\"'&<>",
        "{{ 'in' ~ 'jected' }}{% raw %}",
        "a\r\nBcc: x@y.z",
        "\u{202E}gpj.exe\u{200B}",
        "שלום",
        "🔔",
    ]);
    prop_oneof![
        Just("Website relaunch".to_owned()),
        (hostile, 1..300_usize).prop_map(|(text, times)| text.repeat(times)),
        any::<String>(),
    ]
}

fn sums() -> impl Strategy<Value = Vec<Sum>> {
    let one = (any::<i64>(), 0..CURRENCIES.len()).prop_map(|(minor, at)| sum(minor, CURRENCIES[at]));
    vec(one, 0..30)
}

fn any_cell() -> impl Strategy<Value = Cell> {
    let value = prop_oneof![
        Just(Value::Nothing),
        text().prop_map(Value::Text),
        Just(Value::Date(date(2026, 10, 17))),
        any::<i64>().prop_map(|minor| Value::Money(Money::from_minor(minor, "KWD").unwrap())),
        sums().prop_map(Value::Sums),
        any::<i64>().prop_map(Value::Count),
    ];
    (value, proptest::option::of(text())).prop_map(|(value, note)| Cell { value, note })
}

fn any_section() -> impl Strategy<Value = Section> {
    let row = (text(), proptest::option::of(text()), vec(any_cell(), 0..9), vec(text(), 0..3))
        .prop_map(|(name, url, cells, notes)| Row { name, url: url.map(|url| format!("https://{url}")), cells, notes });
    let kinds = vec![ColumnKind::Text, ColumnKind::Date, ColumnKind::Money, ColumnKind::Count];
    let column = (text(), select(kinds)).prop_map(|(title, kind)| Column { key: "column".to_owned(), title, kind });
    let total = proptest::option::of((0..9_usize, sums()).prop_map(|(column, sums)| Total { column, sums }));
    let largest = select(vec![i128::MIN, -1, 0, 1, i128::MAX])
        .prop_map(|minor| json!({ "currency": "EUR", "minor": minor.to_string() }));
    let bar = (text(), largest, any::<bool>()).prop_map(|(label, sum, is_marked)| Bar {
        label,
        sum: serde_json::from_value(sum).unwrap(),
        is_marked,
    });
    let chart = proptest::option::weighted(0.05, (text(), vec(bar, 0..70)).prop_map(|(alt, bars)| Chart { alt, bars }));
    let rows = (vec(row, 0..6), 0..100_usize).prop_map(|(rows, times)| {
        let length = rows.len() * times;
        rows.into_iter().cycle().take(length).collect::<Vec<_>>()
    });
    (select(vec!["won", "corrections"]), text(), vec(column, 0..9), rows, total, 0..9_usize, 0..9_usize, chart)
        .prop_map(|(key, title, columns, rows, total, left_out, cut, chart)| Section {
            key: key.to_owned(),
            record_column: title.clone(),
            title,
            columns,
            rows,
            total,
            left_out,
            cut,
            chart,
        })
}

fn any_document() -> impl Strategy<Value = Document> {
    let before = proptest::option::of((text(), 0..9_usize, sums()).prop_map(|(period, count, sums)| Before {
        period,
        count,
        sums,
    }));
    let headline = (text(), 0..9_usize, sums(), proptest::option::of(text()), before)
        .prop_map(|(label, count, sums, instead, before)| Headline { label, count, sums, instead, before });
    let languages = select(Language::ALL.map(|(language, _)| language).to_vec());
    let (headlines, sections) = (vec(headline, 0..40), vec(any_section(), 0..20));
    (languages, text(), text(), headlines, sections, vec(text(), 0..40)).prop_map(
        |(language, title, subject, headlines, sections, notes)| Document {
            date: title.clone(),
            title,
            subject,
            headlines,
            notes,
            ..document(language, sections)
        },
    )
}

/// The numbers before what is said of rows that are not shown, added up.
fn said_missing(text: &str) -> usize {
    let words = ["more row", "more in HubSpot", "weitere Zeile", "ligne de plus", "lignes de plus"];
    let numbers = text.lines().filter_map(|line| {
        let (number, rest) = line.split_once(' ')?;
        let said = words.iter().any(|word| rest.starts_with(word));
        said.then(|| number.replace([',', '.', '\u{202F}'], "").parse::<usize>().ok()).flatten()
    });
    numbers.sum()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn any_document_is_a_mail_that_nobody_cuts_off(document in any_document(), has_attachment in any::<bool>()) {
        let Rendered { preheader, text, html, .. } = render(&document, has_attachment);
        prop_assert!(html.len() < 100_000, "{} bytes of HTML", html.len());
        prop_assert!(text.len() < 200_000, "{} bytes of text", text.len());
        prop_assert!(!html.contains("<script") && !html.contains("injected"), "record text is only text");
        for part in [&html, &text, &preheader] {
            prop_assert!(!part.contains(['\r', '\u{202E}', '\u{200B}', '\0']), "and inert");
        }
        prop_assert!(!text.contains("\nBcc"));
        let all: usize = document.sections.iter().map(|section| section.rows.len() + section.cut).sum();
        let shown = html.matches("<tr><th scope=\"row\"").count();
        prop_assert_eq!(shown + said_missing(&text), all, "what is not shown is said to be missing");
    }
}
