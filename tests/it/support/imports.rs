//! Imports between modules, read from the `use` lines of `src/`.

use std::collections::{BTreeMap, BTreeSet};

/// Names of modules from the root of the crate down: `suite`, `parse`, `fields`.
pub(crate) type ModulePath = Vec<String>;

/// Most faces that a name is handed on through.
const HOPS: usize = 8;

/// The modules of the crate, each with the paths that its `use` lines name.
pub(crate) struct Imports {
    modules: BTreeMap<ModulePath, Vec<Import>>,
}

/// One name of a `use` line.
struct Import {
    line: usize,
    path: ModulePath,
}

impl Imports {
    /// Reads modules: the path of each below `src/`, and its code.
    pub(crate) fn new<'a>(files: impl IntoIterator<Item = (&'a std::path::Path, &'a str)>) -> Self {
        let files: Vec<_> = files.into_iter().collect();
        let known: BTreeSet<ModulePath> = files.iter().map(|(path, _)| module_path(path)).collect();
        let modules = files.into_iter().map(|(path, code)| {
            let module = module_path(path);
            let imports = imports_of(code, &module, &known);
            (module, imports)
        });
        Self {
            modules: modules.collect(),
        }
    }

    /// Every import of one file from another: importer, line, imported.
    pub(crate) fn edges(&self) -> Vec<(&ModulePath, usize, ModulePath)> {
        let mut edges = Vec::new();
        for (importer, imports) in &self.modules {
            for import in imports {
                if let Some(imported) = self.home_of(&import.path, HOPS)
                    && imported != *importer
                {
                    edges.push((importer, import.line, imported));
                }
            }
        }
        edges
    }

    /// The module that defines what a path names: where a face only hands it on, the one behind the face.
    fn home_of(&self, path: &[String], hops: usize) -> Option<ModulePath> {
        let length = (1..=path.len())
            .rev()
            .find(|&length| self.modules.contains_key(&path[..length]))?;
        let (module, rest) = path.split_at(length);
        let handed_on = rest.first().and_then(|name| {
            let imports = self.modules[module].iter();
            let mut named = imports.filter(|import| import.path.last() == Some(name));
            named.find(|import| import.path.len() > 1)
        });
        match handed_on {
            Some(import) if hops > 0 => self.home_of(&import.path, hops - 1),
            _ => Some(module.to_vec()),
        }
    }

    /// The imports that close a circle between files, or folders, of one folder; `a -> b` each. The face of a
    /// folder (`mod.rs`, or `x.rs` beside `x/`) hands on what the folder holds and is none of its files.
    pub(crate) fn circles(&self) -> Vec<String> {
        let mut folders: BTreeMap<&[String], BTreeSet<(&String, String)>> = BTreeMap::new();
        let edges = self.edges();
        for (importer, _, imported) in &edges {
            let common = importer
                .iter()
                .zip(imported)
                .take_while(|(a, b)| a == b)
                .count();
            if let (Some(from), Some(to)) = (importer.get(common), imported.get(common)) {
                let folder = folders.entry(&importer[..common]).or_default();
                folder.insert((from, to.clone()));
            }
        }
        let mut circles = Vec::new();
        for (folder, mut edges) in folders {
            // What imports nothing of the rest, or is imported by nothing of it, is on no circle.
            loop {
                let before = edges.len();
                let all = edges.clone();
                edges.retain(|(from, to)| {
                    all.iter().any(|(next, _)| *next == to)
                        && all.iter().any(|(_, last)| last == *from)
                });
                if edges.len() == before {
                    break;
                }
            }
            let folder = folder.join("/");
            circles.extend(
                edges
                    .iter()
                    .map(|(from, to)| format!("{folder}: {from} -> {to}")),
            );
        }
        circles
    }
}

/// The module of a file below `src/`.
fn module_path(path: &std::path::Path) -> ModulePath {
    let path = path.with_extension("");
    let mut parts: ModulePath = path
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts
        .last()
        .is_some_and(|last| ["mod", "lib"].contains(&&**last))
    {
        parts.pop();
    }
    parts
}

/// Every path that a `use` line of the code names, from the root of the crate.
fn imports_of(code: &str, module: &ModulePath, known: &BTreeSet<ModulePath>) -> Vec<Import> {
    let mut imports = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in code.lines().enumerate() {
        let line = line.split("//").next().unwrap_or_default().trim();
        let begins = line.starts_with("use ") || line.starts_with("pub") && line.contains(" use ");
        if let Some((_, statement)) = &mut open {
            statement.push_str(line);
        } else if begins && let Some((_, tree)) = line.split_once("use ") {
            open = Some((number + 1, tree.to_owned()));
        }
        if let Some((line, statement)) = open.take_if(|(_, statement)| statement.ends_with(';')) {
            let mut paths = Vec::new();
            leaves(statement.trim_end_matches(';'), &[], &mut paths);
            let paths = paths
                .into_iter()
                .filter_map(|path| from_root(&path, module, known));
            imports.extend(paths.map(|path| Import { line, path }));
        }
    }
    imports
}

/// The paths of a `use` tree.
fn leaves(tree: &str, prefix: &[String], found: &mut Vec<ModulePath>) {
    let segment = |text: &str| {
        text.split(" as ")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let Some((head, inner)) = tree.split_once('{') else {
        let names = tree
            .split("::")
            .map(segment)
            .filter(|name| name != "self" || prefix.is_empty());
        found.push(prefix.iter().cloned().chain(names).collect());
        return;
    };
    let head = head
        .split("::")
        .map(segment)
        .filter(|name| !name.is_empty());
    let prefix: ModulePath = prefix.iter().cloned().chain(head).collect();
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = inner[start..at].trim();
                if !part.is_empty() {
                    leaves(part, &prefix, found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The path from the root of the crate; `None` of another crate's.
fn from_root(
    path: &[String],
    module: &ModulePath,
    known: &BTreeSet<ModulePath>,
) -> Option<ModulePath> {
    let first = path.first()?.as_str();
    let supers = path.iter().take_while(|name| *name == "super").count();
    let child = || [module.as_slice(), &path[..1]].concat();
    match first {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module.as_slice(), &path[1..]].concat()),
        "super" => {
            let base = module.len().checked_sub(supers)?;
            Some([&module[..base], &path[supers..]].concat())
        }
        _ => known
            .contains(&child())
            .then(|| [module.as_slice(), path].concat()),
    }
}
