//! `SMTP_URL`, read strictly. The password is in it, so no error repeats any part of it that could be one.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use thiserror::Error;
use url::Url;

use super::smtp::{Encryption, Smtp, Timeouts};
use super::{Directory, Mailer};

/// A mistake in the URL of the mail server.
#[derive(Debug, Error)]
pub enum MailerUrlError {
    /// Not a URL at all.
    #[error(
        "not a URL; write smtps://user:password@host:465, smtp://host:587 or file:folder, with / ? # @ and % of the password percent-encoded"
    )]
    NotAUrl(#[source] url::ParseError),
    /// Neither of the three.
    #[error("the scheme must be smtps, smtp or file")]
    Scheme,
    /// No folder after `file:`.
    #[error("no folder; write file:folder or file:///absolute/folder")]
    NoFolder,
    /// `file://name` names another machine.
    #[error("file:// is followed by a host; write file:folder or file:///absolute/folder")]
    FileHost,
    /// No host in the URL.
    #[error("no host; write smtps://user:password@host:465")]
    NoHost,
    /// A password without a user, or the other way round.
    #[error("user and password belong together; one of them is missing")]
    HalfCredentials,
    /// User or password cannot be decoded.
    #[error("user or password is not percent-encoded UTF-8; write a % as %25")]
    Encoding,
    /// Something follows the port that means nothing here.
    #[error("only ?ca_file=PATH can follow the port; / ? # @ and % of a password must be percent-encoded")]
    Rest,
    /// The file of extra certificates.
    #[error("cannot read the certificates in {}", file.display())]
    CaFile {
        /// The file that `ca_file` names.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file of extra certificates has none that can be used.
    #[error("{} holds no certificate in PEM form", file.display())]
    NoCertificate {
        /// The file that `ca_file` names.
        file: PathBuf,
    },
    /// TLS cannot be set up for this host.
    #[error("cannot set up TLS for this host")]
    Tls(#[source] lettre::transport::smtp::Error),
}

pub(super) fn read(text: &str) -> Result<Mailer, MailerUrlError> {
    match text.strip_prefix("file:") {
        Some(folder) => read_folder(folder).map(Mailer::Directory),
        None => read_server(text).map(Mailer::Smtp),
    }
}

fn read_folder(text: &str) -> Result<Directory, MailerUrlError> {
    let folder = match text.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => return Err(MailerUrlError::FileHost),
        None => text,
    };
    if folder.is_empty() { Err(MailerUrlError::NoFolder) } else { Ok(Directory::new(folder)) }
}

fn read_server(text: &str) -> Result<Smtp, MailerUrlError> {
    let url = Url::parse(text).map_err(MailerUrlError::NotAUrl)?;
    let default_port = match url.scheme() {
        "smtps" => 465,
        "smtp" => 587,
        _ => return Err(MailerUrlError::Scheme),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(MailerUrlError::NoHost)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(MailerUrlError::Rest);
    }
    let credentials = match (decoded(url.username())?, url.password().map(decoded).transpose()?) {
        (user, None) if user.is_empty() => None,
        (user, Some(password)) if !user.is_empty() && !password.is_empty() => Some(Credentials::new(user, password)),
        _ => return Err(MailerUrlError::HalfCredentials),
    };
    let ca_file = match url.query_pairs().collect::<Vec<_>>().as_slice() {
        [] if url.query().is_none() => None,
        [(key, file)] if key == "ca_file" && !file.is_empty() => Some(PathBuf::from(file.as_ref())),
        _ => return Err(MailerUrlError::Rest),
    };
    let encryption = match url.scheme() {
        "smtps" => Encryption::FromTheStart(tls(&host, ca_file.as_deref())?),
        _ if is_loopback(&host) && ca_file.is_none() => Encryption::None,
        _ => Encryption::StartTls(tls(&host, ca_file.as_deref())?),
    };
    let port = url.port().unwrap_or(default_port);
    Ok(Smtp { host, port, encryption, credentials, timeouts: Timeouts::default() })
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Trusts the well-known authorities, and those of the file.
fn tls(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, MailerUrlError> {
    let mut builder = TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::WebpkiRoots);
    if let Some(file) = ca_file {
        let pem = std::fs::read(file).map_err(|source| MailerUrlError::CaFile { file: file.to_path_buf(), source })?;
        let no_certificate = || MailerUrlError::NoCertificate { file: file.to_path_buf() };
        if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
            return Err(no_certificate());
        }
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(|_| no_certificate())?);
    }
    builder.build().map_err(MailerUrlError::Tls)
}

