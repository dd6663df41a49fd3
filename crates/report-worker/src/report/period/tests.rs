//! What the reports of periods say, figure by figure.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::*;
use crate::domain::account::{Account, Closing, Stage, Stages};
use crate::domain::changes::Rules;
use crate::domain::completeness::Completeness;
use crate::domain::period::{Cadence, Calendar};
use crate::report::definition::{Schedule, Trigger};
use crate::report::locale::{Dates, Language};
use crate::report::render::plain_text;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Does something with a scene of the morning of 1 December 2026 in Berlin, at which the books were open since spring.
fn in_scene<R>(language: Language, then: impl FnOnce(&Scene<'_>) -> R) -> R {
    let account = Account {
        portal_id: 4242,
        company_currency: "EUR".into(),
        time_zone: "Europe/Berlin".into(),
        ui_domain: "app-eu1.hubspot.com".into(),
    };
    let stage = |closing| Stage { label: String::new(), closing };
    let stages = Stages([("won", Closing::Won), ("lost", Closing::Lost)].map(|(id, it)| (id.to_owned(), stage(it))).into());
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let rules =
        Rules { books_open_at: at("2026-05-04T06:00:00Z"), stages: &stages, zone: &zone, company_currency: "EUR" };
    let compared_at = Some(at("2026-11-30T23:05:00Z"));
    let completeness = Completeness { compared_at, left_different: 0, left_out: vec![], unread: 0 };
    let locale = Locale { language, dates: Dates::Local };
    let now = at("2026-12-01T06:00:00Z");
    then(&Scene { account: &account, rules, locale, now, payments_since: None, completeness: &completeness })
}

fn definition(cadence: Cadence) -> Definition {
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
        let all = format!("{}\n\n{}\n{charts:?}\n", document.subject, plain_text(&document));
        insta::assert_snapshot!(format!("month_{word}"), all);
    }
}
