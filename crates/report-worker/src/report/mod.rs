//! Reports: figures in, document out. Pure, and knows only [`crate::domain`].

mod build;
mod completeness;
mod corrections;
mod deals;
mod definition;
mod document;
mod invoices;
mod locale;
mod render;
mod sample;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use build::{Built, Item, Scene, Was, build};
pub use definition::{BUILT_IN, Definition, Subject};
pub use document::{Bar, Before, Cell, Chart, Column, ColumnKind, Document, Headline, Row, Section, Total, Value};
pub use locale::{Dates, Language, Locale};
pub use render::{html, plain_text};
pub use sample::sample;
