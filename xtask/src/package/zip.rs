//! The Lambda as the zip that AWS takes, held against what it may weigh and may need.

use std::fs;
use std::io;
use std::process::Command;

use anyhow::{Result, ensure};

use super::sbom::{self, Program};
use super::{VERSION_VARIABLE, megabytes, read};
use crate::machine::{cargo, target};
use crate::services::Python;
use crate::steps::succeed;

/// The profile that ships.
const PROFILE: &str = "door";
/// The largest zip in bytes: it is loaded at every cold start.
const MAX_ZIP_BYTES: u64 = 3_000_000;
/// The size of zip in bytes that is aimed for.
const AIM_ZIP_BYTES: u64 = 1_600_000;
/// glibc 2.N of Amazon Linux 2023, on which `provided.al2023` runs the program.
const LAMBDA_GLIBC: u32 = 34;

/// With this machine's own linker, which needs no more than glibc of its own age: [`weigh`] looks whether Lambda's will do.
/// The list of parts lies beside the zip and not in it, since every byte of the zip is loaded at a cold start.
pub(super) fn build(tools: &Python, triple: &str, version: &str) -> Result<()> {
    let mut build = cargo(&["lambda", "build", "--package", "validator-lambda", "--profile", PROFILE, "--locked"]);
    build.args(["--output-format", "zip", "--compiler", "cargo", "--target", triple]).env(VERSION_VARIABLE, version);
    succeed(tools.lend(&mut build)?.stdout(io::stderr()))?;
    let program = Program { name: "bootstrap", package: "validator-lambda", version, triple, is_static: false };
    fs::write(target("lambda/validator-lambda").join(sbom::FILE), sbom::of(&program)?)?;
    Ok(())
}

pub(super) fn weigh(tools: &Python) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_glibc_counts() {
        assert_eq!(glibc(b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0"), 34);
        assert_eq!(glibc(b"GLIBC_PRIVATE GLIBC_2."), 0);
    }
}
