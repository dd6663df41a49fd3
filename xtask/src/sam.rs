//! AWS's Serverless Application Model, as both the system test and deploying call it.

use std::process::Command;

use anyhow::Result;

use crate::machine::{install, program, root, without_package};
use crate::services::Python;

/// `sam` of target/tools-python at the root of the checkout, whose samconfig.toml has what all its commands have in common. It builds
/// with the cargo that runs this, by `make`, and tells nobody what it does.
pub(crate) fn sam(tools: &Python) -> Result<Command> {
    if program("make").is_none() {
        install(&["make"], "`make`, by which SAM builds the door,")?;
    }
    let mut sam = Command::new(tools.program("sam"));
    without_package(tools.lend(&mut sam)?).current_dir(root()).env("SAM_CLI_TELEMETRY", "0");
    Ok(sam)
}
