use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tokio_postgres::{Client, NoTls};

use super::{PostgresOptions, ServerTls, programs::Programs};
use crate::{
    Error, ProcessGuard, Signal, folder::Folder, object_store::secret::random, ports, server_certificates::Certificates,
};

/// The superuser whom tests look at a server by. The rules let it in without TLS, whatever they ask of others.
pub const WATCHER: &str = "watcher";
/// The superuser whom the program under test connects as.
pub const ADMIN: &str = "adm";

/// A start takes a second on two idle cores; the rest is for a machine that compiles at the same time.
const START_LIMIT: Duration = Duration::from_secs(90);
/// A server that does not start at all ends in less than this.
const REFUSES_WITHIN: Duration = Duration::from_secs(1);
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// Retries of a start because another process took its port.
const ATTEMPTS: usize = 3;

/// A running server. It ends, and its folder goes, when this is dropped or the test process dies.
pub struct PostgresServer {
    // Before the directory, so that no process writes into it while it is removed.
    process: ProcessGuard,
    programs: Programs,
    options: PostgresOptions,
    port: u16,
    password: String,
    authority: Option<PathBuf>,
    folder: Folder,
}

impl PostgresServer {
    /// Makes a cluster of databases and starts a server on it, which logs every statement.
    pub async fn start(options: PostgresOptions) -> Result<Self, Error> {
        let mut attempt = 1;
        loop {
            match Self::start_once(options.clone()).await {
                Err(Error::Program { log, .. }) if attempt < ATTEMPTS && log.contains("Address already in use") => {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn start_once(options: PostgresOptions) -> Result<Self, Error> {
        let programs = Programs::find()?;
        let folder = Folder::new("postgres")?;
        programs.give(folder.path())?;
        let password = random::<16>()?;
        init(&programs, folder.path(), &password)?;
        let authority = match options.tls {
            ServerTls::Off => None,
            ServerTls::On | ServerTls::Required => Some(certificates(&programs, folder.path())?),
        };
        write(&folder.path().join("data/pg_hba.conf"), &rules(&options))?;
        let [port] = ports::free()?;
        let mut this = Self {
            process: launch(&programs, &options, folder.path(), port)?,
            programs,
            options,
            port,
            password,
            authority,
            folder,
        };
        this.ready().await?;
        let create = format!("CREATE ROLE {ADMIN} SUPERUSER LOGIN PASSWORD '{}'", this.password);
        this.execute("postgres", &create).await?;
        Ok(this)
    }

    /// Waits until it lets the watcher in.
    async fn ready(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            self.process.check_running()?;
            let Err(refusal) = self.connect(WATCHER, &self.password, "postgres").await else {
                return Ok(());
            };
            if started.elapsed() > START_LIMIT {
                let seconds = START_LIMIT.as_secs();
                return Err(self
                    .process
                    .error(format!("did not answer within {seconds} s ({refusal})")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn major(&self) -> u32 {
        self.programs.major()
    }

    /// The port of 127.0.0.1 that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Password of both superusers.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// `postgres://…` for the superuser [`WATCHER`] and the database `postgres`.
    pub fn url(&self) -> String {
        format!(
            "postgres://{WATCHER}:{}@127.0.0.1:{}/postgres",
            self.password, self.port
        )
    }

    /// The certificate of the authority to trust, as PEM, when it was started with TLS. The server's own is for 127.0.0.1
    /// and localhost.
    pub fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }

    /// Serves another certificate (PEM, with what comes after it in its chain) to connections from now on.
    pub async fn serve(&self, certificate: &str, key: &str) -> Result<(), Error> {
        let served = self.folder.path().join("certificates");
        // It refuses a key that others may read, and keeps the certificate it has when the key does not fit.
        write(&served.join("public.crt"), certificate)?;
        write(&served.join("private.key"), key)?;
        self.reload().await
    }

    /// Has it read its settings and files again, and waits until it has.
    pub async fn reload(&self) -> Result<(), Error> {
        let loaded = "SELECT pg_conf_load_time()";
        let before = self.column("postgres", loaded).await?;
        self.execute("postgres", "SELECT pg_reload_conf()").await?;
        let started = Instant::now();
        while self.column("postgres", loaded).await? == before {
            if started.elapsed() > START_LIMIT {
                return Err(Error::Postgres(format!("it does not reload: {}", self.log())));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The error of `psql` with these parameters of libpq, as the superuser [`ADMIN`]. Absent: it connects.
    pub async fn refusal_of_psql(&self, parameters: &[(&str, &str)]) -> Result<Option<String>, Error> {
        let port = self.port.to_string();
        let own = [
            ("user", ADMIN),
            ("dbname", "postgres"),
            ("password", self.password()),
            ("port", &port),
        ];
        let quoted = own
            .iter()
            .chain(parameters)
            .map(|(name, value)| format!("{name}='{value}'"));
        let output = tokio::process::Command::new(self.programs.client())
            .args(["--no-psqlrc", "--command=SELECT 1"])
            .arg(quoted.collect::<Vec<_>>().join(" "))
            .env_clear()
            // Certificates of the user who runs the tests are not used.
            .env("HOME", "/nonexistent")
            .output()
            .await
            .map_err(Error::io("starting psql"))?;
        Ok((!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// Its log since the last start, with every statement.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Connects without TLS.
    pub async fn connect(&self, user: &str, password: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(user)
            .password(password)
            .dbname(database);
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Has the watcher run statements in `database`.
    pub async fn execute(&self, database: &str, statements: &str) -> Result<(), Error> {
        let said = |error: tokio_postgres::Error| {
            let answer = error.as_db_error().map(ToString::to_string);
            Error::Postgres(format!("{statements}: {}", answer.unwrap_or_else(|| error.to_string())))
        };
        let client = self.connect(WATCHER, &self.password, database).await.map_err(said)?;
        client.batch_execute(statements).await.map_err(said)
    }

    /// Runs a query as the watcher and returns the first column, as text.
    pub async fn column(&self, database: &str, query: &str) -> Result<Vec<String>, Error> {
        let said = |error: tokio_postgres::Error| Error::Postgres(format!("{query}: {error:?}"));
        let client = self.connect(WATCHER, &self.password, database).await.map_err(said)?;
        let answers = client.simple_query(query).await.map_err(said)?;
        let mut column = Vec::new();
        for answer in &answers {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = answer {
                column.push(row.get(0).unwrap_or("NULL").to_owned());
            }
        }
        Ok(column)
    }

    /// Stops it, without waiting for those who are connected. What it stored stays, and so does its port.
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.process.signal(Signal::Int);
        if self.process.wait(STOP_PATIENCE).await?.is_none() {
            self.process.kill();
        }
        Ok(())
    }

    /// Kills it, as a node does that loses its power.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again at the same address with what it stored and with `settings`, stopping it first if it runs.
    pub async fn restart(&mut self, settings: Vec<(String, String)>) -> Result<(), Error> {
        self.launch_again(settings).await?;
        self.ready().await
    }

    /// The same, without waiting until it answers.
    pub async fn launch_again(&mut self, settings: Vec<(String, String)>) -> Result<(), Error> {
        self.stop().await?;
        self.options.settings = settings;
        let started = Instant::now();
        loop {
            self.process = launch(&self.programs, &self.options, self.folder.path(), self.port)?;
            if self.process.wait(REFUSES_WITHIN).await?.is_none() {
                return Ok(());
            }
            // Some processes of a killed server may live for a moment, and the next server refuses to start until they
            // have ended.
            if started.elapsed() > STOP_PATIENCE {
                return Err(Error::Postgres(format!("it does not start again: {}", self.log())));
            }
        }
    }

    /// Sends it a signal: [`Signal::Stop`] makes a server that takes connections and never answers.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }
}

fn init(programs: &Programs, folder: &Path, password: &str) -> Result<(), Error> {
    let file = folder.join("password");
    write(&file, password)?;
    programs.give(&file)?;
    let (program, mut arguments) = programs.command("initdb");
    arguments.extend([
        format!("--pgdata={}", folder.join("data").display()),
        format!("--username={WATCHER}"),
        format!("--pwfile={}", file.display()),
        "--auth=scram-sha-256".to_owned(),
        "--encoding=UTF8".to_owned(),
        "--locale=C".to_owned(),
        "--no-sync".to_owned(),
        "--no-instructions".to_owned(),
    ]);
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(Error::io("starting initdb"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(Error::Postgres(format!(
            "initdb: {}",
            String::from_utf8_lossy(&output.stderr)
        )))
    }
}

/// Gives the authority's certificate.
fn certificates(programs: &Programs, folder: &Path) -> Result<PathBuf, Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let files = Certificates::new(folder)?;
    for file in [&files.certificate, &files.key] {
        programs.give(file)?;
        fs::set_permissions(file, fs::Permissions::from_mode(0o600))
            .map_err(Error::io(format!("closing {}", file.display())))?;
    }
    Ok(files.authority)
}

fn rules(options: &PostgresOptions) -> String {
    let kind = match options.tls {
        ServerTls::Off | ServerTls::On => "host",
        ServerTls::Required => "hostssl",
    };
    let watcher = format!("host all {WATCHER} 127.0.0.1/32 scram-sha-256");
    let others = format!("{kind} all all 127.0.0.1/32 scram-sha-256");
    let mut lines = vec![watcher];
    lines.extend(options.rules.iter().cloned());
    lines.push(others);
    lines.join("\n") + "\n"
}

fn launch(programs: &Programs, options: &PostgresOptions, folder: &Path, port: u16) -> Result<ProcessGuard, Error> {
    let (program, mut arguments) = programs.command("postgres");
    arguments.extend(["-D".to_owned(), folder.join("data").display().to_string()]);
    let mut settings = vec![
        ("port", port.to_string()),
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("unix_socket_directories", String::new()),
        ("shared_buffers", "16MB".to_owned()),
        // Nothing here has to survive a machine that loses its power.
        ("fsync", "off".to_owned()),
        ("log_statement", "all".to_owned()),
        ("log_connections", "on".to_owned()),
        ("log_line_prefix", "%m [%p] %u@%d ".to_owned()),
    ];
    if options.tls != ServerTls::Off {
        settings.push(("ssl", "on".to_owned()));
        settings.push((
            "ssl_cert_file",
            folder.join("certificates/public.crt").display().to_string(),
        ));
        settings.push((
            "ssl_key_file",
            folder.join("certificates/private.key").display().to_string(),
        ));
    }
    let own = options
        .settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()));
    for (name, value) in settings.into_iter().chain(own) {
        arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
    }
    ProcessGuard::start("postgres", &program, arguments, &[], &folder.join("log"))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::io(format!("writing {}", path.display())))
}
