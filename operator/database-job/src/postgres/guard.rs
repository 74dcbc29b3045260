//! Refuses to give a password to a server that did not prove who it is.
//!
//! The client sends the password in any form that the server requests: in clear text, or as an MD5 digest, which is
//! enough to log in. [`Guard`] reads the server's side of the authentication before the client does, and ends the
//! connection at such a request. SCRAM reveals nothing that is enough to log in, and works only with a server that
//! knows the password.
//!
//! For the messages see <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Fewer iterations make the password easier to guess for an eavesdropper (RFC 7677), more keep the client busy.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4_096..=1_000_000;

/// Longest message before the login is complete. PostgreSQL's have some hundred bytes.
const LONGEST: u32 = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Cleartext,
    Md5,
    /// No password at all, so any server may answer.
    Nothing,
    Iterations,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cleartext => "it asks for the password in clear text",
            Self::Md5 => "it asks for the password as an MD5 digest",
            Self::Nothing => "it asks for no password, as anyone could",
            Self::Iterations => "it asks for SCRAM with fewer than 4096 iterations, or more than 1000000",
        })
    }
}

impl Error for Refused {}

/// A connection, or the inside of one by TLS.
pub struct Guard<S> {
    inner: S,
    at: At,
}

/// Where in the server's messages the next byte is.
#[derive(Clone, Debug)]
enum At {
    /// Not watched, or not any more.
    Free,
    /// The server's answer to `SSLRequest`.
    Question,
    /// In a message: type, length and, of authentication requests, the body.
    Message { head: Vec<u8>, has_scram: bool },
}

impl<S> Guard<S> {
    /// Watches nothing.
    pub fn free(inner: S) -> Self {
        Self { inner, at: At::Free }
    }

    /// `asks_for_tls`: the server first answers `SSLRequest`.
    pub fn watching(inner: S, asks_for_tls: bool) -> Self {
        let at = if asks_for_tls { At::Question } else { beginning(false) };
        Self { inner, at }
    }
}

fn beginning(has_scram: bool) -> At {
    At::Message {
        head: Vec::new(),
        has_scram,
    }
}

