//! Until when a server's certificate is good.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::super::operator::count;
use super::Check;

/// What renews certificates by itself does so a month before: three weeks before somebody has to look, in days.
const SOON: i64 = 21;
/// And now it is urgent, in days.
const VERY_SOON: i64 = 7;

/// Judges a certificate in DER, which rustls has verified already; it only does not tell the date.
pub(super) fn check(name: &'static str, server: &str, certificate: &[u8], now: Timestamp) -> Check {
    match not_after(certificate) {
        Some(end) => judge(name, server, end, now),
        None => Check::not_checked(name, format!("the date in the certificate of {server} cannot be read")),
    }
}

/// Judges a certificate by its last day.
pub(super) fn judge(name: &'static str, server: &str, end: Timestamp, now: Timestamp) -> Check {
    let days = end.duration_since(now).as_hours().div_euclid(24);
    let left = match u64::try_from(days) {
        Ok(days) => format!("{} left", count(days, "day")),
        Err(_) => "expired".to_owned(),
    };
    let told = format!("the certificate of {server} is good until {} ({left})", end.strftime("%Y-%m-%d %H:%M:%SZ"));
    let fix = format!("Renew the certificate of {server}, and find out why that has not happened by itself");
    match days {
        ..VERY_SOON => Check::wrong(name, told, fix),
        VERY_SOON..SOON => Check::warning(name, told, fix),
        _ => Check::ok(name, told),
    }
}

/// `notAfter` of a certificate in DER (RFC 5280, 4.1).
fn not_after(der: &[u8]) -> Option<Timestamp> {
    let certificate = element(der)?.contents;
    let mut field = element(element(certificate)?.contents)?;
    // The version is only there if it is not 1; then come the serial number, the algorithm and the issuer.
    let before_validity = if field.tag == 0xa0 { 4 } else { 3 };
    for _ in 0..before_validity {
        field = element(field.rest)?;
    }
    let not_before = element(field.contents)?;
    time(&element(not_before.rest)?)
}

