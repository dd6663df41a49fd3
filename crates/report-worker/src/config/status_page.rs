//! Where the status page listens, and who may look at it.

use std::net::SocketAddr;

use secrecy::SecretString;

use super::reader::Reader;
use crate::secrets::Renewed;

/// Beside the webhook's default, and as loopback.
const DEFAULT: &str = "127.0.0.1:8081";

/// A password is guessed from anywhere, ten times a minute and address.
const SHORTEST_PASSWORD: usize = 12;

/// What the status page needs.
#[derive(Debug, Clone)]
pub struct StatusPageConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whoever looks has to know this; `None` only on a loopback address.
    pub password: Option<Renewed<SecretString>>,
}

impl StatusPageConfig {
    /// Reads it beside `webhooks`, the address of the webhook's listener, if that could be read: a reverse proxy before that one
    /// makes every stranger look local.
    pub(super) fn read(reader: &mut Reader<'_>, webhooks: Option<SocketAddr>) -> Option<Self> {
        let listen = reader.or("STATUS_LISTEN", DEFAULT, |text| {
            let listen: SocketAddr = text.parse().map_err(|_| format!("not an address and port such as {DEFAULT}"))?;
            match webhooks {
                Some(webhooks) if webhooks.port() == listen.port() && listen.port() != 0 => Err(format!(
                    "{listen} has the port of LISTEN; the status page needs another one, such as {DEFAULT}"
                )),
                _ => Ok(listen),
            }
        });
        let is_open = listen.is_some_and(|listen| !is_loopback(listen));
        let password = if is_open {
            let meaning = "STATUS_LISTEN is no loopback address, so whoever looks at the page has to know a password";
            reader.required("STATUS_PASSWORD", meaning, password).map(Some)
        } else {
            reader.optional("STATUS_PASSWORD", password)
        };
        let (listen, password) = (listen?, password?);
        let renewed = |password| reader.renewed(password, &["STATUS_PASSWORD"], |_, _, text| self::password(text));
        Some(Self { listen, password: password.map(renewed) })
    }
}

/// Whether only this machine reaches the address.
fn is_loopback(listen: SocketAddr) -> bool {
    listen.ip().to_canonical().is_loopback()
}

fn password(text: &str) -> Result<SecretString, String> {
    match text.chars().count() {
        SHORTEST_PASSWORD.. => Ok(SecretString::from(text)),
        _ => Err(format!("shorter than {SHORTEST_PASSWORD} characters, and strangers may guess")),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::super::reader::{Environment, read};
    use super::*;

    async fn config(variables: &[(&str, &str)]) -> Result<StatusPageConfig, String> {
        let environment = Environment::of(variables);
        let webhooks = "127.0.0.1:8080".parse().ok();
        read(&environment, |reader| StatusPageConfig::read(reader, webhooks)).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn on_loopback_nothing_has_to_be_set() {
        let page = config(&[]).await.unwrap();
        assert_eq!((page.listen.to_string().as_str(), page.password.is_none()), (DEFAULT, true));
        for loopback in ["127.9.9.9:9000", "[::1]:8081", "[::ffff:127.0.0.1]:8081", "127.0.0.1:0"] {
            assert!(config(&[("STATUS_LISTEN", loopback)]).await.unwrap().password.is_none(), "{loopback}");
        }
    }

    #[tokio::test]
    async fn any_other_address_wants_a_password() {
        for open in ["0.0.0.0:8081", "[::]:8081", "10.1.2.3:8081", "[::ffff:10.1.2.3]:8081"] {
            let problem = config(&[("STATUS_LISTEN", open)]).await.unwrap_err();
            assert!(problem.contains("\n  STATUS_PASSWORD: not set; ") && problem.contains("STATUS_PASSWORD_ARN"));
            let page = config(&[("STATUS_LISTEN", open), ("STATUS_PASSWORD", "twelve chars")]).await.unwrap();
            assert_eq!(page.password.unwrap().now().expose_secret(), "twelve chars");
        }
    }

    #[tokio::test]
    async fn the_webhook_s_port_short_passwords_and_nonsense_are_refused() {
        for (listen, password, wrong) in [
            ("0.0.0.0:8080", "twelve chars", "STATUS_LISTEN: 0.0.0.0:8080 has the port of LISTEN"),
            ("[::1]:8080", "twelve chars", "STATUS_LISTEN: [::1]:8080 has the port of LISTEN"),
            ("8081", "twelve chars", "STATUS_LISTEN: not an address and port"),
            ("0.0.0.0:8081", "hush", "STATUS_PASSWORD: shorter than 12 characters"),
        ] {
            let problem = config(&[("STATUS_LISTEN", listen), ("STATUS_PASSWORD", password)]).await.unwrap_err();
            assert!(problem.contains(wrong) && !problem.contains("hush"), "{problem}");
        }
    }
}
