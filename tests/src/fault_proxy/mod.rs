//! A proxy between the operator and an S3 server that breaks what networks and busy servers break.
//!
//! It passes HTTP/1.1 on byte by byte, the `Host` field too: signatures cover it. Bodies are held in memory whole.

mod connection;
mod fault;
mod message;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use self::fault::Rule;
pub use self::fault::{Fault, Match};
use crate::Error;

/// A request that came to a proxy.
#[derive(Clone, Debug)]
pub struct ProxiedRequest {
    /// `GET`, `PUT`, …
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// It was forwarded to the server.
    pub reached: bool,
    /// Status of the answer. Absent: the client got no complete answer.
    pub status: Option<u16>,
    /// It hangs now, by [`Fault::Hang`].
    pub hangs: bool,
    pub at: Instant,
}

impl ProxiedRequest {
    /// `METHOD /path?query`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// A proxy on a port of its own. It lives as long as this value and the tokio runtime that started it.
pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<FaultProxyState>,
    listening: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts a proxy in front of a plain HTTP server.
    pub async fn start(upstream: SocketAddr) -> Result<Self, Error> {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr().map_err(Error::io("reading a port"))?;
        let state = Arc::new(FaultProxyState::new(upstream));
        let listening = Some(tokio::spawn(accept(listener, state.clone())));
        Ok(Self {
            address,
            state,
            listening,
        })
    }

    /// `http://127.0.0.1:<port>`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on this happens to these requests. Of several rules for a request, the one made first counts.
    pub fn fault(&self, matching: Match, fault: Fault) {
        self.fault_times(usize::MAX, matching, fault);
    }

    /// The same, but this many times at most.
    pub fn fault_times(&self, times: usize, matching: Match, fault: Fault) {
        self.state.rules().push(Rule::new(matching, fault, times));
    }

    /// Forgets all rules, and lets go what hangs.
    pub fn heal(&self) {
        self.state.rules().clear();
        self.state.healed.send_modify(|count| *count += 1);
    }

    /// Every request so far, in the order they came.
    pub fn requests(&self) -> Vec<ProxiedRequest> {
        self.state.requests().clone()
    }

    /// How many requests came so far.
    pub fn count(&self) -> usize {
        self.state.requests().len()
    }

    /// Cuts all connections, and refuses new ones until [`FaultProxy::up`].
    pub async fn down(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            // Its end is waited for, because until then the port is open.
            let _ = listening.await;
        }
    }

    /// Takes connections again, on the same port.
    pub async fn up(&mut self) -> Result<(), Error> {
        if self.listening.is_none() {
            let listener = listen(self.address).await?;
            self.listening = Some(tokio::spawn(accept(listener, self.state.clone())));
        }
        Ok(())
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(Error::io(format!("listening on {address}")))
}

/// Takes connections until it is aborted, which also ends those it has taken.
async fn accept(listener: TcpListener, state: Arc<FaultProxyState>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            taken = listener.accept() => {
                if let Ok((client, _)) = taken {
                    connections.spawn(connection::serve(client, state.clone()));
                }
            }
            // Ended ones are let go, or they would pile up.
            Some(_) = connections.join_next() => {}
        }
    }
}

struct FaultProxyState {
    upstream: SocketAddr,
    rules: Mutex<Vec<Rule>>,
    requests: Mutex<Vec<ProxiedRequest>>,
    healed: watch::Sender<usize>,
}

impl FaultProxyState {
    fn new(upstream: SocketAddr) -> Self {
        Self {
            upstream,
            rules: Mutex::default(),
            requests: Mutex::default(),
            healed: watch::Sender::new(0),
        }
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn requests(&self) -> MutexGuard<'_, Vec<ProxiedRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of heals from now on.
    fn heals(&self) -> watch::Receiver<usize> {
        self.healed.subscribe()
    }

    /// Writes a request down, and says what its number is and what happens to it.
    fn record(&self, method: String, target: String) -> (usize, Option<Fault>) {
        let request = ProxiedRequest {
            method,
            target,
            reached: false,
            status: None,
            hangs: false,
            at: Instant::now(),
        };
        // Every rule sees every request, and of those that are for it the first happens.
        let mut fault = None;
        for rule in self.rules().iter_mut() {
            if rule.is_for(&request) && fault.is_none() {
                fault = Some(rule.happen());
            }
        }
        let mut requests = self.requests();
        requests.push(request);
        (requests.len() - 1, fault)
    }

    fn reached(&self, number: usize) {
        if let Some(request) = self.requests().get_mut(number) {
            request.reached = true;
        }
    }

    fn hangs(&self, number: usize, hangs: bool) {
        if let Some(request) = self.requests().get_mut(number) {
            request.hangs = hangs;
        }
    }

    fn answered(&self, number: usize, status: Option<u16>) {
        if let Some(request) = self.requests().get_mut(number) {
            request.status = status;
        }
    }
}
