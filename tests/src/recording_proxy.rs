//! Every byte between one client and the API server, as it went.
//!
//! The audit log shows who sent which request, but neither its encoding nor the events of a watch. Here the client
//! sends plain HTTP to a port of this machine, and the proxy forwards it over TLS: it changes nothing and keeps every
//! byte.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use crate::Error;

/// One connection: what the client sent, and what it was answered.
#[derive(Clone, Debug, Default)]
struct Connection {
    sent: Vec<u8>,
    answered: Vec<u8>,
}

type Connections = Arc<Mutex<Vec<Connection>>>;

/// Listens before an API server and keeps what passes.
pub struct RecordingProxy {
    address: SocketAddr,
    line: Arc<Line>,
    listening: Option<JoinHandle<()>>,
}

struct Line {
    upstream: String,
    name: ServerName<'static>,
    connector: TlsConnector,
    connections: Connections,
    cut: watch::Sender<Cut>,
}

/// Which connections are cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Nothing,
    ButWatches,
    All,
}

impl RecordingProxy {
    /// Starts to listen before the API server at `server` (`https://host:port`), whose certificate this authority signed.
    pub async fn start(server: &str, authority: &Path) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        let unreadable = |error: String| Error::Unreadable {
            what: authority.display().to_string(),
            message: error,
        };
        for certificate in CertificateDer::pem_file_iter(authority).map_err(|error| unreadable(error.to_string()))? {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unreadable(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let upstream = server.trim_start_matches("https://").to_owned();
        let host = upstream
            .rsplit_once(':')
            .map_or(upstream.as_str(), |(host, _)| host)
            .to_owned();
        let name = ServerName::try_from(host).map_err(|error| unreadable(error.to_string()))?;
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr().map_err(Error::io("reading a port"))?;
        let line = Arc::new(Line {
            upstream,
            name,
            connector: TlsConnector::from(Arc::new(config)),
            connections: Connections::default(),
            cut: watch::Sender::new(Cut::Nothing),
        });
        let listening = Some(tokio::spawn(accept(listener, Arc::clone(&line))));
        Ok(Self {
            address,
            line,
            listening,
        })
    }

    /// Refuses connections until [`RecordingProxy::up`], and cuts existing ones except watches: events still arrive,
    /// and no request gets through.
    pub async fn down_but_for_watches(&mut self) {
        self.refuse(Cut::ButWatches).await;
    }

    /// Takes no connections until [`RecordingProxy::up`], and cuts all that are there.
    pub async fn down(&mut self) {
        self.refuse(Cut::All).await;
    }

    /// Takes connections again, on the same port.
    pub async fn up(&mut self) -> Result<(), Error> {
        if self.listening.is_none() {
            self.line.cut.send_replace(Cut::Nothing);
            let listener = listen(self.address).await?;
            self.listening = Some(tokio::spawn(accept(listener, Arc::clone(&self.line))));
        }
        Ok(())
    }

    async fn refuse(&mut self, cut: Cut) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            // Its end is waited for, because until then the port is open.
            let _ = listening.await;
        }
        self.line.cut.send_replace(cut);
    }

    /// Where the client has to connect to: `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gets `path` from the API server with this token, through this proxy.
    pub async fn get(&self, token: &str, path: &str) -> Result<(u16, String), Error> {
        let asking = || format!("asking for {path} through the proxy");
        let mut stream = TcpStream::connect(self.address).await.map_err(Error::io(asking()))?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        stream
            .write_all(request.as_bytes())
            .await
            .map_err(Error::io(asking()))?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.map_err(Error::io(asking()))?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Ok((code.unwrap_or_default(), body.to_owned()))
    }

    /// The requests that were sent, each with its head: what begins with a method and a path, and ends with an empty line.
    pub fn requests(&self) -> Vec<String> {
        let all = lock(&self.line.connections);
        let texts = all.iter().map(|one| String::from_utf8_lossy(&one.sent).into_owned());
        texts.flat_map(|text| heads(&text)).collect()
    }

    /// All that was sent, heads and bodies.
    pub fn sent(&self) -> String {
        let all = lock(&self.line.connections);
        all.iter().map(|one| whole(&one.sent)).collect()
    }

    /// All that was answered, heads and bodies, those of watches included.
    pub fn answered(&self) -> String {
        let all = lock(&self.line.connections);
        all.iter().map(|one| whole(&one.answered)).collect()
    }
}