/// A `Time` (RFC 5280, 4.1.2.5): always UTC, always with seconds, and until 2049 with two digits for the year.
fn time(element: &Element<'_>) -> Option<Timestamp> {
    let text = str::from_utf8(element.contents).ok()?;
    let century = match element.tag {
        0x17 if text.starts_with(['5', '6', '7', '8', '9']) => "19",
        0x17 => "20",
        0x18 => "",
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", format!("{century}{text}")).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// An element of DER (ITU-T X.690, 8.1).
struct Element<'a> {
    tag: u8,
    contents: &'a [u8],
    /// What follows it.
    rest: &'a [u8],
}

fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // The length in so many bytes of its own.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some(Element { tag, contents, rest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::BASE64;

    /// Made by OpenSSL for bell.example.com: until February 2027, and until August 2081.
    const CERTIFICATES: [&str; 2] = [
        "MIIBizCCATGgAwIBAgIUVN88a8Ayauj1gocn7nDu+p3LUhowCgYIKoZIzj0EAwIwGzEZMBcGA1UEAwwQYmVsbC5leGFtcGxlLmNv\
        bTAeFw0yNjExMjMwMjQ3MDZaFw0yNzAyMjEwMjQ3MDZaMBsxGTAXBgNVBAMMEGJlbGwuZXhhbXBsZS5jb20wWTATBgcqhkjOPQIB\
        BggqhkjOPQMBBwNCAAR271L0osSBWoAj6wP3+2di+Ivh6AwMiAoSDTDvX1o4/QAs4LP1lRBaY4a9XWI7EMgwYFG9k5tocvcOmTdq\
        Rkowo1MwUTAdBgNVHQ4EFgQU3nTOyrcm9+VPICzaCJrxhjX/NQgwHwYDVR0jBBgwFoAU3nTOyrcm9+VPICzaCJrxhjX/NQgwDwYD\
        VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiB3KL7Znw2Q9490rMSqQe67fDepsAkudu2SDVXouNH6mAIhAIZ8jFXwraiA\
        AQd8/bs8XHJ/czMWueYFALfNq148saw4",
        "MIIBjTCCATOgAwIBAgIUA6oP3hBbBWMAI8v6knPaAOMWlugwCgYIKoZIzj0EAwIwGzEZMBcGA1UEAwwQYmVsbC5leGFtcGxlLmNv\
        bTAgFw0yNjExMjMwMjQ3MDZaGA8yMDgxMDgyNjAyNDcwNlowGzEZMBcGA1UEAwwQYmVsbC5leGFtcGxlLmNvbTBZMBMGByqGSM49\
        AgEGCCqGSM49AwEHA0IABFm+lqWHXSct/nEiqGPPjahyrNDCL472Rdy4Dik6MjWGi3KivcqgzcFam2WwAikGUoLqb/X5MDRdShdJ\
        VjhZd++jUzBRMB0GA1UdDgQWBBQiSzsFCfGBBXieWWYc7FuIe4EnDzAfBgNVHSMEGDAWgBQiSzsFCfGBBXieWWYc7FuIe4EnDzAP\
        BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDnXlfbRjuWfZVGnMwMOfC8FoNr6XSw61kkTiy4BPjsEwIgfkuV3zPO\
        cENrzqtUbWYRv49EPXjDSALBz/OE8/8nd08=",
    ];

    fn der(index: usize) -> Vec<u8> {
        BASE64.decode(CERTIFICATES[index].as_bytes()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_day_is_read() {
        assert_eq!(not_after(&der(0)), Some(at("2027-02-21T02:47:06Z")));
        assert_eq!(not_after(&der(1)), Some(at("2081-08-26T02:47:06Z")), "from 2050 on it is written otherwise");
    }

    #[test]
    fn half_a_certificate_is_none_and_nothing_panics() {
        let whole = der(0);
        for end in 0..whole.len() {
            assert_eq!(not_after(&whole[..end]), None);
            let mut other = whole.clone();
            other[end] = 0xff;
            let _ = not_after(&other);
        }
    }

    #[test]
    fn years_have_their_century() {
        let time = |tag, text: &str| time(&Element { tag, contents: text.as_bytes(), rest: &[] });
        assert_eq!(time(0x17, "491231235959Z"), Some(at("2049-12-31T23:59:59Z")));
        assert_eq!(time(0x17, "500101000000Z"), Some(at("1950-01-01T00:00:00Z")));
        assert_eq!(time(0x18, "20500101000000Z"), Some(at("2050-01-01T00:00:00Z")));
        assert_eq!(
            (time(0x17, "20500101000000Z"), time(0x04, "491231235959Z"), time(0x17, "soon")),
            (None, None, None)
        );
    }

    #[test]
    fn it_is_said_in_time() {
        let end = at("2027-02-21T02:47:06Z");
        let told = ["2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z", "2027-02-20T00:00:00Z", "2027-02-21T03:00:00Z"]
            .map(|now| judge("certificate", "bell.example.com", end, at(now)));
        insta::assert_snapshot!(super::super::words(&told), @"
        certificate     ok           the certificate of bell.example.com is good until 2027-02-21 02:47:06Z (51 days left)
        certificate     warning      the certificate of bell.example.com is good until 2027-02-21 02:47:06Z (20 days left)
                        └ fix        Renew the certificate of bell.example.com, and find out why that has not happened by itself
        certificate     wrong        the certificate of bell.example.com is good until 2027-02-21 02:47:06Z (1 day left)
                        └ fix        Renew the certificate of bell.example.com, and find out why that has not happened by itself
        certificate     wrong        the certificate of bell.example.com is good until 2027-02-21 02:47:06Z (0 days left)
                        └ fix        Renew the certificate of bell.example.com, and find out why that has not happened by itself

        4 checks: 2 wrong, 1 warning, 1 ok
        ");
        assert_eq!(check("certificate", "bell.example.com", &der(0), at("2027-01-01T00:00:00Z")), told[0]);
        assert_eq!(
            check("certificate", "bell.example.com", b"no certificate", end).told,
            "the date in the certificate of bell.example.com cannot be read"
        );
    }
}
