//! Which file of a crate imports which.
//!
//! A name is followed through `pub use` to the file that defines it, so a `pub use` itself is no import: a `mod.rs` that only
//! re-exports its children does not depend on them. A `use` that names a module is none either; the paths that begin with it are.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::tokens::tokens;

/// A path from the crate's root, without `crate`.
type Name = Vec<String>;

/// Files of a crate, without those of tests, and the files that each of them imports.
pub type Graph = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    tokens: Vec<String>,
    children: Vec<String>,
    defined: HashSet<String>,
    /// Names that `pub use` gives, and the globs.
    reexports: BTreeMap<String, Name>,
    globs: Vec<Name>,
}

type Modules = BTreeMap<Name, Module>;

/// Reads a crate from its root file, such as `src/lib.rs`.
pub fn graph(root: &Path) -> io::Result<Graph> {
    let mut modules = Modules::new();
    let folder = root.parent().unwrap_or(root);
    read(root, folder, &[], &mut modules)?;
    let parsed: BTreeMap<Name, Parsed> = modules
        .iter()
        .map(|(name, module)| (name.clone(), parse(name, module)))
        .collect();
    for (name, parsed) in &parsed {
        if let Some(module) = modules.get_mut(name) {
            for import in parsed.uses.iter().filter(|import| import.is_public) {
                match &import.alias {
                    Some(alias) => drop(module.reexports.insert(alias.clone(), import.path.clone())),
                    None => module.globs.push(import.path.clone()),
                }
            }
        }
    }
    let mut graph = Graph::new();
    for (name, parsed) in &parsed {
        let Some(module) = modules.get(name) else { continue };
        let imports = parsed.uses.iter().filter(|import| parsed.is_import(import));
        // Of a module itself, only its glob: the paths that begin with it say which of its items are used.
        let names = imports.filter(|import| import.alias.is_none() || !modules.contains_key(&import.path));
        let paths = names.map(|import| &import.path).chain(&parsed.paths);
        let files = paths.filter_map(|path| file_of(path, &modules, 8));
        let imported = files.filter(|file| *file != module.file).collect();
        graph.insert(module.file.clone(), imported);
    }
    Ok(graph)
}

/// Reads a module and, by its `mod x;`, those below it.
fn read(file: &Path, folder: &Path, name: &[String], modules: &mut Modules) -> io::Result<()> {
    let tokens = tokens(&fs::read_to_string(file)?);
    let children: Vec<String> = tokens
        .windows(3)
        .filter_map(|three| match three {
            [keyword, child, end] if keyword == "mod" && end == ";" => Some(child.clone()),
            _ => None,
        })
        .collect();
    let defined = tokens.windows(2).filter_map(|two| match two {
        [keyword, item] if DEFINING.contains(&keyword.as_str()) => Some(item.clone()),
        _ => None,
    });
    let module = Module {
        file: file.to_owned(),
        defined: defined.collect(),
        children: children.clone(),
        tokens,
        ..Module::default()
    };
    modules.insert(name.to_owned(), module);
    for child in children {
        let mut below = name.to_owned();
        below.push(child.clone());
        let inner = folder.join(&child);
        let one = folder.join(format!("{child}.rs"));
        let file = if one.is_file() { one } else { inner.join("mod.rs") };
        read(&file, &inner, &below, modules)?;
    }
    Ok(())
}

const DEFINING: [&str; 9] = [
    "fn",
    "struct",
    "enum",
    "trait",
    "const",
    "static",
    "type",
    "macro_rules",
    "union",
];

/// One name that a `use` brings in. Without an alias it is a glob.
#[derive(Debug)]
struct Use {
    alias: Option<String>,
    path: Name,
    is_public: bool,
}

#[derive(Debug, Default)]
struct Parsed {
    uses: Vec<Use>,
    /// Paths in expressions and types.
    paths: Vec<Name>,
    /// Every word outside `use`.
    words: HashSet<String>,
}

impl Parsed {
    /// A name that is re-exported counts when the file uses it, too.
    fn is_import(&self, import: &Use) -> bool {
        !import.is_public || import.alias.as_ref().is_some_and(|alias| self.words.contains(alias))
    }
}

fn parse(name: &Name, module: &Module) -> Parsed {
    let mut parsed = Parsed::default();
    let mut code = Vec::new();
    let mut rest = module.tokens.as_slice();
    let mut before: Vec<&str> = Vec::new();
    while let Some((token, after)) = rest.split_first() {
        // `impl Trait + use<'a>` is no import.
        if token == "use" && after.first().is_some_and(|next| next != "<") {
            let end = after.iter().position(|token| token == ";").unwrap_or(after.len());
            let (tree, after) = after.split_at(end);
            let is_public = matches!(before.last(), Some(&"pub")) || is_restricted_pub(&before);
            let mut leaves = Vec::new();
            use_tree(tree, &[], &mut leaves);
            for (path, alias) in leaves {
                if let Some(path) = absolute(&path, name, &module.children, &BTreeMap::new()) {
                    parsed.uses.push(Use { alias, path, is_public });
                }
            }
            rest = after;
            before.clear();
        } else {
            before.push(token);
            code.push(token.as_str());
            rest = after;
        }
    }
    parsed.words = code.iter().map(|token| (*token).to_owned()).collect();
    let aliases: BTreeMap<&str, &Name> = parsed
        .uses
        .iter()
        .filter_map(|import| Some((import.alias.as_deref()?, &import.path)))
        .collect();
    parsed.paths = paths(&code)
        .iter()
        .filter_map(|path| absolute(path, name, &module.children, &aliases))
        .collect();
    parsed
}

