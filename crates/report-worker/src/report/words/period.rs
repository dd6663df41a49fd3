//! What only the reports of periods say, in each language.

use super::Noun;

/// The texts of one language about periods.
#[derive(Debug)]
pub(in crate::report) struct PeriodWords {
    pub(in crate::report) months: [&'static str; 12],
    /// The same where there is little room.
    pub(in crate::report) months_short: [&'static str; 12],
    pub(in crate::report) week_of: &'static str,
    pub(in crate::report) quarter: &'static str,
    pub(in crate::report) fiscal_year: &'static str,
    pub(in crate::report) so_far: &'static str,
    pub(in crate::report) as_of: &'static str,
    pub(in crate::report) in_currencies: &'static str,
    pub(in crate::report) nothing_new: &'static str,
    pub(in crate::report) quiet: &'static str,
    pub(in crate::report) mrr: Noun,
    pub(in crate::report) arr: Noun,
    pub(in crate::report) titles: Titles,
    pub(in crate::report) summaries: Summaries,
    pub(in crate::report) ageing: Ageing,
    pub(in crate::report) corrected: Corrected,
    pub(in crate::report) home: Home,
    pub(in crate::report) chart: ChartWords,
    pub(in crate::report) notes: PeriodNotes,
    /// A period that was built anew, and which revision it is.
    pub(in crate::report) revised: &'static str,
}

/// Headings of tables.
#[derive(Debug)]
pub(in crate::report) struct Titles {
    pub(in crate::report) became_overdue: &'static str,
    pub(in crate::report) recurring: &'static str,
    pub(in crate::report) by_owner: &'static str,
    pub(in crate::report) by_pipeline: &'static str,
    pub(in crate::report) by_company: &'static str,
    pub(in crate::report) ageing: &'static str,
    pub(in crate::report) oldest: &'static str,
    pub(in crate::report) corrected: &'static str,
}

/// Who closed deals belong to where nobody is named.
#[derive(Debug)]
pub(in crate::report) struct Summaries {
    pub(in crate::report) no_owner: &'static str,
    pub(in crate::report) no_pipeline: &'static str,
    pub(in crate::report) no_company: &'static str,
}

/// How long a balance is past due.
#[derive(Debug)]
pub(in crate::report) struct Ageing {
    /// Not past due, 1 to 30 days, 31 to 60, 61 to 90, more.
    pub(in crate::report) buckets: [&'static str; 5],
    pub(in crate::report) no_due_date: &'static str,
}

/// What is said of a correction.
#[derive(Debug)]
pub(in crate::report) struct Corrected {
    /// Behind it stands the name of a period, without article or case.
    pub(in crate::report) now_in: &'static str,
    pub(in crate::report) left: &'static str,
    pub(in crate::report) joined: &'static str,
    pub(in crate::report) changed: &'static str,
    pub(in crate::report) passes: &'static str,
    pub(in crate::report) passes_no_more: &'static str,
    pub(in crate::report) owner: &'static str,
    pub(in crate::report) team: &'static str,
    pub(in crate::report) pipeline: &'static str,
}

/// What is said of amounts in the company currency.
#[derive(Debug)]
pub(in crate::report) struct Home {
    pub(in crate::report) converted: &'static str,
    pub(in crate::report) without_one: &'static str,
    pub(in crate::report) without_many: &'static str,
    pub(in crate::report) rates: &'static str,
    pub(in crate::report) range: &'static str,
}

/// What a chart shows: the figure, the period, the currency, the highest bar and its sum.
#[derive(Debug)]
pub(in crate::report) struct ChartWords {
    pub(in crate::report) by_day: &'static str,
    pub(in crate::report) by_month: &'static str,
    pub(in crate::report) by_owner: &'static str,
    pub(in crate::report) others: &'static str,
    pub(in crate::report) other_currencies: &'static str,
}

/// What stands at a report's end.
#[derive(Debug)]
pub(in crate::report) struct PeriodNotes {
    pub(in crate::report) running: &'static str,
    pub(in crate::report) revision: &'static str,
    pub(in crate::report) books_opened: &'static str,
    pub(in crate::report) unsettled_one: &'static str,
    pub(in crate::report) unsettled_many: &'static str,
    pub(in crate::report) undated_one: &'static str,
    pub(in crate::report) undated_many: &'static str,
    pub(in crate::report) rounded_one: &'static str,
    pub(in crate::report) rounded_many: &'static str,
}

/// English.
pub(super) const EN: PeriodWords = PeriodWords {
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    months_short: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    week_of: "week of {}",
    quarter: "Q{} {}",
    fiscal_year: "FY{}",
    so_far: "{} so far",
    as_of: "{} on {}",
    in_currencies: "in {} currencies",
    nothing_new: "nothing new",
    quiet: "A quiet period: nothing new happened.",
    mrr: Noun {
        title: "Recurring revenue",
        short_one: "MRR",
        short_many: "MRR",
        one: "deal won with monthly recurring revenue (MRR)",
        many: "deals won with monthly recurring revenue (MRR)",
    },
    arr: Noun {
        title: "Recurring revenue",
        short_one: "ARR",
        short_many: "ARR",
        one: "deal won with annual recurring revenue (ARR)",
        many: "deals won with annual recurring revenue (ARR)",
    },
    titles: Titles {
        became_overdue: "Became overdue",
        recurring: "Recurring revenue",
        by_owner: "Closed deals by owner",
        by_pipeline: "Closed deals by pipeline",
        by_company: "Closed deals by company",
        ageing: "Accounts receivable by age",
        oldest: "Oldest open invoices",
        corrected: "As sent and as corrected",
    },
    summaries: Summaries { no_owner: "no owner", no_pipeline: "no pipeline", no_company: "no company" },
    ageing: Ageing {
        buckets: ["current", "1 to 30 days", "31 to 60 days", "61 to 90 days", "over 90 days"],
        no_due_date: "no due date",
    },
    corrected: Corrected {
        now_in: "counted in: {}",
        left: "no longer in this report",
        joined: "now in this report",
        changed: "changed",
        passes: "passes the report’s filter now",
        passes_no_more: "no longer passes the report’s filter",
        owner: "owner",
        team: "team",
        pipeline: "pipeline",
    },
    home: Home {
        converted: "{} at the rates recorded in HubSpot",
        without_one: "{}, without 1 amount that has no rate",
        without_many: "{}, without {} amounts that have no rate",
        rates: "Rates recorded in HubSpot with these records: {}.",
        range: "{} to {}",
    },
    chart: ChartWords {
        by_day: "{} by day, {}, in {}; the most: {} with {}",
        by_month: "{} by month, {}, in {}; the most: {} with {}",
        by_owner: "{} by owner, {}, in {}; the most: {} with {}",
        others: "others",
        other_currencies: "other currencies are not in the picture",
    },
    notes: PeriodNotes {
        running: "The period is not over yet: these are its figures so far.",
        revision: "Revision {} of this report, built anew from the books.",
        books_opened: "What was closed before {} is as HubSpot showed it then.",
        unsettled_one: "1 record is as last read: HubSpot did not show the announced change in time.",
        unsettled_many: "{} records are as last read: HubSpot did not show the announced changes in time.",
        undated_one: "1 record has no date in HubSpot and counts on the day on which it changed.",
        undated_many: "{} records have no date in HubSpot and count on the days on which they changed.",
        rounded_one: "1 amount was rounded to the smallest unit of its currency.",
        rounded_many: "{} amounts were rounded to the smallest unit of their currency.",
    },
    revised: "{}, revision {}",
};

/// German.
pub(super) const DE: PeriodWords = PeriodWords {
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    months_short: ["Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"],
    week_of: "Woche vom {}",
    quarter: "{}. Quartal {}",
    fiscal_year: "GJ {}",
    so_far: "{}, bisher",
    as_of: "{} am {}",
    in_currencies: "in {} Währungen",
    nothing_new: "nichts Neues",
    quiet: "Ein ruhiger Zeitraum: Es gab keine neuen Vorgänge.",
    mrr: Noun {
        title: "Wiederkehrender Umsatz",
        short_one: "MRR",
        short_many: "MRR",
        one: "gewonnener Deal mit monatlich wiederkehrendem Umsatz (MRR)",
        many: "gewonnene Deals mit monatlich wiederkehrendem Umsatz (MRR)",
    },
    arr: Noun {
        title: "Wiederkehrender Umsatz",
        short_one: "ARR",
        short_many: "ARR",
        one: "gewonnener Deal mit jährlich wiederkehrendem Umsatz (ARR)",
        many: "gewonnene Deals mit jährlich wiederkehrendem Umsatz (ARR)",
    },
    titles: Titles {
        became_overdue: "Überfällig geworden",
        recurring: "Wiederkehrender Umsatz",
        by_owner: "Abgeschlossene Deals nach Zuständigen",
        by_pipeline: "Abgeschlossene Deals nach Pipeline",
        by_company: "Abgeschlossene Deals nach Unternehmen",
        ageing: "Forderungen nach Fälligkeit",
        oldest: "Älteste offene Posten",
        corrected: "Wie gesendet und wie korrigiert",
    },
    summaries: Summaries {
        no_owner: "niemand zuständig",
        no_pipeline: "ohne Pipeline",
        no_company: "ohne Unternehmen",
    },
    ageing: Ageing {
        buckets: ["nicht fällig", "1–30 Tage", "31–60 Tage", "61–90 Tage", "über 90 Tage"],
        no_due_date: "ohne Fälligkeitsdatum",
    },
    corrected: Corrected {
        now_in: "zählt zu: {}",
        left: "nicht mehr in diesem Bericht",
        joined: "jetzt in diesem Bericht",
        changed: "geändert",
        passes: "erfüllt jetzt den Filter des Berichts",
        passes_no_more: "erfüllt den Filter des Berichts nicht mehr",
        owner: "zuständig",
        team: "Team",
        pipeline: "Pipeline",
    },
    home: Home {
        converted: "{} zu den in HubSpot erfassten Kursen",
        without_one: "{}, ohne 1 Betrag, zu dem kein Kurs erfasst ist",
        without_many: "{}, ohne {} Beträge, zu denen kein Kurs erfasst ist",
        rates: "In HubSpot zu diesen Datensätzen erfasste Kurse: {}.",
        range: "{} bis {}",
    },
    chart: ChartWords {
        by_day: "{} nach Tagen, {}, in {}; am meisten: {} mit {}",
        by_month: "{} nach Monaten, {}, in {}; am meisten: {} mit {}",
        by_owner: "{} nach Zuständigen, {}, in {}; am meisten: {} mit {}",
        others: "übrige",
        other_currencies: "andere Währungen sind nicht im Bild",
    },
    notes: PeriodNotes {
        running: "Der Zeitraum läuft noch: Dies sind die Zahlen bis jetzt.",
        revision: "Fassung {} dieses Berichts, aus den Büchern neu erstellt.",
        books_opened: "Was vor dem {} abgeschlossen wurde, steht hier so, wie HubSpot es damals zeigte.",
        unsettled_one: "1 Datensatz steht hier wie zuletzt gelesen: HubSpot zeigte die angekündigte Änderung nicht rechtzeitig.",
        unsettled_many: "{} Datensätze stehen hier wie zuletzt gelesen: HubSpot zeigte die angekündigten Änderungen nicht rechtzeitig.",
        undated_one: "1 Datensatz hat in HubSpot kein Datum und zählt am Tag seiner Änderung.",
        undated_many: "{} Datensätze haben in HubSpot kein Datum und zählen am Tag ihrer Änderung.",
        rounded_one: "1 Betrag wurde auf die kleinste Einheit seiner Währung gerundet.",
        rounded_many: "{} Beträge wurden auf die kleinste Einheit ihrer Währung gerundet.",
    },
    revised: "{}, Fassung {}",
};

/// French.
pub(super) const FR: PeriodWords = PeriodWords {
    months: [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
    months_short: ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."],
    week_of: "semaine du {}",
    quarter: "T{} {}",
    fiscal_year: "exercice {}",
    so_far: "{}, en cours",
    as_of: "{} au {}",
    in_currencies: "en {} devises",
    nothing_new: "rien à signaler",
    quiet: "Période calme\u{A0}: aucun nouveau mouvement.",
    mrr: Noun {
        title: "Revenus récurrents",
        short_one: "MRR",
        short_many: "MRR",
        one: "transaction gagnée avec revenu récurrent mensuel (MRR)",
        many: "transactions gagnées avec revenu récurrent mensuel (MRR)",
    },
    arr: Noun {
        title: "Revenus récurrents",
        short_one: "ARR",
        short_many: "ARR",
        one: "transaction gagnée avec revenu récurrent annuel (ARR)",
        many: "transactions gagnées avec revenu récurrent annuel (ARR)",
    },
    titles: Titles {
        became_overdue: "Passées en retard",
        recurring: "Revenus récurrents",
        by_owner: "Transactions conclues par responsable",
        by_pipeline: "Transactions conclues par pipeline",
        by_company: "Transactions conclues par entreprise",
        ageing: "Balance âgée des créances clients",
        oldest: "Factures ouvertes les plus anciennes",
        corrected: "Chiffres envoyés et corrigés",
    },
    summaries: Summaries { no_owner: "sans responsable", no_pipeline: "sans pipeline", no_company: "sans entreprise" },
    ageing: Ageing {
        buckets: ["non échu", "1 à 30 jours", "31 à 60 jours", "61 à 90 jours", "plus de 90 jours"],
        no_due_date: "sans date d’échéance",
    },
    corrected: Corrected {
        now_in: "compte dans\u{A0}: {}",
        left: "n’est plus dans ce rapport",
        joined: "désormais dans ce rapport",
        changed: "modifié",
        passes: "correspond désormais au filtre du rapport",
        passes_no_more: "ne correspond plus au filtre du rapport",
        owner: "responsable",
        team: "équipe",
        pipeline: "pipeline",
    },
    home: Home {
        converted: "{} aux taux enregistrés dans HubSpot",
        without_one: "{}, hors 1 montant sans taux",
        without_many: "{}, hors {} montants sans taux",
        rates: "Taux enregistrés dans HubSpot avec ces enregistrements\u{A0}: {}.",
        range: "{} – {}",
    },
    chart: ChartWords {
        by_day: "{} par jour, {}, en {}\u{A0}; maximum\u{A0}: {} avec {}",
        by_month: "{} par mois, {}, en {}\u{A0}; maximum\u{A0}: {} avec {}",
        by_owner: "{} par responsable, {}, en {}\u{A0}; maximum\u{A0}: {} avec {}",
        others: "autres",
        other_currencies: "les autres devises ne sont pas représentées",
    },
    notes: PeriodNotes {
        running: "La période n’est pas terminée\u{A0}: voici ses chiffres à ce jour.",
        revision: "Révision {} de ce rapport, reconstruite à partir des livres.",
        books_opened: "Ce qui a été conclu avant le {} figure ici tel que HubSpot le montrait alors.",
        unsettled_one: "1 enregistrement figure tel que lu en dernier\u{A0}: HubSpot n’a pas montré à temps la modification annoncée.",
        unsettled_many: "{} enregistrements figurent tels que lus en dernier\u{A0}: HubSpot n’a pas montré à temps les modifications annoncées.",
        undated_one: "1 enregistrement n’a pas de date dans HubSpot et compte au jour de sa modification.",
        undated_many: "{} enregistrements n’ont pas de date dans HubSpot et comptent au jour de leur modification.",
        rounded_one: "1 montant a été arrondi à la plus petite unité de sa devise.",
        rounded_many: "{} montants ont été arrondis à la plus petite unité de leur devise.",
    },
    revised: "{}, révision {}",
};
