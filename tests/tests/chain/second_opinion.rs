//! Another mail program's word on the demo's mails: Python's email package at its strictest.

use std::path::PathBuf;
use std::process::Command;

use end_to_end::python;

use crate::demo;

#[tokio::test]
async fn the_demo_s_mails_have_no_defects() {
    let folder = tempfile::tempdir().unwrap();
    let mails = demo::mails(folder.path()).await;
    assert!(mails.len() >= 4, "{mails:?}");
    judge(&mails).unwrap();
    // It does find what is wrong: a header that is cut in two.
    let broken = folder.path().join("broken.eml");
    let mail = std::fs::read_to_string(&mails[0]).unwrap();
    std::fs::write(&broken, mail.replacen("MIME-Version:", "MIME\r\n-Version:", 1)).unwrap();
    judge(&[broken]).unwrap_err();
}

fn judge(mails: &[PathBuf]) -> Result<(), String> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/chain/strict_mail.py");
    let output = Command::new(python()).arg(script).args(mails).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
