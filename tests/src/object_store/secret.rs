use std::{fmt::Write as _, fs::File, io::Read as _};

use crate::Error;

/// This many random bytes in hexadecimal digits: every start has credentials of its own, so a test that talks to
/// another test's store is refused rather than served.
pub(crate) fn random<const BYTES: usize>() -> Result<String, Error> {
    let mut bytes = [0; BYTES];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(Error::io("reading /dev/urandom"))?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// An access key and a secret key that every kind accepts: Garage wants exactly this form.
pub(super) fn credentials() -> Result<(String, String), Error> {
    Ok((format!("GK{}", random::<12>()?), random::<32>()?))
}
