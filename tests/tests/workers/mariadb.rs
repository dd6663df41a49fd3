//! A MariaDB server of a test's own, which may stop and start again.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;

use end_to_end::signal;
use sqlx::{Connection, MySqlConnection};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::harness::until;

/// Ends with this value, by its id; its folder goes with it.
pub(crate) struct MariaDb {
    server: Option<Child>,
    port: u16,
    folder: TempDir,
}

impl MariaDb {
    /// An empty server. What it has committed outlives its process.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut mariadb = Self { server: None, port, folder };
        let made = mariadb
            .program("mariadb-install-db")
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .status()
            .await;
        assert!(made.unwrap().success());
        mariadb.resume().await;
        mariadb
    }

    pub(crate) fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}", self.port)
    }

    /// Sends a signal to the server and waits until it is gone.
    pub(crate) async fn stop(&mut self, name: &str) {
        let mut server = self.server.take().unwrap();
        signal(name, &server).await;
        server.wait().await.unwrap();
    }

    /// Starts it on the same folder and port, and waits until it answers.
    pub(crate) async fn resume(&mut self) {
        let mut server = self.program("mariadbd");
        // The socket is in the data folder: elsewhere its path could be too long.
        server.args(["--socket=server.sock", "--pid-file=server.pid", "--bind-address=127.0.0.1"]);
        self.server = Some(server.arg(format!("--port={}", self.port)).spawn().unwrap());
        let url = self.url();
        until("MariaDB answers", async || MySqlConnection::connect(&url).await.ok()).await.close().await.unwrap();
    }

    fn program(&self, name: &str) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Servers are in a folder that is in root's PATH only.
        let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
        let program =
            folders.map(|folder| folder.join(name)).find(|file| file.is_file()).expect("MariaDB is installed");
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.arg("--no-defaults").arg(format!("--datadir={}", self.folder.path().join("data").display()));
        if std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0 {
            command.arg("--user=root");
        }
        command.arg("--skip-name-resolve").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.kill_on_drop(true);
        command
    }
}
