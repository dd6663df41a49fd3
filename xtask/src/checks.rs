//! `cargo xtask check`: what must hold before anything runs.

mod guard;
mod house;
mod source;
mod template;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::machine::{cargo, root};
use crate::services::tools;
use crate::steps::{Steps, succeed};
use crate::template::Node;

/// All checks run, so that one look shows everything; the first that failed decides the exit code.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::of("check");
    let outcomes = [
        steps.step("house", "The rules of the house", || house(root())),
        steps.step("template", "Our own rules for template.yaml", || template(root())),
        steps.step("cfn-lint", "template.yaml, as CloudFormation sees it", || lint(&["cfn-lint", "template.yaml"])),
        steps.step("checkov", "template.yaml, as an auditor sees it", || {
            lint(&[
                "checkov",
                "--file",
                "template.yaml",
                "--framework",
                "cloudformation",
                "--compact",
                "--quiet",
                "--skip-download",
            ])
        }),
        steps.step("cfn-guard", "template.yaml, as AWS Control Tower sees it", || guard::run(&tools()?)),
        steps.step("sam", "template.yaml, as SAM sees it", || lint(&["sam", "validate", "--lint"])),
        steps.step("deny", "What the workspace is built from", || deny("Cargo.toml", "deny.toml")),
        steps.step("fence", "What the Lambda is built from", || {
            deny("crates/validator-lambda/Cargo.toml", "crates/validator-lambda/deny.toml")
        }),
        steps.step("fmt", "Formatting", || succeed(&mut cargo(&["fmt", "--all", "--check"]))),
        steps.step("clippy", "Lints", || {
            // All features: the system and soak tests are behind theirs.
            let scope = ["clippy", "--workspace", "--all-targets", "--all-features", "--locked"];
            succeed(cargo(&scope).args(["--", "-D", "warnings"]))
        }),
        steps.step("docs", "Documentation", || {
            let scope = ["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"];
            succeed(cargo(&scope).env("RUSTDOCFLAGS", "-D warnings"))
        }),
        steps.step("production", "The worker as it ships, without the demo", || {
            succeed(&mut cargo(&["check", "--package", "report-worker", "--no-default-features", "--locked"]))
        }),
    ];
    steps.summarise();
    outcomes.into_iter().collect()
}

/// Reads every source file of the crates and prints what breaks a rule, as `file:line: what`.
fn house(root: &Path) -> Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("crates"))? {
        collect_sources(&entry?.path().join("src"), &mut files)?;
    }
    files.sort();
    let mut count = 0;
    for file in &files {
        let path = file.strip_prefix(root)?.to_string_lossy();
        for violation in house::violations(&path, &fs::read_to_string(file)?) {
            eprintln!("{path}:{}: {}", violation.line, violation.text);
            count += 1;
        }
    }
    if count > 0 {
        bail!("places that break a rule of the house: {count}");
    }
    Ok(())
}

fn collect_sources(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_sources(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Prints what in template.yaml breaks a rule of ours.
fn template(root: &Path) -> Result<()> {
    let labels = Node::read(&root.join("infra/firewall-labels.yaml"))?;
    let runbook = fs::read_to_string(root.join("infra/RUNBOOK.md"))?;
    let violations = template::violations(&Node::read(&root.join("template.yaml"))?, &labels, &runbook);
    for (line, text) in &violations {
        eprintln!("template.yaml:{line}: {text}");
    }
    ensure!(violations.is_empty(), "places in template.yaml that break a rule: {}", violations.len());
    Ok(())
}

/// Runs a linter from target/tools-python. It may ask nobody: SAM wants a region to be named and none of its telemetry, checkov
/// would fetch texts about its rules.
fn lint(words: &[&str]) -> Result<()> {
    let tools = tools()?;
    let mut linter = Command::new(tools.program(words[0]));
    linter.current_dir(root()).args(&words[1..]);
    linter.envs([("AWS_DEFAULT_REGION", "us-east-1"), ("SAM_CLI_TELEMETRY", "0"), ("BC_SKIP_MAPPING", "TRUE")]);
    succeed(&mut linter)
}

/// Asks cargo-deny whether what `manifest` is built from keeps to `rules`. Not for advisories: they change while nothing here
/// does, and a check says the same tomorrow.
fn deny(manifest: &str, rules: &str) -> Result<()> {
    let mut deny = cargo(&["deny", "--locked", "--manifest-path", manifest, "--config", rules]);
    deny.args(["check", "--deny", "warnings", "bans", "licenses", "sources"]);
    succeed(tools()?.lend(&mut deny)?).with_context(|| format!("{rules} forbids it, and says what to do instead"))
}
