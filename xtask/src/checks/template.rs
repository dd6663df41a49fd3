//! What must hold of template.yaml and no public linter knows: the traps of this very stack.

use crate::template::Node;

/// Actions that AWS knows for all resources only (service authorization reference, "Actions, resources, and condition keys for
/// Amazon Elastic Container Registry").
const UNBOUND_ACTIONS: [&str; 1] = ["ecr:GetAuthorizationToken"];

/// AWS's own policies that a role may have: API Gateway takes no narrower one for its logs (API Gateway developer guide,
/// "Permissions for CloudWatch logging").
const AWS_POLICIES: [&str; 1] = ["AmazonAPIGatewayPushToCloudWatchLogs"];

/// HubSpot's full speed in five minutes: 10 requests under way, each answered in 20 ms or more.
const FULL_SPEED: u64 = 150_000;

/// What must be in the name of a variable or parameter that holds a secret.
const SECRET_WORDS: [&str; 6] = ["SECRET", "TOKEN", "PASSWORD", "SMTP_URL", "SMTPURL", "DATABASE_URL"];

/// What breaks a rule, and on which line.
pub(super) type Violation = (usize, String);

/// What in `template` breaks a rule; `labels` is infra/firewall-labels.yaml, and `runbook` the text of infra/RUNBOOK.md.
pub(super) fn violations(template: &Node, labels: &Node, runbook: &str) -> Vec<Violation> {
    let mut found = [
        firewall(template, labels),
        door(template),
        network(template),
        secrets(template),
        logs(template),
        permissions(template),
        alarms(template, runbook),
    ]
    .concat();
    found.sort();
    found
}

fn of_type<'a>(template: &'a Node, wanted: &'a str) -> impl Iterator<Item = (&'a str, &'a Node)> {
    template.resources().filter(move |(_, kind, _)| *kind == wanted).map(|(name, _, resource)| (name, resource))
}

/// A batch of HubSpot's is larger than AWS's rules allow a body to be, and may look like an attack: no rule that looks into
/// bodies may block.
fn firewall(template: &Node, labels: &Node) -> Vec<Violation> {
    let mut found = Vec::new();
    let groups = labels.entries();
    let may_block = |label: &str| {
        groups.iter().any(|(_, group)| {
            let name = label.strip_prefix(group.text_at("namespace").unwrap_or_default());
            let other = group.at("other").map(Node::items).unwrap_or_default();
            name.is_some_and(|name| other.iter().any(|rule| rule.text() == Some(name)))
        })
    };
    let counts = |group: &Node, wanted: &str| {
        let overrides = group.at("RuleActionOverrides").map(Node::items).unwrap_or_default();
        let mut of_rule = overrides.iter().filter(|rule| rule.text_at("Name") == Some(wanted));
        of_rule.next().is_some_and(|rule| rule.at("ActionToUse.Count").is_some())
    };
    let mut limits = 0;
    for (name, firewall) in of_type(template, "AWS::WAFv2::WebACL") {
        let mut say = |line, text: &str| found.push((line, format!("{name}: {text}")));
        if firewall.at("Properties.DefaultAction.Allow").is_none() {
            say(firewall.line, "the default action is to allow");
        }
        for rule in firewall.at("Properties.Rules").map(Node::items).unwrap_or_default() {
            let statement = rule.at("Statement");
            let group = statement.and_then(|statement| statement.at("ManagedRuleGroupStatement"));
            if let Some(group) = group {
                let name = group.text_at("Name").unwrap_or_default();
                if rule.at("OverrideAction.Count").is_none() {
                    say(rule.line, &format!("`{name}` would block by rules that AWS adds; let the group count"));
                }
                match groups.iter().find(|(known, _)| known == name) {
                    None => say(rule.line, &format!("infra/firewall-labels.yaml does not know the rules of `{name}`")),
                    Some((_, known)) => {
                        for body_rule in
                            known.at("body").map(Node::items).unwrap_or_default().iter().filter_map(Node::text)
                        {
                            if !counts(group, body_rule) {
                                say(rule.line, &format!("`{body_rule}` looks into bodies and must count"));
                            }
                        }
                    }
                }
            }
            for node in rule.all() {
                for (key, value) in node.entries() {
                    if ["Body", "JsonBody"].contains(&key.as_str()) {
                        say(value.line, "a rule of ours looks into bodies");
                    }
                }
                if let Some(label) = node.text_at("LabelMatchStatement.Key").filter(|label| !may_block(label)) {
                    let line = node.line;
                    say(
                        line,
                        &format!(
                            "`{label}` may not block: infra/firewall-labels.yaml has it not, or as of a rule that looks into bodies"
                        ),
                    );
                }
            }
            if let Some(rate) = statement.and_then(|statement| statement.at("RateBasedStatement")) {
                limits += 1;
                let number = |path| rate.text_at(path).and_then(|text| text.parse::<u64>().ok());
                let in_five_minutes =
                    number("Limit").zip(number("EvaluationWindowSec")).map(|(limit, seconds)| limit * 300 / seconds);
                if in_five_minutes.is_none_or(|limit| limit <= FULL_SPEED) {
                    say(rule.line, &format!("HubSpot alone sends up to {FULL_SPEED} requests in five minutes"));
                }
            }
        }
    }
    if limits != 1 || of_type(template, "AWS::WAFv2::WebACLAssociation").count() != 1 {
        found.push((1, "the gateway has one firewall, and that has one limit per address".to_owned()));
    }
    found
}

