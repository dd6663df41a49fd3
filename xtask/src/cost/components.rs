//! What each resource of the template is billed for: so many units of a price, always or for each event.

use anyhow::{Context, Result, bail};

use super::prices::Quantity;
use super::stack::{Resource, function};
use crate::template::Node;

/// Hours of a month, as AWS counts them in its own examples.
const HOURS: u128 = 730;
const MINUTES: u128 = HOURS * 60;

/// The dearest case: HubSpot may put up to a hundred events into one delivery.
const EVENTS_PER_DELIVERY: u128 = 1;
/// Billed for a delivery, in milliseconds: what `bench door` shows is a fraction of it, and cold starts are in it.
const LAMBDA_MS: u128 = 50;
/// What a delivery writes into logs, in bytes: the gateway's line, the door's own, and what Lambda adds to it.
const LOG_BYTES_PER_DELIVERY: u128 = 2_000;
/// What a cycle writes into logs, in bytes: its line of metrics, and now and then one of what it did.
const LOG_BYTES_PER_CYCLE: u128 = 1_000;
/// What an idle cycle asks SQS: one long receive, and once in a while what waits.
const SQS_CALLS_PER_CYCLE: u128 = 2;
/// Send, receive and delete. The two last are for ten messages at most, and often for one.
const SQS_CALLS_PER_DELIVERY: u128 = 3;
/// What the door and the worker count in any month: Heartbeat, CycleTime, QueueDepth.
const METRICS_ALWAYS: u128 = 3;
/// What they count in an hour in which something happens: Accepted (also by secret), QueueTime, ColdStart; Deliveries, Events,
/// RecordsRead, Changes, Reports, MailsSent. A metric costs by the hour in which it is written.
const METRICS_OF_WORK: u128 = 10;
/// What one event leaves in the books, in bytes, by `bench worker`; raw deliveries are kept for some thirteen months.
const BOOKS_BYTES_PER_EVENT: u128 = 130;
const MONTHS_KEPT: u128 = 13;
/// What the database reads and writes for an event, in requests of Aurora's.
const DATABASE_IO_PER_EVENT: u128 = 20;
/// How long a database that was woken stays awake beyond its own delay, in seconds: resuming, and the work itself.
const AWAKE_SECONDS: u128 = 60;
/// An awake database that has little to do, in ACU.
const ACU_AWAKE: u128 = 1;
/// What asks the books when nothing happens, in a day: the worker (LONGEST_REST in its `cycle`), and the doctor.
const LOOKS_A_DAY: u128 = 5;
/// Deliveries come while people work: in 22 days of 10 hours.
const WORKING_HOURS: u128 = 220;
/// The worker's image and the one before it, in bytes.
const IMAGES_BYTES: u128 = 60_000_000;

const GB: u128 = 1_000_000_000;

/// What is billed by the piece, in one line for all: the kind, the component, the price.
const COUNTED: &[(&str, &str, &str)] = &[
    ("AWS::SecretsManager::Secret", "Secrets", "secret"),
    ("AWS::CloudWatch::Alarm", "Alarms", "alarm"),
    ("AWS::CloudWatch::Dashboard", "Dashboard", "dashboard"),
];

/// What costs nothing itself.
const FREE: &[&str] = &[
    "AWS::ApiGateway::Account",
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::GatewayResponse",
    "AWS::ApiGateway::Method",
    "AWS::ApiGateway::Resource",
    "AWS::ApiGateway::Stage",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::ECS::Cluster",
    "AWS::ECS::ClusterCapacityProviderAssociations",
    "AWS::ECS::TaskDefinition",
    "AWS::Events::Rule",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::RDS::DBClusterParameterGroup",
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBParameterGroup",
    "AWS::RDS::DBSubnetGroup",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::SecretsManager::SecretTargetAttachment",
    "AWS::WAFv2::WebACLAssociation",
];

/// One line of the bill, before its price.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) component: &'static str,
    pub(super) what: String,
    pub(super) price: String,
    pub(super) quantity: Quantity,
    /// Whether it depends on the events.
    pub(super) varies: bool,
}

fn always(component: &'static str, what: impl Into<String>, price: &str, quantity: impl Into<Quantity>) -> Line {
    Line { component, what: what.into(), price: price.to_owned(), quantity: quantity.into(), varies: false }
}

fn by_event(component: &'static str, what: impl Into<String>, price: &str, quantity: impl Into<Quantity>) -> Line {
    Line { varies: true, ..always(component, what, price, quantity) }
}

