use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::Error;

/// The root of the repository these tests were compiled in.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// One of the workspace's own programs, found next to the running one: `target/debug/<name>` both for another program in
/// that folder and for a test in its `deps`.
///
/// `cargo test` builds the test but not the programs that the test starts, so a program that is older than its sources
/// is refused: a test against it would pass or fail for code that no longer exists.
pub fn program_beside(name: &str) -> Result<PathBuf, Error> {
    let program = find_program(name)?;
    match newer_source(&program)? {
        None => Ok(program),
        Some(changed) => Err(Error::StaleProgram { program, changed }),
    }
}

fn find_program(name: &str) -> Result<PathBuf, Error> {
    let current = current_program()?;
    current
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| Error::NoSuchProgram {
            program: name.to_owned(),
            beside: current,
        })
}

/// The path of the running program.
pub(crate) fn current_program() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(Error::io("finding the path of this program"))
}

/// A source of the program that changed after the program was built, read from the list that Cargo writes next to it.
fn newer_source(program: &Path) -> Result<Option<PathBuf>, Error> {
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    let list = program.with_extension("d");
    let sources = match fs::read_to_string(&list) {
        Ok(sources) => sources,
        // Only `cargo build` writes the list: without it nothing shows what the program was built from.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(list)),
        Err(error) => return Err(Error::io(format!("reading {}", list.display()))(error)),
    };
    let built = modified(program).map_err(Error::io(format!("reading the time of {}", program.display())))?;
    // A source that no longer exists changed, too.
    let is_newer = |path: &PathBuf| modified(path).is_ok_and(|time: SystemTime| time > built) || !path.exists();
    Ok(paths(&sources).into_iter().find(is_newer))
}

/// The paths after the colon of a Makefile rule, in which Cargo writes a space inside a path as `\\ `.
fn paths(rule: &str) -> Vec<PathBuf> {
    let (_, sources) = rule.split_once(": ").unwrap_or_default();
    let sources = sources.lines().next().unwrap_or_default().replace("\\ ", "\0");
    sources
        .split_whitespace()
        .map(|path| PathBuf::from(path.replace('\0', " ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_stale_as_soon_as_one_of_its_sources_changed_or_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, age: u64| {
            let path = folder.path().join(name);
            let written = fs::File::create(&path).unwrap();
            let time = SystemTime::now() - std::time::Duration::from_secs(age);
            written.set_modified(time).unwrap();
            path
        };
        let program = file("program", 0);
        let old = file("old source.rs", 60);
        let list = |sources: &[&Path]| {
            let sources: Vec<String> = sources
                .iter()
                .map(|path| path.display().to_string().replace(' ', "\\ "))
                .collect();
            let rule = format!("{}: {}\n", program.display(), sources.join(" "));
            fs::write(folder.path().join("program.d"), rule).unwrap();
        };
        list(&[&old]);
        assert_eq!(newer_source(&program).unwrap(), None);

        let missing = folder.path().join("missing.rs");
        list(&[&old, &missing]);
        assert_eq!(newer_source(&program).unwrap(), Some(missing));

        let edited = folder.path().join("edited.rs");
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        fs::File::create(&edited).unwrap().set_modified(later).unwrap();
        list(&[&old, &edited]);
        assert_eq!(newer_source(&program).unwrap(), Some(edited));
    }
}
