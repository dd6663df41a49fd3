//! Mails as `.eml` files in a folder: one file per Message-ID, whole or not there at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use sha2::{Digest, Sha256};

use super::Outcome;

/// The longest readable part of a file name; file systems take 255 bytes in all.
const MAX_SLUG: usize = 150;

/// A folder of `.eml` files, made when the first mail is written.
#[derive(Clone, Debug)]
pub struct Directory {
    folder: PathBuf,
}

impl Directory {
    /// Mails go to `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder that the mails go to.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where this mail is written to, or was: the mail's own date and its Message-ID make the name, so that the folder sorts
    /// by time and all recipients of one mail share one file.
    pub fn file_of(&self, message_id: &str, bytes: &[u8]) -> PathBuf {
        let date = date_of(bytes).map_or("undated".to_owned(), |date| date.strftime("%Y-%m-%dT%H%M%SZ").to_string());
        self.folder.join(format!("{date}-{}.eml", slug(message_id)))
    }

    pub(super) async fn send(&self, message_id: &str, bytes: &[u8]) -> Outcome {
        let file = self.file_of(message_id, bytes);
        let (target, bytes) = (file.clone(), bytes.to_vec());
        let written = tokio::task::spawn_blocking(move || write_whole(&target, &bytes)).await;
        match written.map_err(io::Error::other).flatten() {
            Ok(()) => Outcome::Accepted { reply: format!("written to {}", file.display()) },
            Err(error) => Outcome::Deferred { reply: format!("cannot write {}: {error}", file.display()) },
        }
    }
}

/// Writes beside the target and renames, so that nobody ever sees half a mail; the rename is made to last as well.
fn write_whole(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = folder.join(format!(".{:016x}.part", fastrand::u64(..)));
    let written = (|| {
        let mut file = File::create_new(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, target)
    })();
    if written.is_err() {
        // What is left of it helps nobody; the error that matters is the first one.
        let _ = fs::remove_file(&beside);
    }
    written?;
    File::open(folder)?.sync_all()
}

/// The `Date` header.
fn date_of(bytes: &[u8]) -> Option<Timestamp> {
    let headers = bytes.split(|byte| *byte == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    let date = headers.filter_map(|line| line.strip_prefix(b"Date: ")).next()?;
    let date = rfc2822::DateTimeParser::new().parse_timestamp(date.trim_ascii()).ok()?;
    Some(date)
}

/// A Message-ID in characters that every file system takes. What had to change to get there gets a part of its hash behind
/// it, so that two Message-IDs never share a file.
fn slug(message_id: &str) -> String {
    let id = message_id.trim_start_matches('<').trim_end_matches('>');
    let is_safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | '@');
    let safe: String = id.chars().take(MAX_SLUG).map(|c| if is_safe(c) { c } else { '-' }).collect();
    if safe == id { safe } else { format!("{safe}-{}", &HEXLOWER.encode(&Sha256::digest(id))[..12]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_safe_and_never_shared() {
        assert_eq!(slug("<closed-deals.2026-11-22.1@bell.example>"), "closed-deals.2026-11-22.1@bell.example");
        assert_eq!(slug("closed-deals@x"), slug("<closed-deals@x>"));
        for id in ["../../etc/passwd", "a/b", "a b", "Ab", "ü", "a:b", "a\0b", &"x".repeat(70_000)] {
            let slug = slug(id);
            assert!(slug.chars().all(|c| c.is_ascii_alphanumeric() || ".-_@".contains(c)), "{slug}");
            assert!(slug.len() < 200);
            assert_ne!(slug, super::slug(&format!("{id}!")));
        }
        assert_ne!(slug("a/b"), slug("a-b"));
        // Some file systems do not tell upper case from lower.
        assert_ne!(slug("Ab").to_lowercase(), slug("ab").to_lowercase());
    }

    #[test]
    fn the_date_comes_from_the_mail_itself() {
        let date = |mail: &str| Directory::new("out").file_of("<a@b>", mail.as_bytes());
        let of = |mail| date(mail).to_str().unwrap().to_owned();
        assert_eq!(of("To: x\r\nDate: Sun, 22 Nov 2026 17:00:00 +0100\r\n\r\n"), "out/2026-11-22T160000Z-a@b.eml");
        assert_eq!(of("To: x\r\n\r\nDate: Sun, 22 Nov 2026 17:00:00 +0000\r\n"), "out/undated-a@b.eml");
        assert_eq!(of("Date: soon\r\n\r\n"), "out/undated-a@b.eml");
    }
}
