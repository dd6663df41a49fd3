//! A file in an archive of its own, as every system opens it (PKWARE's APPNOTE, "Deflate").

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// An archive that holds this file alone; the same file gives the same bytes.
///
/// # Panics
/// Never: memory takes every byte, and one file of less than 4 GB needs nothing that an archive may lack.
pub fn zipped(name: &str, file: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default());
    let written = archive.start_file(name, options).and_then(|()| Ok(archive.write_all(file)?));
    written.and_then(|()| archive.finish()).expect("memory takes every byte").into_inner()
}
