//! A MariaDB server for the tests, on 127.0.0.1, with everything it keeps in a folder of its own under target/.

use std::fs::{self, File};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::machine::{install, target};
use crate::steps::succeed;

/// Usually it answers within a second, on a machine that has other work later.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// `$0` becomes the server; beside it waits a shell that ends it when stdin closes, be it that xtask is done or that it was
/// killed. What the server keeps is thrown away, so there is nothing to ask it to finish.
const UNTIL_STDIN_CLOSES: &str = r#"exec 3<&0; { read -r _ <&3; kill -s KILL $$; } & exec "$0" "$@" </dev/null 3<&-"#;

/// A server of its own for this run. It ends when this value is dropped, and also when xtask is killed.
pub(crate) struct MariaDb {
    server: Child,
    url: String,
    certificate: PathBuf,
}

impl MariaDb {
    /// Makes an empty data folder, starts the server on it and waits until it answers.
    pub(crate) fn start() -> Result<Self> {
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
        make_certificate(&certificate, &key)?;
        succeed(
            server_command("mariadb-install-db", &data)?
                .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
                .stdout(File::create(&log)?)
                .stderr(File::options().append(true).open(&log)?),
        )
        .with_context(|| format!("cannot make MariaDB's folder; {} says why", log.display()))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mariadbd = server_command("mariadbd", &data)?;
        let server = Command::new("sh")
            .args(["-c", UNTIL_STDIN_CLOSES])
            .arg(mariadbd.get_program())
            .args(mariadbd.get_args())
            // In the data folder: elsewhere its path could be too long for a socket.
            .args(["--socket=server.sock", "--pid-file=server.pid", "--bind-address=127.0.0.1", "--skip-name-resolve"])
            .arg(format!("--port={port}"))
            .args([format!("--ssl-cert={}", certificate.display()), format!("--ssl-key={}", key.display())])
            // Many tests at once, none of which has to survive a power cut.
            .args(["--max-connections=500", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"])
            .stdin(Stdio::piped())
            .stdout(File::options().append(true).open(&log)?)
            .stderr(File::options().append(true).open(&log)?)
            .spawn()
            .context("cannot start `sh`")?;
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
            if let Some(status) = self.server.try_wait()? {
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

impl Drop for MariaDb {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        // It fails only when the server has been waited for already.
        let _ = self.server.wait();
    }
}

/// MariaDB's programs on this data folder, whatever the machine's own configuration says.
fn server_command(name: &str, data: &Path) -> Result<Command> {
    let mut command = Command::new(program(name).with_context(|| format!("`{name}` is not there"))?);
    command.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        command.arg("--user=root");
    }
    Ok(command)
}

/// Where a program is. Servers are in a folder that is in root's PATH only.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// For this machine, good for two days. It signs itself.
fn make_certificate(certificate: &Path, key: &Path) -> Result<()> {
    succeed(
        Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=Closing Bell test", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(key)
            .arg("-out")
            .arg(certificate)
            .stderr(Stdio::null()),
    )
    .context("cannot make MariaDB's certificate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_ends_when_its_starter_does() {
        let mut server = Command::new("sh")
            .args(["-c", UNTIL_STDIN_CLOSES, "sh", "-c", "sleep 0.2; echo alive; exec sleep 600"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 6];
        server.stdout.take().unwrap().read_exact(&mut said).unwrap();
        assert_eq!(&said, b"alive\n");
        drop(server.stdin.take());
        let status = server.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    }
}
