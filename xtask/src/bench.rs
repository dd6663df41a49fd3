//! `cargo xtask bench door`: builds the door as it ships and what it is compared to, and runs the measurements.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::machine::{cargo, install, root, target};
use crate::services::test_python;
use crate::steps::{Steps, succeed};

/// The profile that ships. All that is written in Rust is measured in it.
const PROFILE: &str = "door";

/// What `npm ci` needs to know of Node's function.
const NODE_FILES: [&str; 3] = ["index.mjs", "package.json", "package-lock.json"];

/// One run of the door's measurements.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Door {
    /// Half as many of everything.
    pub(crate) quick: bool,
    pub(crate) json: bool,
}

pub(crate) fn run(door: &Door) -> Result<()> {
    let mut steps = Steps::of("bench");
    let outcome = run_steps(&mut steps, door);
    steps.summarise();
    outcome
}

fn run_steps(steps: &mut Steps, door: &Door) -> Result<()> {
    steps.step("tools", "Look for openssl, node and npm", tools)?;
    let python = steps.step("Python", "Make the Python environment in target/test-python", test_python)?;
    let node = steps.step("Node", "Make Node's function in target/bench-door/node", node_function)?;
    // One package at a time: together they would link each other's features.
    steps.step("door", "Build validator-lambda as it ships", || build("validator-lambda"))?;
    steps.step("bench", "Build the bare Lambda and the measurements", || build("bench"))?;
    steps.step("measure", "Measure", || {
        let mut bench = Command::new(program("bench-door"));
        bench.arg("--lambda").arg(program("validator-lambda"));
        bench.arg("--python").arg(python.path()).arg("--node").arg(node);
        bench.args(door.quick.then_some("--quick")).args(door.json.then_some("--json"));
        succeed(&mut bench)
    })
}

fn build(package: &str) -> Result<()> {
    succeed(&mut cargo(&["build", "--profile", PROFILE, "--package", package, "--bins", "--locked"]))
}

fn program(name: &str) -> PathBuf {
    target(PROFILE).join(name)
}

fn tools() -> Result<()> {
    for (tool, package) in [("openssl", "openssl"), ("node", "nodejs"), ("npm", "npm")] {
        if version(tool).is_err() {
            install(&[package], &format!("`{tool}`"))?;
        }
    }
    Ok(())
}

/// Every tool here has a command that says its version and does nothing else.
fn version(tool: &str) -> Result<String> {
    let argument = if tool == "openssl" { "version" } else { "--version" };
    let output = Command::new(tool).arg(argument).stderr(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start `{tool}`"))?;
    ensure!(output.status.success(), "`{tool} {argument}` ended with {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// target/bench-door/node: Node's function with the packages of its lock file, as it would be uploaded. Packages are
/// installed again only when the lock file or Node itself has changed.
fn node_function() -> Result<PathBuf> {
    let (source, folder) = (root().join("bench/door/node"), target("bench-door/node"));
    let node = version("node")?;
    ensure!(major(&node) >= Some(20), "node is {}, and 20 or later is needed", node.trim_end());
    let wanted = format!("{node}{}", fs::read_to_string(source.join("package-lock.json"))?);
    fs::create_dir_all(&folder)?;
    for name in NODE_FILES {
        fs::copy(source.join(name), folder.join(name))?;
    }
    let stamp = target("bench-door/node-installed.txt");
    if !fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        succeed(&mut npm(&folder))?;
        fs::write(&stamp, wanted)?;
    }
    Ok(folder)
}

fn npm(folder: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.args(["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
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
        assert!(version("no-such-tool").is_err());
        assert!(version("false").is_err());
    }
}
