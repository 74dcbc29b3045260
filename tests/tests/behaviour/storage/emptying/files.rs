//! Many objects in no time.

use std::{fs, path::PathBuf};

use super::super::Storage;

/// How many folders objects are spread over.
const FOLDERS: usize = 100;

/// Objects as the files that versitygw keeps: a hundred thousand are made in seconds.
pub struct Files(PathBuf);

impl Files {
    /// Fills a bucket.
    pub fn fill(storage: &Storage, bucket: &str, objects: usize) -> Self {
        let folder = storage.store.folder().join(bucket);
        for number in 0..FOLDERS {
            let folder = folder.join(format!("batch-{number:03}"));
            fs::create_dir_all(&folder).expect("a folder");
            let first = folder.join("0000.jpg");
            fs::write(&first, "x").expect("a file");
            // One file under many names: made, and removed, in a sixth of the time.
            for number in 1..objects / FOLDERS {
                fs::hard_link(&first, folder.join(format!("{number:04}.jpg"))).expect("a link");
            }
        }
        Self(folder)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let entries = |folder: &PathBuf| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        let batches = entries(&self.0);
        batches.iter().map(|batch| entries(batch).len()).sum()
    }
}
