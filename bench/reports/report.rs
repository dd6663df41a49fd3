//! One report, as the worker builds it: figures, document, mail, workbook.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use bench_measured::Unit;
use bench_measured::process::peak_memory;
use jiff::civil::{date, time};
use report_worker::cycle::Archive;
use report_worker::domain::period::{Cadence, Period};
use report_worker::mailer::{Attachment, Mail, compose};
use report_worker::report::{Definition, Definitions, Schedule, Trigger, render, xlsx};
use report_worker::store::{Books, Store};
use serde::{Deserialize, Serialize};

/// What a report took.
#[derive(Serialize, Deserialize)]
pub(crate) struct Built {
    /// Rows of all its tables.
    pub(crate) rows: usize,
    document_ns: u64,
    html_ns: u64,
    workbook_ns: u64,
    compose_ns: u64,
    html_bytes: usize,
    workbook_bytes: usize,
    mail_bytes: usize,
    /// The most memory that the process had.
    pub(crate) peak_bytes: u64,
}

impl Built {
    /// From the first look into the books to the composed mail.
    pub(crate) fn all_ns(&self) -> u64 {
        self.document_ns + self.html_ns + self.workbook_ns + self.compose_ns
    }

    /// The parts, for people.
    pub(crate) fn told(&self) -> String {
        let bytes = |bytes: usize| Unit::Bytes.spoken(u64::try_from(bytes).unwrap_or(u64::MAX));
        format!(
            "of the year: figures and document {}, HTML and text {} ({}), workbook {} ({}), mail {} ({})",
            Unit::Time.spoken(self.document_ns),
            Unit::Time.spoken(self.html_ns),
            bytes(self.html_bytes),
            Unit::Time.spoken(self.workbook_ns),
            bytes(self.workbook_bytes),
            Unit::Time.spoken(self.compose_ns),
            bytes(self.mail_bytes),
        )
    }
}

/// Builds the report of the last month in the books, and says in JSON what it took.
pub(crate) async fn build(file: &Path) -> Result<String> {
    let schedule = Schedule { cadence: Cadence::Monthly, at: time(7, 0, 0, 0) };
    let definition = Definition::new("month-end", Trigger::Schedule(schedule));
    let definitions = Definitions { reports: vec![definition.clone()], ..Definitions::built_in() };
    let period = Period::containing(schedule.cadence, date(2026, 11, 1), &definitions.calendar);
    let store = Store::open(&Books::Sqlite(file.to_owned())).await?;
    let archive = Archive::of(store, definitions, None).await?.context("nobody has opened these books")?;
    let now = "2026-12-01T06:00:00Z".parse()?;

    let began = Instant::now();
    let document = archive.so_far((&definition, &schedule), period, now).await?;
    let document_ns = lap(began);
    let began = Instant::now();
    let rendered = render(&document, true);
    let html_ns = lap(began);
    let began = Instant::now();
    let workbook = xlsx(&document)?;
    let workbook_ns = lap(began);
    let (html_bytes, workbook_bytes) = (rendered.html.len(), workbook.len());
    let began = Instant::now();
    let mail = compose(&Mail {
        message_id: "month-end@bell.example.com".to_owned(),
        from: "bell@example.com".to_owned(),
        to: vec!["finance@example.com".to_owned()],
        cc: Vec::new(),
        subject: document.subject.clone(),
        date: now,
        text: rendered.text,
        html: rendered.html,
        references: Vec::new(),
        list_id: None,
        images: Vec::new(),
        attachments: vec![Attachment {
            name: "month-end.xlsx".to_owned(),
            content_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            bytes: workbook,
        }],
    })?;
    let compose_ns = lap(began);
    let built = Built {
        rows: document.sections.iter().map(|section| section.rows.len() + section.cut).sum(),
        document_ns,
        html_ns,
        workbook_ns,
        compose_ns,
        html_bytes,
        workbook_bytes,
        mail_bytes: mail.len(),
        peak_bytes: peak_memory(std::process::id())?,
    };
    Ok(serde_json::to_string(&built)?)
}

fn lap(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
