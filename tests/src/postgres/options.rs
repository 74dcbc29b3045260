/// TLS of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerTls {
    /// No TLS, as Debian's default without setup.
    #[default]
    Off,
    /// Optional for clients.
    On,
    /// Required, as on RDS from PostgreSQL 15 on.
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
