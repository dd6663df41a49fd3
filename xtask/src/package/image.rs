//! The worker's image: one static program and what it reads, nothing else. infra/Dockerfile puts it together, and can do the
//! building too, where there is no Rust.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::sbom::{self, Program};
use super::{VERSION_VARIABLE, megabytes, output};
use crate::machine::{cargo, root, target};
use crate::steps::succeed;

/// The profile that ships.
const PROFILE: &str = "dist";
/// The largest image in bytes, unpacked: it is loaded at every start of a task. Workbooks, charts with their typeface, report
/// definitions and the status page are some six million of them.
const MAX_IMAGE_BYTES: u64 = 26_000_000;
/// What the image is called here; deploying gives it the registry's name.
pub(super) const NAME: &str = "closing-bell";
/// The authorities that the machine trusts, as Debian, Ubuntu and Alpine, or Fedora and Amazon Linux keep them.
const CERTIFICATES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
/// Whoever runs the container may write here, whatever the user's number; where a volume is mounted, it takes this over.
const WRITABLE: [&str; 2] = ["data", "tmp"];

/// Builds the program and lays out all files of the image in target/image.
///
/// The C library is linked in: so the image needs no base, nothing in it wants patching but the program, and it runs on
/// any Linux. glibc looks up names itself since 2.34 and needs no module of the host for it.
pub(super) fn files(triple: &str, version: &str) -> Result<()> {
    let mut build = cargo(&["build", "--package", "report-worker", "--no-default-features", "--locked"]);
    build.args(["--profile", PROFILE, "--target", triple]).env(VERSION_VARIABLE, version);
    let flags = format!("CARGO_TARGET_{}_RUSTFLAGS", triple.replace('-', "_").to_uppercase());
    succeed(build.env(flags, "-C target-feature=+crt-static"))?;
    let image = target("image");
    if image.exists() {
        fs::remove_dir_all(&image)?;
    }
    let program = target(triple).join(PROFILE).join("closing-bell");
    copy(&program, &image.join("usr/local/bin/closing-bell"), 0o755)?;
    let certificates = CERTIFICATES.iter().map(Path::new).find(|file| file.exists());
    let certificates = certificates.context("this machine has no CA certificates: install ca-certificates")?;
    copy(certificates, &image.join("etc/ssl/certs/ca-certificates.crt"), 0o644)?;
    copy(&root().join("LICENSE"), &image.join("LICENSE"), 0o644)?;
    for folder in WRITABLE.map(|name| image.join(name)) {
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o1777))?;
    }
    let program = Program { name: "closing-bell", package: "report-worker", version, triple, is_static: true };
    fs::write(image.join(sbom::FILE), sbom::of(&program)?)?;
    Ok(())
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    fs::create_dir_all(to.parent().expect("it lies in a folder"))?;
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(fs::set_permissions(to, Permissions::from_mode(mode))?)
}

/// Whether a Docker engine answers; an error where one `must`.
pub(super) fn has_engine(must: bool) -> Result<bool> {
    let answers = match Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]).output() {
        Ok(answer) => answer.status.success(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error).context("cannot start `docker`"),
    };
    ensure!(answers || !must, "no Docker engine answers: start one, or say with DOCKER_HOST where it is");
    if !answers {
        eprintln!("    none answers, so the worker's image is left out");
    }
    Ok(answers)
}

/// Has Docker make the image that ships, and weighs it. Gives Docker's id for it, which is a digest of what is in it.
pub(super) fn pack(version: &str) -> Result<String> {
    // A tag may not have a plus sign.
    let (versioned, latest) = (format!("{NAME}:{}", version.replace('+', "-")), format!("{NAME}:latest"));
    let mut docker = Command::new("docker");
    docker.current_dir(root()).args(["build", "--quiet", "--file", "infra/Dockerfile", "--target", "prebuilt"]);
    docker.args(["--build-arg", &format!("VERSION={version}"), "--tag", &versioned, "--tag", &latest, "."]);
    succeed(docker.stdout(Stdio::null()))?;
    let size = output(Command::new("docker").args(["image", "inspect", "--format", "{{.Size}}", &versioned]))?;
    let bytes: u64 = size.parse().with_context(|| format!("Docker gives the image's size as `{size}`"))?;
    eprintln!("    image {versioned} {}, of at most {}", megabytes(bytes), megabytes(MAX_IMAGE_BYTES));
    ensure!(
        bytes <= MAX_IMAGE_BYTES,
        "the image has {bytes} bytes and may have {MAX_IMAGE_BYTES}: look for what came in with `cargo tree -p report-worker --no-default-features -e features,no-dev`"
    );
    output(Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", &versioned]))
}
