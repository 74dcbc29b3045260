//! Keeps retired names out of the code: `retired-names.yaml` lists them with what replaced them.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use crate::repository;

const LIST: &str = include_str!("retired-names.yaml");

/// Folders of the workspace's crates.
const CRATES: [&str; 3] = ["crds", "operator", "tests"];

#[derive(Deserialize)]
struct List {
    retired: Vec<Entry>,
    #[serde(rename = "not_yet")]
    _not_yet: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(rename = "type")]
    type_: Option<String>,
    identifier: Option<String>,
    module: Option<String>,
    now: String,
}

/// Replacements by retired name.
#[derive(Default)]
struct Retired {
    identifiers: BTreeMap<String, String>,
    modules: BTreeMap<String, String>,
}

impl Retired {
    fn read() -> Self {
        let list: List = serde_yaml::from_str(LIST).unwrap();
        let mut this = Self::default();
        for entry in list.retired {
            let names = [entry.type_, entry.identifier];
            assert!(
                names.iter().chain([&entry.module]).flatten().count() == 1,
                "an entry of retired-names.yaml has one of type, identifier and module: {:?}",
                entry.now
            );
            for name in names.into_iter().flatten() {
                this.identifiers.insert(name, entry.now.clone());
            }
            if let Some(name) = entry.module {
                this.modules.insert(name, entry.now);
            }
        }
        this
    }

    /// The retired names of one source, each as `file:line: …`.
    fn in_source(&self, file: &str, source: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut before = "";
        let code = without_text(source);
        for (line, text) in (1..).zip(code.lines()) {
            for name in text.split(|c: char| !c.is_alphanumeric() && c != '_') {
                if name.is_empty() {
                    continue;
                }
                let module = self.modules.get(name).filter(|_| before == "mod");
                if let Some(now) = self.identifiers.get(name).or(module) {
                    found.push(format!("{file}:{line}: `{name}` is a retired name; use {now}"));
                }
                before = name;
            }
        }
        found
    }

    /// The retired names in a path, as `file:1: …`.
    fn in_path(&self, file: &str) -> Vec<String> {
        file.trim_end_matches(".rs")
            .split('/')
            .filter_map(|name| Some((name, self.modules.get(name)?)))
            .map(|(name, now)| format!("{file}:1: the module `{name}` has a retired name; use {now}"))
            .collect()
    }
}

/// The source with its lines, without what stands in comments and literals.
fn without_text(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest).filter(|_| !code.ends_with(is_word)) {
            length
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' && is_character(rest) {
            quoted(rest, '\'')
        } else {
            code.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        };
        let (text, after) = rest.split_at(taken);
        code.push(' ');
        code.extend(text.chars().filter(|c| *c == '\n'));
        rest = after;
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the raw string that the text begins with.
fn raw_string(text: &str) -> Option<usize> {
    let begin = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let marks = begin.len() - begin.trim_start_matches('#').len();
    let inside = begin.get(marks..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    let length = inside.find(&end)? + end.len();
    Some(text.len() - inside.len() + length)
}

/// The length of the literal that the text begins with.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if !is_escaped && c == quote {
            return at + c.len_utf8();
        }
        is_escaped = !is_escaped && c == '\\';
    }
    text.len()
}

/// True if the text begins with a character literal, and not with a lifetime.
fn is_character(text: &str) -> bool {
    let mut characters = text.chars().skip(1);
    characters.next() == Some('\\') || characters.next() == Some('\'')
}

/// Calls `each` with the path from the root and the text of every Rust source below a folder.
fn sources(root: &Path, folder: &Path, each: &mut impl FnMut(&str, &str)) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.ends_with("target") {
            sources(root, &path, each);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.strip_prefix(root).unwrap().display().to_string();
            each(&file, &fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn no_retired_name_comes_back() {
    let (root, retired) = (repository(), Retired::read());
    let (mut found, mut files) = (Vec::new(), 0);
    for folder in CRATES {
        sources(&root, &root.join(folder), &mut |file, source| {
            files += 1;
            found.extend(retired.in_path(file));
            found.extend(retired.in_source(file, source));
        });
    }
    assert!(files > 200, "only {files} sources were found");
    assert!(
        found.is_empty(),
        "the list is tests/src/retired-names.yaml\n{}",
        found.join("\n")
    );
}

#[test]
fn a_retired_name_is_found_in_code_and_not_in_text() {
    let retired = Retired::read();
    let found = retired.in_source(
        "a.rs",
        "// Season\nlet x = \"a \\\" Season\"; let y = r#\"Season \" \"#;\nfn f<'a>(c: char) -> Season { c == '\"'; leash() }\n\
         mod told;\nlet gone = TheSeason;\n",
    );
    assert_eq!(
        found,
        [
            "a.rs:3: `Season` is a retired name; use TestEnv",
            "a.rs:3: `leash` is a retired name; use process_guard",
            "a.rs:4: `told` is a retired name; use status_cache",
        ]
    );
    assert_eq!(
        retired.in_path("tests/src/season.rs"),
        ["tests/src/season.rs:1: the module `season` has a retired name; use test_env"]
    );
}
