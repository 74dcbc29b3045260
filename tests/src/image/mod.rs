//! Container images made of files: what a registry would give, assembled from Debian's packages and our own programs.
//!
//! An image has one layer, whose files carry no times, so that the same files always make the same image. It is written as an
//! archive in the OCI layout, which containerd, Docker, kind and skopeo all read.

mod archive;
mod layer;
mod libraries;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use self::layer::Layer;
use crate::Error;

/// An image that is being put together.
pub struct Image {
    name: String,
    layer: Layer,
    config: Map<String, Value>,
    /// Others of the same layer.
    others: Vec<(String, Map<String, Value>)>,
}

impl Image {
    /// An empty image. The name has a registry in it (`localhost/pause:1`), or container runtimes add one of their own.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            layer: Layer::default(),
            config: Map::new(),
            others: Vec::new(),
        }
    }

    /// Completes one image and begins the next one in the same archive. It has the same files and settings until they
    /// are changed.
    #[must_use]
    pub fn and(mut self, name: &str) -> Self {
        let whole = std::mem::replace(&mut self.name, name.to_owned());
        self.others.push((whole, self.config.clone()));
        self
    }

    /// A folder that everybody may write to, as `/tmp`.
    #[must_use]
    pub fn writable_folder(mut self, path: &str) -> Self {
        self.layer.folder(path, 0o1777);
        self
    }

    /// A file with the text given, readable by all.
    #[must_use]
    pub fn text(mut self, path: &str, text: &str) -> Self {
        self.layer.text(path, text, 0o644);
        self
    }

    /// A script with the text given, executable by all.
    #[must_use]
    pub fn script(mut self, path: &str, text: &str) -> Self {
        self.layer.text(path, text, 0o755);
        self
    }

    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.layer.link(path, target);
        self
    }

    /// A file of this machine, with its mode.
    pub fn file(mut self, path: &str, from: &Path) -> Result<Self, Error> {
        self.layer.file(path, from)?;
        Ok(self)
    }

    /// A program of this machine with the libraries that it loads.
    pub fn program(mut self, path: &str, from: &Path) -> Result<Self, Error> {
        self.layer.file(path, from)?;
        for library in libraries::of(from)? {
            self.layer.file(&library.display().to_string(), &library)?;
        }
        Ok(self)
    }

    /// Everything in a folder of this machine, as the image's own root.
    pub fn tree(mut self, from: &Path) -> Result<Self, Error> {
        self.layer.tree(from)?;
        Ok(self)
    }

    #[must_use]
    pub fn entrypoint(self, words: &[&str]) -> Self {
        self.set("Entrypoint", json!(words))
    }

    /// The default command, or the arguments of the entrypoint if there is one.
    #[must_use]
    pub fn command(self, words: &[&str]) -> Self {
        self.set("Cmd", json!(words))
    }

    /// Environment variables, as `NAME=value`.
    #[must_use]
    pub fn environment(self, variables: &[&str]) -> Self {
        self.set("Env", json!(variables))
    }

    /// Who runs it: a number, because `runAsNonRoot` cannot judge a name.
    #[must_use]
    pub fn user(self, user: u32) -> Self {
        self.set("User", json!(user.to_string()))
    }

    /// The signal that asks its program to end, where that is not `SIGTERM`.
    #[must_use]
    pub fn stop_signal(self, signal: &str) -> Self {
        self.set("StopSignal", json!(signal))
    }

    /// The folder it runs in.
    #[must_use]
    pub fn working_folder(mut self, path: &str) -> Self {
        self.layer.folder(path, 0o755);
        self.set("WorkingDir", json!(path))
    }

    fn set(mut self, key: &str, value: Value) -> Self {
        self.config.insert(key.to_owned(), value);
        self
    }

    /// Writes `<folder>/<last part of the name>.tar` with the image, and those before it, and returns the path.
    pub fn write(self, folder: &Path) -> Result<PathBuf, Error> {
        let last = self.name.rsplit('/').next().unwrap_or_default();
        let path = folder.join(format!("{}.tar", last.replace(':', "-")));
        fs::create_dir_all(folder).map_err(Error::io(format!("creating {}", folder.display())))?;
        let mut images = self.others;
        images.push((self.name, self.config));
        archive::write(&path, &self.layer.into_tar()?, &images)
            .map_err(Error::io(format!("writing {}", path.display())))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn entries(archive: &Path) -> Vec<(String, Vec<u8>)> {
        let mut archive = tar::Archive::new(fs::File::open(archive).unwrap());
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), bytes)
        });
        entries.collect()
    }

    fn example(folder: &Path) -> PathBuf {
        Image::new("localhost/example:1")
            .text("/etc/passwd", "nobody:x:65534:65534::/:\n")
            .link("/bin/sh", "busybox")
            .writable_folder("/tmp")
            .user(65534)
            .entrypoint(&["/bin/sh"])
            .write(folder)
            .unwrap()
    }

    #[test]
    fn the_same_files_make_the_same_image() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, other) = (example(one.path()), example(other.path()));
        assert_eq!(one.file_name().unwrap(), "example-1.tar");
        assert_eq!(fs::read(one).unwrap(), fs::read(other).unwrap());
    }

    #[test]
    fn images_of_one_layer_share_it_and_differ_in_what_is_said_of_each() {
        let folder = tempfile::tempdir().unwrap();
        let path = Image::new("localhost/one:1")
            .text("/file", "of both")
            .user(1)
            .command(&["/run"])
            .and("localhost/other:1")
            .user(2)
            .write(folder.path())
            .unwrap();
        let found = entries(&path);
        let read = |name: &str| -> Value {
            let blob = found.iter().find(|(path, _)| path == name).map(|(_, bytes)| bytes);
            serde_json::from_slice(blob.unwrap()).unwrap()
        };
        let blob = |descriptor: &Value| {
            descriptor["digest"]
                .as_str()
                .unwrap()
                .replace("sha256:", "blobs/sha256/")
        };
        let images: Vec<(Value, Value, Value)> = read("index.json")["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| {
                let manifest = read(&blob(entry));
                let config = read(&blob(&manifest["config"]));
                let name = entry["annotations"]["io.containerd.image.name"].clone();
                (name, manifest["layers"].clone(), config["config"].clone())
            })
            .collect();
        let [(one, first, of_one), (other, second, of_other)] = images.as_slice() else {
            panic!("{images:?}")
        };
        assert_eq!((one, other), (&json!("localhost/one:1"), &json!("localhost/other:1")));
        assert_eq!(first, second);
        assert_eq!(of_one, &json!({"User": "1", "Cmd": ["/run"]}));
        assert_eq!(of_other, &json!({"User": "2", "Cmd": ["/run"]}));
        // Two files of the layout, the layer, and a manifest and settings of each.
        assert_eq!(found.len(), 7);
    }

    #[test]
    fn every_blob_is_where_the_index_leads_and_is_named_after_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let entries = entries(&example(folder.path()));
        let find = |name: &str| &entries.iter().find(|(path, _)| path == name).unwrap().1;
        let blob = |digest: &Value| {
            let digest = digest.as_str().unwrap();
            let bytes = find(&digest.replace("sha256:", "blobs/sha256/"));
            assert_eq!(archive::digest(bytes), digest);
            bytes
        };
        let index: Value = serde_json::from_slice(find("index.json")).unwrap();
        let name = &index["manifests"][0]["annotations"]["io.containerd.image.name"];
        assert_eq!(name, "localhost/example:1");
        let manifest: Value = serde_json::from_slice(blob(&index["manifests"][0]["digest"])).unwrap();
        let config: Value = serde_json::from_slice(blob(&manifest["config"]["digest"])).unwrap();
        assert_eq!(config["config"]["User"], "65534");
        let layer = blob(&manifest["layers"][0]["digest"]);
        assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);

        let mut layer = tar::Archive::new(layer.as_slice());
        let paths: Vec<String> = layer
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(paths, ["bin/", "bin/sh", "etc/", "etc/passwd", "tmp/"]);
    }
}
