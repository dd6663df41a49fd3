//! What only sheets say, once for each language. `{}` stands where a value is filled in.

use super::super::locale::Language;

/// The texts of one language.
#[derive(Debug)]
pub(super) struct SheetWords {
    /// The name of the first sheet.
    pub(super) summary: &'static str,
    /// The heading above what is counted.
    pub(super) figure: &'static str,
    pub(super) count: &'static str,
    pub(super) amount: &'static str,
    pub(super) currency: &'static str,
    /// Of several columns of money, whose currency stands in this one.
    pub(super) currency_of: &'static str,
    pub(super) notes: &'static str,
    /// Rows that the report has and this file does not.
    pub(super) cut: &'static str,
    /// Why an amount is text.
    pub(super) too_long: &'static str,
    /// Why a total is no formula.
    pub(super) as_reported: &'static str,
    /// The names of the sheets whose headings are longer than the 31 characters of one, by the keys of their sections.
    tabs: &'static [(&'static str, &'static str)],
}

impl SheetWords {
    /// The name of a section's sheet, where its heading is too long for one.
    pub(super) fn tab(&self, key: &str) -> Option<&'static str> {
        self.tabs.iter().find(|(of, _)| *of == key).map(|(_, tab)| *tab)
    }
}

/// The texts of a language.
pub(super) fn words(language: Language) -> &'static SheetWords {
    match language {
        Language::En => &EN,
        Language::De => &DE,
        Language::Fr => &FR,
    }
}

const EN: SheetWords = SheetWords {
    summary: "Summary",
    figure: "Figure",
    count: "Count",
    amount: "Amount",
    currency: "Currency",
    currency_of: "Currency ({})",
    notes: "Notes",
    cut: "{} more rows are not in this file",
    too_long: "more than the 15 digits that a spreadsheet keeps, so it is text",
    as_reported: "as reported, no formula: a spreadsheet cannot add it up from these rows to the last digit",
    tabs: &[],
};

const DE: SheetWords = SheetWords {
    summary: "Übersicht",
    figure: "Kennzahl",
    count: "Anzahl",
    amount: "Betrag",
    currency: "Währung",
    currency_of: "Währung ({})",
    notes: "Hinweise",
    cut: "{} weitere Zeilen stehen nicht in dieser Datei",
    too_long: "mehr als die 15 Stellen, die eine Tabellenkalkulation behält, darum Text",
    as_reported: "wie berichtet, keine Formel: aus diesen Zeilen lässt es sich nicht auf die letzte Stelle genau summieren",
    tabs: &[
        ("by-owner", "Deals nach Zuständigen"),
        ("by-pipeline", "Deals nach Pipeline"),
        ("by-company", "Deals nach Unternehmen"),
    ],
};

const FR: SheetWords = SheetWords {
    summary: "Synthèse",
    figure: "Chiffre",
    count: "Nombre",
    amount: "Montant",
    currency: "Devise",
    currency_of: "Devise ({})",
    notes: "Remarques",
    cut: "{} autres lignes ne figurent pas dans ce fichier",
    too_long: "plus que les 15 chiffres qu’un tableur conserve, donc du texte",
    as_reported: "tel que communiqué, sans formule : un tableur ne peut pas l’additionner au dernier chiffre près à partir de ces lignes",
    tabs: &[
        ("by-owner", "Transactions par responsable"),
        ("by-pipeline", "Transactions par pipeline"),
        ("by-company", "Transactions par entreprise"),
        ("ageing", "Balance âgée clients"),
        ("oldest", "Factures les plus anciennes"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_languages_leave_the_same_blanks() {
        let blanks = |words: &SheetWords| {
            let shown = format!("{words:?}");
            let texts = shown.split_once("tabs: ").map_or("", |(texts, _)| texts);
            texts.split("\",").map(|text| text.matches("{}").count()).collect::<Vec<_>>()
        };
        assert_eq!(blanks(&EN).iter().sum::<usize>(), 2);
        for (language, _) in Language::ALL {
            assert_eq!(blanks(words(language)), blanks(&EN));
        }
    }
}
