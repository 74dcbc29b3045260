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

/// What is wrong with one thing between backticks, where it names a test or a file of tests.
fn problem(root: &Path, named: &str) -> Option<String> {
    let (file, test) = named
        .split_once("::")
        .map_or((named, None), |(file, test)| (file, Some(test)));
    let is_file_of_tests = file.contains("tests/") && [".rs", ".yaml"].iter().any(|end| file.ends_with(end));
    if !is_file_of_tests || file.contains(|c: char| c.is_whitespace() || c == '*' || c == '$') {
        return None;
    }
    // `tests/behaviour/…` stands for `tests/tests/behaviour/…`.
    let source = [root.to_owned(), root.join("tests")]
        .iter()
        .find_map(|folder| fs::read_to_string(folder.join(file)).ok());
    match (source, test) {
        (None, _) => Some(format!("`{named}`: there is no such file")),
        (Some(source), Some(test)) if !source.contains(&format!("fn {test}(")) => {
            Some(format!("`{named}`: the file has no such test"))
        }
        _ => None,
    }
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
