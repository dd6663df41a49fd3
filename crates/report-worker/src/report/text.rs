//! Record text is written by strangers. Here it becomes one line of inert text.

/// The longest name that a report shows, in characters.
const MAX_CHARACTERS: usize = 120;

/// One line of at most [`MAX_CHARACTERS`] visible characters.
pub(super) fn one_line(text: &str) -> String {
    line_of(text, MAX_CHARACTERS)
}

/// One line of at most so many visible characters.
///
/// Line breaks and other control characters become spaces; characters that are invisible or turn the direction of what
/// follows them (Unicode's bidirectional controls, zero-width characters, tags) are left out, except the joiner that
/// emoji and Indic scripts need between two other characters.
pub(super) fn line_of(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut count = 0;
    for character in text.chars() {
        // The spaces in amounts and before French colons stay what they are.
        let is_kept = matches!(character, '\u{A0}' | '\u{202F}');
        let is_space = character.is_control() || character.is_whitespace();
        let character = if is_space && !is_kept { ' ' } else { character };
        if is_unseen(character) || (is_space && (line.is_empty() || line.ends_with(char::is_whitespace))) {
            continue;
        }
        if count == most {
            line.push('…');
            break;
        }
        line.push(character);
        count += 1;
    }
    line.trim_end().to_owned()
}

/// True for characters that show nothing, or turn the direction of what follows them.
pub(super) fn is_unseen(character: char) -> bool {
    matches!(character,
        '\u{200B}' | '\u{200C}' | '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}' | '\u{00AD}' | '\u{180E}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_one_inert_line() {
        assert_eq!(one_line("Roof\r\nBcc: thief@example.com"), "Roof Bcc: thief@example.com");
        assert_eq!(one_line("gnp.\u{202E}exe\u{200B}!"), "gnp.exe!");
        assert_eq!(one_line(" \t Müller & Söhne 👩\u{200D}🚀 \u{0} "), "Müller & Söhne 👩\u{200D}🚀");
        assert_eq!(one_line("שלום"), "שלום", "right-to-left letters stay");
        let long = one_line(&"x".repeat(65_536));
        assert_eq!(long.chars().count(), MAX_CHARACTERS + 1);
        assert!(long.ends_with('…'));
    }
}
