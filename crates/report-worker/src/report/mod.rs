//! Reports: figures in, document out. Pure, and knows only [`crate::domain`].

mod build;
mod completeness;
mod corrections;
mod deals;
mod definition;
mod document;
mod filter;
mod invoices;
mod locale;
mod period;
mod period_figures;
mod render;
mod sample;
mod section;
mod sheet;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use build::{Built, Item, Scene, Was, build};
pub use definition::{Attachment, Definition, Definitions, Schedule, Trigger};
pub use document::{Bar, Before, Cell, Chart, Column, ColumnKind, Document, Headline, Row, Section, Total, Value};
pub(crate) use filter::same;
pub use filter::{Difference, Filter, Minimum, Read};
pub use locale::{Dates, Language, Locale};
pub use period::{build as build_period, period_sample};
pub use period_figures::{CorrectedRecord, PeriodFigures, Recurring, Refiltered, Sums, Tally};
pub use render::{Image, Rendered, render};
pub use sample::sample;
pub use section::SectionKind;
pub use sheet::{WorkbookError, csv, xlsx, zipped};
