use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, BufWriter},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{Fault, FaultProxyState, fault, message::Message};

type Reader = BufReader<OwnedReadHalf>;
type Writer = BufWriter<OwnedWriteHalf>;

enum Next {
    Another,
    Close,
}

/// Serves one client until either side closes. An error of the network ends it, which is all the client would see.
pub(super) async fn serve(client: TcpStream, state: Arc<FaultProxyState>) {
    let _ = client.set_nodelay(true);
    let (read, write) = client.into_split();
    let (mut reader, mut writer) = (BufReader::new(read), BufWriter::new(write));
    while let Ok(Next::Another) = serve_one(&mut reader, &mut writer, &state).await {}
}

async fn serve_one(reader: &mut Reader, writer: &mut Writer, state: &FaultProxyState) -> io::Result<Next> {
    let request = Message::request(reader, async || send(writer, b"HTTP/1.1 100 Continue\r\n\r\n").await).await?;
    let Some(request) = request else {
        return Ok(Next::Close);
    };
    let (method, target) = request.method_and_target();
    // Subscribed before the rules are read, or a heal between the two would go unnoticed.
    let mut heals = state.heals();
    let (number, fault) = state.record(method, target);
    let exchange = Exchange {
        number,
        request: &request,
        state,
    };
    match fault {
        None => exchange.pass_on(writer).await,
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            exchange.pass_on(writer).await
        }
        Some(Fault::CutBefore) => Ok(Next::Close),
        Some(Fault::CutAfter) => exchange.ask().await.map(|_| Next::Close),
        Some(Fault::HalfAnswer) => {
            let answer = exchange.ask().await?;
            let whole = if answer.body.is_empty() {
                answer.head.len()
            } else {
                answer.body.len()
            };
            let lost = whole.div_ceil(2);
            let mut bytes = answer.bytes();
            bytes.truncate(bytes.len() - lost);
            send(writer, &bytes).await?;
            Ok(Next::Close)
        }
        Some(Fault::HalfClosed) => {
            exchange.pass_on(writer).await?;
            writer.shutdown().await?;
            read_until_closed(reader).await;
            Ok(Next::Close)
        }
        Some(Fault::Hang) => {
            state.hangs(number, true);
            let is_given_up = tokio::select! {
                // A client that hung up has given the request up: it must not reach the server later.
                biased;
                () = read_until_closed(reader) => true,
                _ = heals.changed() => false,
            };
            state.hangs(number, false);
            if is_given_up {
                Ok(Next::Close)
            } else {
                exchange.pass_on(writer).await
            }
        }
        Some(Fault::Answer(status, code, message)) => {
            exchange
                .say(writer, status, &fault::answer(status, code, message, ""))
                .await
        }
        Some(Fault::Garbage) => {
            let page = "<!doctype html><title>Log in</title><p>Who are you?";
            exchange
                .say(writer, 200, &fault::raw_answer(200, "text/html", "", page))
                .await
        }
        Some(Fault::Redirect(region)) => {
            let fields = format!("x-amz-bucket-region: {region}\r\n");
            let text = "The bucket you are attempting to access must be addressed using the specified endpoint.";
            exchange
                .say(writer, 301, &fault::answer(301, "PermanentRedirect", text, &fields))
                .await
        }
    }
}

/// A request on its way.
struct Exchange<'connection> {
    number: usize,
    request: &'connection Message,
    state: &'connection FaultProxyState,
}

impl Exchange<'_> {
    /// Lets the server answer, and passes that on.
    async fn pass_on(&self, writer: &mut Writer) -> io::Result<Next> {
        let answer = self.ask().await?;
        send(writer, &answer.bytes()).await?;
        self.state.answered(self.number, answer.status());
        let is_last = answer.is_last || self.request.is_last;
        Ok(if is_last { Next::Close } else { Next::Another })
    }

    /// Sends the request to the server over a connection of its own, and reads the answer.
    async fn ask(&self) -> io::Result<Message> {
        let upstream: SocketAddr = self.state.upstream;
        let server = TcpStream::connect(upstream).await?;
        server.set_nodelay(true)?;
        let (read, mut write) = server.into_split();
        self.state.reached(self.number);
        write.write_all(&self.request.bytes()).await?;
        let (method, _) = self.request.method_and_target();
        Message::answer(&mut BufReader::new(read), &method).await
    }

    /// Answers in the server's place. HEAD has no body in any answer.
    async fn say(&self, writer: &mut Writer, status: u16, bytes: &[u8]) -> io::Result<Next> {
        let (method, _) = self.request.method_and_target();
        let head = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .map(|end| end + 4);
        let shown = if method == "HEAD" {
            head.unwrap_or(bytes.len())
        } else {
            bytes.len()
        };
        send(writer, bytes.get(..shown).ok_or(ErrorKind::InvalidData)?).await?;
        self.state.answered(self.number, Some(status));
        Ok(Next::Another)
    }
}

async fn send(writer: &mut Writer, bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

/// Returns when the client has closed; what it sends until then is thrown away.
async fn read_until_closed(reader: &mut Reader) {
    let mut thrown_away = [0; 1024];
    while let Ok(1..) = reader.read(&mut thrown_away).await {}
}
