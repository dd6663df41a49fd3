//! What the reports of periods say, figure by figure.

mod corrections;

use std::io::{self, Cursor};

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::*;
use crate::domain::account::{Account, Closing, Stage, Stages};
use crate::domain::changes::{ChangeKind, Rules};
use crate::domain::completeness::Completeness;
use crate::domain::entries::{Correction, Entry};
use crate::domain::money::Amount;
use crate::domain::period::{Cadence, Calendar};
use crate::report::definition::{Schedule, Trigger};
use crate::report::document::Headline;
use crate::report::filter::{Difference, Read};
use crate::report::locale::{Dates, Language};
use crate::report::period_figures::{CorrectedRecord, Refiltered};
use crate::report::render::render;
use crate::report::xlsx;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Does something with a scene of the morning of 1 December 2026 in Berlin, at which the books were open since spring.
pub(super) fn in_scene<R>(language: Language, then: impl FnOnce(&Scene<'_>) -> R) -> R {
    let account = Account {
        portal_id: 4242,
        company_currency: "EUR".into(),
        time_zone: "Europe/Berlin".into(),
        ui_domain: "app-eu1.hubspot.com".into(),
    };
    let stage = |closing| Stage { label: String::new(), closing };
    let stages =
        Stages([("won", Closing::Won), ("lost", Closing::Lost)].map(|(id, it)| (id.to_owned(), stage(it))).into());
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let rules =
        Rules { books_open_at: at("2026-05-04T06:00:00Z"), stages: &stages, zone: &zone, company_currency: "EUR" };
    let compared_at = Some(at("2026-11-30T23:05:00Z"));
    let completeness = Completeness { compared_at, ..Completeness::default() };
    let locale = Locale { language, dates: Dates::Local };
    let now = at("2026-12-01T06:00:00Z");
    then(&Scene { account: &account, rules, locale, now, payments_since: None, completeness: &completeness })
}

pub(super) fn definition(cadence: Cadence) -> Definition {
    Definition::new("month-end", Trigger::Schedule(Schedule { cadence, at: Time::midnight() }))
}

/// Builds a report from the sample, after `edit` has had its way with it.
fn built(
    language: Language,
    cadence: Cadence,
    edit: impl FnOnce(&mut Definition, &mut PeriodFigures, &Scene<'_>),
) -> Built {
    in_scene(language, |scene| {
        let mut figures = period_sample(cadence, Calendar::default(), scene).unwrap();
        let mut definition = definition(cadence);
        edit(&mut definition, &mut figures, scene);
        build(&definition, &figures, scene).unwrap()
    })
}

fn section(document: &Document, key: &str) -> Section {
    document.sections.iter().find(|section| section.key == key).cloned().unwrap()
}

#[test]
fn a_month_reads_well_in_each_language() {
    for (language, word) in Language::ALL {
        let document = built(language, Cadence::Monthly, |_, _, _| {}).document;
        let charts: Vec<_> = document.sections.iter().filter_map(|it| it.chart.as_ref().map(|it| &it.alt)).collect();
        let all = format!("{}\n\n{}\n{charts:?}\n", document.subject, render(&document, true).text);
        insta::assert_snapshot!(format!("month_{word}"), all);
    }
}

#[test]
fn every_sheet_has_a_name_of_its_own_in_whole_words() {
    for (language, _) in Language::ALL {
        let document = built(language, Cadence::Monthly, |_, _, _| {}).document;
        let mut workbook = zip::ZipArchive::new(Cursor::new(xlsx(&document).unwrap())).unwrap();
        let sheets = io::read_to_string(workbook.by_name("xl/workbook.xml").unwrap()).unwrap();
        let names: Vec<_> = sheets.split("<sheet name=\"").skip(1).filter_map(|it| it.split('"').next()).collect();
        assert_eq!(names.len(), document.sections.len() + 1);
        assert!(names.iter().all(|name| !name.contains(['…', '('])), "{names:?}");
    }
}

#[test]
fn a_subject_says_the_news_of_any_period() {
    let mut subjects = Vec::new();
    for cadence in Cadence::ALL {
        for (language, _) in Language::ALL {
            let document = built(language, cadence, |_, _, _| {}).document;
            let on = document.sections.iter().find(|section| section.chart.is_some()).map(|section| &*section.key);
            subjects.push(format!("{} [{}]", document.subject, on.unwrap_or_default()));
        }
    }
    insta::assert_snapshot!(subjects.join("\n"), @r"
    30 Nov 2026: 9 deals won €97,121.25 and $19,650.00, 2 corrections (−€12,800.50), 4 payments received €23,995.50 and more · Month end [by-owner]
    30.11.2026: 9 gewonnene Deals 97.121,25 € und 19.650,00 $, 2 Korrekturen (−12.800,50 €) und mehr · Month end [by-owner]
    30/11/2026 : 9 transactions gagnées 97 121,25 € et 19 650,00 $, 2 corrections (−12 800,50 €) et d’autres · Month end [by-owner]
    Week of 23 Nov 2026: 9 deals won €97,121.25 and $19,650.00, 2 corrections (−€12,800.50) and more · Month end [by-owner]
    Woche vom 23.11.2026: 9 gewonnene Deals 97.121,25 € und 19.650,00 $, 2 Korrekturen (−12.800,50 €) und mehr · Month end [by-owner]
    Semaine du 23/11/2026 : 9 transactions gagnées 97 121,25 € et 19 650,00 $, 2 corrections (−12 800,50 €) et d’autres · Month end [by-owner]
    November 2026: 9 deals won €97,121.25 and $19,650.00, 2 corrections (−€12,800.50), 4 payments received €23,995.50 and more · Month end [won]
    November 2026: 9 gewonnene Deals 97.121,25 € und 19.650,00 $, 2 Korrekturen (−12.800,50 €) und mehr · Month end [won]
    Novembre 2026 : 9 transactions gagnées 97 121,25 € et 19 650,00 $, 2 corrections (−12 800,50 €) et d’autres · Month end [won]
    Q3 2026: 9 deals won €97,121.25 and $19,650.00, 2 corrections (−€12,800.50), 4 payments received €23,995.50 and more · Month end [won]
    3. Quartal 2026: 9 gewonnene Deals 97.121,25 € und 19.650,00 $, 2 Korrekturen (−12.800,50 €) und mehr · Month end [won]
    T3 2026 : 9 transactions gagnées 97 121,25 € et 19 650,00 $, 2 corrections (−12 800,50 €) et d’autres · Month end [won]
    2025: 9 deals won €97,121.25 and $19,650.00, 2 corrections (−€12,800.50), 4 payments received €23,995.50 and more · Month end [won]
    2025: 9 gewonnene Deals 97.121,25 € und 19.650,00 $, 2 Korrekturen (−12.800,50 €), 4 Zahlungseingänge 23.995,50 € und mehr · Month end [won]
    2025 : 9 transactions gagnées 97 121,25 € et 19 650,00 $, 2 corrections (−12 800,50 €) et d’autres · Month end [won]
    ");
}

#[test]
fn a_single_thing_agrees_in_every_language() {
    let subjects = Language::ALL.map(|(language, _)| {
        built(language, Cadence::Monthly, |definition, figures, _| {
            definition.title = Some("Acme".to_owned());
            figures.lines.retain(|line| line.face.name == "Data warehouse" || line.entry.figure == Figure::Lost);
            figures.lines.truncate(2);
            figures.corrections.truncate(1);
            figures.ageing.clear();
        })
        .document
        .subject
    });
    insta::assert_snapshot!(subjects.join("\n"), @r"
    November 2026: 1 deal won €23,750.00, 1 correction (−€12,300.50), 1 deal lost €990.00 · Acme
    November 2026: 1 gewonnener Deal 23.750,00 €, 1 Korrektur (−12.300,50 €), 1 verlorener Deal 990,00 € · Acme
    Novembre 2026 : 1 transaction gagnée 23 750,00 €, 1 correction (−12 300,50 €), 1 transaction perdue 990,00 € · Acme
    ");
}

#[test]
fn what_recurs_and_what_is_overdue_is_told_with_the_period_before() {
    fn told(edit: impl FnOnce(&mut PeriodFigures)) -> String {
        let document = built(Language::En, Cadence::Monthly, |_, figures, _| edit(figures)).document;
        let is_one = |headline: &&Headline| ["recurring", "overdue"].iter().any(|word| headline.label.contains(word));
        let told = document.headlines.iter().filter(is_one).map(|headline| {
            let before = headline.before.as_ref();
            let before = before.map(|it| format!(" (before: {}, {})", it.count, document.locale.sums(&it.sums)));
            document.locale.headline(headline) + &before.unwrap_or_default()
        });
        told.collect::<Vec<_>>().join("\n")
    }
    let without = |names: &[&str], figures: &mut PeriodFigures| {
        for line in &mut figures.lines {
            let mut face = (*line.face).clone();
            face.properties.retain(|(name, _)| !names.contains(&&**name));
            line.face = std::sync::Arc::new(face);
        }
    };
    let nothing_now = |figures: &mut PeriodFigures| {
        without(&["hs_mrr", "hs_arr"], figures);
        figures.ageing.clear();
    };
    let all = [
        told(|_| {}),
        told(|figures| without(&["hs_mrr"], figures)),
        told(nothing_now),
        told(|figures| figures.is_over = false),
    ];
    insta::assert_snapshot!(all.join("\n\n"), @"
    3 deals won with monthly recurring revenue (MRR): €1,695.00 and $450.00 (before: 1, €825.00)
    4 invoices overdue on 30 Nov 2026: €23,835.40 and $2,150.00 (before: 3, €5,195.40 and $2,150.00)

    3 deals won with annual recurring revenue (ARR): €20,340.00 and $5,400.00 (before: 1, €9,900.00)
    4 invoices overdue on 30 Nov 2026: €23,835.40 and $2,150.00 (before: 3, €5,195.40 and $2,150.00)

    0 deals won with monthly recurring revenue (MRR) (before: 1, €825.00)
    0 invoices overdue on 30 Nov 2026 (before: 3, €5,195.40 and $2,150.00)

    3 deals won with monthly recurring revenue (MRR): €1,695.00 and $450.00
    4 invoices overdue on 30 Nov 2026: €23,835.40 and $2,150.00
    ");
    // The books were opened in May: what was owed before that month is known, what was owed before April is not.
    for (month, is_known) in [(5, true), (4, false)] {
        let calendar = Calendar::default();
        let period = Period::containing(Cadence::Monthly, jiff::civil::date(2026, month, 1), &calendar);
        let told = told(|figures| {
            (figures.period, figures.before) = (period, period.previous(&calendar));
            figures.ageing.iter_mut().for_each(|balance| balance.owed.due = Some(figures.before.from));
        });
        let is_told: Vec<bool> = told.lines().map(|line| line.contains("before")).collect();
        assert_eq!(is_told, [true, is_known], "deals have dates of their own: {told}");
    }
}

#[test]
fn a_quiet_period_says_so() {
    for (language, _) in Language::ALL {
        let quiet = |keep_ageing: bool| {
            built(language, Cadence::Monthly, |_, figures, _| {
                figures.lines.clear();
                figures.corrections.clear();
                if !keep_ageing {
                    figures.ageing.clear();
                }
            })
        };
        let Built { document, is_empty } = quiet(false);
        assert!(is_empty && document.sections.is_empty());
        assert_eq!(document.notes[0], language_words(language).period.quiet);
        assert!(document.subject.contains(language_words(language).period.nothing_new), "{}", document.subject);
        assert!(document.headlines.iter().all(|headline| headline.count == 0 && headline.before.is_some()));
        let Built { document, is_empty } = quiet(true);
        assert!(is_empty, "what is owed is no news where something else could be");
        assert_eq!(document.sections.iter().map(|it| &*it.key).collect::<Vec<_>>(), ["ageing", "oldest"]);
    }
    let about_ageing = built(Language::En, Cadence::Weekly, |definition, figures, _| {
        definition.sections = vec![SectionKind::Figures, SectionKind::Ageing];
        figures.lines.clear();
    });
    assert!(!about_ageing.is_empty, "it is what this report is about");
}

#[test]
fn a_subject_says_whatever_is_news() {
    use SectionKind as S;
    let subject = |sections: &[S], of: Option<Figure>| {
        let Built { document, is_empty } = built(Language::En, Cadence::Monthly, |definition, figures, _| {
            definition.sections = sections.to_vec();
            figures.lines.retain(|line| of.is_none_or(|figure| line.entry.figure == figure));
            figures.corrections.clear();
        });
        assert!(!is_empty && document.notes[0] != language_words(Language::En).period.quiet);
        document.subject
    };
    let subjects = [
        subject(&[S::Paid], None),
        subject(&[S::Voided, S::PartPaid], None),
        subject(&[S::Figures, S::Recurring], None),
        subject(&[S::Figures], Some(Figure::InvoiceVoided)),
        subject(&[S::Paid, S::Received], None),
        subject(&[S::NonBillable], None),
        subject(&[S::Overdue], None),
        subject(&[S::ByOwner], Some(Figure::Lost)),
        subject(&[S::Ageing], None),
    ];
    insta::assert_snapshot!(subjects.join("\n"), @r"
    November 2026: 3 invoices paid €13,995.50 · Month end
    November 2026: 1 invoice part paid €10,000.00, 1 invoice voided €450.00 · Month end
    November 2026: 3 deals won with monthly recurring revenue (MRR) €1,695.00 and $450.00 · Month end
    November 2026: 1 invoice voided €450.00, 4 invoices overdue on 30 Nov 2026 €23,835.40 and $2,150.00 · Month end
    November 2026: 4 payments received €23,995.50 · Month end
    November 2026: Not billable (1) · Month end
    November 2026: 4 invoices overdue on 30 Nov 2026 €23,835.40 and $2,150.00 · Month end
    November 2026: 3 deals lost €9,890.00 · Month end
    November 2026: 4 invoices overdue on 30 Nov 2026 €23,835.40 and $2,150.00 · Month end
    ");
    let current = built(Language::De, Cadence::Monthly, |definition, figures, _| {
        definition.sections = vec![S::Figures, S::Ageing];
        figures.ageing.retain(|balance| balance.owed.due.is_none());
    });
    insta::assert_snapshot!(current.document.subject, @"November 2026: Älteste offene Posten (1) · Month end");
}

fn language_words(language: Language) -> &'static Words {
    Locale { language, dates: Dates::Local }.words()
}

#[test]
fn what_speaks_against_the_figures_stands_at_the_end() {
    let notes = |language| {
        built(language, Cadence::Monthly, |_, figures, scene| {
            (figures.unread, figures.revision, figures.is_over) = (1_200, 2, false);
            let line = &mut figures.lines[0];
            line.entry.date.stated = false;
            line.entry.amount = Amount::read(Some("12.345"), "EUR");
            line.face = std::sync::Arc::new(Face { unsettled: true, ..(*line.face).clone() });
            assert!(scene.rules.books_open_at < figures.period.start(scene.rules.zone));
            figures.period = figures.period.previous(&figures.calendar);
            while figures.period.start(scene.rules.zone) > scene.rules.books_open_at {
                figures.period = figures.period.previous(&figures.calendar);
            }
        })
        .document
        .notes
        .join("\n")
    };
    insta::assert_snapshot!(notes(Language::En), @r"
    The period is not over yet: these are its figures so far.
    Not known to be complete: 1,200 records that HubSpot told of could not be read yet.
    Days are those of Europe/Berlin. Amounts are as in HubSpot at 1 Dec 2026 07:00.
    Revision 2 of this report, built anew from the books.
    What was closed before 4 May 2026 is as HubSpot showed it then.
    Rates recorded in HubSpot with these records: USD 0.921 (5 Nov 2026 to 18 Nov 2026).
    1 record is as last read: HubSpot did not show the announced change in time.
    1 record has no date in HubSpot and counts on the day on which it changed.
    1 amount was rounded to the smallest unit of its currency.
    ");
    assert_eq!(notes(Language::De).lines().count(), notes(Language::En).lines().count());
    assert_eq!(notes(Language::Fr).lines().count(), notes(Language::En).lines().count());
}

#[test]
fn only_what_is_asked_for_is_there() {
    let document = built(Language::En, Cadence::Monthly, |definition, figures, _| {
        figures.lines.retain(|line| section_of(line.entry.figure) != SectionKind::Refunds);
        definition.sections = vec![SectionKind::Refunds, SectionKind::ByOwner, SectionKind::Corrections];
    })
    .document;
    assert!(document.headlines.is_empty());
    let keys: Vec<_> = document.sections.iter().map(|section| &*section.key).collect();
    assert_eq!(keys, ["corrections", "corrected", "by-owner"], "corrections first, and nothing empty");
    insta::assert_snapshot!(document.subject, @"November 2026: 9 deals won €97,121.25 and $19,650.00, 2 corrections (−€12,800.50), 3 deals lost €9,890.00 · Month end");
    assert!(section(&document, "by-owner").chart.is_some());
}

#[test]
fn an_amount_without_a_rate_is_not_in_the_home_currency() {
    let document = built(Language::En, Cadence::Monthly, |_, figures, _| {
        let line = figures.lines.iter_mut().find(|line| line.face.name == "Warehouse scanners").unwrap();
        line.face = std::sync::Arc::new(Face { rate: None, ..(*line.face).clone() });
        let line = figures.lines.iter_mut().find(|line| line.face.name == "Fleet telemetry").unwrap();
        line.entry.amount = Amount::read(Some("1000000"), "JPY");
    })
    .document;
    insta::assert_snapshot!(document.locale.headline(&document.headlines[1]), @"9 deals won at the rates recorded in HubSpot, without 1 amount that has no rate: ≈ €1,018,121.25");
    insta::assert_snapshot!(document.notes.last().unwrap(), @"Rates recorded in HubSpot with these records: JPY 0.921 (18 Nov 2026).");
}

#[test]
fn yen_dinars_and_negative_amounts_are_exact() {
    let document = built(Language::De, Cadence::Monthly, |_, figures, _| {
        figures.lines.retain(|line| line.entry.figure == Figure::Won);
        let amounts =
            [("1234567", "JPY"), ("-1.2345", "KWD"), ("1.0005", "KWD"), ("-7", "JPY"), ("much", "EUR"), ("", "XXY")];
        figures.lines.truncate(amounts.len());
        for (line, (amount, currency)) in figures.lines.iter_mut().zip(amounts) {
            line.entry.amount = Amount::read(Some(amount), currency);
        }
    })
    .document;
    let won = section(&document, "won");
    let amounts: Vec<_> = won.rows.iter().map(|row| document.locale.cell(row.cells.last().unwrap())).collect();
    insta::assert_snapshot!(amounts.join("\n"), @r"
    1.234.567 JPY
    −7 JPY
    1,000 KWD
    −1,234 KWD
    much EUR (keine Zahl)
    kein Betrag
    ");
    assert_eq!(won.left_out, 2);
    insta::assert_snapshot!(document.locale.sums(&won.total.unwrap().sums), @"1.234.560 JPY und −0,234 KWD");
}
