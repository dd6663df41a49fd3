//! How much a figure has changed, in percent with one decimal: exact, without floats.

use bigdecimal::num_bigint::{BigInt, Sign};

use super::super::locale::{Language, Locale};
use crate::domain::money::grouped;

/// `+12.5%`, rounded half away from zero. `None` where the figure before is nothing or less: nothing can be said in percent
/// of that.
pub(super) fn change(now: i128, before: i128, locale: Locale) -> Option<String> {
    if before <= 0 {
        return None;
    }
    let before = BigInt::from(before);
    let (sign, difference) = (BigInt::from(now) - &before).into_parts();
    let sign = match sign {
        Sign::Minus => "−",
        Sign::NoSign => "",
        Sign::Plus => "+",
    };
    let tenths: BigInt = (BigInt::from(difference) * 2_000 + &before) / (before * 2);
    let tenths = format!("{:0>2}", tenths.to_string());
    let (whole, tenth) = tenths.split_at(tenths.len() - 1);
    let (thousands, decimal, percent) = match locale.language {
        Language::En => (",", ".", "%"),
        Language::De => (".", ",", "\u{A0}%"),
        Language::Fr => ("\u{202F}", ",", "\u{202F}%"),
    };
    Some(format!("{sign}{}{decimal}{tenth}{percent}", grouped(whole, thousands)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::locale::Dates;
    use super::*;

    fn in_english(now: i128, before: i128) -> Option<String> {
        change(now, before, Locale::default())
    }

    #[test]
    fn changes_are_said_as_people_say_them() {
        let told = |now, before| in_english(now, before).unwrap_or_else(|| "nothing".to_owned());
        let cases =
            [(9, 8), (8, 9), (5, 5), (0, 7), (-7, 7), (1_000_500, 1_000_000), (1_000_499, 1_000_000), (125_000, 1)];
        assert_eq!(
            cases.map(|(now, before)| told(now, before)),
            ["+12.5%", "−11.1%", "0.0%", "−100.0%", "−200.0%", "+0.1%", "+0.0%", "+12,499,900.0%"]
        );
        assert_eq!([told(5, 0), told(5, -5)], ["nothing", "nothing"]);
        assert!(told(i128::MAX, 1).starts_with("+17,014,"), "nothing is too much");
        assert_eq!(told(i128::MIN, i128::MAX), "−200.0%");
        let in_language = |language| change(1_250_000, 100, Locale { language, dates: Dates::Local }).unwrap();
        assert_eq!(in_language(Language::De), "+1.249.900,0\u{A0}%");
        assert_eq!(in_language(Language::Fr), "+1\u{202F}249\u{202F}900,0\u{202F}%");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// What is said is within half a tenth of a percent of what is so, reckoned back from the text.
        #[test]
        fn a_change_is_right_to_half_a_tenth(now in -1_000_000_000_000_i128..1_000_000_000_000, before in 1_i128..1_000_000_000_000) {
            let told = in_english(now, before).unwrap();
            let digits: String = told.chars().filter(char::is_ascii_digit).collect();
            let tenths = digits.parse::<i128>().unwrap() * if told.starts_with('−') { -1 } else { 1 };
            let error = (tenths * before - (now - before) * 1_000).abs();
            prop_assert!(error * 2 <= before, "{told} for {now} after {before}");
        }
    }
}
