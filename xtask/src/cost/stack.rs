//! The stack that template.yaml becomes: parameters filled in, conditions decided, and what hangs on them resolved as far as
//! that can be known before anything exists.
//!
//! What a function means is in AWS's "Intrinsic function reference". Functions that only a running stack can answer
//! (`GetAtt`, `Sub`, a `Ref` to a resource) stay as they are.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use crate::template::{Node, Value};

/// A resource that will be made.
#[derive(Debug)]
pub(super) struct Resource {
    /// Its name in the template.
    pub(super) name: String,
    /// Such as `AWS::SQS::Queue`.
    pub(super) kind: String,
    /// Without what a condition leaves out.
    pub(super) properties: Node,
}

/// A template with values for its parameters.
#[derive(Debug)]
pub(super) struct Stack {
    template: Node,
    parameters: BTreeMap<String, String>,
}

impl Stack {
    /// The template with the defaults of its parameters.
    pub(super) fn of(template: Node) -> Self {
        let declared = template.at("Parameters").map(Node::entries).unwrap_or_default();
        let default = |declaration: &Node| declaration.text_at("Default").unwrap_or_default().to_owned();
        let parameters = declared.iter().map(|(name, declaration)| (name.clone(), default(declaration))).collect();
        Self { template, parameters }
    }

    /// Gives a parameter another value than its default.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let known = self.parameters.keys().cloned().collect::<Vec<_>>().join(", ");
        let parameter = self.parameters.get_mut(name);
        let parameter = parameter.with_context(|| format!("there is no parameter `{name}`; there are {known}"))?;
        value.clone_into(parameter);
        Ok(())
    }

    /// The resources that will be made, in the template's order.
    pub(super) fn resources(&self) -> Result<Vec<Resource>> {
        let mut resources = Vec::new();
        for (name, kind, declaration) in self.template.resources() {
            let condition = declaration.text_at("Condition");
            if condition
                .map_or(Ok(true), |condition| self.condition(condition))
                .with_context(|| format!("in {name}"))?
            {
                let properties = declaration.at("Properties").map_or(Ok(None), |properties| self.resolve(properties));
                let properties = properties.with_context(|| format!("in {name}"))?;
                let properties = properties.unwrap_or(Node { line: declaration.line, value: Value::Map(Vec::new()) });
                resources.push(Resource { name: name.to_owned(), kind: kind.to_owned(), properties });
            }
        }
        Ok(resources)
    }

    fn condition(&self, name: &str) -> Result<bool> {
        let declared = self.template.at("Conditions").and_then(|conditions| conditions.at(name));
        self.holds(declared.with_context(|| format!("there is no condition `{name}`"))?)
    }

    fn holds(&self, node: &Node) -> Result<bool> {
        let (name, given) = function(node).with_context(|| format!("line {}: this is no condition", node.line))?;
        let mut each = given.items().iter().map(|item| self.holds(item));
        match (name, given.items()) {
            ("Condition", _) => self.condition(given.text().context("a condition without a name")?),
            ("Not", [one]) => Ok(!self.holds(one)?),
            ("And", _) => each.try_fold(true, |all, one| Ok(one? && all)),
            ("Or", _) => each.try_fold(false, |any, one| Ok(one? || any)),
            ("Equals", [one, other]) => Ok(self.word(one)? == self.word(other)?),
            _ => bail!("line {}: this condition cannot be decided", node.line),
        }
    }

    /// A text that is known before anything exists.
    fn word(&self, node: &Node) -> Result<String> {
        let resolved = self.resolve(node)?;
        let text = resolved.as_ref().and_then(Node::text).map(str::to_owned);
        text.with_context(|| format!("line {}: this is not known before it is deployed", node.line))
    }

    /// The node with everything decided that can be; none for `AWS::NoValue`.
    fn resolve(&self, node: &Node) -> Result<Option<Node>> {
        if let Some((name, given)) = function(node) {
            match (name, given.items()) {
                ("Ref", _) if given.text() == Some("AWS::NoValue") => return Ok(None),
                ("Ref", _) => {
                    if let Some(text) = given.text().and_then(|name| self.parameters.get(name)) {
                        return Ok(Some(Node { line: node.line, value: Value::Scalar(text.clone()) }));
                    }
                }
                ("If", [condition, then, otherwise]) => {
                    let condition = condition.text().context("an If without the name of a condition")?;
                    return self.resolve(if self.condition(condition)? { then } else { otherwise });
                }
                ("FindInMap", keys) => return self.mapped(keys),
                _ => {}
            }
        }
        let value = match &node.value {
            Value::Scalar(text) => Value::Scalar(text.clone()),
            Value::List(items) => {
                let resolved: Vec<Option<Node>> = items.iter().map(|item| self.resolve(item)).collect::<Result<_>>()?;
                Value::List(resolved.into_iter().flatten().collect())
            }
            Value::Map(entries) => {
                let mut resolved = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    resolved.extend(self.resolve(value)?.map(|value| (key.clone(), value)));
                }
                Value::Map(resolved)
            }
        };
        Ok(Some(Node { line: node.line, value }))
    }

    /// What the template maps some keys to.
    fn mapped(&self, keys: &[Node]) -> Result<Option<Node>> {
        let mut path = vec!["Mappings".to_owned()];
        for key in keys {
            path.push(self.word(key)?);
        }
        let mut node = Some(&self.template);
        for key in &path {
            node = node.and_then(|node| node.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node));
        }
        let node = node.with_context(|| format!("nothing is mapped by {}", path[1..].join(", ")))?;
        ensure!(node.text().is_some(), "line {}: this is not a single value", node.line);
        self.resolve(node)
    }
}

