//! `cargo xtask deploy`: the stack of template.yaml in an AWS account, made or brought up to date, and looked at by `doctor`.
//!
//! The whole is the same command again, whatever it was interrupted at: each step leaves alone what is there already.

mod aws;
mod doctor;

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use self::aws::Aws;
use crate::package;
use crate::sam::sam;
use crate::services::{Python, tools};
use crate::steps::{Steps, succeed};

/// What the stack is called unless it is said.
pub(crate) const USUAL_STACK: &str = "closing-bell";

/// The longest name of a queue takes 50 letters more, since it ends in the stack's id, and SQS takes 80 (SQS, "Quotas").
const LONGEST_NAME: usize = 30;

/// What the template needs to be told once.
const REQUIRED: [&str; 3] = ["OwnerEmail", "MailFrom", "MailTo"];

/// The template's parameter that says for which processor door and image are.
const ARCHITECTURE: &str = "Architecture";

/// The stack's secrets that somebody has to paste: the output with the ARN, and what it is.
const TO_PASTE: [(&str, &str); 3] = [
    ("ClientSecretsArn", "the HubSpot app's client secret, from its Auth tab"),
    ("AccessTokenArn", "the HubSpot app's static access token, from its Auth tab"),
    (
        "SmtpUrlArn",
        "the mail server: smtps://user:password@host:465 or smtp://user:password@host:587, / ? # @ and % of the password as \
         %2F %3F %23 %40 and %25",
    ),
];

/// So long may a change take that is under way already: a database is made in a quarter of an hour, and a worker that does not
/// become healthy is taken back after half an hour.
const PATIENCE: Duration = Duration::from_secs(60 * 60);
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What can be done about a stack in its state.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Make it: it is not there, or is no more than a change that was never carried out.
    Missing,
    /// Clear it away and make it: the first try has failed, and was taken back.
    TakenBack,
    /// Wait: somebody is at it, be it this command before it was interrupted.
    Busy,
    /// Bring it up to date.
    There,
}

/// What the stack says of itself.
struct Outputs(BTreeMap<String, String>);

