//! AWS as the doors see it: SQS and Secrets Manager behind TLS.
//!
//! In Rust and in this process, because the emulator that the tests use takes longer for one message than our door does:
//! its latency would drown what is measured. Nothing is kept.
//!
//! Source of the answers: the AWS JSON protocols 1.0 and 1.1, "SendMessage" (SQS) and "GetSecretValue" (Secrets Manager).

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::Listener;
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The app's client secret, in the environment or in Secrets Manager.
pub(crate) const SECRET: &str = "bench";

/// The names of the secret and of the queue, which nobody checks.
pub(crate) const SECRET_ARN: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:hubspot-bench1";
const QUEUE: &str = "111122223333/deliveries";

/// What our door trusts in AWS. Here it reads them and the test authority, so that a start costs what it costs there.
const AMAZON_ROOTS: &[u8] = include_bytes!("../../crates/validator-lambda/roots/amazon.pem");

/// How SQS behaves; Secrets Manager always answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sqs {
    Answering,
    /// It takes the connection and the request, and says nothing.
    Silent,
}

/// A certificate authority for this run, by the openssl command.
pub(crate) struct Authority {
    /// The test authority alone: Node adds it to the roots inside it.
    pub(crate) root: PathBuf,
    /// Amazon's roots and the test authority: it takes the place of the roots inside our door.
    pub(crate) roots: PathBuf,
    tls: TlsAcceptor,
}

impl Authority {
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let file = |name: &str| folder.join(name);
        let (root, key) = (file("root.pem"), file("root.key"));
        certificate(&["-subj", "/CN=Bench Root"], &root, &key)?;
        let (leaf, leaf_key) = (file("leaf.pem"), file("leaf.key"));
        let (root_text, key_text) = (root.to_string_lossy(), key.to_string_lossy());
        let leaf_options = ["-subj", "/CN=localhost", "-CA", &root_text, "-CAkey", &key_text];
        let names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"];
        certificate(&[leaf_options.as_slice(), &names].concat(), &leaf, &leaf_key)?;
        let roots = file("roots.pem");
        std::fs::write(&roots, [AMAZON_ROOTS, &std::fs::read(&root)?].concat())?;
        let chain = [&leaf, &root].map(CertificateDer::from_pem_file).into_iter().collect::<Result<_, _>>()?;
        let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(&leaf_key)?)?;
        Ok(Self { root, roots, tls: TlsAcceptor::from(Arc::new(config)) })
    }
}

/// Makes a key and a certificate for two days.
fn certificate(options: &[&str], certificate: &Path, key: &Path) -> Result<()> {
    let output = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"])
        .args(options)
        .arg("-out")
        .arg(certificate)
        .arg("-keyout")
        .arg(key)
        .stdin(Stdio::null())
        .output()
        .context("cannot start `openssl`")?;
    if !output.status.success() {
        bail!("openssl made no certificate: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}

/// The endpoint. It ends with the runtime that it was started on.
pub(crate) struct Aws {
    address: SocketAddr,
    counts: Arc<Counts>,
}

/// What came in, so that no figure is believed of a door that did not do its work.
#[derive(Default)]
struct Counts {
    handshakes: AtomicU64,
    messages: AtomicU64,
}

impl Aws {
    pub(crate) async fn start(authority: &Authority, sqs: Sqs) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let router = Router::new().route("/", post(answer)).with_state((sqs, counts.clone()));
        let listener = Tls { listener, acceptor: authority.tls.clone(), counts: counts.clone() };
        tokio::spawn(axum::serve(listener, router).into_future());
        Ok(Self { address, counts })
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    pub(crate) fn queue_url(&self) -> String {
        format!("{}/{QUEUE}", self.url())
    }

    /// TLS handshakes completed since the start.
    pub(crate) fn handshakes(&self) -> u64 {
        self.counts.handshakes.load(Ordering::Relaxed)
    }

    /// Messages taken since the start.
    pub(crate) fn messages(&self) -> u64 {
        self.counts.messages.load(Ordering::Relaxed)
    }
}

async fn answer(State((sqs, counts)): State<(Sqs, Arc<Counts>)>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    match (target, request["MessageBody"].as_str()) {
        ("AmazonSQS.SendMessage", Some(_)) if sqs == Sqs::Silent => pending().await,
        ("AmazonSQS.SendMessage", Some(message)) => {
            let number = counts.messages.fetch_add(1, Ordering::Relaxed);
            let answer = json!({
                "MessageId": format!("{number:08x}-0000-4000-8000-000000000000"),
                "MD5OfMessageBody": HEXLOWER.encode(&Md5::digest(message)),
            });
            ([("content-type", "application/x-amz-json-1.0")], answer.to_string()).into_response()
        }
        ("secretsmanager.GetSecretValue", _) => {
            let answer = json!({
                "ARN": SECRET_ARN,
                "Name": "hubspot",
                "VersionId": "00000000-0000-4000-8000-000000000001",
                "VersionStages": ["AWSCURRENT"],
                "SecretString": SECRET,
                "CreatedDate": 1_795_000_000,
            });
            ([("content-type", "application/x-amz-json-1.1")], answer.to_string()).into_response()
        }
        _ => (StatusCode::BAD_REQUEST, json!({ "__type": "InvalidAction" }).to_string()).into_response(),
    }
}

/// TCP with TLS on it.
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    counts: Arc<Counts>,
}

impl Tls {
    async fn connection(&mut self) -> io::Result<(TlsStream<TcpStream>, SocketAddr)> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        let stream = self.acceptor.accept(stream).await?;
        self.counts.handshakes.fetch_add(1, Ordering::Relaxed);
        Ok((stream, peer))
    }
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            // A client that fails to connect says so itself, in its log.
            if let Ok(connection) = self.connection().await {
                return connection;
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
