//! The step in a pod that makes a service's files from their templates.
//!
//! It runs inside the pod, with the program's own environment, so that secrets in files are seen by the pod
//! alone: neither the operator nor the API server ever holds a rendered file.

mod format;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ras_core::cache;

/// Mode of a rendered file: the container may run as any user, and none may write.
const READ_ONLY: u32 = 0o444;
/// Mode of a file that can be executed.
const EXECUTABLE: u32 = 0o555;

/// Why a file could not be made. Names the file, never a value.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The templates cannot be listed.
    #[error("the templates in {path} cannot be listed: {source}", path = path.display())]
    List { path: PathBuf, source: io::Error },
    /// A template cannot be read, or is not UTF-8.
    #[error("the template {path} cannot be read: {source}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The password of the drive's cache is not one that its settings and URLs can hold.
    #[error(
        "the value of {variable} (key `password` of the Secret of the cache) is empty, or contains characters other than letters, \
         digits and - . _ ~, which would mean something else in valkey.conf and in REDIS_URL: write another password into that \
         Secret, or delete the Secret to get a generated one"
    )]
    CachePassword {
        /// Name of the variable.
        variable: &'static str,
    },
    /// A file cannot be written.
    #[error("the file {path} cannot be written: {source}", path = path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Expands `$(VAR)` as Kubernetes does in a container's `command` and `args`
/// (`k8s.io/kubernetes/third_party/forked/golang/expansion`): `$$` becomes `$`, so that `$$(VAR)` stays as
/// `$(VAR)`; a name that is no variable stays as it is, and so does a `$(` that is never closed. What a
/// variable contains is not expanded again.
///
/// Beyond Kubernetes, `$(VAR:FORMAT)` inserts the value in one of the formats of [`format`]. Its name comes first: where a
/// variable is named `VAR:FORMAT`, that one is inserted, and where there is no `VAR`, the text stays as it is.
pub fn expand(template: &str, env: impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after_dollar) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after_dollar;
            continue;
        }
        let name_and_rest = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        if let Some((name, after_name)) = name_and_rest {
            expanded.push_str(&value_of(name, &env).unwrap_or_else(|| format!("$({name})")));
            rest = after_name;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded.push_str(rest);
    expanded
}

fn value_of(reference: &str, env: impl Fn(&str) -> Option<String>) -> Option<String> {
    env(reference).or_else(|| {
        let (name, format) = format::split(reference)?;
        Some(format.write(&env(name)?))
    })
}

/// Makes each file of `from`, a `ConfigMap` volume, in `to`. A file appears whole or not at all, and is
/// replaced when the step runs again. Those in `executable` can be executed. Gives the names of the files, sorted.
///
/// # Errors
/// When a template cannot be read or a file cannot be written.
pub fn render(
    from: &Path,
    to: &Path,
    executable: &[String],
    env: impl Fn(&str) -> Option<String>,
) -> Result<Vec<String>, RenderError> {
    let listing = |source| RenderError::List {
        path: from.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(from).map_err(listing)? {
        let entry = entry.map_err(listing)?;
        let path = entry.path();
        let name = entry.file_name();
        // `..data` and `..<time>` are how the kubelet changes a ConfigMap volume at once; files are links into them.
        if name.as_encoded_bytes().starts_with(b"..") {
            continue;
        }
        let reading = |source| RenderError::Read {
            path: path.clone(),
            source,
        };
        if !fs::metadata(&path).map_err(reading)?.is_file() {
            continue;
        }
        let template = fs::read_to_string(&path).map_err(reading)?;
        if cache::is_settings(&template) && !env(cache::VARIABLE).is_some_and(|password| cache::is_plain(&password)) {
            return Err(RenderError::CachePassword {
                variable: cache::VARIABLE,
            });
        }
        let target = to.join(&name);
        let is_executable = executable.iter().any(|one| name == one.as_str());
        let mode = if is_executable { EXECUTABLE } else { READ_ONLY };
        write(&target, &expand(&template, &env), mode).map_err(|source| RenderError::Write { path: target, source })?;
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Writes a temporary file next to the target and renames it, so that readers see the whole file or none.
fn write(target: &Path, content: &str, mode: u32) -> io::Result<()> {
    let mut name = std::ffi::OsString::from("..");
    name.push(target.file_name().unwrap_or_default());
    let temporary = target.with_file_name(name);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(content.as_bytes())?;
    // After the writing: the process's umask does not count here as it does at creation.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    fs::rename(&temporary, target)
}

#[cfg(test)]
mod tests;
