//! Everything that reports say in words, once for each language. `{}` stands where a value is filled in.

mod de;
mod en;
mod fr;
mod mail;
mod period;

pub(super) use de::DE;
pub(super) use en::EN;
pub(super) use fr::FR;
pub(super) use mail::MailWords;
pub(super) use period::PeriodWords;

/// What is counted, in words.
#[derive(Debug)]
pub(super) struct Noun {
    /// The heading of its table.
    pub(super) title: &'static str,
    /// In the subject, after the count of one: `won`, in French `gagnée`.
    pub(super) short_one: &'static str,
    /// In the subject, after the count of several: `won`, in French `gagnées`.
    pub(super) short_many: &'static str,
    /// One of them: `deal won`.
    pub(super) one: &'static str,
    /// Several: `deals won`.
    pub(super) many: &'static str,
}

/// The texts of one language.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) closed_deals: &'static str,
    pub(super) invoices: &'static str,
    pub(super) and: &'static str,
    pub(super) and_more: &'static str,
    pub(super) colon: &'static str,
    pub(super) semicolon: &'static str,
    pub(super) total: &'static str,
    pub(super) not_added_up: &'static str,
    pub(super) sent_by: &'static str,
    pub(super) days_and_amounts: &'static str,
    pub(super) nouns: Nouns,
    pub(super) columns: Columns,
    pub(super) notes: Notes,
    pub(super) amounts: Amounts,
    pub(super) happened: Happened,
    pub(super) standing: StandingWords,
    pub(super) completeness: CompletenessWords,
    pub(super) period: &'static PeriodWords,
}

#[derive(Debug)]
pub(super) struct Nouns {
    pub(super) won: Noun,
    pub(super) lost: Noun,
    pub(super) created: Noun,
    pub(super) paid: Noun,
    pub(super) part_paid: Noun,
    pub(super) overdue: Noun,
    pub(super) voided: Noun,
    pub(super) received: Noun,
    pub(super) refunded: Noun,
    pub(super) not_billable: Noun,
    pub(super) corrections: Noun,
}

/// Headings of columns.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) record: &'static str,
    pub(super) company: &'static str,
    pub(super) owner: &'static str,
    pub(super) close_date: &'static str,
    pub(super) closed: &'static str,
    pub(super) amount: &'static str,
    pub(super) invoice_date: &'static str,
    pub(super) due: &'static str,
    pub(super) created_at: &'static str,
    pub(super) paid_at: &'static str,
    pub(super) voided_at: &'static str,
    pub(super) since: &'static str,
    pub(super) paid: &'static str,
    pub(super) paid_so_far: &'static str,
    pub(super) billed: &'static str,
    pub(super) still_to_pay: &'static str,
    pub(super) date: &'static str,
    pub(super) when: &'static str,
    pub(super) what_happened: &'static str,
    pub(super) was: &'static str,
    pub(super) now: &'static str,
    pub(super) net_effect: &'static str,
    pub(super) pipeline: &'static str,
    pub(super) won: &'static str,
    pub(super) amount_won: &'static str,
    pub(super) lost: &'static str,
    pub(super) amount_lost: &'static str,
    pub(super) mrr: &'static str,
    pub(super) arr: &'static str,
    pub(super) past_due: &'static str,
    pub(super) invoices: &'static str,
    pub(super) days_past_due: &'static str,
    pub(super) figure: &'static str,
    pub(super) as_sent: &'static str,
    pub(super) with_corrections: &'static str,
}

/// What is said of a row or a cell.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) no_date: &'static str,
    pub(super) rounded: &'static str,
    pub(super) unsettled: &'static str,
    pub(super) not_billable: &'static str,
    pub(super) voided_untold: &'static str,
    pub(super) payment_for: &'static str,
    pub(super) merged_from: &'static str,
    pub(super) reported: &'static str,
    pub(super) at_opening: &'static str,
    pub(super) no_net_effect: &'static str,
    pub(super) dry_run: &'static str,
    pub(super) not_attached: &'static str,
    pub(super) sample: &'static str,
    pub(super) sample_subject: &'static str,
    pub(super) dry_run_subject: &'static str,
    pub(super) sample_unfiltered: &'static str,
}

