//! template.yaml held against the rules of AWS Control Tower by cfn-guard. What a rule finds is mended, or skipped at its resource
//! with the reason: `Metadata: { guard: { skip: [{ id: CT.ECS.PR.2, comment: "…" }] } }`.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::machine::{root, target};
use crate::services::Python;
use crate::steps::succeed;
use crate::template::Node;

/// Where the parts of the Python package lie in it.
const ARCHIVE: &str = "cdklabs/cdk_validator_cfnguard/_jsii/cdk-validator-cfnguard@0.0.62.jsii.tgz";
/// What cfn-guard exits with when a rule is broken.
const BROKEN: i32 = 19;
/// Rules of which one can be sure that they looked at something.
const FEWEST_RULES: usize = 20;

/// A rule's id, and the resource that breaks it.
type Finding = (String, String);

/// Prints what no skip speaks of, and skips that nothing needs any more.
pub(super) fn run(tools: &Python) -> Result<()> {
    let template = root().join("template.yaml");
    let expanded = target("tools-python/expanded.json");
    let mut expand = Command::new(tools.path());
    expand.args(["-c", include_str!("expand.py")]).arg(&template).env("AWS_DEFAULT_REGION", "us-east-1");
    let expand = expand.output().context("cannot start Python")?;
    let said = String::from_utf8_lossy(&expand.stderr);
    ensure!(expand.status.success(), "SAM does not understand template.yaml: {}", said.trim());
    fs::write(&expanded, expand.stdout)?;

    let parts = parts(tools)?;
    let mut guard = Command::new(parts.join("bin/ubuntu").join(env::consts::ARCH).join("cfn-guard"));
    guard.args([
        "validate",
        "--type",
        "CFNTemplate",
        "--structured",
        "--output-format",
        "json",
        "--show-summary",
        "none",
    ]);
    guard.arg("--rules").arg(parts.join("rules/control-tower/cfn-guard")).arg("--data").arg(&expanded);
    let answer = guard.output().context("cannot start cfn-guard")?;
    let said = String::from_utf8_lossy(&answer.stderr);
    ensure!([Some(0), Some(BROKEN)].contains(&answer.status.code()), "cfn-guard ended with {}: {said}", answer.status);
    let report = Node::parse(&String::from_utf8(answer.stdout)?)?;
    let kept =
        report.items().iter().filter_map(|file| file.at("compliant")).map(|rules| rules.items().len()).sum::<usize>();
    ensure!(kept >= FEWEST_RULES, "only {kept} rules were looked at and kept: does cfn-guard see the resources?");
    let problems = judge(&Node::read(&template)?, &findings(&report));
    for problem in &problems {
        eprintln!("template.yaml: {problem}");
    }
    ensure!(problems.is_empty(), "findings of cfn-guard that nothing explains: {}", problems.len());
    Ok(())
}

/// The folder with program and rules, unpacked once for each making of target/tools-python.
fn parts(tools: &Python) -> Result<PathBuf> {
    let folder = target("tools-python/cfn-guard");
    let package = folder.join("package");
    if !package.join("rules").exists() {
        let packages = ["-c", "import sysconfig; print(sysconfig.get_path('purelib'), end='')"];
        let packages = Command::new(tools.path()).args(packages).output().context("cannot start Python")?;
        let archive = PathBuf::from(String::from_utf8(packages.stdout)?).join(ARCHIVE);
        fs::create_dir_all(&folder)?;
        succeed(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(&folder))?;
    }
    Ok(package)
}