/// One method on one path, and no other way in.
fn door(template: &Node) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut routes = Vec::new();
    for (name, kind, resource) in template.resources() {
        let other_way = kind.starts_with("AWS::ApiGatewayV2::")
            || ["AWS::ApiGateway::Method", "AWS::ApiGateway::Resource", "AWS::ApiGateway::RestApi", "AWS::Lambda::Url"]
                .contains(&kind)
            || ["AWS::Serverless::HttpApi", "AWS::ElasticLoadBalancingV2::LoadBalancer"].contains(&kind)
            || ["DefinitionBody", "DefinitionUri", "FunctionUrlConfig"]
                .iter()
                .any(|property| resource.at(&format!("Properties.{property}")).is_some());
        if other_way {
            found.push((resource.line, format!("{name}: another way in")));
        }
        for (_, event) in resource.at("Properties.Events").map(Node::entries).unwrap_or_default() {
            let word = |path| event.text_at(path).unwrap_or_default();
            routes.push((
                event.line,
                format!("{} {} {}", word("Type"), word("Properties.Method"), word("Properties.Path")),
            ));
        }
    }
    match routes.as_slice() {
        [(_, route)] if route == "Api POST /webhooks/hubspot" => {}
        [] => found.push((1, "nothing leads to the door".to_owned())),
        _ => found.extend(
            routes
                .into_iter()
                .map(|(line, route)| (line, format!("the one way in is POST /webhooks/hubspot, not also `{route}`"))),
        ),
    }
    found
}

/// What costs by the hour and nobody needs.
fn network(template: &Node) -> Vec<Violation> {
    let gateways = of_type(template, "AWS::EC2::NatGateway");
    gateways.map(|(name, node)| (node.line, format!("{name}: a NAT gateway costs 33 dollars a month"))).collect()
}

/// Secrets are values in Secrets Manager, which somebody has pasted or AWS has made; a template and its parameters hold none.
fn secrets(template: &Node) -> Vec<Violation> {
    let mut found = Vec::new();
    let is_secret = |name: &str| {
        let name = name.to_uppercase();
        !name.ends_with("ARN") && SECRET_WORDS.iter().any(|word| name.contains(word))
    };
    for (name, parameter) in template.at("Parameters").map(Node::entries).unwrap_or_default() {
        if is_secret(name) || parameter.at("NoEcho").is_some() {
            found.push((parameter.line, format!("{name}: a secret is no parameter")));
        }
    }
    for (name, kind, resource) in template.resources() {
        if kind == "AWS::SecretsManager::Secret" && resource.at("Properties.SecretString").is_some() {
            found.push((resource.line, format!("{name}: a secret's value is not in the template")));
        }
        let variables = resource.at("Properties.Environment.Variables").map(Node::entries).unwrap_or_default();
        let of_function = variables.iter().map(|(variable, value)| (variable.as_str(), value));
        let of_containers = resource.at("Properties.ContainerDefinitions").map(Node::all).unwrap_or_default();
        let of_containers = of_containers.into_iter().filter_map(|node| node.text_at("Name").zip(node.at("Value")));
        for (variable, value) in of_function.chain(of_containers) {
            let resolved = value.all().iter().any(|node| node.text().is_some_and(|text| text.contains("{{resolve:")));
            if is_secret(variable) || resolved {
                found.push((
                    value.line,
                    format!("{name}: `{variable}` is a secret in a plain variable; name its ARN in {variable}_ARN"),
                ));
            }
        }
    }
    found
}

