//! How large a drive may be. Whoever writes drives decides how much of the operator's memory they take, and that of all tenants is one.

use std::io::{self, Write};

use ras_crds::RecruitmentDriveSpec;

/// Bytes of a spec as JSON. The largest of the examples has 9 KiB.
pub const LARGEST_SPEC: usize = 256 * 1024;

/// Why a spec is too large, and what to do about it. Absent: it is not.
pub fn too_large(spec: &RecruitmentDriveSpec) -> Option<String> {
    let mut bytes = Counter(0);
    // Counting cannot fail; what stops it is too large.
    let ended = serde_json::to_writer(&mut bytes, spec).is_err();
    (ended || bytes.0 > LARGEST_SPEC).then(|| {
        format!(
            "is larger than {} KiB as JSON, which is the most that the operator keeps of one drive: put large files into an image \
             or a volume, or split the drive in two",
            LARGEST_SPEC / 1024
        )
    })
}

/// Counts bytes, and fails a little after there are too many.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        if self.0 > LARGEST_SPEC {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
