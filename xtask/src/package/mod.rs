//! `cargo xtask package`: what ships. The Lambda as the zip that AWS takes, the worker as a container's image, each with its
//! list of parts and held against what it may weigh.

mod image;
mod sbom;
mod zip;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::machine::root;
use crate::services::{Python, tools};
use crate::steps::Steps;

/// The variable that tells the programs at build time what version they are.
const VERSION_VARIABLE: &str = "CLOSING_BELL_VERSION";

/// A processor that Lambda and Fargate offer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Architecture {
    X86_64,
    Arm64,
}

impl Architecture {
    /// As Rust names it.
    fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }
}

/// What is built.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Artefact {
    /// The Lambda's zip, for this processor.
    Zip(Architecture),
    /// The worker's image, for this processor.
    Image(Architecture),
    /// Both.
    All(Architecture),
    /// Only the files that an image is made of, for this machine's own processor: infra/Dockerfile asks for them.
    ImageFiles,
}

pub(crate) fn run(artefact: Artefact) -> Result<()> {
    let mut steps = Steps::of("package");
    let outcome = run_steps(&mut steps, artefact);
    steps.summarise();
    outcome
}

fn run_steps(steps: &mut Steps, artefact: Artefact) -> Result<()> {
    let (zip, image, architecture) = match artefact {
        Artefact::Zip(architecture) => (true, false, Some(architecture)),
        Artefact::Image(architecture) => (false, true, Some(architecture)),
        Artefact::All(architecture) => (true, true, Some(architecture)),
        Artefact::ImageFiles => (false, false, None),
    };
    let version = steps.step("version", "Which version this is", version)?;
    let target = steps.step("target", "What it is built for", || target_of(architecture))?;
    if zip {
        let tools = steps.step("tools", "Make the Python environment in target/tools-python", tools)?;
        steps.step("build zip", "Build the Lambda's zip", || zip::build(&tools, &target, &version))?;
        steps.step("zip", "Weigh the zip", || zip::weigh(&tools))?;
    }
    if image && !steps.step("engine", "Look for a Docker engine", || image::has_engine(!zip))? {
        return Ok(());
    }
    if image || architecture.is_none() {
        steps.step("build image", "Build the worker", || image::files(&target, &version))?;
    }
    if image {
        steps.step("image", "Put it into an image, and weigh that", || image::pack(&version))?;
    }
    Ok(())
}

/// Builds the Lambda's zip for this machine's kind. `sam build` asks for the same and says nothing for minutes, if it is not there.
pub(crate) fn door(tools: &Python) -> Result<()> {
    zip::build(tools, &target_of(None)?, &version()?)
}

/// Looks whether an image can be made, before anything else is.
pub(crate) fn engine_answers() -> Result<()> {
    image::has_engine(true).map(|_| ())
}

/// Builds the worker's image for this machine's kind, and gives Docker's id for it.
pub(crate) fn worker_image() -> Result<String> {
    let version = version()?;
    image::files(&target_of(None)?, &version)?;
    image::pack(&version)
}

/// Rust's name of the system that is built for; nothing in particular is this machine. With this machine's own linker, which
/// links for its own kind.
fn target_of(architecture: Option<Architecture>) -> Result<String> {
    let own = env::consts::ARCH;
    let wanted = architecture.map_or(own, Architecture::name);
    ensure!(
        wanted == own,
        "what ships is built on a machine of its own kind: this one is {own} and it is for {wanted}"
    );
    Ok(format!("{wanted}-unknown-linux-gnu"))
}

/// `0.1.0+3955397abc12`: the version, and after it the commit; `.dirty` where more than that is built. What the variable
/// says, if it is set: a container that builds has no history.
fn version() -> Result<String> {
    if let Some(told) = env::var(VERSION_VARIABLE).ok().filter(|told| !told.is_empty()) {
        return Ok(told);
    }
    let version = env!("CARGO_PKG_VERSION");
    let Ok(commit) = output(Command::new("git").args(["rev-parse", "--short=12", "HEAD"])) else {
        return Ok(version.to_owned());
    };
    let changes = output(Command::new("git").args(["status", "--porcelain", "--untracked-files=no"]))?;
    let dirty = if changes.is_empty() { "" } else { ".dirty" };
    Ok(format!("{version}+{commit}{dirty}"))
}

/// What a program prints at the root of the checkout, without the last newline.
fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.current_dir(root()).output().with_context(|| format!("cannot start `{program}`"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{program}` ended with {}: {}", output.status, said.trim());
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// `1.52 MB`.
fn megabytes(bytes: u64) -> String {
    let hundredths = bytes.div_ceil(10_000);
    format!("{}.{:02} MB", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up() {
        assert_eq!(megabytes(3_000_000), "3.00 MB");
        assert_eq!(megabytes(3_000_001), "3.01 MB");
    }
}