/// Percent-decodes strictly: a `%` that is no escape is a mistake, most likely in a password that was not encoded.
fn decoded(text: &str) -> Result<String, MailerUrlError> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let escape = part.get(..2).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()).ok_or(MailerUrlError::Encoding)?;
        bytes.push(byte);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| MailerUrlError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Smtp {
        match read(url).unwrap() {
            Mailer::Smtp(smtp) => smtp,
            other => panic!("{url} was read as {other:?}"),
        }
    }

    #[test]
    fn servers_are_encrypted_unless_they_are_on_this_machine() {
        for (url, host, port, encryption) in [
            ("smtps://mail.example.com", "mail.example.com", 465, "FromTheStart"),
            ("smtps://127.0.0.1:1465/", "127.0.0.1", 1465, "FromTheStart"),
            ("smtp://mail.example.com", "mail.example.com", 587, "StartTls"),
            ("smtp://10.0.0.1:25", "10.0.0.1", 25, "StartTls"),
            ("smtp://localhost:1025", "localhost", 1025, "None"),
            ("smtp://127.0.0.2", "127.0.0.2", 587, "None"),
            ("smtp://[::1]:25", "::1", 25, "None"),
        ] {
            let smtp = server(url);
            let seen = (smtp.host.as_str(), smtp.port, format!("{:?}", smtp.encryption));
            assert_eq!(seen, (host, port, encryption.to_owned()), "{url}");
            assert_eq!(smtp.credentials, None);
        }
    }

    #[test]
    fn credentials_are_percent_decoded() {
        let smtp = server("smtps://bell%40example.com:p%2Fa%3As%23s%25+%C3%BC@mail.example.com");
        let expected = Credentials::new("bell@example.com".to_owned(), "p/a:s#s%+ü".to_owned());
        assert_eq!(smtp.credentials, Some(expected));
    }

    #[test]
    fn folders_are_taken_as_they_are() {
        for (url, folder) in [("file:outbox", "outbox"), ("file:///var/a b?%20", "/var/a b?%20"), ("file:/x", "/x")] {
            match read(url).unwrap() {
                Mailer::Directory(directory) => assert_eq!(directory.folder(), Path::new(folder)),
                other => panic!("{url} was read as {other:?}"),
            }
        }
    }

    #[test]
    fn every_mistake_is_named_and_none_repeats_the_password() {
        use MailerUrlError as E;
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing").unwrap();
        let missing = "smtps://bell:s3cret@host?ca_file=/no/such/file.pem".to_owned();
        let no_certificate = format!("smtps://bell:s3cret@host?ca_file={}", empty.display());
        type IsExpected = fn(&E) -> bool;
        let cases: [(&str, IsExpected); 18] = [
            ("", |e| matches!(e, E::NotAUrl(_))),
            ("mail.example.com", |e| matches!(e, E::NotAUrl(_))),
            ("smtps://bell:s3cret/x@host:465", |e| matches!(e, E::NotAUrl(_))),
            ("smtps://bell:s3cret@host:70000", |e| matches!(e, E::NotAUrl(_))),
            ("http://bell:s3cret@host", |e| matches!(e, E::Scheme)),
            ("mail.example.com:587", |e| matches!(e, E::Scheme)),
            ("smtp:host", |e| matches!(e, E::NoHost)),
            ("smtps://bell@host", |e| matches!(e, E::HalfCredentials)),
            ("smtps://:s3cret@host", |e| matches!(e, E::HalfCredentials)),
            ("smtps://bell:s3cret%@host", |e| matches!(e, E::Encoding)),
            ("smtps://bell:s3cret%ff@host", |e| matches!(e, E::Encoding)),
            ("smtps://bell:12#s3cret@host", |e| matches!(e, E::Rest)),
            ("smtps://bell:12?s3cret@host", |e| matches!(e, E::Rest)),
            ("smtps://host/path", |e| matches!(e, E::Rest)),
            ("file:", |e| matches!(e, E::NoFolder)),
            ("file://outbox", |e| matches!(e, E::FileHost)),
            (&missing, |e| matches!(e, E::CaFile { .. })),
            (&no_certificate, |e| matches!(e, E::NoCertificate { .. })),
        ];
        for (url, is_expected) in cases {
            let error = read(url).unwrap_err();
            assert!(is_expected(&error), "{url}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
        let debug = format!("{:?}", read("smtps://bell:s3cret@host").unwrap());
        assert!(!debug.contains("s3cret"), "{debug}");
    }
}
