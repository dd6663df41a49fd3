//! What would be uploaded: zips, deflated as `zip` does it, by Python's standard library.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::function::{Peer, Workshop};

/// Bytes of each peer's zip.
pub(crate) type Sizes = BTreeMap<Peer, u64>;

/// Zips all three: a binary under the name that Lambda starts, Node's folder with its packages.
pub(crate) fn sizes(workshop: &Workshop, python: &Path, problems: &mut Vec<String>) -> Sizes {
    let mut sizes = Sizes::new();
    for peer in Peer::ALL {
        match size(workshop, python, peer) {
            Ok(bytes) => _ = sizes.insert(peer, bytes),
            Err(error) => problems.push(format!("package of {peer}: {error:#}")),
        }
    }
    sizes
}

fn size(workshop: &Workshop, python: &Path, peer: Peer) -> Result<u64> {
    let folder = workshop.folder.join(format!("{peer}-package"));
    fs::create_dir_all(&folder)?;
    let content = match peer {
        Peer::Node => workshop.node.clone(),
        Peer::Ours | Peer::Echo => {
            let bootstrap = folder.join("bootstrap");
            fs::copy(if peer == Peer::Ours { &workshop.ours } else { &workshop.echo }, &bootstrap)?;
            bootstrap
        }
    };
    let zip = folder.join("function.zip");
    let status = Command::new(python).args(["-m", "zipfile", "-c"]).arg(&zip).arg(content).status();
    ensure!(status.context("cannot start Python")?.success(), "Python made no zip");
    Ok(fs::metadata(&zip)?.len())
}
