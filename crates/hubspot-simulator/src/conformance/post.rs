//! Requests as bytes on a socket. HTTP clients put URLs and headers in order before they send them; here nobody does.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::ConfigVerifierExt as _;
use serde::{Serialize, Serializer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::PATIENCE;

/// No answer has a longer head, interim answers included.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// What came of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The endpoint answered with this status.
    Status(u16),
    /// It took the request and said nothing for 5 s.
    Silence,
    /// It ended the connection, or it spoke something else than HTTP.
    Dropped,
    /// It took no connection any more.
    NoConnection,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Silence => f.write_str("silence"),
            Self::Dropped => f.write_str("dropped"),
            Self::NoConnection => f.write_str("gone"),
        }
    }
}

impl Serialize for Answer {
    /// A status is a number, everything else a word.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Status(status) => serializer.serialize_u16(*status),
            other => serializer.collect_str(other),
        }
    }
}

/// A URL to post to. Its text is kept as it is given: HubSpot signs it as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    text: String,
    is_tls: bool,
    /// Where the path begins in the text.
    path_at: usize,
    host: String,
    port: u16,
}

/// A text that is no URL to post to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither https nor http, without a host, or with a port that is none.
    #[error("it does not start with https://HOST/ or http://HOST/")]
    NoHost,
    /// HubSpot sends neither fragments nor characters that a URL has to escape.
    #[error("it holds a character that is never sent in a URL; write it percent-encoded, without `#`")]
    Character,
    /// HubSpot signs the query, and most of the cases about it need one of their own.
    #[error("it has a query; give the URL without, the cases bring queries of their own")]
    Query,
}

impl Target {
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// What the `Host` header says.
    pub(super) fn authority(&self) -> &str {
        self.text[..self.path_at].split_once("//").map_or("", |(_, authority)| authority)
    }

    /// The path as it is requested.
    pub(super) fn path(&self) -> &str {
        if self.path_at == self.text.len() { "/" } else { &self.text[self.path_at..] }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.contains('#') || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TargetError::Character);
        }
        if text.contains('?') {
            return Err(TargetError::Query);
        }
        let (scheme, rest) = text.split_once("://").ok_or(TargetError::NoHost)?;
        let (is_tls, usual_port) = match scheme {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return Err(TargetError::NoHost),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        // The colons of an IPv6 address stand in brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| TargetError::NoHost)?),
            _ => (authority, usual_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || host.contains('@') {
            return Err(TargetError::NoHost);
        }
        let path_at = scheme.len() + 3 + authority.len();
        Ok(Self { text: text.to_owned(), is_tls, path_at, host, port })
    }
}

/// The way to a target; its clones are the same way.
#[derive(Clone)]
pub(super) struct Line {
    target: Target,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Line {
    pub(super) fn to(target: &Target) -> anyhow::Result<Self> {
        let tls = if target.is_tls {
            // Another part of the same process may have installed it already, which is just as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let config =
                rustls::ClientConfig::with_platform_verifier().context("reading the machine's certificates")?;
            let name = ServerName::try_from(target.host.clone()).context("the target's host is no name")?;
            Some((TlsConnector::from(Arc::new(config)), name))
        } else {
            None
        };
        Ok(Self { target: target.clone(), tls })
    }

    /// Opens a connection, TLS included.
    pub(super) async fn connect(&self) -> io::Result<Stream> {
        let connect = async {
            let stream = TcpStream::connect((self.target.host.as_str(), self.target.port)).await?;
            stream.set_nodelay(true)?;
            match self.tls.clone() {
                Some((connector, name)) => Ok(Stream::Tls(Box::new(connector.connect(name, stream).await?))),
                None => Ok(Stream::Plain(stream)),
            }
        };
        timeout(PATIENCE, connect).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Posts one request on a connection of its own.
    pub(super) async fn post(&self, request: Vec<u8>) -> Answer {
        let Ok(stream) = self.connect().await else { return Answer::NoConnection };
        let exchange = async {
            match stream {
                Stream::Plain(stream) => exchange(stream, &request).await,
                Stream::Tls(stream) => exchange(stream, &request).await,
            }
        };
        match timeout(PATIENCE, exchange).await {
            Ok(Some(status)) => Answer::Status(status),
            Ok(None) => Answer::Dropped,
            Err(_) => Answer::Silence,
        }
    }
}

/// Writes the request and reads the answer's status. Both at once: an endpoint may answer before it has read everything.
async fn exchange(stream: impl AsyncRead + AsyncWrite, request: &[u8]) -> Option<u16> {
    let (reader, mut writer) = tokio::io::split(stream);
    let write = async {
        // Whoever closes early may have answered first, and what was said counts.
        let _ = writer.write_all(request).await;
        let _ = writer.flush().await;
        std::future::pending().await
    };
    tokio::select! {
        status = read_status(reader) => status,
        status = write => status,
    }
}

/// Reads up to the end of the first head that is no interim one (1xx).
async fn read_status(reader: impl AsyncRead) -> Option<u16> {
    let mut reader = std::pin::pin!(reader);
    let mut read = Vec::new();
    while read.len() < MAX_HEAD_BYTES {
        if reader.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        while let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            match status(&read)? {
                100..=199 => read.drain(..end + 4),
                status => return Some(status),
            };
        }
    }
    None
}

/// The status in a status line (RFC 9112, 4).
fn status(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?;
    let digits = line.get(2..5).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    str::from_utf8(digits).ok()?.parse().ok().filter(|_| line.get(1) == Some(&b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_keeps_its_text() {
        let parts = |text: &str| {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.as_str(), text);
            (target.is_tls, target.host.clone(), target.port, target.authority().to_owned(), target.path().to_owned())
        };
        let expected = |tls, host: &str, port, authority: &str, path: &str| {
            (tls, host.to_owned(), port, authority.to_owned(), path.to_owned())
        };
        assert_eq!(parts("https://a.example/x%2F'y/"), expected(true, "a.example", 443, "a.example", "/x%2F'y/"));
        assert_eq!(parts("http://127.0.0.1:8080"), expected(false, "127.0.0.1", 8080, "127.0.0.1:8080", "/"));
        assert_eq!(parts("http://[::1]:81/"), expected(false, "::1", 81, "[::1]:81", "/"));
        assert_eq!(parts("https://[::1]/"), expected(true, "::1", 443, "[::1]", "/"));
        for wrong in ["", "bell.example.com", "ftp://a/", "https://", "https:///x", "http://a:b/", "http://me@a/"] {
            assert_eq!(wrong.parse::<Target>(), Err(TargetError::NoHost), "{wrong}");
        }
        assert_eq!("https://a/#b".parse::<Target>(), Err(TargetError::Character));
        assert_eq!("https://a/é".parse::<Target>(), Err(TargetError::Character));
        assert_eq!("https://a/?b".parse::<Target>(), Err(TargetError::Query));
    }

    #[tokio::test]
    async fn the_final_status_is_read() {
        let read = |text: &'static str| read_status(text.as_bytes());
        assert_eq!(read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 No\r\nA: b\r\n\r\nbody").await, Some(401));
        assert_eq!(read("HTTP/1.0 204\r\n\r\n").await, Some(204));
        for nothing in
            ["", "HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.12200\r\n\r\n"]
        {
            assert_eq!(read(nothing).await, None, "{nothing:?}");
        }
    }
}
