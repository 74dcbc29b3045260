use std::{fmt, sync::Arc, time::Duration};

use super::ProxiedRequest;

/// A fault of one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection is closed before the request reaches the server.
    CutBefore,
    /// The request reaches the server, and the connection is closed before the answer reaches the client.
    CutAfter,
    /// The request reaches the server after this time.
    Delay(Duration),
    /// The proxy answers with this status, S3 error code and message. `Answer(503, "SlowDown", …)` is how S3 throttles.
    /// The request does not reach the server.
    Answer(u16, &'static str, &'static str),
    /// The request reaches the server, and half of its answer the client: of the body, or of the head when there is none.
    HalfAnswer,
    /// The proxy answers 200 with a body that is no XML, as a login page before a server would. The request does not reach
    /// the server.
    Garbage,
    /// The proxy answers as S3 does when a bucket is in another region, which it names. The request does not reach the
    /// server.
    Redirect(&'static str),
    /// No answer until [`FaultProxy::heal`](super::FaultProxy::heal); then the request reaches the server, if the client
    /// still waits.
    Hang,
    /// The request is answered. Then the server's side of the connection closes silently while the client's stays open:
    /// later requests on it are lost.
    HalfClosed,
}

/// Which requests a fault is for.
#[derive(Clone)]
pub enum Match {
    Every,
    /// The n-th from now on, counted from 1.
    Nth(usize),
    /// Those in whose `METHOD /path?query` this is found, such as `PUT /bucket?tagging`.
    Containing(String),
    /// Those of which this is true.
    Where(Arc<dyn Fn(&ProxiedRequest) -> bool + Send + Sync>),
}

impl Match {
    /// Those in whose `METHOD /path?query` this is found.
    pub fn containing(text: impl Into<String>) -> Self {
        Self::Containing(text.into())
    }

    /// Those of which this is true.
    pub fn is(test: impl Fn(&ProxiedRequest) -> bool + Send + Sync + 'static) -> Self {
        Self::Where(Arc::new(test))
    }
}

impl fmt::Debug for Match {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => formatter.write_str("Every"),
            Self::Nth(number) => write!(formatter, "Nth({number})"),
            Self::Containing(text) => write!(formatter, "Containing({text:?})"),
            Self::Where(_) => formatter.write_str("Where"),
        }
    }
}

/// A fault, which requests it is for, and how often it still happens.
pub(super) struct Rule {
    matching: Match,
    fault: Fault,
    left: usize,
    seen: usize,
}

impl Rule {
    pub(super) fn new(matching: Match, fault: Fault, times: usize) -> Self {
        Self {
            matching,
            fault,
            left: times,
            seen: 0,
        }
    }

    /// True if the fault applies to this request. Call it once for each request, because it counts.
    pub(super) fn is_for(&mut self, request: &ProxiedRequest) -> bool {
        self.seen += 1;
        self.left > 0
            && match &self.matching {
                Match::Every => true,
                Match::Nth(number) => self.seen == *number,
                Match::Containing(text) => request.line().contains(text.as_str()),
                Match::Where(test) => test(request),
            }
    }

    /// The fault, which then happens once less.
    pub(super) fn happen(&mut self) -> Fault {
        self.left = self.left.saturating_sub(1);
        self.fault.clone()
    }
}

/// An answer of the proxy's own.
pub(super) fn answer(status: u16, code: &str, message: &str, fields: &str) -> Vec<u8> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>fault-proxy</RequestId></Error>"
    );
    raw_answer(status, "application/xml", fields, &body)
}

/// An answer of any kind.
pub(super) fn raw_answer(status: u16, kind: &str, fields: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} Fault\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{fields}\r\n{body}",
        body.len()
    )
    .into_bytes()
}
