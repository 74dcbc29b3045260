use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::Error;

/// The libraries that a program of this machine loads, the loader among them, as the loader itself finds them. A program that
/// is linked statically has none.
pub(super) fn of(program: &Path) -> Result<Vec<PathBuf>, Error> {
    let asking = || format!("asking for the libraries of {}", program.display());
    let output = Command::new("ldd")
        .arg(program)
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io(asking()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let missing = said.lines().find(|line| line.contains("not found"));
    match missing {
        Some(line) => Err(Error::Io {
            what: asking(),
            message: line.trim().to_owned(),
        }),
        None => Ok(said.lines().filter_map(path).collect()),
    }
}

/// The path in a line of `ldd`: `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)` or `/lib64/ld-linux-x86-64.so.2 (0x…)`.
fn path(line: &str) -> Option<PathBuf> {
    let word = line.split_whitespace().find(|word| word.starts_with('/'))?;
    Some(PathBuf::from(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_what_ldd_prints() {
        let lines = [
            "\tlinux-vdso.so.1 (0x00007ffd5a5f2000)",
            "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2c4b400000)",
            "\t/lib64/ld-linux-x86-64.so.2 (0x00007f2c4b6d0000)",
            "\tnot a dynamic executable",
        ];
        let paths: Vec<_> = lines.into_iter().filter_map(path).collect();
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(paths, expected);
    }
}
