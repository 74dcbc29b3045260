use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::Error;

/// The keys and certificates of one control plane, as files in its folder.
///
/// They are X.509 version 3, which rcgen always makes and rustls insists on.
pub(super) struct Certificates {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    /// A new authority, `ca.crt` and `ca.key`, and the key pair that `ServiceAccount` tokens are signed with.
    pub(super) fn new(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::io(format!("creating {}", folder.display())))?;
        let key = KeyPair::generate().map_err(failed)?;
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "ras-tests");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = authority.self_signed(&key).map_err(failed)?;
        write(folder, "ca.crt", &certificate.pem())?;
        write(folder, "ca.key", &key.serialize_pem())?;

        let accounts = KeyPair::generate().map_err(failed)?;
        write(folder, "service-account.key", &accounts.serialize_pem())?;
        write(folder, "service-account.pub", &accounts.public_key_pem())?;

        Ok(Self {
            folder: folder.to_owned(),
            issuer: Issuer::new(authority, key),
        })
    }

    /// Where a file of the authority or of a user lies.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// `apiserver.crt` and `apiserver.key`, for the names and addresses that clients on this machine and `others` use.
    pub(super) fn for_apiserver(&self, others: &[Ipv4Addr]) -> Result<(), Error> {
        let names = [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "127.0.0.1",
        ];
        let names = names.map(str::to_owned).into_iter();
        let all: Vec<String> = names.chain(others.iter().map(ToString::to_string)).collect();
        let mut params = CertificateParams::new(all).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign("apiserver", params)
    }

    /// `<file>.crt` and `<file>.key` for a user, who is what the certificate's subject says: CN the name, O a group.
    pub(super) fn for_user(&self, file: &str, user: &str, group: Option<&str>) -> Result<(), Error> {
        let mut params = CertificateParams::default();
        // rcgen's default subject has a CN already; a second one would be ambiguous.
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(file, params)
    }

    fn sign(&self, file: &str, mut params: CertificateParams) -> Result<(), Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        write(&self.folder, &format!("{file}.crt"), &certificate.pem())?;
        write(&self.folder, &format!("{file}.key"), &key.serialize_pem())
    }
}

fn write(folder: &Path, file: &str, text: &str) -> Result<(), Error> {
    let path = folder.join(file);
    fs::write(&path, text).map_err(Error::io(format!("writing {}", path.display())))
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn failed(error: rcgen::Error) -> Error {
    Error::Io {
        what: "making a certificate".to_owned(),
        message: error.to_string(),
    }
}