impl Outputs {
    fn get(&self, name: &str) -> Result<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.with_context(|| format!("the stack has no output {name}: is it one of template.yaml?"))
    }
}

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
        let tools =
            steps.step("tools", "Look for Docker, and make the Python environment in target/tools-python", || {
                self.has_a_name_that_fits()?;
                self.is_for_this_machine()?;
                if self.image.is_none() {
                    package::engine_answers()?;
                }
                tools()
            })?;
        let aws = Aws(&tools);
        let stage = steps.step("account", "Ask AWS who we are, and whether the stack is there", || {
            let account = aws.ask(&["sts", "get-caller-identity", "--query", "Account"])?.unwrap_or_default();
            let stage = self.settled(&aws)?;
            let is_there = if stage == Stage::There { "is there" } else { "is new" };
            eprintln!("    account {account}: the stack {} {is_there}", self.stack);
            if stage != Stage::There {
                self.is_told_enough()?;
            }
            Ok(stage)
        })?;
        steps.step("door", "Build the door", || {
            package::door(&tools)?;
            succeed(told_on_stderr(sam(&tools)?.arg("build")))
        })?;
        if stage == Stage::TakenBack {
            steps.step("clearing", "Clear away what is left of the first try", || self.clear_away(&aws))?;
        }
        if stage != Stage::There {
            steps.step("stack", "Make the stack, without a worker yet", || self.deploy(&tools, None))?;
        }
        let outputs = steps.step("secrets", "Look whether the secrets are there", || {
            let outputs = self.outputs(&aws)?;
            secrets(&aws, &outputs)?;
            Ok(outputs)
        })?;
        let image = match &self.image {
            Some(image) => image.clone(),
            None => steps.step("image", "Build the worker's image, and push it", || {
                push(&aws, outputs.get("WorkerRepositoryUri")?)
            })?,
        };
        steps.step("worker", "Bring the stack up to date, with its worker", || self.deploy(&tools, Some(&image)))?;
        let url = steps.step("doctor", "Have closing-bell doctor look at it, from inside", || {
            let outputs = self.outputs(&aws)?;
            doctor::run(&aws, &outputs)?;
            Ok(outputs.get("WebhookUrl")?.to_owned())
        })?;
        eprintln!("==> The target URL for HubSpot (infra/hubspot-app/README.md says how to give it):");
        println!("{url}");
        Ok(())
    }

    /// Door and image are built with this machine's own linker.
    fn is_for_this_machine(&self) -> Result<()> {
        let told = self.parameters.iter().find(|(name, _)| name == ARCHITECTURE);
        let (own, wanted) = (own_architecture(), told.map(|(_, value)| value.as_str()));
        ensure!(
            wanted.is_none_or(|wanted| wanted == own),
            "the door is built for the processor of this machine, which is {own}: leave {ARCHITECTURE} out, or deploy from another"
        );
        Ok(())
    }

    /// Its stage, once nobody is at it any more.
    fn settled(&self, aws: &Aws<'_>) -> Result<Stage> {
        let began = Instant::now();
        let query = ["--query", "Stacks[0].StackStatus"];
        let look = [&["cloudformation", "describe-stacks", "--stack-name", &self.stack][..], &query].concat();
        loop {
            let status = aws.find(&look, "does not exist")?;
            let stage = stage_of(status.as_deref());
            if stage != Stage::Busy {
                return Ok(stage);
            }
            let status = status.unwrap_or_default();
            ensure!(began.elapsed() < PATIENCE, "the stack {} has been in {status} for an hour", self.stack);
            eprintln!("    the stack is in {status}: waiting for its end");
            sleep(LOOK_AGAIN);
        }
    }

    /// A stack that was taken back holds nothing and cannot be updated.
    fn clear_away(&self, aws: &Aws<'_>) -> Result<()> {
        aws.ask(&["cloudformation", "delete-stack", "--stack-name", &self.stack])?;
        aws.ask(&["cloudformation", "wait", "stack-delete-complete", "--stack-name", &self.stack])?;
        Ok(())
    }

    /// Says so before the queues cannot be made.
    fn has_a_name_that_fits(&self) -> Result<()> {
        ensure!(
            self.stack.len() <= LONGEST_NAME,
            "`{}` is too long: a stack's name has at most {LONGEST_NAME} letters",
            self.stack
        );
        Ok(())
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
        sam.arg("--parameter-overrides").args(values).args(image);
        sam.arg(format!("{ARCHITECTURE}={}", own_architecture()));
        succeed(told_on_stderr(&mut sam))
    }

    fn outputs(&self, aws: &Aws<'_>) -> Result<Outputs> {
        let query = ["--query", "Stacks[0].Outputs[].[OutputKey,OutputValue]"];
        let look = ["cloudformation", "describe-stacks", "--stack-name", &self.stack];
        let listed = aws.ask(&[&look[..], &query].concat())?.unwrap_or_default();
        let pairs = listed.lines().filter_map(|line| line.split_once('\t'));
        Ok(Outputs(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }
}

/// A worker without its secrets would end at once, and SAM would take the deployment back.
fn secrets(aws: &Aws<'_>, outputs: &Outputs) -> Result<()> {
    let mut missing = String::new();
    for (output, what) in TO_PASTE {
        let arn = outputs.get(output)?;
        // Also what somebody has pasted blank is not there. The values are not looked at.
        let look = ["secretsmanager", "get-secret-value", "--secret-id", arn, "--query", "SecretString"];
        if aws.find(&look, "ResourceNotFoundException")?.is_none() {
            missing.push_str(&format!(
                "\n\n  # {what}\n  {} secretsmanager put-secret-value --secret-id {arn} --secret-string file:///dev/stdin",
                "target/tools-python/bin/aws"
            ));
        }
    }
    if !missing.is_empty() {
        let url = outputs.get("WebhookUrl")?;
        bail!(
            "secrets are missing. HubSpot's app, made for the target URL\n\n  {url}\n\nby infra/hubspot-app/README.md, has \
             the first two in its Auth tab. Run what follows, paste each value and end it with Enter and Ctrl-D, then deploy \
             again:{missing}\n"
        );
    }
    eprintln!("    all {} are there", TO_PASTE.len());
    Ok(())
}

/// Pushes the image under a tag that says what is in it; what was pushed before is not pushed again.
fn push(aws: &Aws<'_>, repository: &str) -> Result<String> {
    let (registry, path) = repository.split_once('/').context("the repository's URI names no registry")?;
    let id = package::worker_image()?;
    // Docker's name for the image's content.
    let tag = id.trim_start_matches("sha256:").get(..16).context("Docker gives the image no id")?;
    let name = format!("{repository}:{tag}");
    let wanted = format!("imageTag={tag}");
    let look = ["ecr", "describe-images", "--repository-name", path, "--image-ids", &wanted];
    let query = ["--query", "imageDetails[0].imageDigest"];
    if aws.find(&[&look[..], &query].concat(), "ImageNotFoundException")?.is_some() {
        eprintln!("    {name} is in the registry already");
        return Ok(name);
    }
    aws.log_docker_in(registry)?;
    succeed(Command::new("docker").args(["tag", &id, &name]))?;
    succeed(told_on_stderr(Command::new("docker").args(["push", "--quiet", &name])))?;
    Ok(name)
}

/// This machine's processor, as the template calls it.
fn own_architecture() -> &'static str {
    match env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}

