//! template.yaml, and other YAML of CloudFormation's kind, as a tree with line numbers.
//!
//! The short forms of CloudFormation's functions (`!Ref Queue`) read like the long ones (`{Ref: Queue}`), scalars are the text
//! that they are written as, and anchors are refused: CloudFormation knows none.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use saphyr_parser::{Event, Parser, Span, StrInput, Tag};

/// A node, and the line on which it begins.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Value {
    Scalar(String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Reads a file with one document.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("cannot understand {}", file.display()))
    }

    /// Reads a text with one document.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader(Parser::new_from_str(text));
        loop {
            match reader.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (event, span) => return reader.node(event, span),
            }
        }
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a map; none if it is something else.
    pub(crate) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; what is not a list is one item, as in IAM's policies.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// What stands at a path of names with dots between them.
    pub(crate) fn at(&self, path: &str) -> Option<&Self> {
        path.split('.')
            .try_fold(self, |node, name| node.entries().iter().find(|(key, _)| key == name).map(|(_, value)| value))
    }

    /// The text at a path.
    pub(crate) fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path).and_then(Self::text)
    }

    /// This node and all below it.
    pub(crate) fn all(&self) -> Vec<&Self> {
        let below: Vec<&Self> = match &self.value {
            Value::Scalar(_) => Vec::new(),
            Value::List(items) => items.iter().flat_map(Self::all).collect(),
            Value::Map(entries) => entries.iter().flat_map(|(_, value)| value.all()).collect(),
        };
        [vec![self], below].concat()
    }

    /// The resources of a template: name, type and the resource.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (&str, &str, &Self)> {
        let entries = self.at("Resources").map(Self::entries).unwrap_or_default();
        entries.iter().map(|(name, resource)| (name.as_str(), resource.text_at("Type").unwrap_or_default(), resource))
    }
}

struct Reader<'a>(Parser<'a, StrInput<'a>>);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span)> {
        Ok(self.0.next().context("it ends too early")??)
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Node> {
        let line = span.start.line();
        let (value, tag) = match event {
            Event::Scalar(text, _, _, tag) => (Value::Scalar(text.into_owned()), tag),
            Event::SequenceStart(_, tag) => (Value::List(self.items()?), tag),
            Event::MappingStart(_, tag) => (Value::Map(self.entries()?), tag),
            _ => bail!("line {line}: an alias, or nothing, where something should stand"),
        };
        let node = Node { line, value };
        Ok(match tag.and_then(|tag| function(&tag)) {
            Some(name) => Node { line, value: Value::Map(vec![(name, node)]) },
            None => node,
        })
    }

    fn items(&mut self) -> Result<Vec<Node>> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span)?),
            }
        }
    }

    fn entries(&mut self) -> Result<Vec<(String, Node)>> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            let (key, span) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(entries),
                (Event::Scalar(key, ..), span) => (key.into_owned(), span),
                (_, span) => bail!("line {}: a key that is not a word", span.start.line()),
            };
            if entries.iter().any(|(other, _)| *other == key) {
                bail!("line {}: a second `{key}`", span.start.line());
            }
            let (event, span) = self.next()?;
            entries.push((key, self.node(event, span)?));
        }
    }
}

/// The long name of a function's short form; `None` for YAML's own tags.
fn function(tag: &Tag) -> Option<String> {
    let name = (tag.handle == "!").then_some(&tag.suffix)?;
    Some(if ["Ref", "Condition"].contains(&name.as_str()) { name.clone() } else { format!("Fn::{name}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_functions_read_like_long_ones() {
        let node = Node::parse("a: !Ref Queue\nb: {Ref: Queue}\nc: !If [X, !GetAtt Y.Arn, \"0.10\"]\n").unwrap();
        assert_eq!(node.text_at("a.Ref"), Some("Queue"));
        assert_eq!(node.text_at("b.Ref"), Some("Queue"));
        let choice = node.at("c.Fn::If").unwrap();
        assert_eq!(choice.line, 3);
        assert_eq!(choice.items()[1].text_at("Fn::GetAtt"), Some("Y.Arn"));
        assert_eq!(choice.items()[2].text(), Some("0.10"));
    }

    #[test]
    fn what_cloudformation_would_not_take_is_refused() {
        for (text, problem) in [
            ("a: 1\na: 2\n", "line 2: a second `a`"),
            ("a: &x 1\nb: *x\n", "line 2: an alias, or nothing, where something should stand"),
            ("? [a]\n: 1\n", "line 1: a key that is not a word"),
        ] {
            assert_eq!(format!("{:#}", Node::parse(text).unwrap_err()), problem, "{text}");
        }
        assert!(Node::parse("a: [").is_err());
    }
}