/// A function by its short name, such as `Ref` or `If`, and what it is given.
pub(super) fn function(node: &Node) -> Option<(&str, &Node)> {
    let [(name, given)] = node.entries() else { return None };
    match name.as_str() {
        "Ref" => Some(("Ref", given)),
        "Condition" if given.text().is_some() => Some(("Condition", given)),
        name => Some((name.strip_prefix("Fn::")?, given)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "
Parameters:
  Firewall: {Type: String, Default: 'on'}
  Workers: {Type: Number, Default: 1}
  Owner: {Type: String}
Mappings:
  Count: {'1': {Number: one}, '2': {Number: two}, '3': {Number: three}}
Conditions:
  HasFirewall: !Equals [!Ref Firewall, 'on']
  Scales: !Not [!Equals [!Ref Workers, 1]]
  Both: !And [!Condition HasFirewall, {Condition: Scales}]
  Either: {'Fn::Or': [!Condition HasFirewall, !Condition Scales]}
Resources:
  Wall: {Type: AWS::WAFv2::WebACL, Condition: HasFirewall}
  Scaling: {Type: AWS::ApplicationAutoScaling::ScalableTarget, Condition: Scales}
  Service:
    Type: AWS::ECS::Service
    Condition: Either
    Properties:
      DesiredCount: !Ref Workers
      Words: !FindInMap [Count, !Ref Workers, Number]
      Role: !GetAtt Role.Arn
      Spot: !If [Both, 'yes', !Ref AWS::NoValue]
      Subnets: [!Ref One, !If [Scales, two, !Ref 'AWS::NoValue']]
";

    fn stack(template: &str) -> Stack {
        Stack::of(Node::parse(template).unwrap())
    }

    fn names(stack: &Stack) -> Vec<String> {
        stack.resources().unwrap().into_iter().map(|resource| resource.name).collect()
    }

    #[test]
    fn conditions_decide_what_is_made() {
        let mut stack = stack(TEMPLATE);
        assert_eq!(names(&stack), ["Wall", "Service"]);
        stack.set("Workers", "3").unwrap();
        assert_eq!(names(&stack), ["Wall", "Scaling", "Service"]);
        stack.set("Firewall", "off").unwrap();
        assert_eq!(names(&stack), ["Scaling", "Service"]);
        stack.set("Workers", "1").unwrap();
        assert_eq!(names(&stack), Vec::<String>::new());
    }

    #[test]
    fn values_are_resolved_as_far_as_they_are_known() {
        let mut stack = stack(TEMPLATE);
        let service = |stack: &Stack| stack.resources().unwrap().pop().unwrap().properties;
        let properties = service(&stack);
        assert_eq!(properties.text_at("DesiredCount"), Some("1"));
        assert_eq!(properties.text_at("Words"), Some("one"));
        assert!(properties.at("Spot").is_none());
        assert_eq!(properties.at("Subnets").unwrap().items().len(), 1);
        assert_eq!(properties.at("Role").and_then(function).unwrap().0, "GetAtt");
        stack.set("Workers", "2").unwrap();
        assert_eq!(service(&stack).text_at("Spot"), Some("yes"));
    }

    #[test]
    fn what_cannot_be_decided_is_named() {
        let error = |text: &str| format!("{:#}", stack(text).resources().unwrap_err());
        assert_eq!(error("Resources: {A: {Type: X, Condition: Gone}}"), "in A: there is no condition `Gone`");
        let unknown = "Conditions: {C: !Equals [!Ref A, 'x']}\nResources: {A: {Type: X, Condition: C}}";
        assert_eq!(error(unknown), "in A: line 1: this is not known before it is deployed");
        let error = stack(TEMPLATE).set("Wokers", "2").unwrap_err().to_string();
        assert_eq!(error, "there is no parameter `Wokers`; there are Firewall, Owner, Workers");
    }
}
