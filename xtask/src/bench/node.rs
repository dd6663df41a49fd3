//! Node's side of a comparison: its programs, and the packages of a lock file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::machine::{install, root, target};
use crate::steps::succeed;

/// Where Debian's and NodeSource's packages put the headers; without them, packages in C++ would be fetched ready-made from
/// where no registry is.
const HEADERS: &str = "/usr/include/node/node_api.h";

/// Looks for node and npm, and installs them.
pub(super) fn tools() -> Result<()> {
    for (tool, package) in [("node", "nodejs"), ("npm", "npm")] {
        if version(tool, "--version").is_err() {
            install(&[package], &format!("`{tool}`"))?;
        }
    }
    Ok(())
}

/// What a tool says of its version.
pub(super) fn version(tool: &str, argument: &str) -> Result<String> {
    let output = Command::new(tool).arg(argument).stderr(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start `{tool}`"))?;
    ensure!(output.status.success(), "`{tool} {argument}` ended with {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// target/bench-NAME/node: what bench/NAME/node holds, with the packages of its lock file. Packages are installed again only
/// when the lock file or Node itself has changed.
pub(super) fn ready(name: &str) -> Result<PathBuf> {
    let (source, folder) = (root().join(format!("bench/{name}/node")), target(&format!("bench-{name}/node")));
    let node = version("node", "--version")?;
    ensure!(major(&node) >= Some(20), "node is {}, and 20 or later is needed", node.trim_end());
    let lock = fs::read_to_string(source.join("package-lock.json"))?;
    let wanted = format!("{node}{lock}");
    fs::create_dir_all(&folder)?;
    for file in ["index.mjs", "package.json", "package-lock.json"] {
        fs::copy(source.join(file), folder.join(file))?;
    }
    let stamp = target(&format!("bench-{name}/node-installed.txt"));
    if !fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        let has_native = lock.contains("\"hasInstallScript\"");
        if has_native {
            compiler()?;
        }
        succeed(&mut npm(&folder, has_native))?;
        fs::write(&stamp, wanted)?;
    }
    Ok(folder)
}

/// What packages in C++ need to be built here.
fn compiler() -> Result<()> {
    if !Path::new(HEADERS).exists() {
        install(&["libnode-dev"], "the headers of node")?;
    }
    if ["c++", "make"].iter().any(|tool| version(tool, "--version").is_err()) {
        install(&["g++", "make"], "a C++ compiler")?;
    }
    Ok(())
}

fn npm(folder: &Path, has_native: bool) -> Command {
    let mut npm = Command::new("npm");
    npm.args(["ci", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]);
    if has_native {
        npm.env("npm_config_nodedir", "/usr").env("npm_config_build_from_source", "true");
    } else {
        npm.arg("--ignore-scripts");
    }
    // stdout is for the figures.
    npm.current_dir(folder).stdout(Stdio::null());
    npm
}

/// `v20.20.2` is 20.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("v9.0.0"), Some(9));
        assert_eq!(major("20.20.2"), None);
        assert!(major("") < Some(20), "no version is an old one");
    }

    #[test]
    fn a_tool_that_is_missing_or_fails_has_no_version() {
        assert!(version("no-such-tool", "--version").is_err());
        assert!(version("false", "--version").is_err());
    }
}
