//! The five minutes, and everything that is no number of milliseconds. All of it is rightly signed.

use super::super::Case;
use super::super::delivery::Change::Stamp;
use super::{accept, refuse};

pub(super) const TOO_OLD: fn(i64) -> String = |now| (now - 310_000).to_string();
pub(super) const LONG_AGO: fn(i64) -> String = |now| (now - 3_600_000).to_string();

/// Each digit as the character so many places after it in Unicode.
fn digits_from(first: char, now_ms: i64) -> String {
    let digit = |digit: u8| char::from_u32(u32::from(first) + u32::from(digit - b'0')).expect("ten digits follow");
    now_ms.to_string().bytes().map(digit).collect()
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let number = "digits only, as HubSpot writes it";
    vec![
        accept("timestamp-290-s-old", "HubSpot allows five minutes", [Stamp(|now| (now - 290_000).to_string())]),
        accept("timestamp-1-s-ahead", "clocks differ", [Stamp(|now| (now + 1_000).to_string())]),
        refuse("timestamp-310-s-old", "older than five minutes", [Stamp(TOO_OLD)]),
        refuse("timestamp-1-h-old", "older than five minutes", [Stamp(LONG_AGO)]),
        refuse("timestamp-1-year-old", "older than five minutes", [Stamp(|now| (now - 31_557_600_000).to_string())]),
        refuse("timestamp-10-min-ahead", "else it could be replayed until then", [Stamp(|now| (now + 600_000).to_string())]),
        refuse("timestamp-1-year-ahead", "else it could be replayed until then", [Stamp(|now| (now + 31_557_600_000).to_string())]),
        refuse("timestamp-0", "1970 is too old", [Stamp(|_| "0".into())]),
        refuse("timestamp-in-seconds", "milliseconds; these are of 1970", [Stamp(|now| (now / 1_000).to_string())]),
        refuse("timestamp-in-microseconds", "milliseconds; these are far ahead", [Stamp(|now| (now * 1_000).to_string())]),
        refuse("timestamp-empty", number, [Stamp(|_| String::new())]),
        refuse("timestamp-word", "a word must not compare as fresh", [Stamp(|_| "abc".into())]),
        refuse("timestamp-nan", "NaN is never too old", [Stamp(|_| "NaN".into())]),
        refuse("timestamp-infinity", "infinity is never too old", [Stamp(|_| "Infinity".into())]),
        refuse("timestamp-minus-1", number, [Stamp(|_| "-1".into())]),
        refuse("timestamp-negative-now", number, [Stamp(|now| (-now).to_string())]),
        refuse("timestamp-with-plus", number, [Stamp(|now| format!("+{now}"))]),
        refuse("timestamp-with-decimals", number, [Stamp(|now| format!("{now}.0"))]),
        refuse("timestamp-with-exponent", number, [Stamp(|now| format!("{now}e0"))]),
        refuse("timestamp-with-blank-inside", number, [Stamp(|now| { let text = now.to_string(); format!("{} {}", &text[..7], &text[7..]) })]),
        refuse("timestamp-with-word-after", number, [Stamp(|now| format!("{now}ms"))]),
        refuse("timestamp-with-underscores", "Python's int() takes these, HubSpot sends none", [Stamp(|now| { let text = now.to_string(); format!("{}_{}", &text[..7], &text[7..]) })]),
        refuse("timestamp-with-commas", number, [Stamp(|now| { let text = now.to_string(); format!("{},{}", &text[..7], &text[7..]) })]),
        refuse("timestamp-quoted", number, [Stamp(|now| format!("\"{now}\""))]),
        refuse("timestamp-in-hex", number, [Stamp(|now| format!("{now:#x}"))]),
        refuse("timestamp-arabic-digits", "digits of ASCII only", [Stamp(|now| digits_from('\u{660}', now))]),
        refuse("timestamp-full-width-digits", "digits of ASCII only", [Stamp(|now| digits_from('\u{ff10}', now))]),
        refuse("timestamp-30-digits", "no clock shows it", [Stamp(|now| format!("{now:0<30}"))]),
        refuse("timestamp-beyond-64-bits", "2^64 more must not wrap round to now", [Stamp(|now| (i128::from(now) + (1 << 64)).to_string())]),
        refuse("timestamp-iso-8601", "milliseconds, no date", [Stamp(crate::clock::iso)]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_other_scripts_are_of_the_same_value() {
        assert_eq!(digits_from('\u{660}', 1_795), "١٧٩٥");
        assert_eq!(digits_from('\u{ff10}', 1_795), "１７９５");
    }
}