/// Why an amount cannot be added up.
#[derive(Debug)]
pub(super) struct Amounts {
    pub(super) missing: &'static str,
    pub(super) not_a_number: &'static str,
    pub(super) too_large: &'static str,
    pub(super) unknown_currency: &'static str,
}

/// What happened to a record that was reported.
#[derive(Debug)]
pub(super) struct Happened {
    pub(super) won: &'static str,
    pub(super) lost: &'static str,
    pub(super) reopened: &'static str,
    pub(super) amount_changed: &'static str,
    pub(super) close_date_moved: &'static str,
    pub(super) voided: &'static str,
    pub(super) open_again: &'static str,
    pub(super) drafted: &'static str,
    pub(super) invoice_date_moved: &'static str,
    pub(super) failed: &'static str,
    pub(super) refunded: &'static str,
    pub(super) merged: &'static str,
    pub(super) archived: &'static str,
    pub(super) restored: &'static str,
}

/// How a record stands.
#[derive(Debug)]
pub(super) struct StandingWords {
    pub(super) open: &'static str,
    pub(super) won: &'static str,
    pub(super) lost: &'static str,
    pub(super) draft: &'static str,
    pub(super) paid: &'static str,
    pub(super) voided: &'static str,
    pub(super) pending: &'static str,
    pub(super) received: &'static str,
    pub(super) archived: &'static str,
    pub(super) merged: &'static str,
}

/// Whether a report is complete, and why not.
#[derive(Debug)]
pub(super) struct CompletenessWords {
    pub(super) complete: &'static str,
    pub(super) opening: &'static str,
    pub(super) not_known: &'static str,
    pub(super) stale: &'static str,
    pub(super) left_different_one: &'static str,
    pub(super) left_different_many: &'static str,
    pub(super) unread_one: &'static str,
    pub(super) unread_many: &'static str,
    pub(super) unreadable_one: &'static str,
    pub(super) unreadable_many: &'static str,
    pub(super) unsettled_one: &'static str,
    pub(super) unsettled_many: &'static str,
    pub(super) set_aside_one: &'static str,
    pub(super) set_aside_many: &'static str,
    pub(super) left_out: &'static str,
    pub(super) deals: &'static str,
    pub(super) invoices: &'static str,
    pub(super) payments: &'static str,
}

/// A text with its values filled in, from left to right.
pub(super) fn fill(text: &str, values: &[&str]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut values = values.iter();
    for (index, part) in text.split("{}").enumerate() {
        if index > 0 {
            filled.push_str(values.next().unwrap_or(&""));
        }
        filled.push_str(part);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blanks of each text, in the order in which the texts are declared.
    fn blanks(words: &Words) -> Vec<usize> {
        let shown = format!("{words:?}");
        shown.split("\": ").flat_map(|text| text.split('"')).map(|text| text.matches("{}").count()).collect()
    }

    #[test]
    fn all_languages_leave_the_same_blanks() {
        assert!(blanks(&EN).iter().sum::<usize>() > 50, "they are found");
        assert_eq!(blanks(&DE), blanks(&EN));
        assert_eq!(blanks(&FR), blanks(&EN));
    }

    #[test]
    fn french_has_a_space_that_does_not_break_before_double_signs() {
        let shown = format!("{FR:?}").replace("\\u{a0}", "\u{A0}");
        for text in shown.split('"').skip(1).step_by(2) {
            for (at, _) in text.match_indices([';', ':', '?', '!']) {
                assert!(text[..at].ends_with('\u{A0}'), "{text}");
            }
        }
    }

    #[test]
    fn a_value_is_never_taken_for_a_blank() {
        assert_eq!(fill("{} and {}", &["{}", "b"]), "{} and b");
    }
}
