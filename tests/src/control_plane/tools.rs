use std::path::{Path, PathBuf};

use super::KubernetesVersion;
use crate::{Error, workspace::current_program};

/// The folder of programs (and other projects' YAML) that `tests/control-plane/build.sh` made for one version.
#[derive(Clone, Debug)]
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// `RAS_TOOLS/<minor>` if that is set, else `tools/<minor>` in the target folder that the running program lies in.
    pub fn find(version: KubernetesVersion) -> Result<Self, Error> {
        Self::find_folder(version.minor())
    }

    /// Programs built by `tests/real-node/build.sh`.
    pub fn real_node() -> Result<Self, Error> {
        Self::find_folder("real-node")
    }

    /// Programs built by `tests/object-stores/build.sh`.
    pub fn object_stores() -> Result<Self, Error> {
        Self::find_folder("object-stores")
    }

    /// The same for another folder than that of one version of Kubernetes.
    pub(crate) fn find_folder(name: &str) -> Result<Self, Error> {
        if let Some(tools) = std::env::var_os("RAS_TOOLS") {
            return Ok(Self {
                folder: Path::new(&tools).join(name),
            });
        }
        let current = current_program()?;
        let below = |folder: &Path| folder.join("tools").join(name);
        // target/debug/deps/<test>, target/debug/<program>, or both below target/<triple>.
        let found = current
            .ancestors()
            .skip(1)
            .take(4)
            .map(below)
            .find(|folder| folder.is_dir());
        found.map(|folder| Self { folder }).ok_or_else(|| Error::NotBuilt {
            program: format!("tools/{name}"),
            folder: current.ancestors().nth(2).unwrap_or(&current).to_owned(),
        })
    }

    /// The folder that a running control plane says it was started from.
    pub(crate) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file or folder in it, such as `kubectl` or `crds/cert-manager`.
    pub fn path(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.folder.join(name);
        if path.exists() {
            Ok(path)
        } else {
            Err(Error::NotBuilt {
                program: name.to_owned(),
                folder: self.folder.clone(),
            })
        }
    }
}