/// A log group without retention keeps everything for ever, and so does one that a service makes itself.
fn logs(template: &Node) -> Vec<Violation> {
    let mut found = Vec::new();
    let groups: Vec<&str> = of_type(template, "AWS::Logs::LogGroup").map(|(name, _)| name).collect();
    for (name, kind, resource) in template.resources() {
        let of = |path: &str| {
            let node = resource.at(path)?;
            node.text_at("Ref").or_else(|| node.text_at("Fn::GetAtt").and_then(|text| text.strip_suffix(".Arn")))
        };
        let group = match kind {
            "AWS::Logs::LogGroup" => resource.at("Properties.RetentionInDays").map(|_| name),
            "AWS::Serverless::Function" => of("Properties.LoggingConfig.LogGroup"),
            "AWS::Serverless::Api" => of("Properties.AccessLogSetting.DestinationArn"),
            "AWS::ECS::TaskDefinition" => {
                let nodes = resource.all();
                let mut options = nodes.iter().filter_map(|node| node.text_at("awslogs-group.Ref"));
                options.next()
            }
            _ => continue,
        };
        if group.is_none_or(|group| !groups.contains(&group)) {
            found
                .push((resource.line, format!("{name}: its logs have no group with RetentionInDays in this template")));
        }
    }
    found
}

/// Each role may do what it does, to what it does it to.
fn permissions(template: &Node) -> Vec<Violation> {
    let mut found = Vec::new();
    for (name, _, resource) in template.resources() {
        let mut say = |line, text: String| found.push((line, format!("{name}: {text}")));
        for policy in resource.at("Properties.ManagedPolicyArns").map(Node::items).unwrap_or_default() {
            let known =
                |node: &&Node| node.text().is_some_and(|text| AWS_POLICIES.iter().any(|known| text.ends_with(known)));
            if !policy.all().iter().any(known) {
                say(policy.line, "a policy of AWS's own is wider than what is needed".to_owned());
            }
        }
        for statement in resource.all() {
            if statement.text_at("Effect") != Some("Allow") {
                continue;
            }
            let words = |key| statement.at(key).map(Node::all).unwrap_or_default();
            let starred = |key| words(key).iter().any(|node| node.text().is_some_and(|text| text.contains('*')));
            if starred("Action") || statement.at("NotAction").is_some() {
                say(statement.line, "a wildcard among the actions".to_owned());
            }
            if starred("Principal") || statement.at("NotPrincipal").is_some() {
                say(statement.line, "a wildcard among who may".to_owned());
            }
            let unbound =
                words("Action").iter().filter_map(|node| node.text()).all(|action| UNBOUND_ACTIONS.contains(&action));
            if starred("Resource") && !unbound || statement.at("NotResource").is_some() {
                say(
                    statement.line,
                    "a wildcard among the resources, and AWS knows narrower ones for these actions".to_owned(),
                );
            }
        }
        if let Some(policies) = resource
            .at("Properties.Policies")
            .filter(|policies| policies.items().iter().any(|policy| policy.at("PolicyDocument").is_none()))
        {
            say(policies.line, "a policy that is only named; write down what may be done".to_owned());
        }
    }
    found
}

