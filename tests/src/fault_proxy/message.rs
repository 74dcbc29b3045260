use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// Longest head that is taken: a broken peer must not fill the memory.
const LONGEST_HEAD: usize = 256 * 1024;

/// One HTTP/1.1 request or answer as it was on the wire, so that what is passed on is what was signed.
pub(super) struct Message {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    /// The connection ends after it.
    pub(super) is_last: bool,
}

/// How much body a head announces.
enum Body {
    None,
    Length(usize),
    Chunked,
    UntilClosed,
}

impl Message {
    /// The next request; nothing when the client has closed instead. `agree` is called when the client waits for leave to
    /// send the body.
    pub(super) async fn request<R: AsyncBufRead + Unpin>(
        reader: &mut R,
        agree: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<Option<Self>> {
        let head = read_head(reader).await?;
        if head.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        if field(&text, "expect").is_some() {
            agree().await?;
        }
        let body = read_body(reader, framing(&text, Body::None)?).await?;
        Ok(Some(Self::new(&text, head, body)))
    }

    /// The answer to a request of this method.
    pub(super) async fn answer<R: AsyncBufRead + Unpin>(reader: &mut R, method: &str) -> Result<Self> {
        loop {
            let head = read_head(reader).await?;
            let text = String::from_utf8_lossy(&head).into_owned();
            let status = status(&text).ok_or_else(|| Error::new(ErrorKind::InvalidData, "no HTTP answer"))?;
            // 100 Continue and the like: the proxy has answered those itself.
            if status < 200 {
                continue;
            }
            let framing = if method == "HEAD" || status == 204 || status == 304 {
                Body::None
            } else {
                framing(&text, Body::UntilClosed)?
            };
            let until_closed = matches!(framing, Body::UntilClosed);
            let body = read_body(reader, framing).await?;
            let mut this = Self::new(&text, head, body);
            this.is_last |= until_closed;
            return Ok(this);
        }
    }

    /// Method and target of a request.
    pub(super) fn method_and_target(&self) -> (String, String) {
        let head = String::from_utf8_lossy(&self.head);
        let mut words = head.split(' ').map(str::to_owned);
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> Option<u16> {
        status(&String::from_utf8_lossy(&self.head))
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.head.as_slice(), self.body.as_slice()].concat()
    }

    fn new(text: &str, head: Vec<u8>, body: Vec<u8>) -> Self {
        Self {
            is_last: field(text, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
            head,
            body,
        }
    }
}

fn status(head: &str) -> Option<u16> {
    head.split(' ').nth(1)?.parse().ok()
}

/// The value of a header field, whose name is given in lower case.
fn field<'head>(head: &'head str, name: &str) -> Option<&'head str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn framing(head: &str, otherwise: Body) -> Result<Body> {
    if field(head, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return Ok(Body::Chunked);
    }
    match field(head, "content-length") {
        Some(length) => length.parse().map(Body::Length).map_err(|_| invalid("content-length")),
        None => Ok(otherwise),
    }
}

async fn read_head<R: AsyncBufRead + Unpin>(reader: &mut R) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > LONGEST_HEAD {
            return Err(invalid("a head without an end"));
        }
        if reader.read_until(b'\n', &mut head).await? == 0 {
            return if head.is_empty() {
                Ok(head)
            } else {
                Err(ErrorKind::UnexpectedEof.into())
            };
        }
    }
    Ok(head)
}

async fn read_body<R: AsyncBufRead + Unpin>(reader: &mut R, framing: Body) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    match framing {
        Body::None => {}
        Body::Length(length) => {
            body.resize(length, 0);
            reader.read_exact(&mut body).await?;
        }
        Body::UntilClosed => {
            reader.read_to_end(&mut body).await?;
        }
        Body::Chunked => read_chunks(reader, &mut body).await?,
    }
    Ok(body)
}

/// Reads chunks with their sizes, and the trailers after the last one.
async fn read_chunks<R: AsyncBufRead + Unpin>(reader: &mut R, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let size_line = read_line(reader, body).await?;
        let digits = size_line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| invalid("a chunk's size"))?;
        if size == 0 {
            break;
        }
        let start = body.len();
        body.resize(start + size + 2, 0);
        let (_, chunk) = body.split_at_mut(start);
        reader.read_exact(chunk).await?;
    }
    while !read_line(reader, body).await?.trim().is_empty() {}
    Ok(())
}

async fn read_line<R: AsyncBufRead + Unpin>(reader: &mut R, body: &mut Vec<u8>) -> Result<String> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line).await? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    body.extend_from_slice(&line);
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("{what} is not HTTP/1.1"))
}
