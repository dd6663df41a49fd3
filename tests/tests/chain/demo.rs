//! The mails of `closing-bell demo --once`.

use std::path::{Path, PathBuf};

use end_to_end::{command, run};
use serde_json::Value;

/// Plays the demo in `folder`; answers with its mails.
pub(crate) async fn mails(folder: &Path) -> Vec<PathBuf> {
    let mut demo = command("closing-bell");
    demo.args(["demo", "--once", "--json"]).current_dir(folder);
    let ended = run(demo, b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["problems"], serde_json::json!([]));
    let mails = told["mails"].as_array().unwrap().iter();
    mails.map(|mail| folder.join(mail["file"].as_str().unwrap())).collect()
}
