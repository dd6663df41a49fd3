//! What mails say besides what reports say.

use super::super::locale::Language;

/// The texts of one language.
#[derive(Debug)]
pub(in crate::report) struct MailWords {
    /// A change and the period it is reckoned from: `+12.5% vs October 2026`. The names of periods stand for themselves, so no
    /// text around one may ask for an article or a case.
    pub(in crate::report) against: &'static str,
    /// Rows that do not stand in the mail and do in its attachment.
    pub(in crate::report) attached_one: &'static str,
    pub(in crate::report) attached_many: &'static str,
    /// Rows that only HubSpot has.
    pub(in crate::report) elsewhere_one: &'static str,
    pub(in crate::report) elsewhere_many: &'static str,
}

impl MailWords {
    /// The texts of a language.
    pub(in crate::report) fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &Self {
                against: "{} vs {}",
                attached_one: "{} more row; all are in the attachment",
                attached_many: "{} more rows; all are in the attachment",
                elsewhere_one: "{} more in HubSpot",
                elsewhere_many: "{} more in HubSpot",
            },
            Language::De => &Self {
                against: "{} ggü. {}",
                attached_one: "{} weitere Zeile; alle stehen im Anhang",
                attached_many: "{} weitere Zeilen; alle stehen im Anhang",
                elsewhere_one: "{} weitere Zeile in HubSpot",
                elsewhere_many: "{} weitere Zeilen in HubSpot",
            },
            Language::Fr => &Self {
                against: "{} vs {}",
                attached_one: "{} ligne de plus\u{A0}; toutes sont dans la pièce jointe",
                attached_many: "{} lignes de plus\u{A0}; toutes sont dans la pièce jointe",
                elsewhere_one: "{} ligne de plus dans HubSpot",
                elsewhere_many: "{} lignes de plus dans HubSpot",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_has_its_blanks() {
        for (language, name) in Language::ALL {
            let words = MailWords::of(language);
            assert_eq!(words.against.matches("{}").count(), 2, "{name}");
            for more in [words.attached_one, words.attached_many, words.elsewhere_one, words.elsewhere_many] {
                assert_eq!(more.matches("{}").count(), 1, "{name}: {more}");
            }
        }
    }
}
