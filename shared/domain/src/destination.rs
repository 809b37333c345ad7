//! Where an address leads: scheme, host and port, and nothing that could be read in two ways.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Like `https://hooks.example.com:8443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub scheme: Scheme,
    pub host: Host,
    pub port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// In small letters.
    Name(String),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    #[error("an address that begins with `https://` or `http://`")]
    NotHttp,
    #[error("an address of visible ASCII characters, without user, password or fragment")]
    Malformed,
}

impl Destination {
    /// Of a whole URL. Stricter than a browser: what is not plain is malformed, so that nothing is read here in
    /// another way than by whoever sends.
    pub fn of(url: &str) -> Result<Self, DestinationError> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>^`{|}#".contains(&byte);
        if !url.bytes().all(plain) {
            return Err(DestinationError::Malformed);
        }
        let (scheme, rest) = url.split_once("://").ok_or(DestinationError::NotHttp)?;
        let scheme = Scheme::parse(scheme).ok_or(DestinationError::NotHttp)?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        Self::of_authority(scheme, authority).ok_or(DestinationError::Malformed)
    }

    /// Of `host`, `host:port` or `[address]:port`.
    pub fn of_authority(scheme: Scheme, authority: &str) -> Option<Self> {
        let end_of_host = authority.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match authority[end_of_host..].find(':') {
            None => (authority, scheme.default_port()),
            Some(colon) => {
                let (host, port) = authority.split_at(end_of_host + colon);
                (host, port_number(&port[1..])?)
            }
        };
        Some(Self { scheme, host: Host::parse(host)?, port })
    }
}

/// Digits only, not zero.
fn port_number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|port| *port != 0)
}

impl fmt::Display for Destination {
    /// Without the port that the scheme means anyway.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl Scheme {
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| scheme.name() == text)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Host {
    /// A name, `192.0.2.1` or `[2001:db8::1]`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(literal) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            return literal.parse::<Ipv6Addr>().ok().map(|address| Self::Address(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        is_name(text).then(|| Self::Name(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Labels as DNS has them, and with `_`.
pub fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_one_place() {
        for (url, place) in [
            ("https://example.com", "https://example.com"),
            ("https://EXAMPLE.com:443/a:b?c=d:e", "https://example.com"),
            ("http://example.com:443/", "http://example.com:443"),
            ("http://127.0.0.1:9000/v1", "http://127.0.0.1:9000"),
            ("http://[0:0::1]", "http://[::1]"),
            ("https://[2001:db8::1]:8443?a", "https://[2001:db8::1]:8443"),
        ] {
            assert_eq!(Destination::of(url).unwrap().to_string(), place, "{url}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_leads_nowhere() {
        for url in [
            "https://",
            "https://user@example.com/",
            "https://example.com\\@127.0.0.1/",
            "https://example.com:/",
            "https://example.com:0/",
            "https://example.com:+1/",
            "https://example.com:65536/",
            "https://[::1/",
            "https://[::1]x/",
            "https://[::1]x:80/",
            "https://a b/",
        ] {
            assert_eq!(Destination::of(url), Err(DestinationError::Malformed), "{url}");
        }
        for url in ["", "example.com", "//example.com", "HTTPS://example.com", "ftp://example.com"] {
            assert_eq!(Destination::of(url), Err(DestinationError::NotHttp), "{url}");
        }
    }
}
