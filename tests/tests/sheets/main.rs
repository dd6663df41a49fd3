//! Workbooks and CSV files as other programs read them: openpyxl, Python's csv and its decimals, and LibreOffice, which adds
//! the totals up itself.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod documents;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::python;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use report_worker::domain::money::Money;
use report_worker::report::{Document, Language, Value, csv, xlsx};

/// Writes documents with their files: the month in every language, and so many of any other.
fn write_documents(folder: &Path, others: usize) {
    let write = |name: String, document: &Document| {
        fs::write(folder.join(format!("{name}.json")), serde_json::to_vec(document).unwrap()).unwrap();
        fs::write(folder.join(format!("{name}.xlsx")), xlsx(document).unwrap()).unwrap();
        fs::write(folder.join(format!("{name}.csv")), csv(document)).unwrap();
    };
    for (language, name) in Language::ALL {
        write(format!("month-{name}"), &documents::month(language));
    }
    let mut runner = TestRunner::deterministic();
    for number in 0..others {
        write(format!("any-{number}"), &documents::any_document().new_tree(&mut runner).unwrap().current());
    }
}

/// What Python finds wrong in the files of a folder.
fn judge(arguments: &[&str], folder: &Path) -> Result<(), String> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sheets/read_sheets.py");
    let output = Command::new(python()).arg(script).args(arguments).arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn any_document_is_read_back_figure_by_figure() {
    let folder = tempfile::tempdir().unwrap();
    write_documents(folder.path(), 60);
    judge(&["written"], folder.path()).unwrap();
    // It does find what is wrong: the files of another document.
    fs::copy(folder.path().join("any-1.xlsx"), folder.path().join("month-en.xlsx")).unwrap();
    judge(&["written"], folder.path()).unwrap_err();
}

#[test]
fn libreoffice_comes_to_the_same_totals() {
    let folder = tempfile::tempdir().unwrap();
    write_documents(folder.path(), 25);
    // The files it is given have no cached values: what comes back, it has worked out itself.
    judge(&["forget"], folder.path()).unwrap();
    let soffice = std::env::var_os("CLOSING_BELL_TEST_SOFFICE").expect("run `cargo xtask test`");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder.path().join("forgotten")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let output = Command::new(soffice)
        .arg(format!("-env:UserInstallation=file://{}", folder.path().join("profile").display()))
        .args(["--headless", "--norestore", "--convert-to", "xlsx", "--outdir"])
        .arg(folder.path().join("recalculated"))
        .args(files)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    judge(&["recalculated"], folder.path()).unwrap();
    // It does find what is wrong: the yen that one deal brings more.
    let mut document = documents::month(Language::En);
    let yen =
        document.sections[1].rows.iter_mut().flat_map(|row| &mut row.cells).find_map(|cell| match &mut cell.value {
            Value::Money(money) if money.currency() == "JPY" => Some(money),
            _ => None,
        });
    let yen = yen.unwrap();
    *yen = Money::from_minor(yen.minor() + 1, "JPY").unwrap();
    fs::write(folder.path().join("month-en.json"), serde_json::to_vec(&document).unwrap()).unwrap();
    judge(&["recalculated"], folder.path()).unwrap_err();
}
