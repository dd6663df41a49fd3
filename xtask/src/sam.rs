//! AWS's Serverless Application Model, as both the system test and deploying call it.

use std::env;
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
    in_region(&mut sam);
    Ok(sam)
}

/// AWS's SDKs ask one variable for the region, its programs in Python another: either will do.
pub(crate) fn in_region(command: &mut Command) -> &mut Command {
    match (env::var_os("AWS_DEFAULT_REGION"), env::var_os("AWS_REGION")) {
        (None, Some(region)) => command.env("AWS_DEFAULT_REGION", region),
        _ => command,
    }
}
