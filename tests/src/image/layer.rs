use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::Error;

/// Files by their path without the slash before it. Sorted, so that folders come before what is in them.
#[derive(Default)]
pub(super) struct Layer {
    entries: BTreeMap<PathBuf, Entry>,
}

enum Entry {
    Folder { mode: u32, owner: Owner },
    File { from: PathBuf, mode: u32, owner: Owner },
    Text { text: String, mode: u32 },
    Link { target: PathBuf },
}

/// Numbers of a user and a group.
#[derive(Clone, Copy, Default)]
struct Owner {
    user: u64,
    group: u64,
}

impl Layer {
    pub(super) fn folder(&mut self, path: &str, mode: u32) {
        let owner = Owner::default();
        self.add(Path::new(path), Entry::Folder { mode, owner });
    }

    pub(super) fn text(&mut self, path: &str, text: &str, mode: u32) {
        let text = text.to_owned();
        self.add(Path::new(path), Entry::Text { text, mode });
    }

    pub(super) fn link(&mut self, path: &str, target: &str) {
        let target = PathBuf::from(target);
        self.add(Path::new(path), Entry::Link { target });
    }

    /// Adds the target of a link, not the link.
    pub(super) fn file(&mut self, path: &str, from: &Path) -> Result<(), Error> {
        let metadata = fs::metadata(from).map_err(Error::io(format!("reading {}", from.display())))?;
        let entry = Entry::File {
            from: from.to_owned(),
            mode: metadata.permissions().mode() & 0o7777,
            owner: Owner::default(),
        };
        self.add(Path::new(path), entry);
        Ok(())
    }

    pub(super) fn tree(&mut self, root: &Path) -> Result<(), Error> {
        self.branch(root, Path::new("/"))
            .map_err(Error::io(format!("reading {}", root.display())))
    }

    fn branch(&mut self, folder: &Path, inside: &Path) -> io::Result<()> {
        for found in fs::read_dir(folder)? {
            let found = found?;
            let (from, path) = (found.path(), inside.join(found.file_name()));
            let metadata = fs::symlink_metadata(&from)?;
            let mode = metadata.permissions().mode() & 0o7777;
            let owner = Owner {
                user: metadata.uid().into(),
                group: metadata.gid().into(),
            };
            if metadata.is_dir() {
                self.add(&path, Entry::Folder { mode, owner });
                self.branch(&from, &path)?;
            } else if metadata.is_symlink() {
                let target = fs::read_link(&from)?;
                self.add(&path, Entry::Link { target });
            } else if metadata.is_file() {
                self.add(&path, Entry::File { from, mode, owner });
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, entry: Entry) {
        let path = path.strip_prefix("/").unwrap_or(path);
        for parent in path.ancestors().skip(1).filter(|parent| *parent != Path::new("")) {
            self.entries.entry(parent.to_owned()).or_insert(Entry::Folder {
                mode: 0o755,
                owner: Owner::default(),
            });
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// The whole layer as a tar archive in memory: its digest has to be known before it is written.
    pub(super) fn into_tar(self) -> Result<Vec<u8>, Error> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, entry) in self.entries {
            append(&mut archive, &path, &entry).map_err(Error::io(format!("packing {}", path.display())))?;
        }
        archive.into_inner().map_err(Error::io("packing a layer"))
    }
}

/// No times: a header's is zero unless it is set.
fn append(archive: &mut tar::Builder<Vec<u8>>, path: &Path, entry: &Entry) -> io::Result<()> {
    // GNU's form, because Debian has paths that are too long for the older one.
    let mut header = tar::Header::new_gnu();
    match entry {
        Entry::Folder { mode, owner } => {
            describe(&mut header, tar::EntryType::Directory, *mode, *owner, 0);
            archive.append_data(&mut header, path.join(""), io::empty())
        }
        Entry::File { from, mode, owner } => {
            let bytes = fs::read(from)?;
            let size = u64::try_from(bytes.len()).map_err(io::Error::other)?;
            describe(&mut header, tar::EntryType::Regular, *mode, *owner, size);
            archive.append_data(&mut header, path, bytes.as_slice())
        }
        Entry::Text { text, mode } => {
            let size = u64::try_from(text.len()).map_err(io::Error::other)?;
            describe(&mut header, tar::EntryType::Regular, *mode, Owner::default(), size);
            archive.append_data(&mut header, path, text.as_bytes())
        }
        Entry::Link { target } => {
            describe(&mut header, tar::EntryType::Symlink, 0o777, Owner::default(), 0);
            archive.append_link(&mut header, path, target)
        }
    }
}

fn describe(header: &mut tar::Header, kind: tar::EntryType, mode: u32, owner: Owner, size: u64) {
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner.user);
    header.set_gid(owner.group);
    header.set_size(size);
}