impl Drop for RecordingProxy {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(Error::io("listening before the API server"))
}

async fn accept(listener: TcpListener, line: Arc<Line>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carry(client, Arc::clone(&line)));
    }
}

/// Carries one connection until either side closes it, or it is cut.
async fn carry(client: TcpStream, line: Arc<Line>) {
    let mut cuts = line.cut.subscribe();
    let index = {
        let mut all = lock(&line.connections);
        all.push(Connection::default());
        all.len() - 1
    };
    // The client has to open a broken connection again, as without the proxy.
    let Ok(server) = TcpStream::connect(&line.upstream).await else {
        return;
    };
    let Ok(server) = line.connector.connect(line.name.clone(), server).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = tokio::io::split(server);
    let sent = pass(from_client, to_server, &line.connections, |all, bytes| {
        if let Some(one) = all.get_mut(index) {
            one.sent.extend_from_slice(bytes);
        }
    });
    let answered = pass(from_server, to_client, &line.connections, |all, bytes| {
        if let Some(one) = all.get_mut(index) {
            one.answered.extend_from_slice(bytes);
        }
    });
    let is_watch = || {
        let all = lock(&line.connections);
        let last = all
            .get(index)
            .and_then(|one| heads(&String::from_utf8_lossy(&one.sent)).pop());
        last.is_some_and(|head| head.contains("watch=true"))
    };
    tokio::select! {
        _ = async { tokio::join!(sent, answered) } => {}
        // The sender lives as long as the line does.
        _ = cuts.wait_for(|cut| match cut {
            Cut::Nothing => false,
            Cut::ButWatches => !is_watch(),
            Cut::All => true,
        }) => {}
    }
}

fn lock(connections: &Connections) -> MutexGuard<'_, Vec<Connection>> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes bytes on until there are no more, and then the end itself.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    connections: &Connections,
    keep: impl Fn(&mut Vec<Connection>, &[u8]),
) {
    let mut buffer = vec![0_u8; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = buffer.get(..length).unwrap_or_default();
        keep(&mut lock(connections), bytes);
        if to.write_all(bytes).await.is_err() || to.flush().await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Heads of the requests in what was sent.
fn heads(text: &str) -> Vec<String> {
    const METHODS: [&str; 5] = ["GET /", "POST /", "PATCH /", "PUT /", "DELETE /"];
    text.split("\r\n\r\n")
        .filter_map(|part| {
            // Before a head stands the body of the request before it.
            let begin = METHODS.iter().filter_map(|method| part.find(method)).min()?;
            let head = part.get(begin..)?;
            head.lines().next()?.ends_with("HTTP/1.1").then(|| head.to_owned())
        })
        .collect()
}

/// The text without the marks between chunks of a body, so that nothing is hidden by being cut in two.
fn whole(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut whole = String::with_capacity(text.len());
    let mut lines = text.split("\r\n").peekable();
    while let Some(line) = lines.next() {
        let is_length = !line.is_empty() && line.len() <= 8 && line.chars().all(|c| c.is_ascii_hexdigit());
        if !is_length {
            whole.push_str(line);
            if lines
                .peek()
                .is_some_and(|next| next.contains(": ") || next.starts_with("HTTP/"))
            {
                whole.push('\n');
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_was_cut_in_two_is_whole_again() {
        let bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhunt\r\n3\r\ner2\r\n0\r\n\r\n";
        assert!(whole(bytes).contains("hunter2"), "{}", whole(bytes));
    }

    #[test]
    fn heads_are_found_behind_bodies() {
        let text = "POST /a HTTP/1.1\r\nx: y\r\n\r\n{\"k\":1}GET /b?c=d HTTP/1.1\r\naccept: z\r\n\r\n";
        assert_eq!(
            heads(text),
            ["POST /a HTTP/1.1\r\nx: y", "GET /b?c=d HTTP/1.1\r\naccept: z"]
        );
    }
}
