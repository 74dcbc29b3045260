use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::Error;

/// The files of a server with a certificate of an authority of its own.
pub(crate) struct Certificates {
    /// The authority's certificate: what a client has to trust.
    pub(crate) authority: PathBuf,
    /// The server's certificate, for 127.0.0.1 and localhost.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    /// Writes them into `folder`, under the names that `MinIO` looks for. The authority lies elsewhere: `MinIO` would take
    /// it for another certificate of its own.
    pub(crate) fn new(folder: &Path) -> Result<Self, Error> {
        let served = folder.join("certificates");
        fs::create_dir_all(&served).map_err(Error::io(format!("creating {}", served.display())))?;
        let this = Self {
            authority: folder.join("ca.crt"),
            certificate: served.join("public.crt"),
            key: served.join("private.key"),
        };
        let (authority, certificate, key) = make().map_err(|error| Error::Io {
            what: "making a certificate".to_owned(),
            message: error.to_string(),
        })?;
        for (path, text) in [
            (&this.authority, authority),
            (&this.certificate, certificate),
            (&this.key, key),
        ] {
            fs::write(path, text).map_err(Error::io(format!("writing {}", path.display())))?;
        }
        Ok(this)
    }
}

/// The authority's certificate, the server's certificate and the server's key, as PEM.
fn make() -> Result<(String, String, String), rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "ras-tests");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority_key = KeyPair::generate()?;
    let trusted = authority.self_signed(&authority_key)?.pem();

    let mut server = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    server.distinguished_name.push(DnType::CommonName, "server");
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key))?.pem();
    Ok((trusted, certificate, key.serialize_pem()))
}