/// Who hears an alarm finds in it what it means, and the heading under which the runbook goes on.
fn alarms(template: &Node, runbook: &str) -> Vec<Violation> {
    let rings = |alarm: &Node| {
        let actions = alarm.at("Properties.AlarmActions").map(Node::items).unwrap_or_default();
        actions.iter().any(|action| action.text_at("Ref") == Some("AlarmTopic"))
    };
    let points = |alarm: &Node| {
        let description = alarm.at("Properties.AlarmDescription").map(Node::all).unwrap_or_default();
        let pointers = description
            .iter()
            .filter_map(|node| node.text()?.split_once("infra/RUNBOOK.md, \"")?.1.strip_suffix("\"."));
        pointers.into_iter().any(|heading| runbook.lines().any(|line| line.strip_prefix("## ") == Some(heading)))
    };
    of_type(template, "AWS::CloudWatch::Alarm")
        .filter(|(_, alarm)| rings(alarm) && !points(alarm))
        .map(|(name, alarm)| (alarm.line, format!("{name}: its description ends in no heading of infra/RUNBOOK.md")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = include_str!("../../../template.yaml");
    const RUNBOOK: &str = include_str!("../../../infra/RUNBOOK.md");
    const LABELS: &str = include_str!("../../../infra/firewall-labels.yaml");

    fn found(template: &str) -> Vec<String> {
        let template = Node::parse(template).unwrap();
        violations(&template, &Node::parse(LABELS).unwrap(), RUNBOOK).into_iter().map(|(_, text)| text).collect()
    }

    /// The template with one place changed.
    fn changed(from: &str, to: &str) -> String {
        assert!(TEMPLATE.contains(from), "the template no longer has `{from}`");
        TEMPLATE.replacen(from, to, 1)
    }

    #[test]
    fn the_template_keeps_all_rules() {
        assert_eq!(found(TEMPLATE), Vec::<String>::new());
    }

    #[test]
    fn each_planted_defect_is_found() {
        let resource = |text: &str| changed("Outputs:\n", &format!("  Planted:\n{text}\nOutputs:\n"));
        for (template, expected) in [
            (changed("OverrideAction: { Count: {} }", "OverrideAction: { None: {} }"), "let the group count"),
            (
                changed("Name: AWSManagedRulesCommonRuleSet", "Name: AWSManagedRulesSQLiRuleSet"),
                "does not know the rules",
            ),
            (
                changed("Log4JRCE_BODY, ActionToUse: { Count: {} }", "Log4JRCE_BODY, ActionToUse: { Block: {} }"),
                "must count",
            ),
            (
                changed("                - { Name: SizeRestrictions_BODY, ActionToUse: { Count: {} } }\n", ""),
                "`SizeRestrictions_BODY` looks into bodies and must count",
            ),
            (changed("core-rule-set:SizeRestrictions_URIPath", "core-rule-set:SizeRestrictions_Body"), "may not block"),
            (changed("core-rule-set:SizeRestrictions_URIPath", "core-rule-set:Unheard_Of"), "may not block"),
            (changed("Limit: 200000", "Limit: 2000"), "HubSpot alone sends"),
            (changed("EvaluationWindowSec: 300", "EvaluationWindowSec: 600"), "HubSpot alone sends"),
            (changed("DefaultAction: { Allow: {} }", "DefaultAction: { Block: {} }"), "default action"),
            (
                changed(
                    "OrStatement:",
                    "SizeConstraintStatement: { FieldToMatch: { Body: {} } }\n            OrStatement:",
                ),
                "a rule of ours looks into bodies",
            ),
            (changed("AWS::WAFv2::WebACLAssociation", "AWS::WAFv2::IPSet"), "one firewall"),
            (changed("Method: POST,", "Method: ANY,"), "the one way in"),
            (changed("Path: /webhooks/hubspot", "Path: \"/{proxy+}\""), "the one way in"),
            (
                changed(
                    "      Events:\n",
                    "      Events:\n        Second:\n          Type: Api\n          Properties: { Method: GET, Path: / }\n",
                ),
                "the one way in",
            ),
            (
                changed("      CodeUri:", "      FunctionUrlConfig: { AuthType: NONE }\n      CodeUri:"),
                "another way in",
            ),
            (resource("    Type: AWS::EC2::NatGateway"), "NAT gateway"),
            (
                changed("HUBSPOT_CLIENT_SECRETS_ARN: !Ref", "HUBSPOT_CLIENT_SECRETS: !Ref"),
                "a secret in a plain variable",
            ),
            (changed("Name: SMTP_URL_ARN,", "Name: SMTP_URL,"), "a secret in a plain variable"),
            (
                changed("Name: MAIL_TO, Value: !Ref MailTo", "Name: MAIL_TO, Value: \"{{resolve:secretsmanager:x}}\""),
                "a secret in a plain variable",
            ),
            (changed("  MailTo:\n", "  SmtpPassword: { Type: String }\n  MailTo:\n"), "a secret is no parameter"),
            (
                resource("    Type: AWS::SecretsManager::Secret\n    Properties: { SecretString: changeme }"),
                "a secret's value is not in the template",
            ),
            (changed("RetentionInDays: !Ref LogRetentionDays", "KmsKeyId: x"), "no group with RetentionInDays"),
            (changed("      LoggingConfig: { LogGroup: !Ref DoorLogs }\n", ""), "no group with RetentionInDays"),
            (changed("awslogs-group: !Ref WorkerLogs", "awslogs-group: elsewhere"), "no group with RetentionInDays"),
            (changed("Action: sqs:SendMessage\n", "Action: sqs:*\n"), "a wildcard among the actions"),
            (
                changed("Resource: !GetAtt DoorLogs.Arn", "Resource: !Sub \"${DoorLogs.Arn}:*\""),
                "a wildcard among the resources",
            ),
            (changed("Principal: { Service: lambda.amazonaws.com }", "Principal: \"*\""), "a wildcard among who may"),
            (changed("AmazonAPIGatewayPushToCloudWatchLogs", "AdministratorAccess"), "wider than what is needed"),
            (changed("      CodeUri:", "      Policies: [AmazonSQSFullAccess]\n      CodeUri:"), "only named"),
            (changed("infra/RUNBOOK.md, \"Silence\".", "infra/RUNBOOK.md, \"Quiet\"."), "ends in no heading"),
            (changed("infra/RUNBOOK.md, \"Silence\"", "See the wiki"), "ends in no heading"),
        ] {
            let found = found(&template);
            assert!(found.iter().any(|text| text.contains(expected)), "not `{expected}` but {found:?}");
        }
    }
}
