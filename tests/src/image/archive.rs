use std::{
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

/// Writes an image of one layer in the OCI layout (`github.com/opencontainers/image-spec/blob/main/image-layout.md`).
pub(super) fn write(path: &Path, name: &str, layer: &[u8], settings: &Map<String, Value>) -> io::Result<()> {
    let layer_digest = digest(layer);
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
        "layers": [descriptor(LAYER, layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut entry = descriptor(MANIFEST, &manifest);
    if let Value::Object(fields) = &mut entry {
        fields.insert("annotations".to_owned(), json!({"io.containerd.image.name": name}));
    }
    let index = json!({"schemaVersion": 2, "manifests": [entry]});

    let mut archive = tar::Builder::new(BufWriter::new(File::create(path)?));
    append(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut archive, "index.json", index.to_string().as_bytes())?;
    for blob in [manifest.as_slice(), &config, layer] {
        append(&mut archive, &digest(blob).replace("sha256:", "blobs/sha256/"), blob)?;
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
