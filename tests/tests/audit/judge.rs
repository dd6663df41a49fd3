//! The other program.

use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::python;

/// What Python finds in the folder of a life: how much it compared, or every difference.
pub(crate) fn judge(folder: &Path) -> Result<String, String> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/audit/audit.py");
    let output = Command::new(python()).arg(script).arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(said) } else { Err(said) }
}
