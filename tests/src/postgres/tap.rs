use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

use crate::Error;

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Never: statements are only counted.
    Never,
    /// Before the statement of this number (from 1 on): the server does not see it.
    Before(usize),
    /// After it: the server executes the statement, and the answer is lost.
    After(usize),
}

/// A proxy before a PostgreSQL server that counts the statements that change something, and can cut the connection at any
/// of them. It understands connections without TLS.
pub struct Tap {
    port: u16,
    statements: Arc<AtomicUsize>,
    cut: watch::Receiver<bool>,
    accepting: JoinHandle<()>,
}

impl Tap {
    /// Listens on a free port and passes connections on to the one of a server.
    pub async fn start(server: u16, cut: Cut) -> Result<Self, Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(Error::io("listening on a free port"))?;
        let port = listener.local_addr().map_err(Error::io("reading a port"))?.port();
        let statements = Arc::new(AtomicUsize::new(0));
        let (cut_sender, cut_receiver) = watch::channel(false);
        let counter = Arc::clone(&statements);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (counter, cut_sender) = (Arc::clone(&counter), cut_sender.clone());
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
                        return;
                    };
                    let (from_client, mut to_client) = client.into_split();
                    let (mut from_server, to_server) = server.into_split();
                    let answers = tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
                    let _ = pass_on(from_client, to_server, cut, &counter, &cut_sender).await;
                    answers.abort();
                });
            }
        });
        Ok(Self {
            port,
            statements,
            cut: cut_receiver,
            accepting,
        })
    }

    /// The port of 127.0.0.1 to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many statements went by that change something.
    pub fn statements(&self) -> usize {
        self.statements.load(Ordering::SeqCst)
    }

    /// Returns when the connection was cut.
    pub async fn cut(&mut self) {
        // The sender lives as long as this does.
        let _ = self.cut.wait_for(|is_cut| *is_cut).await;
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
async fn pass_on(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    cut: Cut,
    counter: &AtomicUsize,
    cut_sender: &watch::Sender<bool>,
) -> std::io::Result<()> {
    // The first message alone has no letter.
    let length = client.read_u32().await?;
    let mut body = vec![0; length.saturating_sub(4) as usize];
    client.read_exact(&mut body).await?;
    server.write_u32(length).await?;
    server.write_all(&body).await?;
    loop {
        let letter = client.read_u8().await?;
        let length = client.read_u32().await?;
        let mut body = vec![0; length.saturating_sub(4) as usize];
        client.read_exact(&mut body).await?;
        let number = if letter == b'Q' && changes(&body) {
            counter.fetch_add(1, Ordering::SeqCst) + 1
        } else {
            0
        };
        if number > 0 && cut == Cut::Before(number) {
            cut_sender.send_replace(true);
            return until_closed(client).await;
        }
        server.write_u8(letter).await?;
        server.write_u32(length).await?;
        server.write_all(&body).await?;
        if number > 0 && cut == Cut::After(number) {
            server.flush().await?;
            cut_sender.send_replace(true);
            return until_closed(client).await;
        }
    }
}

/// Waits until the client is gone. Only then does the server lose its connection, as it would without us in between.
async fn until_closed(mut client: OwnedReadHalf) -> std::io::Result<()> {
    client.read_to_end(&mut Vec::new()).await.map(drop)
}

/// Statements that begin a session or only read do not count.
fn changes(statement: &[u8]) -> bool {
    !statement.starts_with(b"SET search_path = pg_catalog") && !statement.starts_with(b"SELECT")
}
