//! Checks which file may import which. Run from the root of the repository; `tests/architecture/check.sh` does.
//!
//! - In `operator/core/src` the steps come in the order validate, plan, build, (what was) applied, report. A step may import earlier ones and the
//!   data that all share (every other module); nothing imports a later step.
//! - In each crate, and within each step of the core, no more than two files import each other in a cycle.
//!
//! `tests/architecture/known.txt` lists the violations there still are. A new one fails the check, and so does one that is
//! listed and gone, so the list only shrinks.

mod cycles;
mod imports;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use cycles::cycles;
use imports::{Graph, graph};

const CORE: &str = "operator/core/src";
const STEPS: [&str; 5] = ["validate", "plan", "build", "applied", "report"];
const OTHER_CRATES: [&str; 4] = [
    "crds/src",
    "operator/src",
    "operator/database-job/src",
    "operator/object-store/src",
];
const KNOWN: &str = "tests/architecture/known.txt";

/// Violations as they stand in the list, each with what to do about it.
type Violations = BTreeMap<String, String>;

fn main() -> ExitCode {
    match check() {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            // With a closed standard error there is nobody to tell.
            let _ = io::stderr().write_all(complaints.concat().as_bytes());
            ExitCode::FAILURE
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "imports cannot be checked: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> io::Result<Vec<String>> {
    let mut found = Violations::new();
    let core = graph(&Path::new(CORE).join("lib.rs"))?;
    wrong_order(&core, &mut found);
    for place in STEPS.iter().map(Some).chain([None]) {
        in_cycles(&part(&core, place.copied()), &mut found);
    }
    for folder in OTHER_CRATES {
        in_cycles(&graph(&Path::new(folder).join("lib.rs"))?, &mut found);
    }
    if env::args().any(|argument| argument == "--list") {
        for line in found.keys() {
            writeln!(io::stdout(), "{line}")?;
        }
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(KNOWN)?;
    let known: BTreeSet<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let new = found
        .iter()
        .filter(|(line, _)| !known.contains(line.as_str()))
        .map(|(line, why)| format!("{line}: {why}\n"));
    let gone = known
        .iter()
        .filter(|line| !found.contains_key(**line))
        .map(|line| format!("{line}: no longer so; remove the line from {KNOWN}\n"));
    Ok(new.chain(gone).collect())
}

/// The step that a file of the core belongs to.
fn step(file: &Path) -> Option<usize> {
    let name = file.strip_prefix(CORE).ok()?.components().next()?;
    let name = Path::new(name.as_os_str()).file_stem()?.to_str()?;
    STEPS.iter().position(|step| *step == name)
}

fn wrong_order(core: &Graph, found: &mut Violations) {
    let root = Path::new(CORE).join("lib.rs");
    for (file, imported) in core.iter().filter(|(file, _)| **file != root) {
        for other in imported {
            let Some(later) = step(other).filter(|other| step(file).is_none_or(|own| own < *other)) else {
                continue;
            };
            let whose = step(file)
                .and_then(|own| STEPS.get(own))
                .map_or("data that all steps share", |own| own);
            let line = format!("order {} -> {}", file.display(), other.display());
            let why = format!(
                "{whose} must not import the step {}; move what both need to a module outside the steps",
                STEPS.get(later).copied().unwrap_or_default()
            );
            found.insert(line, why);
        }
    }
}

/// The files of one step, or those that belong to none.
fn part(core: &Graph, place: Option<&str>) -> Graph {
    let belongs = |file: &Path| step(file).and_then(|step| STEPS.get(step)).copied() == place;
    core.iter()
        .filter(|(file, _)| belongs(file))
        .map(|(file, imported)| {
            let imported = imported.iter().filter(|file| belongs(file)).cloned().collect();
            (file.clone(), imported)
        })
        .collect()
}

fn in_cycles(graph: &Graph, found: &mut Violations) {
    for group in cycles(graph) {
        for file in &group {
            let imported: Vec<String> = graph
                .get(*file)
                .into_iter()
                .flatten()
                .filter(|other| group.contains(other.as_path()))
                .map(|other| other.display().to_string())
                .collect();
            let why = format!(
                "one of {} files that import each other in a cycle, here by {}; move what they share to a file that imports none of \
                 them",
                group.len(),
                imported.join(", ")
            );
            found.insert(format!("cycle {}", file.display()), why);
        }
    }
}
