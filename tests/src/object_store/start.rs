use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aws_smithy_http_client::tls::TlsContext;
use tokio::sync::Mutex;

use super::{
    StoreKind, StoreOptions,
    client::trust_only,
    programs::{Site, inner_secret},
    secret,
};
use crate::{
    Error, ProcessGuard, Signal, control_plane::Tools, folder::Folder, ports, server_certificates::Certificates,
};

/// A start takes two seconds on two idle cores; the rest is for a machine that compiles at the same time.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Nothing here is worth an orderly shutdown that takes long.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Retries of a start because another process took its port.
const ATTEMPTS: usize = 3;

/// A running S3 server. It ends, and its folder goes, when this is dropped or the test process dies.
pub struct ObjectStore {
    // Before the directory, so that no process writes into it while it is removed.
    process: ProcessGuard,
    tools: Tools,
    pub(super) site: Site,
    endpoint: String,
    trust: Option<TlsContext>,
    /// Users are made one at a time: with moto, nothing is checked while one is made.
    pub(super) making_users: Mutex<()>,
    _folder: Folder,
}

impl ObjectStore {
    /// Starts one with defaults, and returns when it answers.
    pub async fn start(kind: StoreKind) -> Result<Self, Error> {
        Self::start_with(&StoreOptions::new(kind)).await
    }

    /// Starts one, and returns when it answers.
    pub async fn start_with(options: &StoreOptions) -> Result<Self, Error> {
        options.check()?;
        let tools = Tools::object_stores()?;
        let mut attempt = 1;
        loop {
            match Self::start_once(&tools, options).await {
                // However it says so: `address already in use` (Go, Rust), `Address already in use` (Python).
                Err(Error::Program { log, .. }) if attempt < ATTEMPTS && log.contains("ddress already in use") => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn start_once(tools: &Tools, options: &StoreOptions) -> Result<Self, Error> {
        let temporary = Folder::new(options.kind.name())?;
        let folder = temporary.path().to_owned();
        let certificates = options.tls.then(|| Certificates::new(&folder)).transpose()?;
        let trust = match &certificates {
            Some(files) => Some(trust_only(
                fs::read(&files.authority).map_err(Error::io("reading a certificate"))?,
            )?),
            None => None,
        };
        let [port, second_port] = ports::free()?;
        let (access_key, secret_key) = secret::credentials()?;
        let scheme = if options.tls { "https" } else { "http" };
        let site = Site {
            options: options.clone(),
            folder,
            port,
            second_port,
            access_key,
            secret_key,
            certificates,
            inner_secret: inner_secret()?,
        };
        let mut this = Self {
            process: launch(&site, tools)?,
            tools: tools.clone(),
            endpoint: format!("{scheme}://127.0.0.1:{port}"),
            site,
            trust,
            making_users: Mutex::new(()),
            _folder: temporary,
        };
        this.ready().await?;
        Ok(this)
    }

    /// Waits until it serves a user with all permissions.
    async fn ready(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let client = self.client();
        loop {
            self.process.check_running()?;
            let Err(refusal) = client.list_buckets().send().await else {
                break;
            };
            if started.elapsed() > START_LIMIT {
                let seconds = START_LIMIT.as_secs();
                return Err(self
                    .process
                    .error(format!("did not answer within {seconds} s ({refusal:?})")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if self.site.options.kind == StoreKind::Moto && self.site.options.enforcing {
            (self.site.access_key, self.site.secret_key) = self.enforce().await?;
        }
        Ok(())
    }

    /// Which server it is.
    pub fn kind(&self) -> StoreKind {
        self.site.options.kind
    }

    /// `http://127.0.0.1:<port>`, or `https://…` with TLS.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The port of 127.0.0.1 that it listens on.
    pub fn port(&self) -> u16 {
        self.site.port
    }

    pub fn region(&self) -> &str {
        &self.site.options.region
    }

    /// The access key that has all rights.
    pub fn access_key(&self) -> &str {
        &self.site.access_key
    }

    /// The secret key that belongs to it.
    pub fn secret_key(&self) -> &str {
        &self.site.secret_key
    }

    /// The certificate of the authority to trust, as PEM, when it was started with TLS.
    pub fn ca_file(&self) -> Option<&Path> {
        self.site.certificates.as_ref().map(|files| files.authority.as_path())
    }

    /// Where it keeps objects. In versitygw's every folder is a bucket and every file below it an object, so a hundred
    /// thousand objects are quickly made.
    pub fn folder(&self) -> PathBuf {
        self.site.data()
    }

    /// Its log since the last start.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Stops it. What it stored stays (but moto stores nothing), and so does its port.
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.process.signal(Signal::Term);
        if self.process.wait(STOP_PATIENCE).await?.is_none() {
            self.process.kill();
        }
        Ok(())
    }

    /// Starts it again at the same address with what it stored, stopping it first if it runs. moto has forgotten
    /// everything, as a server does whose volume was lost.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await?;
        self.process = launch(&self.site, &self.tools)?;
        self.ready().await
    }

    /// Sends it a signal: [`Signal::Stop`] makes a server that takes connections and never answers.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    pub(super) fn trust(&self) -> Option<&TlsContext> {
        self.trust.as_ref()
    }

    pub(super) fn tools(&self) -> &Tools {
        &self.tools
    }

    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        Error::ObjectStore {
            store: self.kind().name(),
            message: message.into(),
        }
    }
}

fn launch(site: &Site, tools: &Tools) -> Result<ProcessGuard, Error> {
    let program = site.program(tools)?;
    ProcessGuard::start(
        site.options.kind.name(),
        &program.path,
        program.arguments,
        &program.environment,
        &site.folder.join("log"),
    )
}
