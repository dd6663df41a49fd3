//! The page's connections: so many and no more, and none that does nothing, so that whoever keeps them open takes no file
//! descriptors from the webhook's listener and the books.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// A browser opens up to six.
const MOST: usize = 64;

/// A connection over which nothing was answered for so long is closed. An open page asks every few seconds.
const IDLE: Duration = Duration::from_secs(30);

/// Hands out [`MOST`] connections; the next one waits until one of them ends.
pub(super) struct Connections {
    listener: TcpListener,
    places: Arc<Semaphore>,
    idle: Duration,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// A connection that ends when it is idle.
pub(super) struct Limited {
    stream: TcpStream,
    longest: Duration,
    idle: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connections {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self::limited(listener, MOST, IDLE)
    }

    fn limited(listener: TcpListener, most: usize, idle: Duration) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(most)), idle }
    }
}

impl Listener for Connections {
    type Io = Limited;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Limited, SocketAddr) {
        let place = self.places.clone().acquire_owned().await.expect("nobody closes it");
        // Not TcpListener's own method, which would not try again after an error.
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        (Limited { stream, longest: self.idle, idle: Box::pin(sleep(self.idle)), _place: place }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Connections>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        Self(stream.remote_addr().ip().to_canonical())
    }
}

impl Limited {
    /// What came of writing; an answer on its way begins the time anew. What is read does not: it may be a drip.
    fn written<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            let until = Instant::now() + self.longest;
            self.idle.as_mut().reset(until);
            return polled;
        }
        self.unless_idle(context)
    }

    fn unless_idle<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.idle.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Limited {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(read) => Poll::Ready(read),
            Poll::Pending => self.unless_idle(cx),
        }
    }
}

impl AsyncWrite for Limited {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use axum::Router;
    use axum::routing::get;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn who_says_nothing_makes_room_for_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections::limited(listener, 1, Duration::from_millis(100));
        let routes = Router::new().route("/", get(async || "here"));
        let serving = tokio::spawn(axum::serve(connections, routes).into_future());
        let answered = tokio::task::spawn_blocking(move || {
            let silent = TcpStream::connect(address).unwrap();
            let mut next = TcpStream::connect(address).unwrap();
            next.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            write!(next, "GET / HTTP/1.0\r\n\r\n").unwrap();
            let mut answer = String::new();
            next.read_to_string(&mut answer).unwrap();
            drop(silent);
            answer
        });
        assert!(answered.await.unwrap().ends_with("here"));
        serving.abort();
    }
}