/// What cfn-guard reports, each once.
fn findings(report: &Node) -> BTreeSet<Finding> {
    let broken = report.items().iter().filter_map(|file| file.at("not_compliant")).flat_map(Node::items);
    let mut found = BTreeSet::new();
    for rule in broken {
        let all = rule.all();
        let texts = |key: &str| all.iter().filter_map(|node| node.text_at(key)).collect::<Vec<_>>();
        let ids =
            texts("custom_message").into_iter().filter_map(|text| Some(text.split_once("[CT.")?.1.split_once(']')?.0));
        let resources =
            texts("path").into_iter().filter_map(|path| path.strip_prefix("/Resources/")?.split('/').next());
        let resources: Vec<&str> = resources.collect();
        for id in ids {
            found.extend(resources.iter().map(|resource| (format!("CT.{id}"), (*resource).to_owned())));
        }
    }
    found
}

/// Findings without a skip, skips without a reason, and skips without a finding.
fn judge(template: &Node, findings: &BTreeSet<Finding>) -> Vec<String> {
    let resources: Vec<(&str, &Node)> = template.resources().map(|(name, _, resource)| (name, resource)).collect();
    let mut problems = Vec::new();
    let mut skips = BTreeSet::new();
    for (name, resource) in &resources {
        for skip in resource.at("Metadata.guard.skip").map(Node::items).unwrap_or_default() {
            let id = skip.text_at("id").unwrap_or_default();
            if skip.text_at("comment").is_none_or(|comment| comment.trim().is_empty()) {
                problems.push(format!("{name}: why {id} is skipped is not said"));
            }
            skips.insert((id.to_owned(), (*name).to_owned()));
        }
    }
    // What SAM makes of a resource begins with its name.
    let origin = |made: &str| {
        let names = resources.iter().map(|(name, _)| *name).filter(|name| made.starts_with(name));
        names.max_by_key(|name| name.len()).unwrap_or(made).to_owned()
    };
    let findings: BTreeSet<Finding> = findings.iter().map(|(id, made)| (id.clone(), origin(made))).collect();
    problems.extend(findings.difference(&skips).map(|(id, name)| format!("{name} breaks {id}")));
    problems
        .extend(skips.difference(&findings).map(|(id, name)| format!("{name} keeps {id}, which need not be skipped")));
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "
Resources:
  Gateway:
    Type: AWS::Serverless::Api
    Metadata: { guard: { skip: [{ id: CT.APIGATEWAY.PR.2, comment: paid by the trace }] } }
  GatewayLogs:
    Type: AWS::Logs::LogGroup
    Metadata: { guard: { skip: [{ id: CT.CLOUDWATCH.PR.2, comment: ' ' }, { id: CT.ECS.PR.2, comment: x }] } }
";

    #[test]
    fn a_finding_is_mended_or_explained() {
        let report = r#"[{"not_compliant": [
            {"Rule": {"name": "x", "checks": [{"Rule": {"messages": {"custom_message": "\n [CT.APIGATEWAY.PR.2]: Require X-Ray\n [FIX]: …"},
                "checks": [{"Clause": {"value": {"path": "/Resources/GatewayliveStage/Properties", "value": {}}}}]}}]}},
            {"Rule": {"name": "y", "checks": [{"Rule": {"messages": {"custom_message": "[CT.CLOUDWATCH.PR.2]: Require a year"},
                "checks": [{"to": {"path": "/Resources/GatewayLogs/Properties/RetentionInDays"}}, {"to": {"path": ""}}]}}]}},
            {"Rule": {"name": "z", "checks": [{"Rule": {"messages": {"custom_message": "[CT.CLOUDWATCH.PR.3]: Require a key"},
                "checks": [{"to": {"path": "/Resources/GatewayLogs/Properties"}}]}}]}}
        ]}]"#;
        let findings = findings(&Node::parse(report).unwrap());
        assert_eq!(
            judge(&Node::parse(TEMPLATE).unwrap(), &findings),
            [
                "GatewayLogs: why CT.CLOUDWATCH.PR.2 is skipped is not said",
                "GatewayLogs breaks CT.CLOUDWATCH.PR.3",
                "GatewayLogs keeps CT.ECS.PR.2, which need not be skipped",
            ]
        );
    }
}