fn stage_of(status: Option<&str>) -> Stage {
    match status {
        None | Some("REVIEW_IN_PROGRESS") => Stage::Missing,
        Some("ROLLBACK_COMPLETE") => Stage::TakenBack,
        Some(status) if status.ends_with("_IN_PROGRESS") => Stage::Busy,
        // Where one of these cannot be updated, CloudFormation says why.
        Some(_) => Stage::There,
    }
}

/// What is done is told on stderr; stdout has the URL.
fn told_on_stderr(command: &mut Command) -> &mut Command {
    command.stdout(io::stderr())
}

/// A value as SAM takes it among others: within quotes, since one may hold spaces and commas.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(parameters: &[&str]) -> Deployment {
        let parameters = parameters.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        Deployment { stack: USUAL_STACK.to_owned(), image: None, parameters }
    }

    #[test]
    fn a_new_stack_has_to_be_told_whose_it_is() {
        assert!(with(&REQUIRED).is_told_enough().is_ok());
        let error = with(&["MailFrom", "TimeZone"]).is_told_enough().unwrap_err().to_string();
        assert_eq!(error, "the first time the stack has to be told more: add --set OwnerEmail=… --set MailTo=…");
    }

    #[test]
    fn a_stack_has_a_name_that_its_queues_can_bear() {
        let with_letters = |letters| Deployment { stack: "x".repeat(letters), ..with(&[]) }.has_a_name_that_fits();
        assert!(with_letters(30).is_ok() && with_letters(31).is_err());
    }

    #[test]
    fn nothing_is_deployed_for_another_processor() {
        let mut deployment = with(&[ARCHITECTURE]);
        assert!(deployment.is_for_this_machine().unwrap_err().to_string().contains(own_architecture()));
        deployment.parameters[0].1 = own_architecture().to_owned();
        assert!(deployment.is_for_this_machine().is_ok() && with(&[]).is_for_this_machine().is_ok());
    }

    #[test]
    fn a_stack_is_taken_as_it_was_left() {
        for (status, stage) in [
            (None, Stage::Missing),
            (Some("REVIEW_IN_PROGRESS"), Stage::Missing),
            (Some("ROLLBACK_COMPLETE"), Stage::TakenBack),
            (Some("CREATE_IN_PROGRESS"), Stage::Busy),
            (Some("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"), Stage::Busy),
            (Some("DELETE_IN_PROGRESS"), Stage::Busy),
            (Some("CREATE_COMPLETE"), Stage::There),
            (Some("UPDATE_ROLLBACK_COMPLETE"), Stage::There),
        ] {
            assert_eq!(stage_of(status), stage, "{status:?}");
        }
    }

    #[test]
    fn a_value_is_one_to_sam_whatever_is_in_it() {
        assert_eq!(quoted("Closing Bell <bell@example.com>"), "\"Closing Bell <bell@example.com>\"");
        assert_eq!(quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }
}
