//! A MariaDB server for the tests, on 127.0.0.1, with everything it keeps in a folder of its own under target/.

use std::fs::{self, File};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::machine::{install, is_root, program, target};
use crate::server::Server;
use crate::steps::succeed;

/// Usually it answers within a second, on a machine that has other work later.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// A server of its own for this run. It ends when this value is dropped, and also when xtask is killed.
pub(crate) struct MariaDb {
    server: Server,
    url: String,
    certificate: PathBuf,
}

impl MariaDb {
    /// Makes an empty data folder, starts the server on it and waits until it answers.
    /// Its certificate is good for so many `days`.
    pub(crate) fn start(days: u32) -> Result<Self> {
        if program("mariadbd").is_none() || program("mariadb-install-db").is_none() {
            install(&["mariadb-server"], "MariaDB's server")?;
        }
        if program("openssl").is_none() {
            install(&["openssl"], "openssl")?;
        }
        let folder = target("test-mariadb");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let log = target("mariadb-server.log");
        let (data, certificate, key) = (folder.join("data"), folder.join("certificate.pem"), folder.join("key.pem"));
        make_certificate(&certificate, &key, days)?;
        succeed(
            server_command("mariadb-install-db", &data)?
                .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
                .stdout(File::create(&log)?)
                .stderr(File::options().append(true).open(&log)?),
        )
        .with_context(|| format!("cannot make MariaDB's folder; {} says why", log.display()))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut mariadbd = server_command("mariadbd", &data)?;
        mariadbd
            // In the data folder: elsewhere its path could be too long for a socket.
            .args(["--socket=server.sock", "--pid-file=server.pid", "--bind-address=127.0.0.1", "--skip-name-resolve"])
            .arg(format!("--port={port}"))
            .args([format!("--ssl-cert={}", certificate.display()), format!("--ssl-key={}", key.display())])
            // Many tests at once, none of which has to survive a power cut.
            .args(["--max-connections=500", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"]);
        // What it keeps is thrown away, so there is nothing to ask it to finish.
        let server = Server::start(&mariadbd, "KILL", &log)?;
        let mut mariadb = Self { server, url: format!("mysql://root@127.0.0.1:{port}"), certificate };
        mariadb.answers(port).with_context(|| format!("MariaDB does not answer; {} says why", log.display()))?;
        Ok(mariadb)
    }

    /// The server speaks first: its version, after five bytes.
    fn answers(&mut self, port: u16) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < ANSWER_TIMEOUT {
            if let Ok(mut connection) = TcpStream::connect(("127.0.0.1", port)) {
                connection.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                let mut greeting = [0; 32];
                connection.read_exact(&mut greeting)?;
                ensure!(
                    String::from_utf8_lossy(&greeting).contains("MariaDB"),
                    "something else answers at port {port}"
                );
                return Ok(());
            }
            if let Some(status) = self.server.ended()? {
                bail!("it ended with {status}");
            }
            sleep(Duration::from_millis(50));
        }
        bail!("it does not listen after {} s", ANSWER_TIMEOUT.as_secs())
    }

    /// Tells the tests where it is and which certificate it shows.
    pub(crate) fn lend<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("CLOSING_BELL_TEST_MYSQL", &self.url).env("CLOSING_BELL_TEST_MYSQL_CA", &self.certificate)
    }
}

/// MariaDB's programs on this data folder, whatever the machine's own configuration says.
fn server_command(name: &str, data: &Path) -> Result<Command> {
    let mut command = Command::new(program(name).with_context(|| format!("`{name}` is not there"))?);
    command.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
    if is_root() {
        command.arg("--user=root");
    }
    Ok(command)
}

/// For this machine. It signs itself.
fn make_certificate(certificate: &Path, key: &Path, days: u32) -> Result<()> {
    succeed(
        Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", &days.to_string()])
            .args(["-subj", "/CN=Closing Bell test", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(key)
            .arg("-out")
            .arg(certificate)
            .stderr(Stdio::null()),
    )
    .context("cannot make MariaDB's certificate")
}