/// `pub(crate)`, `pub(super)`.
fn is_restricted_pub(before: &[&str]) -> bool {
    matches!(before, [.., "pub", "(", _, ")"])
}

/// The leaves of `a::{b, c::{self, d as e}, f::*}`.
fn use_tree(tokens: &[String], prefix: &[String], leaves: &mut Vec<(Name, Option<String>)>) {
    let mut path = prefix.to_vec();
    let mut i = 0;
    while let Some(token) = tokens.get(i) {
        match token.as_str() {
            "::" => {}
            "{" => {
                let inner = tokens.get(i + 1..tokens.len().saturating_sub(1)).unwrap_or_default();
                for part in split_at_commas(inner) {
                    use_tree(part, &path, leaves);
                }
                return;
            }
            "*" => {
                leaves.push((path, None));
                return;
            }
            "as" => {
                leaves.push((path, tokens.get(i + 1).cloned()));
                return;
            }
            "self" if !path.is_empty() => {}
            _ => path.push(token.clone()),
        }
        i += 1;
    }
    if path.len() > prefix.len() || tokens.first().is_some_and(|token| token == "self") {
        let alias = path.last().cloned();
        leaves.push((path, alias));
    }
}

fn split_at_commas(tokens: &[String]) -> Vec<&[String]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token == ","
        })
        .collect()
}

/// Every `a::b::c` in code.
fn paths(code: &[&str]) -> Vec<Name> {
    let mut paths = Vec::new();
    let mut path: Name = Vec::new();
    let mut is_open = false;
    let mut previous = "";
    for token in code {
        let is_word = token.chars().all(|c| c.is_alphanumeric() || c == '_');
        if *token == "::" {
            is_open = !path.is_empty();
        } else if is_word && is_open {
            path.push((*token).to_owned());
            is_open = false;
        } else {
            if path.len() > 1 {
                paths.push(std::mem::take(&mut path));
            }
            path.clear();
            is_open = false;
            // `.name` is a field, and `<T>::name` goes on from a type.
            if is_word && previous != "." && previous != "::" {
                path.push((*token).to_owned());
            }
        }
        previous = token;
    }
    if path.len() > 1 {
        paths.push(path);
    }
    paths
}

/// The same path from the crate's root. Nothing, if it leads out of the crate.
fn absolute(path: &[String], module: &[String], children: &[String], aliases: &BTreeMap<&str, &Name>) -> Option<Name> {
    let (first, rest) = path.split_first()?;
    let mut base: Name = match first.as_str() {
        "crate" => Vec::new(),
        "self" => module.to_vec(),
        "super" => module.split_last()?.1.to_vec(),
        name if children.iter().any(|child| child == name) => {
            let mut below = module.to_vec();
            below.push(name.to_owned());
            below
        }
        name => (*aliases.get(name)?).clone(),
    };
    for segment in rest {
        if segment == "super" {
            base.pop();
        } else {
            base.push(segment.clone());
        }
    }
    Some(base)
}

/// The file that defines what a path names.
fn file_of(path: &[String], modules: &Modules, hops: usize) -> Option<PathBuf> {
    let hops = hops.checked_sub(1)?;
    let length = (0..=path.len())
        .rev()
        .find(|&n| path.get(..n).is_some_and(|prefix| modules.contains_key(prefix)))?;
    let module = modules.get(path.get(..length)?)?;
    let Some((item, rest)) = path.get(length..)?.split_first() else {
        return Some(module.file.clone());
    };
    if module.defined.contains(item) {
        return Some(module.file.clone());
    }
    if let Some(target) = module.reexports.get(item) {
        let mut target = target.clone();
        target.extend(rest.iter().cloned());
        return file_of(&target, modules, hops).or_else(|| Some(module.file.clone()));
    }
    let in_glob = module.globs.iter().find_map(|glob| {
        let target = modules.get(glob)?;
        (target.defined.contains(item) || target.reexports.contains_key(item)).then(|| {
            let mut path = glob.clone();
            path.push(item.clone());
            path
        })
    });
    match in_glob {
        Some(path) => file_of(&path, modules, hops),
        None => Some(module.file.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(files: &[(&str, &str)]) -> Vec<String> {
        let folder = std::env::temp_dir().join(format!(
            "ras-architecture-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let graph = graph(&folder.join("lib.rs")).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let name = |path: &Path| path.strip_prefix(&folder).unwrap().display().to_string();
        let edges = graph.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
        edges.map(|(from, to)| format!("{} {}", name(from), name(to))).collect()
    }

    #[test]
    fn a_name_is_followed_to_the_file_that_defines_it() {
        let found = imports(&[
            ("lib.rs", "mod a; mod b; mod c; pub use a::one::One;"),
            (
                "a/mod.rs",
                "pub mod one; mod two; pub use two::{Two, Three as Four}; pub struct Own;",
            ),
            ("a/one.rs", "use super::Two; pub struct One;"),
            ("a/two.rs", "pub struct Two; pub struct Three;"),
            (
                "b.rs",
                "use crate::{One, a::{self, Four}}; use std::fmt; fn f(_: fmt::X) { a::one::g(); x.a::<One>(); }",
            ),
            (
                "c.rs",
                "fn f() -> crate::a::Own { super::b::f() } #[cfg(test)] mod t { use crate::One; }",
            ),
        ]);
        assert_eq!(
            found,
            [
                "a/one.rs a/two.rs",
                "b.rs a/one.rs",
                "b.rs a/two.rs",
                "c.rs a/mod.rs",
                "c.rs b.rs"
            ]
        );
    }
}
