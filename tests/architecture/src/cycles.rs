//! Files that import each other in a cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::imports::Graph;

/// Groups of more than two files in which each file imports every other one, directly or through files of the group.
pub fn cycles(graph: &Graph) -> Vec<BTreeSet<&Path>> {
    let reached: BTreeMap<&Path, BTreeSet<&Path>> =
        graph.keys().map(|file| (file.as_path(), reach(file, graph))).collect();
    let is_reached = |from: &Path, to: &Path| reached.get(from).is_some_and(|files| files.contains(to));
    let mut groups: Vec<BTreeSet<&Path>> = Vec::new();
    for file in reached.keys().copied() {
        if groups.iter().any(|group| group.contains(file)) {
            continue;
        }
        let group: BTreeSet<&Path> = reached
            .keys()
            .copied()
            .filter(|other| *other == file || is_reached(file, other) && is_reached(other, file))
            .collect();
        if group.len() > 2 {
            groups.push(group);
        }
    }
    groups
}

fn reach<'a>(file: &'a Path, graph: &'a Graph) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut next = vec![file];
    while let Some(file) = next.pop() {
        for imported in graph.get(file).into_iter().flatten().map(PathBuf::as_path) {
            if reached.insert(imported) {
                next.push(imported);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_files_in_a_circle_are_a_cycle_and_two_are_not() {
        let edges = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("e", "f"), ("f", "e")];
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry(from.into()).or_default().insert(to.into());
        }
        let expected: BTreeSet<&Path> = ["a", "b", "c"].map(Path::new).into();
        assert_eq!(cycles(&graph), [expected]);
    }
}
