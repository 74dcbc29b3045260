use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{StoreKind, StoreOptions, secret};
use crate::server_certificates::Certificates;
use crate::{Error, control_plane::Tools};

/// The name of the only key there is when `MinIO` is started with one.
pub(super) const MINIO_KEY: &str = "ras-key";

/// Paths and ports that stay the same when a store is restarted.
pub(super) struct Site {
    pub(super) options: StoreOptions,
    pub(super) folder: PathBuf,
    pub(super) port: u16,
    /// Garage's nodes talk to each other on a port of their own, even if there is only one.
    pub(super) second_port: u16,
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) certificates: Option<Certificates>,
    /// Of `MinIO`'s key, or what Garage's nodes know each other by.
    pub(super) inner_secret: String,
}

/// A program and how to run it.
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
}

impl Site {
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The program of this kind. Credentials go through the environment, which other users of the machine cannot read.
    pub(super) fn program(&self, tools: &Tools) -> Result<Program, Error> {
        match self.options.kind {
            StoreKind::Minio => self.minio(tools),
            StoreKind::Versitygw => self.versitygw(tools),
            StoreKind::Garage => self.garage(tools),
            StoreKind::Moto => self.moto(tools),
        }
    }

    fn minio(&self, tools: &Tools) -> Result<Program, Error> {
        let mut arguments = vec!["server".to_owned(), "--address".to_owned(), self.address()];
        if self.certificates.is_some() {
            arguments.push("--certs-dir".to_owned());
            arguments.push(text(&self.folder.join("certificates")));
        }
        arguments.push(text(&self.made("data")?));
        let mut environment = variables(&[
            ("MINIO_ROOT_USER", &self.access_key),
            ("MINIO_ROOT_PASSWORD", &self.secret_key),
            ("MINIO_REGION", &self.options.region),
            // Neither a console nor a look on the internet for a newer version.
            ("MINIO_BROWSER", "off"),
            ("MINIO_UPDATE", "off"),
        ]);
        if self.options.kms {
            // 32 bytes in base64: 42 hexadecimal digits are 252 bits of them, and `A=` the rest.
            let digits = self.inner_secret.get(..42).unwrap_or_default();
            environment.extend(variables(&[(
                "MINIO_KMS_SECRET_KEY",
                &format!("{MINIO_KEY}:{digits}A="),
            )]));
        }
        Ok(Program {
            path: tools.path("minio")?,
            arguments,
            environment,
        })
    }

    fn versitygw(&self, tools: &Tools) -> Result<Program, Error> {
        let mut arguments = vec!["--port".to_owned(), self.address()];
        arguments.extend(["--iam-dir".to_owned(), text(&self.made("iam")?)]);
        if let Some(certificates) = &self.certificates {
            arguments.extend(["--cert".to_owned(), text(&certificates.certificate)]);
            arguments.extend(["--key".to_owned(), text(&certificates.key)]);
        }
        arguments.extend(["posix".to_owned(), "--versioning-dir".to_owned()]);
        arguments.extend([text(&self.made("versions")?), text(&self.made("data")?)]);
        Ok(Program {
            path: tools.path("versitygw")?,
            arguments,
            environment: variables(&[
                ("ROOT_ACCESS_KEY", &self.access_key),
                ("ROOT_SECRET_KEY", &self.secret_key),
                ("VGW_REGION", &self.options.region),
            ]),
        })
    }

    fn garage(&self, tools: &Tools) -> Result<Program, Error> {
        let configuration = self.folder.join("garage.toml");
        let lines = [
            format!("metadata_dir = {:?}", text(&self.made("metadata")?)),
            format!("data_dir = {:?}", text(&self.made("data")?)),
            "db_engine = \"sqlite\"".to_owned(),
            "replication_factor = 1".to_owned(),
            format!("rpc_bind_addr = \"127.0.0.1:{}\"", self.second_port),
            format!("rpc_public_addr = \"127.0.0.1:{}\"", self.second_port),
            format!("rpc_secret = \"{}\"", self.inner_secret),
            "[s3_api]".to_owned(),
            format!("s3_region = {:?}", self.options.region),
            format!("api_bind_addr = \"{}\"", self.address()),
        ];
        fs::write(&configuration, lines.join("\n"))
            .map_err(Error::io(format!("writing {}", configuration.display())))?;
        Ok(Program {
            path: tools.path("garage")?,
            arguments: [
                "-c",
                &text(&configuration),
                "server",
                "--single-node",
                "--default-access-key",
            ]
            .map(str::to_owned)
            .to_vec(),
            environment: variables(&[
                ("GARAGE_DEFAULT_ACCESS_KEY", &self.access_key),
                ("GARAGE_DEFAULT_SECRET_KEY", &self.secret_key),
                ("NO_COLOR", "1"),
            ]),
        })
    }

    fn moto(&self, tools: &Tools) -> Result<Program, Error> {
        // As a module: the environment's own scripts name the folder it was made in, which a cached one may not be in.
        let port = self.port.to_string();
        Ok(Program {
            path: tools.path("moto")?.join("bin/python"),
            arguments: ["-m", "moto.server", "-H", "127.0.0.1", "-p", &port]
                .map(str::to_owned)
                .to_vec(),
            environment: Vec::new(),
        })
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn made(&self, name: &str) -> Result<PathBuf, Error> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).map_err(Error::io(format!("creating {}", folder.display())))?;
        Ok(folder)
    }
}

/// A secret that a store needs besides its port and its credentials, generated once.
pub(super) fn inner_secret() -> Result<String, Error> {
    secret::random::<32>()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