impl At {
    fn see(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            match self {
                Self::Free => return Ok(()),
                // What follows is TLS, and a guard inside of it reads on.
                Self::Question if *byte == b'S' => *self = Self::Free,
                Self::Question => *self = beginning(false),
                Self::Message { head, has_scram } => {
                    head.push(*byte);
                    let Some(length) = length(head)? else { continue };
                    if head.len() > length {
                        let next = judge(head, *has_scram)?;
                        *self = next;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The length of a message without its type.
fn length(head: &[u8]) -> io::Result<Option<usize>> {
    let Some(length) = head.get(1..5).and_then(|bytes| bytes.try_into().ok()) else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(length);
    if !(4..=LONGEST).contains(&length) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "what answers does not speak PostgreSQL's protocol",
        ));
    }
    Ok(usize::try_from(length).ok())
}

/// Reads a whole message.
fn judge(message: &[u8], has_scram: bool) -> io::Result<At> {
    let refused = |why| Err(io::Error::other(why));
    if message.first() != Some(&b'R') {
        return Ok(beginning(has_scram));
    }
    let code = message.get(5..9).and_then(|bytes| bytes.try_into().ok());
    match code.map(u32::from_be_bytes) {
        Some(0) if has_scram => Ok(At::Free),
        Some(0) => refused(Refused::Nothing),
        Some(3) => refused(Refused::Cleartext),
        Some(5) => refused(Refused::Md5),
        Some(11) => {
            let text = String::from_utf8_lossy(message.get(9..).unwrap_or_default());
            let iterations = text.split(',').find_map(|part| part.strip_prefix("i="));
            match iterations.and_then(|number| number.parse().ok()) {
                Some(number) if ITERATIONS.contains(&number) => Ok(beginning(has_scram)),
                _ => refused(Refused::Iterations),
            }
        }
        // The client has no other method than SCRAM for it, in which the server proves itself last.
        Some(12) => Ok(beginning(true)),
        _ => Ok(beginning(has_scram)),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        std::task::ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
        if !matches!(this.at, At::Free) {
            // The client gets nothing of what is refused.
            this.at.see(buffer.filled().get(before..).unwrap_or_default())?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use crate::failure::Fault;
    use crate::inputs::{Admin, Password};
    use crate::postgres::connection::Server;
    use ras_core::database::request::SslMode;

    fn authentication(code: u32, rest: &[u8]) -> Vec<u8> {
        let length = u32::try_from(8 + rest.len()).unwrap();
        [&b"R"[..], &length.to_be_bytes(), &code.to_be_bytes(), rest].concat()
    }

    /// Asks for a password by each of `answers` and keeps what it hears.
    async fn hostile(answers: Vec<Vec<u8>>) -> (u16, Arc<Mutex<Vec<u8>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut answers = answers.iter();
                let mut buffer = vec![0; 4_096];
                while let Ok(length) = connection.read(&mut buffer).await {
                    if length == 0 {
                        break;
                    }
                    let said = &buffer[..length];
                    ear.lock().unwrap().extend_from_slice(said);
                    // SSLRequest.
                    if length == 8 {
                        let _ = connection.write_all(b"N").await;
                        continue;
                    }
                    let Some(answer) = answers.next() else { break };
                    // In pieces, as a network may deliver it.
                    for byte in answer {
                        let _ = connection.write_all(&[*byte]).await;
                        let _ = connection.flush().await;
                    }
                }
            }
        });
        (port, heard)
    }

    fn admin(port: u16, sslmode: SslMode, is_own_server: bool) -> Admin {
        Admin {
            host: "127.0.0.1".to_owned(),
            port,
            username: "adm".to_owned(),
            password: Password::new("hunter2"),
            database: "postgres".to_owned(),
            sslmode,
            is_own_server,
            ca: None,
        }
    }

    async fn fault(answers: Vec<Vec<u8>>, sslmode: SslMode) -> (Fault, String) {
        let (port, heard) = hostile(answers).await;
        let admin = admin(port, sslmode, false);
        let server = Server::new(&admin).unwrap();
        let fault = server.open("postgres").await.map(drop).unwrap_err();
        let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
        (fault, heard)
    }

    #[tokio::test]
    async fn a_server_that_proved_nothing_gets_no_password_that_logs_in() {
        let scram = || authentication(10, b"SCRAM-SHA-256\0\0");
        let rows = [
            (vec![authentication(3, b"")], "clear text"),
            (vec![authentication(5, b"salt")], "MD5"),
            (vec![authentication(0, b"")], "no password"),
            (vec![scram(), authentication(11, b"r=n,s=c2FsdA==,i=1")], "iterations"),
            (
                vec![scram(), authentication(11, b"r=n,s=c2FsdA==,i=4294967295")],
                "iterations",
            ),
        ];
        for (answers, words) in rows {
            for mode in [SslMode::Disable, SslMode::Prefer] {
                let (fault, heard) = fault(answers.clone(), mode).await;
                let Fault::Unsafe(said) = &fault else {
                    panic!("{fault:?}")
                };
                assert!(said.contains(words), "{said}");
                assert!(!heard.contains("hunter2") && !heard.contains("md5"), "{heard:?}");
                assert!(heard.contains("adm"), "it was asked: {heard:?}");
            }
        }
    }

    #[tokio::test]
    async fn what_does_not_speak_the_protocol_is_not_read_on() {
        let (fault, _) = fault(vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()], SslMode::Disable).await;
        assert!(
            matches!(&fault, Fault::NoConnection(said) if said.contains("protocol")),
            "{fault:?}"
        );
    }

    #[tokio::test]
    async fn the_drives_own_server_of_an_old_version_may_ask_for_md5() {
        let (port, heard) = hostile(vec![authentication(5, b"salt")]).await;
        let admin = admin(port, SslMode::Disable, true);
        let fault = Server::new(&admin)
            .unwrap()
            .open("postgres")
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(fault, Fault::Closed);
        assert!(String::from_utf8_lossy(&heard.lock().unwrap()).contains("md5"));
    }
}