/// The lines of all resources for so many events a month.
pub(super) fn lines(resources: &[Resource], events: u128) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (kind, component, price) in COUNTED {
        let count = resources.iter().filter(|resource| resource.kind == *kind).count();
        if count > 0 {
            let what = format!("{count} {price}{}", if count == 1 { "" } else { "s" });
            lines.push(always(component, what, price, count as u128));
        }
    }
    for resource in resources {
        let these = of_resource(resource, resources, events);
        lines.extend(these.with_context(|| format!("{} ({})", resource.name, resource.kind))?);
    }
    Ok(lines)
}

fn of_resource(resource: &Resource, all: &[Resource], events: u128) -> Result<Vec<Line>> {
    let deliveries = events.div_ceil(EVENTS_PER_DELIVERY);
    let name = &resource.name;
    let properties = &resource.properties;
    Ok(match resource.kind.as_str() {
        "AWS::Serverless::Api" | "AWS::ApiGateway::RestApi" => {
            vec![by_event("API Gateway", "each delivery", "api-gateway request", deliveries)]
        }
        "AWS::WAFv2::WebACL" => {
            let rules = properties.at("Rules").map_or(0, |rules| rules.items().len() as u128);
            vec![
                always("Firewall", "the web ACL", "waf web ACL", 1),
                always("Firewall", format!("its {rules} rules"), "waf rule", rules),
                by_event("Firewall", "looking at each delivery", "waf request", deliveries),
            ]
        }
        "AWS::Serverless::Function" | "AWS::Lambda::Function" => {
            let megabytes = number(properties, "MemorySize")?;
            let architecture = properties.at("Architectures").and_then(|list| list.items().first()?.text());
            let price = format!("lambda GB-second {}", architecture.unwrap_or("x86_64"));
            let seconds = Quantity::of(deliveries * LAMBDA_MS * megabytes, 1_000 * 1_024);
            let logs = deliveries * LOG_BYTES_PER_DELIVERY;
            vec![
                by_event("Door", "each delivery", "lambda request", deliveries),
                by_event("Door", format!("{LAMBDA_MS} ms of {megabytes} MB for each"), &price, seconds),
                by_event("Logs", "of the gateway and the door", "log GB in", Quantity::of(logs, GB)),
                by_event("Logs", "keeping these", "log GB-month", Quantity::of(logs * months_of_logs(all)?, GB)),
                by_event("Queue", "send, receive, delete", "sqs request", deliveries * SQS_CALLS_PER_DELIVERY),
                by_event(
                    "Metrics",
                    format!("{METRICS_OF_WORK} in each hour with events"),
                    "custom metric",
                    Quantity::of(METRICS_OF_WORK * deliveries.min(HOURS), HOURS),
                ),
            ]
        }
        "AWS::ECS::Service" => service(properties, all)?,
        "AWS::RDS::DBCluster" => aurora(properties, events, deliveries)?,
        "AWS::EC2::NatGateway" => vec![always("NAT gateway", name, "NAT gateway hour", HOURS)],
        "AWS::EC2::EIP" => vec![always("NAT gateway", "its address", "public IPv4 hour", HOURS)],
        "AWS::EC2::VPCEndpoint" => match properties.text_at("VpcEndpointType").unwrap_or("Gateway") {
            "Gateway" => vec![],
            _ => {
                let zones = properties.at("SubnetIds").map_or(1, |subnets| subnets.items().len() as u128);
                vec![always("VPC endpoint", name, "VPC endpoint hour", HOURS * zones)]
            }
        },
        "AWS::ApplicationAutoScaling::ScalingPolicy" => match properties.text_at("PolicyType") {
            Some("TargetTrackingScaling") => vec![always("Alarms", "two of the scaling's own", "alarm", 2)],
            _ => vec![],
        },
        "AWS::ECR::Repository" => {
            vec![always("Image", "two versions of the worker", "ecr GB-month", Quantity::of(IMAGES_BYTES, GB))]
        }
        counted if COUNTED.iter().any(|(kind, ..)| *kind == counted) => vec![],
        free if FREE.contains(&free) => vec![],
        kind => bail!("nobody has said what {kind} costs: write it into xtask/src/cost/components.rs"),
    })
}

