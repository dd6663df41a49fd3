//! `cargo xtask bench reports`: the report of a month out of a year of a million changes, with its mail and its workbook.
//!
//! It measures and judges nothing: exit 0 whatever the figures. The books are a SQLite file that is filled here; each report
//! is built by a process of its own, so that the memory is that of one report.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command: progress on stderr, figures on stdout"
)]

mod books;
mod report;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use bench_measured::{Target, Targets, Unit};
use clap::Parser;

use crate::books::Year;
use crate::report::Built;

/// Measures the reports of periods; `cargo xtask bench reports` builds it as it ships and calls it.
#[derive(Parser)]
struct Arguments {
    /// A fifth of everything
    #[arg(long)]
    quick: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Build the report from these books and print what it took; what this program calls itself with
    #[arg(long, hide = true)]
    build: Option<PathBuf>,
}

/// How often each report is built; the quickest counts, since others use this machine too.
const TIMES: usize = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.build {
        Some(books) => report::build(books).await,
        None => measure(&arguments).await,
    };
    match outcome {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> Result<String> {
    let changes = if arguments.quick { 200_000 } else { 1_000_000 };
    let folder = tempfile::tempdir()?;
    let (mut built, mut filled) = (Vec::new(), Vec::new());
    for (name, year) in [
        ("year", Year { months: 12, changes_a_month: changes / 12 }),
        ("two-months", Year { months: 2, changes_a_month: changes / 12 }),
        ("quarter", Year { months: 12, changes_a_month: changes / 48 }),
    ] {
        let file = folder.path().join(name);
        eprintln!("filling the books with {} changes in {} months", year.changes(), year.months);
        filled.push(books::fill(&file, year).await?);
        eprintln!("building the report of the last month, {TIMES} times");
        built.push(quickest(&file)?);
        std::fs::remove_file(&file)?;
    }
    let [year, two_months, quarter] = &built[..] else { unreachable!("three books were filled") };
    let mut targets = Targets::of_issue(5);
    let rows = format!("a month of {} changes, {} rows", changes / 12, year.rows);
    targets.push(Target::at_most(
        format!("{rows}: until the mail is composed"),
        Unit::Time,
        10_000_000_000,
        year.all_ns(),
    ));
    targets.push(Target::at_most(format!("{rows}: peak memory"), Unit::Bytes, 128_000_000, year.peak_bytes));
    targets.push(Target::hundredths_at_most(
        "the same month after twelve months and after two: time",
        130,
        year.all_ns(),
        two_months.all_ns(),
    ));
    targets.push(Target::hundredths_at_most(
        format!("{} rows and {}: time", year.rows, quarter.rows),
        500,
        year.all_ns(),
        quarter.all_ns(),
    ));
    // The first month finds empty books, which are a thing of their own.
    let [Some(&last), Some(&second)] = [filled[0].last(), filled[0].get(1)] else { unreachable!("a year has months") };
    targets.push(Target::hundredths_at_most(
        format!("{} changes stored beside eleven months and beside one: time", changes / 12),
        150,
        last,
        second,
    ));
    if arguments.json {
        return Ok(format!("{:#}", targets.json()));
    }
    Ok(format!("{targets}\n{}", year.told()))
}

fn quickest(books: &Path) -> Result<Built> {
    let mut quickest: Option<Built> = None;
    for _ in 0..TIMES {
        let output = Command::new(std::env::current_exe()?).arg("--build").arg(books).output()?;
        ensure!(output.status.success(), "the report was not built: {}", String::from_utf8_lossy(&output.stderr));
        let built: Built = serde_json::from_slice(&output.stdout).context("what was built says no JSON")?;
        if quickest.as_ref().is_none_or(|best| built.all_ns() < best.all_ns()) {
            quickest = Some(built);
        }
    }
    quickest.context("nothing was built")
}
