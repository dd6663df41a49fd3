//! `cargo xtask deploy`: the stack of template.yaml in an AWS account, made or brought up to date, and looked at by `doctor`.
//!
//! The whole is the same command again, whatever it was interrupted at: each step leaves alone what is there already.

mod aws;
mod doctor;

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use self::aws::Aws;
use crate::package;
use crate::sam::sam;
use crate::services::{Python, tools};
use crate::steps::{Steps, succeed};

/// What the stack is called unless it is said.
pub(crate) const USUAL_STACK: &str = "closing-bell";

/// What the template needs to be told once.
const REQUIRED: [&str; 3] = ["OwnerEmail", "MailFrom", "MailTo"];

/// The stack's secrets that somebody has to paste: the output with the ARN, and what it is.
const TO_PASTE: [(&str, &str); 3] = [
    ("ClientSecretsArn", "the HubSpot app's client secret, from its Auth tab"),
    ("AccessTokenArn", "the HubSpot app's static access token, from its Auth tab"),
    ("SmtpUrlArn", "the mail server: smtps://user:password@host:465 or smtp://user:password@host:587"),
];

/// What is deployed.
#[derive(Debug, PartialEq)]
pub(crate) struct Deployment {
    pub(crate) stack: String,
    /// An image that is in a registry already; unset, it is built here and pushed to the stack's own.
    pub(crate) image: Option<String>,
    /// Values of the template's parameters. Those that are not named stay as they are in the account.
    pub(crate) parameters: Vec<(String, String)>,
}

pub(crate) fn run(deployment: &Deployment) -> Result<()> {
    let mut steps = Steps::of("deploy");
    let outcome = deployment.run(&mut steps);
    steps.summarise();
    outcome
}

impl Deployment {
    fn run(&self, steps: &mut Steps) -> Result<()> {
        let tools = steps.step("tools", "Make the Python environment in target/tools-python", tools)?;
        let aws = Aws(&tools);
        let exists = steps.step("account", "Ask AWS who we are, and whether the stack is there", || {
            let account = aws.ask(&["sts", "get-caller-identity", "--query", "Account"])?.unwrap_or_default();
            eprintln!("    account {account}, stack {}", self.stack);
            let exists = self.exists(&aws)?;
            if !exists {
                self.is_told_enough()?;
            }
            Ok(exists)
        })?;
        steps.step("door", "Build the door", || succeed(sam(&tools)?.arg("build")))?;
        if !exists {
            steps.step("stack", "Make the stack, without a worker yet", || self.deploy(&tools, None))?;
        }
        steps.step("secrets", "Look whether the secrets are there", || self.secrets(&aws))?;
        let image = match &self.image {
            Some(image) => image.clone(),
            None => steps.step("image", "Build the worker's image, and push it", || self.push(&aws))?,
        };
        steps.step("worker", "Bring the stack up to date, with its worker", || self.deploy(&tools, Some(&image)))?;
        let url = self.output(&aws, "WebhookUrl")?;
        steps.step("doctor", "Have closing-bell doctor look at it, from inside", || {
            doctor::run(&aws, &url, |name| self.output(&aws, name))
        })?;
        println!("The target URL for HubSpot (infra/hubspot-app/README.md says how to give it):\n{url}");
        Ok(())
    }

    /// Whether there is a stack that can be updated: what failed at its very first try is none.
    fn exists(&self, aws: &Aws<'_>) -> Result<bool> {
        let query = ["--query", "Stacks[0].StackStatus"];
        let status = aws.find(
            &[&["cloudformation", "describe-stacks", "--stack-name", &self.stack][..], &query].concat(),
            "does not exist",
        )?;
        Ok(status.is_some_and(|status| !["REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"].contains(&status.as_str())))
    }

    /// Says so before ten minutes of building.
    fn is_told_enough(&self) -> Result<()> {
        let is_given = |name: &&str| self.parameters.iter().any(|(given, _)| given == name);
        let missing: Vec<String> =
            REQUIRED.iter().filter(|name| !is_given(name)).map(|name| format!("--set {name}=…")).collect();
        ensure!(missing.is_empty(), "the first time the stack has to be told more: add {}", missing.join(" "));
        Ok(())
    }