fn service(properties: &Node, all: &[Resource]) -> Result<Vec<Line>> {
    let workers = number(properties, "DesiredCount")?;
    let task = properties.at("TaskDefinition").and_then(function).and_then(|(_, name)| name.text());
    let task = all.iter().find(|resource| Some(resource.name.as_str()) == task);
    let task = &task.context("its TaskDefinition is not in the template")?.properties;
    let (cpu, memory) = (number(task, "Cpu")?, number(task, "Memory")?);
    let kind = task.text_at("RuntimePlatform.CpuArchitecture").unwrap_or("X86_64");
    let what = |of: &str| format!("{workers} worker{}, {of}", if workers == 1 { "" } else { "s" });
    let (cpu_hours, memory_hours) =
        (Quantity::of(workers * cpu * HOURS, 1_024), Quantity::of(workers * memory * HOURS, 1_024));
    let mut lines = vec![
        always("Worker", what(&format!("{cpu}/1024 of a processor")), &format!("fargate vCPU-hour {kind}"), cpu_hours),
        always("Worker", what(&format!("{memory} MB of memory")), &format!("fargate GB-hour {kind}"), memory_hours),
        always("Queue", what("two calls each minute"), "sqs request", workers * MINUTES * SQS_CALLS_PER_CYCLE),
        always("Metrics", "heartbeat, cycle time, queue depth", "custom metric", METRICS_ALWAYS),
    ];
    let logs = workers * MINUTES * LOG_BYTES_PER_CYCLE;
    lines.push(always("Logs", "a line each minute", "log GB in", Quantity::of(logs, GB)));
    lines.push(always("Logs", "keeping these", "log GB-month", Quantity::of(logs * months_of_logs(all)?, GB)));
    if properties.text_at("NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp") == Some("ENABLED") {
        lines.push(always("Worker", what("a public address"), "public IPv4 hour", workers * HOURS));
    }
    Ok(lines)
}

/// A cluster that may pause costs by the hours that it is awake; deliveries wake it, however far apart they come.
fn aurora(properties: &Node, events: u128, deliveries: u128) -> Result<Vec<Line>> {
    let capacity = "ServerlessV2ScalingConfiguration";
    let least = properties.text_at(&format!("{capacity}.MinCapacity")).context("it has no MinCapacity")?;
    let stored = Quantity::of(events * MONTHS_KEPT * BOOKS_BYTES_PER_EVENT, GB);
    let mut lines = vec![
        always("Database", "its first GB", "aurora GB-month", 1),
        by_event("Database", format!("{MONTHS_KEPT} months of books"), "aurora GB-month", stored),
        by_event("Database", "reading and writing", "aurora I/O", events * DATABASE_IO_PER_EVENT),
    ];
    if matches!(least, "0" | "0.0") {
        let delay = number(properties, &format!("{capacity}.SecondsUntilAutoPause"))?;
        let month = HOURS * 3_600;
        let alone = (LOOKS_A_DAY * HOURS / 24 * (delay + AWAKE_SECONDS)).min(month);
        let woken = (deliveries * (delay + AWAKE_SECONDS)).min(WORKING_HOURS * 3_600);
        let hours = |seconds: u128| Quantity::of(seconds * ACU_AWAKE, 3_600);
        let looks = format!("awake for {LOOKS_A_DAY} looks a day");
        lines.push(always("Database", looks, "aurora ACU-hour", hours(alone)));
        lines.push(by_event(
            "Database",
            format!("awake for deliveries, in {WORKING_HOURS} hours at most"),
            "aurora ACU-hour",
            hours(woken),
        ));
    } else {
        let hundredths = hundredths(least).with_context(|| format!("MinCapacity `{least}` is not a number"))?;
        let always_on = Quantity::of(hundredths * HOURS, 100);
        lines.push(always("Database", format!("{least} ACU at all times"), "aurora ACU-hour", always_on));
    }
    Ok(lines)
}

/// How many months the log groups keep what is written, rounded up.
fn months_of_logs(all: &[Resource]) -> Result<u128> {
    let groups = all.iter().filter(|resource| resource.kind == "AWS::Logs::LogGroup");
    let days = groups.map(|group| {
        number(&group.properties, "RetentionInDays").with_context(|| format!("{} keeps for ever", group.name))
    });
    Ok(days.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or_default().div_ceil(30))
}

fn number(properties: &Node, path: &str) -> Result<u128> {
    let text = properties.text_at(path).with_context(|| format!("its {path} is not known before it is deployed"))?;
    text.parse().with_context(|| format!("its {path} is `{text}` and not a whole number"))
}

fn hundredths(text: &str) -> Option<u128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    format!("{whole}{:0<2}", part.get(..part.len().min(2))?).parse().ok()
}
