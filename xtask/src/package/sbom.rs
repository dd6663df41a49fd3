//! What is in a program that ships, as CycloneDX 1.6 JSON (the CycloneDX specification; ECMA-424): each crate that is linked,
//! with its licence and the checksum of Cargo.lock, and what else is linked in: Rust's standard library, SQLite, glibc.
//!
//! From what cargo resolves for this package, these features and this target, so that neither what only builds it nor what
//! only tests it is listed. Nothing in it depends on when or where it is made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::output;
use crate::machine::{cargo, root};

/// The name by which tools know such a file.
pub(super) const FILE: &str = "sbom.cdx.json";

/// A program that ships.
pub(super) struct Program<'a> {
    pub(super) name: &'a str,
    pub(super) package: &'a str,
    pub(super) version: &'a str,
    /// Rust's name of the system that it is built for.
    pub(super) triple: &'a str,
    /// The C library is linked into it.
    pub(super) is_static: bool,
}

/// Something that is linked into a program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    name: String,
    version: String,
    /// As an SPDX expression.
    licence: String,
    /// The type and namespace of its package URL; none for what is not published.
    published: Option<&'static str>,
    /// SHA-256 in hexadecimal.
    checksum: Option<String>,
}

/// Which parts there are, and which needs which. The first is the program's own package.
#[derive(Debug, Default)]
struct Tree {
    parts: BTreeSet<Part>,
    needs: BTreeMap<String, BTreeSet<String>>,
}

/// The list of parts of `program`.
pub(super) fn of(program: &Program<'_>) -> Result<String> {
    let mut list = cargo(&["tree", "--locked", "--no-default-features", "--edges", "normal,no-proc-macro"]);
    list.args(["--package", program.package, "--target", program.triple]);
    list.args(["--prefix", "depth", "--format", "\t{p}\t{l}"]);
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    let mut tree = tree(&output(&mut list)?, &checksums(&lock))?;
    let own = format!("{}@{}", program.package, env!("CARGO_PKG_VERSION"));
    let rust = output(Command::new("rustc").args(["--version"]))?;
    tree.link(&own, part("rust-std", rust.split(' ').nth(1).unwrap_or_default(), "MIT OR Apache-2.0"));
    if let Some(crate_version) = tree.version_of("libsqlite3-sys") {
        let sqlite = sqlite_version(&crate_version)?;
        tree.link(&format!("libsqlite3-sys@{crate_version}"), part("sqlite", &sqlite, "blessing"));
    }
    if program.is_static {
        let glibc = output(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
        tree.link(&own, part("glibc", glibc.trim_start_matches("glibc "), "LGPL-2.1-or-later"));
    }
    Ok(document(program, &own, &tree))
}

impl Tree {
    fn link(&mut self, to: &str, part: Part) {
        self.needs.entry(to.to_owned()).or_default().insert(part.reference());
        self.needs.entry(part.reference()).or_default();
        self.parts.insert(part);
    }

    fn version_of(&self, name: &str) -> Option<String> {
        self.parts.iter().find(|part| part.name == name).map(|part| part.version.clone())
    }
}

impl Part {
    /// What it is called inside the document.
    fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// A part that no cargo knows.
fn part(name: &str, version: &str, licence: &str) -> Part {
    let (name, version, licence) = (name.to_owned(), version.to_owned(), licence.to_owned());
    Part { name, version, licence, published: Some("generic"), checksum: None }
}

/// Reads `cargo tree`: `DEPTH⇥NAME vVERSION (FOLDER)⇥LICENCE (*)`, each line below the one that needs it.
fn tree(listed: &str, checksums: &BTreeMap<(String, String), String>) -> Result<Tree> {
    let mut tree = Tree::default();
    let mut above: Vec<String> = Vec::new();
    for line in listed.lines().filter(|line| !line.is_empty()) {
        let columns: Vec<&str> = line.split('\t').collect();
        let &[depth, package, licence] = columns.as_slice() else {
            anyhow::bail!("cannot read this line of `cargo tree`: {line}");
        };
        let depth: usize = depth.parse().with_context(|| format!("no depth in this line of `cargo tree`: {line}"))?;
        let mut words = package.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let version = version.trim_start_matches('v');
        let checksum = checksums.get(&(name.to_owned(), version.to_owned())).cloned();
        let part = Part {
            name: name.to_owned(),
            version: version.to_owned(),
            licence: licence.trim_end_matches(" (*)").replace('/', " OR "),
            published: checksum.is_some().then_some("cargo"),
            checksum,
        };
        above.truncate(depth);
        if let Some(parent) = above.last() {
            tree.needs.entry(parent.clone()).or_default().insert(part.reference());
        }
        tree.needs.entry(part.reference()).or_default();
        above.push(part.reference());
        tree.parts.insert(part);
    }
    Ok(tree)
}

/// The checksums of Cargo.lock, by name and version; our own packages have none.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
        Some(line.trim_matches('"').to_owned())
    };
    let entry = |package| Some(((value(package, "name")?, value(package, "version")?), value(package, "checksum")?));
    lock.split("[[package]]").filter_map(entry).collect()
}

