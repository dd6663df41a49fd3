//! A Docker engine for the tests, with everything it keeps in a folder of its own under target/. It makes no network: its
//! containers are on this machine's own, where the servers of the tests listen on 127.0.0.1, so neither a bridge nor a rule of
//! the firewall is made, and nothing listens for anybody else.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::machine::{install, is_root, program, target};
use crate::server::Server;
use crate::steps::succeed;

/// Usually it answers within two seconds, on a machine that has other work later.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// A container that never runs and is on this machine's network: who asks for "its" network gets that.
const NEIGHBOUR: &str = "closing-bell-neighbour";

/// An engine of its own for this run. It ends with its containers when this value is dropped, and also when xtask is killed.
pub(crate) struct Engine {
    server: Server,
    socket: PathBuf,
    /// After the server, which does not undo it.
    _network: Network,
}

/// Where an engine mounts this machine's network for its containers. While it is mounted the folder cannot be deleted.
struct Network(PathBuf);

impl Drop for Network {
    fn drop(&mut self) {
        // It fails only where nothing is mounted, or no engine has got so far.
        let _ = Command::new("umount").arg(&self.0).stderr(Stdio::null()).status();
    }
}

impl Engine {
    /// Starts it without any image or container, and waits until it answers.
    pub(crate) fn start() -> Result<Self> {
        for (name, package) in [("dockerd", "docker.io"), ("docker", "docker-cli")] {
            // Until Debian 12 the one package has both.
            if program(name).is_none() {
                install(&[package], &format!("Docker's `{name}`"))?;
            }
        }
        ensure!(is_root(), "Docker's engine needs root: run the system tests as root");
        let folder = target("test-docker");
        let network = || Network(folder.join("run/netns/default"));
        if folder.exists() {
            // One whose xtask was killed has left it.
            drop(network());
            fs::remove_dir_all(&folder).with_context(|| format!("an engine may still run in {}", folder.display()))?;
        }
        fs::create_dir_all(&folder)?;
        let (socket, configuration) = (folder.join("docker.sock"), folder.join("daemon.json"));
        // The machine's own configuration is somebody else's.
        fs::write(&configuration, "{}")?;
        let mut dockerd = Command::new(program("dockerd").context("`dockerd` is not there")?);
        let option = |name: &str, file: PathBuf| format!("--{name}={}", file.display());
        dockerd
            .args([option("config-file", configuration), format!("--host=unix://{}", socket.display())])
            .args([option("data-root", folder.join("data")), option("exec-root", folder.join("run"))])
            .args([option("pidfile", folder.join("docker.pid")), "--bridge=none".to_owned()])
            .args(["--iptables=false", "--ip6tables=false", "--host-gateway-ip=127.0.0.1"])
            // Where the machine has a containerd that runs, that is used: in rooms of our own.
            .args(["--containerd-namespace=closing-bell", "--containerd-plugins-namespace=closing-bell-plugins"]);
        let log = target("docker-engine.log");
        let _ = fs::remove_file(&log);
        let server = Server::start(&dockerd, "TERM", &log)?;
        let mut engine = Self { server, socket, _network: network() };
        let why = || format!("Docker's engine does not run on this machine; {} says why", log.display());
        engine.answers().with_context(why)?;
        Ok(engine)
    }

    fn answers(&mut self) -> Result<()> {
        let began = Instant::now();
        while UnixStream::connect(&self.socket).is_err() {
            if let Some(status) = self.server.ended()? {
                bail!("it ended with {status}");
            }
            ensure!(began.elapsed() < ANSWER_TIMEOUT, "it does not listen after {} s", ANSWER_TIMEOUT.as_secs());
            sleep(Duration::from_millis(50));
        }
        // This waits until it is ready.
        succeed(self.docker().arg("version").stdout(Stdio::null()))
    }

    /// `DOCKER_HOST` for it.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// A `docker` that speaks to it.
    pub(crate) fn docker(&self) -> Command {
        let mut docker = Command::new("docker");
        docker.env("DOCKER_HOST", self.host()).env_remove("DOCKER_CONTEXT");
        docker
    }

    /// Makes [`Self::neighbour`] of any image.
    pub(crate) fn make_neighbour(&self, image: &str) -> Result<()> {
        let mut create = self.docker();
        create.args(["create", "--name", NEIGHBOUR, "--network", "host", image]).stdout(Stdio::null());
        succeed(&mut create)
    }

    /// The name of a container that never runs and has this machine's network.
    pub(crate) fn neighbour(&self) -> &'static str {
        NEIGHBOUR
    }
}