    /// SAM waits until everything runs, and takes everything back where something does not.
    fn deploy(&self, tools: &Python, image: Option<&str>) -> Result<()> {
        let mut sam = sam(tools)?;
        sam.args(["deploy", "--stack-name", &self.stack]);
        let image = image.map(|image| format!("WorkerImage={image}"));
        let values = self.parameters.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let values: Vec<String> = values.chain(image).collect();
        if !values.is_empty() {
            sam.arg("--parameter-overrides").args(values);
        }
        succeed(&mut sam)
    }

    fn output(&self, aws: &Aws<'_>, name: &str) -> Result<String> {
        let query = format!("Stacks[0].Outputs[?OutputKey=='{name}'].OutputValue");
        let value = aws.ask(&["cloudformation", "describe-stacks", "--stack-name", &self.stack, "--query", &query])?;
        value.with_context(|| format!("the stack {} has no output {name}: is it one of template.yaml?", self.stack))
    }

    /// A worker without its secrets would end at once, and SAM would take the deployment back.
    fn secrets(&self, aws: &Aws<'_>) -> Result<()> {
        let mut missing = String::new();
        for (output, what) in TO_PASTE {
            let arn = self.output(aws, output)?;
            let ids = "VersionIdsToStages && keys(VersionIdsToStages)[0]";
            if aws.ask(&["secretsmanager", "describe-secret", "--secret-id", &arn, "--query", ids])?.is_none() {
                missing.push_str(&format!(
                    "\n\n  # {what}\n  {} secretsmanager put-secret-value --secret-id {arn} --secret-string file:///dev/stdin",
                    "target/tools-python/bin/aws"
                ));
            }
        }
        if !missing.is_empty() {
            let url = self.output(aws, "WebhookUrl")?;
            bail!(
                "secrets are missing. HubSpot's app, made for the target URL\n\n  {url}\n\nby infra/hubspot-app/README.md, has \
                 the first two in its Auth tab. Run these, paste each value and end it with Enter and Ctrl-D, then deploy \
                 again:{missing}\n"
            );
        }
        Ok(())
    }

    /// Pushes the image under a tag that says what is in it; what was pushed before is not pushed again.
    fn push(&self, aws: &Aws<'_>) -> Result<String> {
        let repository = self.output(aws, "WorkerRepositoryUri")?;
        let (registry, path) = repository.split_once('/').context("the repository's URI names no registry")?;
        let id = package::worker_image()?;
        // Docker's name for the image's content.
        let tag = id.trim_start_matches("sha256:").get(..16).context("Docker gives the image no id")?;
        let name = format!("{repository}:{tag}");
        let wanted = format!("imageTag={tag}");
        let look = ["ecr", "describe-images", "--repository-name", path, "--image-ids", &wanted];
        let query = ["--query", "imageDetails[0].imageDigest"];
        if aws.find(&[&look[..], &query].concat(), "ImageNotFoundException")?.is_some() {
            return Ok(name);
        }
        aws.log_docker_in(registry)?;
        succeed(Command::new("docker").args(["tag", &id, &name]))?;
        succeed(Command::new("docker").args(["push", "--quiet", &name]))?;
        Ok(name)
    }
}

/// A value as SAM takes it among others: within quotes, since one may hold spaces and commas.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(parameters: &[&str]) -> Result<()> {
        let parameters = parameters.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        Deployment { stack: USUAL_STACK.to_owned(), image: None, parameters }.is_told_enough()
    }

    #[test]
    fn a_new_stack_has_to_be_told_whose_it_is() {
        assert!(told(&REQUIRED).is_ok());
        let error = told(&["MailFrom", "TimeZone"]).unwrap_err().to_string();
        assert_eq!(error, "the first time the stack has to be told more: add --set OwnerEmail=… --set MailTo=…");
    }

    #[test]
    fn a_value_is_one_to_sam_whatever_is_in_it() {
        assert_eq!(quoted("Closing Bell <bell@example.com>"), "\"Closing Bell <bell@example.com>\"");
        assert_eq!(quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }
}
