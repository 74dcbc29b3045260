//! The documents name tests as `file.rs::test`: each of them exists.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::repository;

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The problem of one text between backticks that names a test or a file of tests.
fn problem(root: &Path, named: &str) -> Option<String> {
    let (file, test) = named
        .split_once("::")
        .map_or((named, None), |(file, test)| (file, Some(test)));
    let is_file_of_tests = file.contains("tests/") && [".rs", ".yaml"].iter().any(|end| file.ends_with(end));
    if !is_file_of_tests || file.contains(|c: char| c.is_whitespace() || c == '*' || c == '$') {
        return None;
    }
    match (source(root, file), test) {
        (None, _) => Some(format!("`{named}`: there is no such file")),
        (Some(source), Some(test)) if !source.contains(&format!("fn {test}(")) => {
            Some(format!("`{named}`: the file has no such test"))
        }
        _ => None,
    }
}

/// The text of a file, whose path may be short: `tests/behaviour/…` stands for `tests/tests/behaviour/…`, and others as
/// docs/architecture.md says.
fn source(root: &Path, file: &str) -> Option<String> {
    let inside = |prefix: &str, folder: &str| Some(root.join(folder).join(file.strip_prefix(prefix)?));
    [
        Some(root.join(file)),
        inside("tests/", "tests/tests"),
        inside("tests/pure/", "operator/tests/pure"),
        inside("core/", "operator/core/src"),
        inside("src/", "operator/src"),
        inside("object-store/", "operator/object-store/src"),
        inside("database-job/", "operator/database-job/src"),
    ]
    .into_iter()
    .flatten()
    .find_map(|path| fs::read_to_string(path).ok())
}

#[test]
fn every_attack_of_the_threat_model_names_tests_that_exist() {
    let root = repository();
    let mut wrong = Vec::new();
    let documents_of_it = vec![root.join("docs/threat-model.md")];
    let mut attacks = 0;
    for document in documents_of_it {
        let name = document.strip_prefix(&root).unwrap().display().to_string();
        let mut in_a_table_of_attacks = false;
        for (line, text) in (1..).zip(fs::read_to_string(&document).unwrap().lines()) {
            in_a_table_of_attacks = text.starts_with('|') && (in_a_table_of_attacks || text.contains("| attack |"));
            if !in_a_table_of_attacks || text.contains("| attack |") || text.starts_with("|---") {
                continue;
            }
            attacks += 1;
            let named: Vec<_> = text
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|named| named.contains(".rs::"))
                .collect();
            if named.is_empty() {
                wrong.push(format!("{name}:{line}: names no test: {text}"));
            }
            for named in named {
                let (file, test) = named.split_once("::").unwrap();
                match source(&root, file) {
                    None => wrong.push(format!("{name}:{line}: `{named}`: there is no such file")),
                    Some(source) if !source.contains(&format!("fn {test}(")) => {
                        wrong.push(format!("{name}:{line}: `{named}`: the file has no such test"));
                    }
                    Some(_) => {}
                }
            }
        }
    }
    assert!(attacks > 10, "only {attacks} attacks");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_test_that_a_document_names_exists() {
    let root = repository();
    let mut all = vec![
        root.join("README.md"),
        root.join("SECURITY.md"),
        root.join("CONTRIBUTING.md"),
    ];
    documents(&root.join("docs"), &mut all);
    let (mut wrong, mut tests) = (Vec::new(), 0);
    for document in all {
        let text = fs::read_to_string(&document).unwrap();
        let name = document.strip_prefix(&root).unwrap().display();
        for (line, text) in (1..).zip(text.lines()) {
            for named in text.split('`').skip(1).step_by(2) {
                tests += usize::from(named.contains(".rs::"));
                wrong.extend(problem(&root, named).map(|problem| format!("{name}:{line}: {problem}")));
            }
        }
    }
    assert!(tests > 100, "only {tests} tests are named");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
