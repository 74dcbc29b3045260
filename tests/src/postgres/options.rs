/// How a server speaks TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerTls {
    /// Not at all, as Debian's does that nobody set up.
    #[default]
    Off,
    /// With whoever asks.
    On,
    /// It lets nobody in without, as RDS does from PostgreSQL 15 on.
    Required,
}

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// How it speaks TLS.
    pub tls: ServerTls,
    /// Further settings, as in `postgresql.conf`.
    pub settings: Vec<(String, String)>,
    /// Lines of `pg_hba.conf` that come first, for instance `host all app 0.0.0.0/0 reject`.
    pub rules: Vec<String>,
}
