//! `cargo xtask package`: the Lambda as the zip that AWS takes, held against what it may weigh and may need.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::machine::{cargo, target};
use crate::services::{Python, tools};
use crate::steps::{Steps, succeed};

/// The profile that ships.
const PROFILE: &str = "door";
/// The largest zip in bytes: it is loaded at every cold start.
const MAX_ZIP_BYTES: u64 = 3_000_000;
/// The size of zip in bytes that is aimed for.
const AIM_ZIP_BYTES: u64 = 1_600_000;
/// glibc 2.N of Amazon Linux 2023, on which `provided.al2023` runs the program.
const LAMBDA_GLIBC: u32 = 34;

/// A processor that Lambda offers.
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

pub(crate) fn run(architecture: Architecture) -> Result<()> {
    let mut steps = Steps::of("package");
    let outcome = run_steps(&mut steps, architecture);
    steps.summarise();
    outcome
}

fn run_steps(steps: &mut Steps, architecture: Architecture) -> Result<()> {
    let tools = steps.step("tools", "Make the Python environment in target/tools-python", tools)?;
    steps.step("build", "Build the Lambda's zip", || build(&tools, architecture))?;
    steps.step("zip", "Weigh the zip", || weigh(&tools))
}

/// With this machine's own linker, which needs no more than glibc of its own age: [`weigh`] looks whether Lambda's will do.
fn build(tools: &Python, architecture: Architecture) -> Result<()> {
    let (wanted, own) = (architecture.name(), env::consts::ARCH);
    ensure!(wanted == own, "the zip is built on a machine of its own kind: this one is {own} and it is for {wanted}");
    let target = format!("{wanted}-unknown-linux-gnu");
    let mut build = cargo(&["lambda", "build", "--package", "validator-lambda", "--profile", PROFILE, "--locked"]);
    build.args(["--output-format", "zip", "--compiler", "cargo", "--target", &target]);
    succeed(tools.lend(&mut build)?)
}

fn weigh(tools: &Python) -> Result<()> {
    let folder = target("lambda/validator-lambda");
    let zip = folder.join("bootstrap.zip");
    succeed(Command::new(tools.path()).args(["-m", "zipfile", "-e"]).args([&zip, &folder]))?;
    let program = read(&folder.join("bootstrap"))?;
    let (zip_bytes, glibc) = (read(&zip)?.len() as u64, glibc(&program));
    eprintln!(
        "    zip {}, of at most {} and aiming at {}; the program in it {}; needs glibc 2.{glibc}, Lambda has 2.{LAMBDA_GLIBC}",
        megabytes(zip_bytes),
        megabytes(MAX_ZIP_BYTES),
        megabytes(AIM_ZIP_BYTES),
        megabytes(program.len() as u64)
    );
    ensure!(
        glibc <= LAMBDA_GLIBC,
        "the program needs glibc 2.{glibc}, and Lambda's provided.al2023 has 2.{LAMBDA_GLIBC}: build it on an older system"
    );
    ensure!(
        zip_bytes <= MAX_ZIP_BYTES,
        "the zip has {zip_bytes} bytes and may have {MAX_ZIP_BYTES}: look for what came in with `cargo tree -p validator-lambda -e features,no-dev`"
    );
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The newest glibc 2.N that an ELF program names among the versions of the symbols it needs; 0 if it needs none.
fn glibc(program: &[u8]) -> u32 {
    const NAME: &[u8] = b"GLIBC_2.";
    let starts = program.windows(NAME.len()).enumerate().filter(|(_, bytes)| *bytes == NAME);
    let minor = |(at, _): (usize, &[u8])| {
        let digits = program[at + NAME.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0_u32, |number, digit| number.saturating_mul(10).saturating_add((digit - b'0').into()))
    };
    starts.map(minor).max().unwrap_or_default()
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
    fn the_newest_glibc_counts() {
        assert_eq!(glibc(b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0"), 34);
        assert_eq!(glibc(b"GLIBC_PRIVATE GLIBC_2."), 0);
    }

    #[test]
    fn sizes_are_rounded_up() {
        assert_eq!(megabytes(3_000_000), "3.00 MB");
        assert_eq!(megabytes(3_000_001), "3.01 MB");
    }
}