/// The SQLite that this version of libsqlite3-sys brings along: its own number says nothing of that.
fn sqlite_version(crate_version: &str) -> Result<String> {
    let metadata = output(&mut cargo(&["metadata", "--format-version", "1", "--locked"]))?;
    let manifest = format!("libsqlite3-sys-{crate_version}/Cargo.toml");
    let end =
        metadata.find(&manifest).context("cargo metadata does not name libsqlite3-sys's folder")? + manifest.len();
    let start = metadata[..end].rfind('"').map_or(0, |quote| quote + 1);
    let header = PathBuf::from(&metadata[start..end]).with_file_name("sqlite3").join("sqlite3.h");
    let text = fs::read_to_string(&header).with_context(|| format!("cannot read {}", header.display()))?;
    let version = text.lines().find_map(|line| line.strip_prefix("#define SQLITE_VERSION "));
    Ok(version.context("sqlite3.h does not say its version")?.trim().trim_matches('"').to_owned())
}

fn document(program: &Program<'_>, own: &str, tree: &Tree) -> String {
    let parts = tree.parts.iter().filter(|part| part.reference() != own);
    let components: Vec<String> = parts.map(component).collect();
    let need = |(part, needs): (&String, &BTreeSet<String>)| {
        let needs: Vec<String> = needs.iter().map(|name| quoted(name)).collect();
        format!("    {{ \"ref\": {}, \"dependsOn\": [{}] }}", quoted(part), needs.join(", "))
    };
    let dependencies: Vec<String> = tree.needs.iter().map(need).collect();
    format!(
        "{{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.6\",\n  \"version\": 1,\n  \"metadata\": {{\n    \
         \"component\": {{\n      \"type\": \"application\",\n      \"bom-ref\": {own},\n      \"name\": {name},\n      \
         \"version\": {version},\n      \"licenses\": [{{ \"expression\": \"MIT\" }}]\n    }},\n    \"properties\": \
         [{{ \"name\": \"target\", \"value\": {target} }}]\n  }},\n  \"components\": [\n{components}\n  ],\n  \
         \"dependencies\": [\n{dependencies}\n  ]\n}}\n",
        own = quoted(own),
        name = quoted(program.name),
        version = quoted(program.version),
        target = quoted(program.triple),
        components = components.join(",\n"),
        dependencies = dependencies.join(",\n"),
    )
}

fn component(part: &Part) -> String {
    let mut members = vec![
        "\"type\": \"library\"".to_owned(),
        format!("\"bom-ref\": {}", quoted(&part.reference())),
        format!("\"name\": {}", quoted(&part.name)),
        format!("\"version\": {}", quoted(&part.version)),
    ];
    if !part.licence.is_empty() {
        members.push(format!("\"licenses\": [{{ \"expression\": {} }}]", quoted(&part.licence)));
    }
    if let Some(kind) = part.published {
        // In a package URL a plus sign would be read as a space.
        let url = format!("pkg:{kind}/{}@{}", part.name, part.version.replace('+', "%2B"));
        members.push(format!("\"purl\": {}", quoted(&url)));
    }
    if let Some(checksum) = &part.checksum {
        members.push(format!("\"hashes\": [{{ \"alg\": \"SHA-256\", \"content\": {} }}]", quoted(checksum)));
    }
    format!("    {{ {} }}", members.join(", "))
}

/// As a JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"bell\"\nversion = \"0.1.0\"\ndependencies = [\n \"ring\",\n]\n\n\
                        [[package]]\nname = \"ring\"\nversion = \"0.17.1+a\"\nsource = \"registry\"\nchecksum = \"c0ffee\"\n";
    const LISTED: &str = "0\tbell v0.1.0 (/somewhere/bell)\tMIT\n1\ttls v2.0.0 (/somewhere/tls)\tMIT\n\
                          2\tring v0.17.1+a\tMIT/Apache-2.0\n1\tring v0.17.1+a\tMIT/Apache-2.0 (*)\n";

    #[test]
    fn every_part_is_listed_once_with_what_it_needs() {
        let tree = tree(LISTED, &checksums(LOCK)).unwrap();
        let parts: Vec<String> = tree.parts.iter().map(component).collect();
        assert_eq!(
            parts[1],
            r#"    { "type": "library", "bom-ref": "ring@0.17.1+a", "name": "ring", "version": "0.17.1+a", "licenses": [{ "expression": "MIT OR Apache-2.0" }], "purl": "pkg:cargo/ring@0.17.1%2Ba", "hashes": [{ "alg": "SHA-256", "content": "c0ffee" }] }"#
        );
        assert_eq!((parts.len(), parts.iter().filter(|part| part.contains("purl")).count()), (3, 1));
        let needs: Vec<String> = tree.needs.iter().map(|(part, needs)| format!("{part}: {needs:?}")).collect();
        assert_eq!(
            needs,
            [r#"bell@0.1.0: {"ring@0.17.1+a", "tls@2.0.0"}"#, "ring@0.17.1+a: {}", r#"tls@2.0.0: {"ring@0.17.1+a"}"#]
        );
    }

    #[test]
    fn a_line_that_cannot_be_read_is_an_error_and_not_a_gap() {
        assert!(tree("[build-dependencies]\n", &BTreeMap::new()).is_err());
    }

    #[test]
    fn strings_are_json() {
        assert_eq!(quoted("a\"b\\c\n"), r#""a\"b\\c\u000a""#);
    }
}
