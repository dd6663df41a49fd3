//! Rust source as far as the rules of the house need it: its words, and the paths they form.

/// A word or a sign of the source, without comments, strings and characters.
#[derive(Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) line: usize,
}

/// A path of this crate, from its root: `crate::store::Record` is `["store", "Record"]`.
#[derive(Debug, PartialEq)]
pub(super) struct Path<'a> {
    pub(super) names: Vec<&'a str>,
    pub(super) line: usize,
}

/// The words and signs of a source file. Signs are single characters, except `::`.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        let (length, is_token) = if let Some(length) = skipped(rest) {
            (length, false)
        } else if is_word(first) {
            (rest.find(|character| !is_word(character)).unwrap_or(rest.len()), true)
        } else if rest.starts_with("::") {
            (2, true)
        } else {
            (first.len_utf8(), !first.is_whitespace())
        };
        let text = &rest[..length];
        if is_token {
            found.push(Token { text, line });
        }
        line += text.matches('\n').count();
        at += length;
    }
    found
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The length of the comment, string or character that `rest` begins with.
fn skipped(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    // A string's prefix is a word that ends in its quote: b"…", r#"…"#, br"…", c"…"; r#type is a word.
    let prefix = rest.find(|character: char| !matches!(character, 'b' | 'c' | 'r')).unwrap_or(rest.len());
    let (prefix, body) = rest.split_at(prefix);
    if matches!(prefix, "r" | "br" | "cr") {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let inside = body[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(rest.len() - inside.len() + inside.find(&end).map_or(inside.len(), |found| found + end.len()));
    }
    match prefix {
        "" | "b" | "c" if body.starts_with('"') => Some(prefix.len() + quoted(body, '"')),
        "" | "b" if body.starts_with('\'') && !is_lifetime(body) => Some(prefix.len() + quoted(body, '\'')),
        _ => None,
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        let here = &rest[at..];
        if here.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += here.chars().next().map_or(0, char::len_utf8);
        }
        if depth == 0 || at >= rest.len() {
            return at;
        }
    }
}

/// `'a` with no quote after it; `'a'` is a character.
fn is_lifetime(body: &str) -> bool {
    let mut characters = body.chars().skip(1);
    characters.next().is_some_and(is_word) && characters.next() != Some('\'')
}

/// The length of a literal that begins and ends with `quote`, in which a backslash hides the next character.
fn quoted(body: &str, quote: char) -> usize {
    let mut hidden = false;
    for (at, character) in body.char_indices().skip(1) {
        if hidden {
            hidden = false;
        } else if character == '\\' {
            hidden = true;
        } else if character == quote {
            return at + 1;
        }
    }
    body.len()
}

/// The paths that begin with `crate` or `super`, groups unfolded, as seen from `module` (the file's own place in its crate).
pub(super) fn paths<'a>(tokens: &[Token<'a>], module: &[&'a str]) -> Vec<Path<'a>> {
    let mut reader = Reader { tokens, at: 0, found: Vec::new() };
    let mut place = module.to_vec();
    // For each open brace, how deep the place was outside it.
    let mut open = Vec::new();
    while let Some(token) = reader.next() {
        match token {
            "crate" | "super" if reader.peek() == Some("::") => {
                reader.at -= 1;
                reader.path(&place);
            }
            "{" => {
                open.push(place.len());
                if reader.at >= 3 && tokens[reader.at - 3].text == "mod" {
                    place.push(tokens[reader.at - 2].text);
                }
            }
            "}" => place.truncate(open.pop().unwrap_or(module.len())),
            _ => {}
        }
    }
    reader.found
}

struct Reader<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
    found: Vec<Path<'a>>,
}

impl<'a> Reader<'_, 'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).map(|token| token.text)
    }

    fn next(&mut self) -> Option<&'a str> {
        let text = self.peek()?;
        self.at += 1;
        Some(text)
    }

    /// Reads one path, or a group of them, that continues `prefix`.
    fn path(&mut self, prefix: &[&'a str]) {
        let mut names = prefix.to_vec();
        let line = self.tokens[self.at].line;
        loop {
            match self.next() {
                Some("{") => {
                    while !matches!(self.peek(), None | Some("}")) {
                        self.path(&names);
                        if self.peek() == Some(",") {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                Some("crate") => names.clear(),
                Some("super") => {
                    names.pop();
                }
                Some("self") | None => {}
                Some(name) => names.push(name),
            }
            if self.peek() != Some("::") {
                break;
            }
            self.at += 1;
        }
        if self.peek() == Some("as") {
            self.at += 2;
        }
        self.found.push(Path { names, line });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> String {
        tokens(source).iter().map(|token| token.text).collect::<Vec<_>>().join(" ")
    }

    fn found(source: &str, module: &[&str]) -> Vec<String> {
        paths(&tokens(source), module).iter().map(|path| format!("{} {}", path.line, path.names.join("::"))).collect()
    }

    #[test]
    fn comments_strings_and_characters_are_no_words() {
        assert_eq!(words("a /* b /* c */ d */ e // f\ng"), "a e g");
        assert_eq!(words(r##"a "b \" c" d r#"e " f"# g br"h\" i b"j" k"##), "a d g i k");
        assert_eq!(words(r"'a' '\'' '\u{1F514}' b'x' &'a str '_"), "& ' a str ' _");
        assert_eq!(words("r#type brr crate::b"), "r # type brr crate :: b");
        assert_eq!(words("\"unfinished"), "");
        assert_eq!(words("/* unfinished ☎"), "");
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let lines: Vec<_> = tokens("a\n\"\n\n\" b /*\n*/ c").iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 4, 5]);
    }

    #[test]
    fn paths_are_read_from_the_root_of_the_crate() {
        assert_eq!(found("fn f() { crate::store::Record::new() }", &[]), ["1 store::Record::new"]);
        assert_eq!(
            found("use crate::{\n  queue::{self, Message as M},\n  store,\n};", &["mailer"]),
            ["2 queue", "2 queue::Message", "3 store"]
        );
        assert_eq!(found("use super::super::crm;", &["store", "sqlite"]), ["1 crm"]);
        assert_eq!(found("use super::crm;", &["store", "sqlite"]), ["1 store::crm"]);
        assert_eq!(
            found("mod tests { fn f() {} use super::super::crm; } use super::crm;", &["store"]),
            ["1 crm", "1 crm"]
        );
        assert_eq!(found("use super::*; use crate::*;", &["store", "sqlite"]), ["1 store::*", "1 *"]);
        assert_eq!(found("pub(crate) fn f() {} pub(super) mod a {}", &["store"]), [""; 0]);
    }
}
