//! Email addresses, with or without a name before them.

use lettre::Address;
use lettre::message::Mailbox;
use thiserror::Error;

use super::compose::header_text;

/// An address that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{address:?} is not an address to write to: {cause}")]
pub struct AddressError {
    /// The text that was given.
    pub address: String,
    /// What is wrong with it.
    pub cause: &'static str,
}

/// Checks `name@example.com` or `Some Name <name@example.com>` and gives back the bare address.
///
/// # Errors
///
/// Anything that is no address, and addresses outside ASCII: those need SMTPUTF8 (RFC 6531) on every server on the way.
pub fn check_address(text: &str) -> Result<String, AddressError> {
    parse(text).map(|mailbox| mailbox.email.to_string())
}

/// Reads a mailbox. The name can be anything; only the address is checked.
pub(super) fn parse(text: &str) -> Result<Mailbox, AddressError> {
    let failed = |cause| AddressError { address: text.to_owned(), cause };
    let trimmed = text.trim();
    let (name, address) = match trimmed.strip_suffix('>').map(|rest| rest.rsplit_once('<')) {
        None => (None, trimmed),
        Some(Some((name, address))) => (Some(name.trim()), address),
        Some(None) => return Err(failed("it ends with > but has no <")),
    };
    if !address.is_ascii() {
        return Err(failed("it is not ASCII (a domain can be written in its xn-- form)"));
    }
    if address.contains(|c: char| c.is_ascii_control() || c == ' ') {
        return Err(failed("it has a space or a control character"));
    }
    if !address.contains('@') {
        return Err(failed("it has no @"));
    }
    let email: Address = address.parse().map_err(|error| match error {
        lettre::address::AddressError::InvalidDomain => failed("the part after the @ is no domain"),
        _ => failed("the part before the @ is not valid"),
    })?;
    let name = name.map(unquoted).transpose().map_err(failed)?;
    Ok(Mailbox::new(name.map(|name| header_text(&name)).filter(|name| !name.is_empty()), email))
}

/// The name without quotation marks, within which `\` stands before a character that is meant as it is (RFC 5322, 3.2.4).
/// Outside them a name cannot have what separates addresses: it is more likely a list, and nobody in it must be lost.
fn unquoted(name: &str) -> Result<String, &'static str> {
    let Some(inner) = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) else {
        return match name.contains(['@', ',', ';', '<', '>']) {
            true => Err("the name has @ , ; < or > and no quotation marks around it"),
            false => Ok(name.to_owned()),
        };
    };
    let mut characters = inner.chars();
    let next = || match characters.next()? {
        '\\' => characters.next(),
        character => Some(character),
    };
    Ok(std::iter::from_fn(next).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_name() {
        for (text, name, address) in [
            ("finance@example.com", None, "finance@example.com"),
            (" <finance@example.com> ", None, "finance@example.com"),
            ("Closing Bell <bell@example.com>", Some("Closing Bell"), "bell@example.com"),
            ("\"Müller, \\\"Jo\\\"\" <jo+x@example.com>", Some("Müller, \"Jo\""), "jo+x@example.com"),
            ("\"Evil\r\nBcc: x@y.z\" <a@example.com>", Some("Evil Bcc: x@y.z"), "a@example.com"),
            ("\"\" <a@example.com>", None, "a@example.com"),
        ] {
            let mailbox = parse(text).unwrap();
            assert_eq!((mailbox.name.as_deref(), mailbox.email.as_ref()), (name, address));
            assert_eq!(check_address(text).unwrap(), address);
        }
    }

    #[test]
    fn a_bad_address_is_named() {
        for (text, cause) in [
            ("", "it has no @"),
            ("finance", "it has no @"),
            ("finance@", "the part after the @ is no domain"),
            ("@example.com", "the part before the @ is not valid"),
            ("a@b@example.com", "the part before the @ is not valid"),
            ("a@example.com, b@example.com", "it has a space or a control character"),
            ("a@example.com\r\nDATA", "it has a space or a control character"),
            ("a@example.com, Ben <b@example.com>", "the name has @ , ; < or > and no quotation marks around it"),
            ("a@example.com>", "it ends with > but has no <"),
            ("jürgen@example.com", "it is not ASCII (a domain can be written in its xn-- form)"),
            ("a\0@example.com", "it has a space or a control character"),
        ] {
            let error = check_address(text).unwrap_err();
            assert_eq!((error.address.as_str(), error.cause), (text, cause));
        }
        let error = check_address("finance").unwrap_err();
        assert_eq!(error.to_string(), "\"finance\" is not an address to write to: it has no @");
    }
}
