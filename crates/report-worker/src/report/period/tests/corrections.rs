//! What they say of what earlier ones told, and revisions of the period itself.

use super::*;

#[test]
fn a_revision_says_which_it_is_and_what_it_tells_otherwise() {
    let documents = Language::ALL.map(|(language, _)| {
        let document = built(language, Cadence::Monthly, |_, figures, _| {
            let line = figures.lines.iter().find(|line| line.face.name == "Data warehouse").unwrap();
            let was = Entry { amount: Amount::read(Some("23850"), "EUR"), ..line.entry.clone() };
            let corrections = vec![Correction { figure: Figure::Won, was: Some(was), now: Some(line.entry.clone()) }];
            let [first, ..] = figures.corrections.as_slice() else { panic!("the sample has some") };
            figures.corrections =
                vec![CorrectedRecord { key: line.key, face: line.face.clone(), corrections, ..first.clone() }];
            figures.revision = 2;
        });
        document.document
    });
    let subjects = documents.each_ref().map(|it| format!("{} [{}]", it.subject, it.date));
    insta::assert_snapshot!(subjects.join("\n"), @r"
    November 2026, revision 2: 9 deals won €97,121.25 and $19,650.00, 1 correction (−€100.00) and more · Month end [November 2026, revision 2]
    November 2026, Fassung 2: 9 gewonnene Deals 97.121,25 € und 19.650,00 $, 1 Korrektur (−100,00 €) und mehr · Month end [November 2026, Fassung 2]
    Novembre 2026, révision 2 : 9 transactions gagnées 97 121,25 € et 19 650,00 $, 1 correction (−100,00 €) et d’autres · Month end [novembre 2026, révision 2]
    ");
    let tables = ["corrections", "corrected"].map(|key| section(&documents[0], key).rows);
    let rows = tables.iter().flatten().map(|row| {
        let cells: Vec<_> = row.cells.iter().map(|cell| documents[0].locale.cell(cell)).collect();
        format!("{}: {}", row.name, cells.join(" | "))
    });
    insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"), @r"
    Data warehouse: close date moved | 7 Nov 2026 16:12 | €23,850.00 (won, November 2026) | €23,750.00 (won, November 2026) | −€100.00
    Deals won, November 2026: €97,221.25 | −€100.00 | €97,121.25
    ");
}

#[test]
fn a_merge_is_one_row() {
    let document = built(Language::En, Cadence::Monthly, |_, figures, _| {
        let maintenance = figures.corrections.pop().unwrap();
        let was = maintenance.corrections[0].was.clone();
        let both = [Correction { figure: Figure::Won, was, now: None }, maintenance.corrections[0].clone()];
        figures.corrections = vec![CorrectedRecord {
            corrections: both.to_vec(),
            kinds: vec![ChangeKind::RecordMerged],
            merged: vec!["Fleet\nmaintenance (copy)".to_owned()],
            ..maintenance
        }];
    })
    .document;
    let table = section(&document, "corrections");
    assert_eq!(table.rows.len(), 1);
    let cells: Vec<_> = table.rows[0].cells.iter().map(|cell| document.locale.cell(cell)).collect();
    insta::assert_snapshot!(cells.join(" | "), @"merged | 7 Nov 2026 16:12 | €10,400.00 (won, October 2026) | €4,700.00 (won, October 2026) | −€5,700.00");
    assert_eq!(table.rows[0].notes, ["merged from Fleet maintenance (copy)"]);
    assert_eq!(document.locale.sums(&table.total.unwrap().sums), "−€5,700.00");
}

#[test]
fn a_record_that_the_filter_lets_in_or_keeps_out_says_why() {
    let notes = |language, passes, differences: &[(Read, Option<&str>, Option<&str>)]| {
        let text = |text: &Option<&str>| text.map(str::to_owned);
        let differences: Vec<Difference> = differences
            .iter()
            .map(|(read, was, now)| Difference { read: read.clone(), was: text(was), now: text(now) })
            .collect();
        let document = built(language, Cadence::Monthly, |_, figures, _| {
            let maintenance = figures.corrections.pop().unwrap();
            let [Correction { figure, was, now }] = maintenance.corrections.clone().try_into().unwrap();
            let gone = Correction { figure, was, now: None };
            let changed = Correction { figure, was: now.clone(), now: now.clone() };
            let come = Correction { figure, was: None, now };
            figures.corrections = [vec![gone], vec![come], vec![changed]]
                .map(|corrections| CorrectedRecord {
                    corrections,
                    kinds: vec![],
                    refiltered: Some(Refiltered { passes, differences: differences.clone() }),
                    ..maintenance.clone()
                })
                .to_vec();
        })
        .document;
        let rows = section(&document, "corrections").rows.into_iter();
        rows.map(|row| row.notes.join("; ")).collect::<Vec<_>>()
    };
    let owner = (Read::Owner, Some("Anna\u{202E} Keller"), Some("Claire\nDubois"));
    let region = (Read::Property("region".to_owned()), Some("EMEA"), None);
    let (team, pipeline) = ((Read::Team, None, Some("Ost")), (Read::Pipeline, Some("Ventes"), Some("\u{200B}")));
    // The notes of a row that is gone, of one that has come, and of one whose amount has changed.
    for (language, passes, differences, expected) in [
        (
            Language::En,
            false,
            vec![owner.clone(), region.clone()],
            "owner: Anna Keller → Claire Dubois; region: EMEA → —",
        ),
        (Language::De, true, vec![owner, team], "zuständig: Anna Keller → Claire Dubois; Team: — → Ost"),
        (Language::Fr, false, vec![pipeline, region], "pipeline\u{A0}: Ventes → —; region\u{A0}: EMEA → —"),
        (Language::En, true, vec![], "passes the report’s filter now"),
        (Language::De, false, vec![], "erfüllt den Filter des Berichts nicht mehr"),
        (Language::Fr, true, vec![], "correspond désormais au filtre du rapport"),
    ] {
        let expected = if passes { ["", expected, ""] } else { [expected, "", ""] };
        assert_eq!(notes(language, passes, &differences), expected);
    }
}

#[test]
fn figures_of_several_sorts_have_no_common_sum() {
    let document = built(Language::En, Cadence::Monthly, |_, figures, _| {
        let mut voided = figures.corrections[1].clone();
        let [Correction { figure, was, now }] = &mut voided.corrections[..] else { unreachable!("the sample has one") };
        (*figure, *now) = (Figure::InvoiceCreated, None);
        was.as_mut().unwrap().figure = Figure::InvoiceCreated;
        voided.kinds.clear();
        figures.corrections.push(voided);
    })
    .document;
    assert_eq!(section(&document, "corrections").total, None);
    let headline = document.headlines.last().unwrap();
    insta::assert_snapshot!(document.locale.headline(headline), @"3 corrections: won −€12,800.50, created −€5,200.00");
    assert!(document.subject.contains(", 3 corrections (won −€12,800.50, created −€5,200.00)"), "{}", document.subject);
    let rows = section(&document, "corrected").rows.into_iter().map(|row| {
        let cells: Vec<_> = row.cells.iter().map(|cell| document.locale.cell(cell)).collect();
        format!("{}: {}", row.name, cells.join(" | "))
    });
    insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"), @r"
    Deals won, October 2026: €46,040.50 | −€12,800.50 | €33,240.00
    Invoices created, October 2026: €17,500.00 | −€5,200.00 | €12,300.00
    ");
}

#[test]
fn corrections_are_told_with_their_signs_and_nothing_is_a_sum_too() {
    let document = built(Language::En, Cadence::Monthly, |_, figures, _| {
        figures.lines.clear();
        let moved = figures.corrections.remove(0);
        let added = |amount, currency| {
            let mut come = moved.clone();
            let Correction { was, now, .. } = &mut come.corrections[0];
            *now = was.take().map(|was| Entry { amount: Amount::read(Some(amount), currency), ..was });
            come
        };
        let mut gone = moved.clone();
        gone.corrections[0].was.as_mut().unwrap().amount = Amount::read(Some("5"), "GBP");
        figures.corrections = vec![added("250", "EUR"), gone];
    })
    .document;
    assert!(document.subject.contains("2 corrections (+€250.00 and −£5.00)"), "{}", document.subject);
    let rows = section(&document, "corrected")
        .rows
        .into_iter()
        .map(|row| row.cells.iter().map(|cell| document.locale.cell(cell)).collect::<Vec<_>>().join(" | "));
    insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"), @r"
    €32,990.00 | €250.00 | €33,240.00
    £5.00 | −£5.00 | £0.00
    ");
}
