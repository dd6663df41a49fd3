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
pub(crate) const NEIGHBOUR: &str = "closing-bell-neighbour";

/// The registry of the account that the AWS of the tests knows, by its name in the real one.
const REGISTRY: &str = "000000000000.dkr.ecr.us-east-1.amazonaws.com";

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

/// An engine of its own for this run. It ends with its containers when this value is dropped, and also when xtask is killed.
pub(crate) struct Engine {
    server: Server,
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

fn socket() -> PathBuf {
    target("test-docker/docker.sock")
}

/// `DOCKER_HOST` for the engine, also before there is one.
pub(crate) fn host() -> String {
    format!("unix://{}", socket().display())
}

impl Engine {
    /// Starts it without any image, and waits until it answers. It reaches the registry of the tests' AWS, which is at the URL
    /// `aws`, by the name that the real one has there: through a proxy, and without TLS. Everything else is out of its reach.
    pub(crate) fn start(aws: &str) -> Result<Self> {
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
        let configuration = folder.join("daemon.json");
        // The machine's own configuration is somebody else's.
        fs::write(&configuration, "{}")?;
        let mut dockerd = Command::new(program("dockerd").context("`dockerd` is not there")?);
        let option = |name: &str, file: PathBuf| format!("--{name}={}", file.display());
        dockerd
            .args([option("config-file", configuration), format!("--host={}", host())])
            .args([option("data-root", folder.join("data")), option("exec-root", folder.join("run"))])
            .args([option("pidfile", folder.join("docker.pid")), "--bridge=none".to_owned()])
            .args(["--iptables=false", "--ip6tables=false", "--host-gateway-ip=127.0.0.1"])
            .arg(format!("--insecure-registry={REGISTRY}"))
            .envs([("HTTP_PROXY", aws), ("HTTPS_PROXY", NOWHERE), ("NO_PROXY", "")])
            // Where the machine has a containerd that runs, that is used: in rooms of our own.
            .args(["--containerd-namespace=closing-bell", "--containerd-plugins-namespace=closing-bell-plugins"]);
        let log = target("docker-engine.log");
        let _ = fs::remove_file(&log);
        let server = Server::start(&dockerd, "TERM", &log)?;
        let mut engine = Self { server, _network: network() };
        let why = || format!("Docker's engine does not run on this machine; {} says why", log.display());
        engine.answers().with_context(why)?;
        engine.make_neighbour()?;
        Ok(engine)
    }

    fn answers(&mut self) -> Result<()> {
        let began = Instant::now();
        while UnixStream::connect(socket()).is_err() {
            if let Some(status) = self.server.ended()? {
                bail!("it ended with {status}");
            }
            ensure!(began.elapsed() < ANSWER_TIMEOUT, "it does not listen after {} s", ANSWER_TIMEOUT.as_secs());
            sleep(Duration::from_millis(50));
        }
        // This waits until it is ready.
        succeed(self.docker().arg("version").stdout(Stdio::null()))
    }

    /// A `docker` that speaks to it.
    fn docker(&self) -> Command {
        let mut docker = Command::new("docker");
        docker.env("DOCKER_HOST", host()).env_remove("DOCKER_CONTEXT");
        docker
    }

    /// Of an image with nothing in it.
    fn make_neighbour(&self) -> Result<()> {
        let nothing = target("test-docker/nothing.tar");
        // Two blocks of zeros end a tar file, and here they are all of it (POSIX, pax, "ustar Interchange Format").
        fs::write(&nothing, [0; 1024])?;
        succeed(self.docker().arg("import").args([nothing.as_os_str(), "nothing".as_ref()]).stdout(Stdio::null()))?;
        let create = ["create", "--name", NEIGHBOUR, "--network", "host", "nothing", "/never-runs"];
        succeed(self.docker().args(create).stdout(Stdio::null()))
    }
}
