use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use aws_lc_rs::digest::{SHA256, digest as hash};
use serde_json::{Map, Value, json};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Writes images of one layer, all of the same, in the OCI layout
/// (`github.com/opencontainers/image-spec/blob/main/image-layout.md`). An image is its name and its settings.
pub(super) fn write(path: &Path, layer: &[u8], images: &[(String, Map<String, Value>)]) -> io::Result<()> {
    let layer_digest = digest(layer);
    let mut entries = Vec::new();
    // By their digests, because two images may have the same settings under two names.
    let mut blobs = BTreeMap::from([(layer_digest.clone(), Cow::Borrowed(layer))]);
    for (name, settings) in images {
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": [{"mediaType": LAYER, "digest": layer_digest, "size": layer.len()}],
        });
        let manifest = manifest.to_string().into_bytes();
        let mut entry = descriptor(MANIFEST, &manifest);
        if let Value::Object(fields) = &mut entry {
            fields.insert("annotations".to_owned(), json!({"io.containerd.image.name": name}));
        }
        entries.push(entry);
        for blob in [config, manifest] {
            blobs.insert(digest(&blob), Cow::Owned(blob));
        }
    }
    let index = json!({"schemaVersion": 2, "manifests": entries});

    let mut archive = tar::Builder::new(BufWriter::new(File::create(path)?));
    append(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut archive, "index.json", index.to_string().as_bytes())?;
    for (digest, blob) in &blobs {
        append(&mut archive, &digest.replace("sha256:", "blobs/sha256/"), blob)?;
    }
    archive.into_inner()?.flush()
}

pub(super) fn digest(bytes: &[u8]) -> String {
    let hash = hash(&SHA256, bytes);
    hash.as_ref().iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Into a String it cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(blob), "size": blob.len()})
}

/// Its name in the world of Go, which images come from.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn append(archive: &mut tar::Builder<impl Write>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(u64::try_from(bytes.len()).map_err(io::Error::other)?);
    header.set_mode(0o644);
    archive.append_data(&mut header, path, bytes)
}
