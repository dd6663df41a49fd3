//! The HTML part.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, context, escape_formatter};

use super::page::Page;

/// Makes mail programs end the line that they show after the subject where the preheader ends: what cannot be seen fills
/// the rest of it.
const FILLER: &str = "\u{34F}\u{200C}\u{A0}";

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    // As the engine does it, but that a slash stays a slash: there are seven in each link, and five bytes each.
    environment.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() => Ok(out.write_str(&escaped(text))?),
        _ => escape_formatter(out, state, value),
    });
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("these are the standard delimiters"));
    environment
        .add_template("report.html", include_str!("../templates/report.html"))
        .expect("the template is part of the program and is read by the tests");
    environment
});

/// The HTML part. Record text is escaped by the engine, wherever it stands.
pub(super) fn html(page: &Page) -> String {
    let filler = FILLER.repeat(100);
    TEMPLATES
        .get_template("report.html")
        .and_then(|template| template.render(context! { page => Serde(page), filler }))
        .expect("the template is part of the program and is rendered by the tests")
}

/// Text that is nothing but text, between tags and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
