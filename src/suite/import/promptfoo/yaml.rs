//! YAML as a tree whose nodes know their lines.
//!
//! Owns the tree and its limits. Must not know what stands in it. Invariants: it is never deeper or
//! larger than its limits, aliases included; a scalar is the text that was written.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

use super::super::ImportError;
use crate::suite::value::limits;

/// A value with its line.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Line, from 1.
    pub(super) line: usize,
    pub(super) value: Yaml,
    /// True for a scalar without quotation marks, which may be a number or a boolean.
    pub(super) is_plain: bool,
    /// Values of which this one is made, itself included; long texts count for more.
    size: usize,
    /// Collections within it.
    depth: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Yaml {
    Null,
    Text(String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// A value that no YAML file holds, such as one of a table.
    pub(super) fn new(line: usize, value: Yaml) -> Self {
        Self {
            line,
            value,
            is_plain: false,
            size: 1,
            depth: 0,
        }
    }

    /// A text that no YAML file holds.
    pub(super) fn new_text(line: usize, text: impl Into<String>) -> Self {
        Self::new(line, Yaml::Text(text.into()))
    }

    /// The value as JSON: plain scalars are numbers and booleans where they look like them.
    pub(super) fn json(&self) -> Value {
        match &self.value {
            Yaml::Null => Value::Null,
            Yaml::Text(text) if self.is_plain => {
                let scalar = serde_json::from_str(text).ok();
                let scalar = scalar.filter(|value: &Value| value.is_number() || value.is_boolean());
                scalar.unwrap_or_else(|| Value::from(text.as_str()))
            }
            Yaml::Text(text) => Value::from(text.as_str()),
            Yaml::List(items) => items.iter().map(Self::json).collect(),
            Yaml::Map(entries) => {
                let entries = entries.iter().map(|(key, node)| (key.clone(), node.json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    /// The value under this key of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let (_, value) = self.entries().iter().find(|(name, _)| name == key)?;
        Some(value)
    }

    /// The keys and values of a map; nothing of anything else.
    pub(super) fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Yaml::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; anything else is a list of itself.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Yaml::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Yaml::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A collection that is not yet closed.
struct OpenCollection {
    node: Node,
    anchor: usize,
    /// The key that waits for its value, and its line, which a reader looks for.
    key: Option<(String, usize)>,
    /// Maps whose entries hold where this map itself says nothing (`<<`).
    merged: Vec<Node>,
}

/// The first document of `text`.
pub(super) fn parse(text: &str) -> Result<Node, ImportError> {
    let mut tree = Tree::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let message = format!("it is not YAML: {}", error.info());
            ImportError::new(Some(error.marker().line()), message)
        })?;
        let line = span.start.line();
        let failed = |message: String| ImportError::new(Some(line), message);
        tree.take(event, line).map_err(failed)?;
        if let Some(root) = tree.root.take() {
            return Ok(root);
        }
    }
    Err(ImportError::new(None, "it is empty"))
}

#[derive(Default)]
struct Tree {
    open: Vec<OpenCollection>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

impl Tree {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), String> {
        /// Bytes of a text that weigh as much as a value.
        const BYTES: usize = 64;
        let leaf = |value| {
            let size = match &value {
                Yaml::Text(text) => 1 + text.len() / BYTES,
                _ => 1,
            };
            Node {
                line,
                value,
                is_plain: false,
                size,
                depth: 0,
            }
        };
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let is_null = matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if is_null && style == ScalarStyle::Plain {
                    Yaml::Null
                } else {
                    Yaml::Text(text.into_owned())
                };
                let mut node = leaf(value);
                node.is_plain = style == ScalarStyle::Plain;
                self.count(node.size)?;
                self.add(node, anchor)
            }
            Event::SequenceStart(anchor, _) => self.open(leaf(Yaml::List(Vec::new())), anchor),
            Event::MappingStart(anchor, _) => self.open(leaf(Yaml::Map(Vec::new())), anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    let anchor = open.anchor;
                    self.add(merged(open), anchor)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let named = self.anchors.get(&anchor);
                let size = named
                    .ok_or("an alias refers to an anchor that is still open")?
                    .size;
                self.count(size)?;
                let copy = self.anchors[&anchor].clone();
                self.add(copy, 0)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        if self.open.len() >= limits::YAML_DEPTH {
            return Err(too_deep());
        }
        self.count(1)?;
        self.open.push(OpenCollection {
            node,
            anchor,
            key: None,
            merged: Vec::new(),
        });
        Ok(())
    }

    /// Puts a closed value where it belongs.
    fn add(&mut self, mut node: Node, anchor: usize) -> Result<(), String> {
        if anchor != 0 {
            // A copy, which counts like what an alias makes of it.
            self.count(node.size)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        if let Yaml::Map(_) = open.node.value
            && open.key.is_none()
        {
            let key = node.text().unwrap_or_default().to_owned();
            open.key = Some((key, node.line));
            return Ok(());
        }
        open.node.size += node.size;
        open.node.depth = open.node.depth.max(node.depth + 1);
        if open.node.depth > limits::YAML_DEPTH {
            return Err(too_deep());
        }
        match &mut open.node.value {
            Yaml::List(items) => items.push(node),
            Yaml::Map(entries) => match open.key.take() {
                Some((key, _)) if key == "<<" => open.merged.push(node),
                Some((key, line)) => {
                    node.line = line;
                    entries.push((key, node));
                }
                None => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes += nodes;
        if self.nodes > limits::YAML_NODES {
            return Err(format!("it has more than {} values", limits::YAML_NODES));
        }
        Ok(())
    }
}

/// The closed map with the entries of those merged into it: its own win, then the first.
fn merged(open: OpenCollection) -> Node {
    let mut node = open.node;
    if let Yaml::Map(entries) = &mut node.value {
        let mut known: HashSet<String> = entries.iter().map(|(key, _)| key.clone()).collect();
        let files = open.merged.iter().flat_map(Node::items);
        for (key, value) in files.flat_map(Node::entries) {
            if known.insert(key.clone()) {
                entries.push((key.clone(), value.clone()));
            }
        }
    }
    node
}

fn too_deep() -> String {
    format!("it is nested deeper than {}", limits::YAML_DEPTH)
}
