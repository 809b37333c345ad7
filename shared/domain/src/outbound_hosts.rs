//! Which places a deployment lets calls go to, written as Spin has them in `allowed_outbound_hosts`.
//!
//! An entry is `<scheme>://<host>[:<port>]`:
//!
//! - scheme: `http`, `https`, or `*` for both;
//! - host: a name, an IP address (version 6 in brackets and with a port), a network like `10.0.0.0/8`, `*.example.com`
//!   for all names below that one, or `*`;
//! - port: a number, `8000..8100` without the last one, or `*`; left out, the scheme's own.
//!
//! `self`, which is the app itself there, is refused: no function calls it. So is whatever Spin takes and no call could
//! match. Source: Spin's sources, `AllowedHostConfig`, release 4.

use crate::destination::{Destination, Host, Scheme, is_name};
use core::net::IpAddr;
use core::ops::RangeInclusive;

/// Nothing that is in none of the entries is let out; without entries, nothing at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundHosts(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    text: String,
    /// None: any.
    scheme: Option<Scheme>,
    hosts: Hosts,
    ports: RangeInclusive<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    Any,
    /// Everything below this domain, which begins with a dot.
    Below(String),
    One(Host),
    /// An address, and how many of its leading bits count.
    Network(IpAddr, u8),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` names no place that calls can go to: {reason}")]
pub struct EntryError {
    entry: String,
    reason: &'static str,
}

/// A place outside of what is let out to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{destination}` is outside of `{allowed}`, where this installation lets calls go")]
pub struct Outside {
    pub destination: String,
    /// All entries.
    pub allowed: String,
}

impl OutboundHosts {
    /// Of a setting: entries with commas or white space between them.
    pub fn parse(list: &str) -> Result<Self, EntryError> {
        let separates = |letter: char| letter == ',' || letter.is_whitespace();
        Self::of_entries(list.split(separates).filter(|entry| !entry.is_empty()))
    }

    pub fn of_entries<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, EntryError> {
        let entry = |text: &str| {
            Entry::parse(text.trim()).map_err(|reason| EntryError { entry: text.to_owned(), reason })
        };
        entries.into_iter().map(entry).collect::<Result<_, _>>().map(Self)
    }

    pub fn allows(&self, destination: &Destination) -> Result<(), Outside> {
        if self.0.iter().any(|entry| entry.allows(destination)) {
            return Ok(());
        }
        let entries: Vec<&str> = self.0.iter().map(|entry| entry.text.as_str()).collect();
        Err(Outside { destination: destination.to_string(), allowed: entries.join(", ") })
    }

    /// Whether an entry is `*://*:*`.
    pub fn is_everything(&self) -> bool {
        let everything = |entry: &Entry| {
            entry.scheme.is_none() && entry.hosts == Hosts::Any && entry.ports == (0..=u16::MAX)
        };
        self.0.iter().any(everything)
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, place) = text.split_once("://").ok_or("it lacks a scheme, like `https://`")?;
        let scheme = match scheme {
            "*" => None,
            scheme => Some(Scheme::parse(scheme).ok_or("the scheme must be `https`, `http` or `*`")?),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, port) = place.rsplit_once(':').unwrap_or((place, ""));
        Ok(Self { text: text.to_owned(), scheme, hosts: hosts(host)?, ports: ports(port, scheme)? })
    }

    fn allows(&self, destination: &Destination) -> bool {
        self.scheme.is_none_or(|scheme| scheme == destination.scheme)
            && self.ports.contains(&destination.port)
            && self.hosts.contain(&destination.host)
    }
}

impl Hosts {
    fn contain(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::One(one), host) => one == host,
            (Self::Below(domain), Host::Name(name)) => name.ends_with(domain),
            (Self::Network(network, bits), Host::Address(address)) => is_within(*address, *network, *bits),
            (Self::Below(_), Host::Address(_)) | (Self::Network(..), Host::Name(_)) => false,
        }
    }
}

fn hosts(text: &str) -> Result<Hosts, &'static str> {
    match text {
        "*" => return Ok(Hosts::Any),
        "self" | "self.alt" => return Err("`self` is the app itself, which no function calls"),
        _ => {}
    }
    if text.contains('/') {
        return network(text).ok_or("a host has no path, and a network is like `10.0.0.0/8`");
    }
    if let Some(domain) = text.strip_prefix("*.") {
        // Spin compares as it is written, and hosts arrive in small letters.
        let small = !domain.bytes().any(|byte| byte.is_ascii_uppercase());
        let fits = small && is_name(domain);
        return fits
            .then(|| Hosts::Below(format!(".{domain}")))
            .ok_or("after `*.` comes a name in small letters");
    }
    Host::parse(text).map(Hosts::One).ok_or(
        "the host must be a name in ASCII, an IP address, a network, or have a star as `*` or in front as `*.`",
    )
}

fn network(text: &str) -> Option<Hosts> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?);
    (u32::from(bits) <= bits_of(address).1).then_some(Hosts::Network(address, bits))
}

fn is_within(address: IpAddr, network: IpAddr, leading: u8) -> bool {
    let ((address, length), (network, other_length)) = (bits_of(address), bits_of(network));
    let ignored = length.saturating_sub(leading.into());
    length == other_length && (address ^ network).checked_shr(ignored).unwrap_or(0) == 0
}

/// As a number, and how many bits it has.
fn bits_of(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (address.to_bits().into(), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn ports(text: &str, scheme: Option<Scheme>) -> Result<RangeInclusive<u16>, &'static str> {
    const UNREADABLE: &str = "the port must be a number, a range like `8000..8100`, or `*`";
    let number = |text: &str| text.parse::<u16>().map_err(|_| UNREADABLE);
    if text == "*" {
        return Ok(0..=u16::MAX);
    }
    if text.is_empty() {
        let port = scheme.ok_or("without a port, the scheme cannot be `*`")?.default_port();
        return Ok(port..=port);
    }
    let Some((first, end)) = text.split_once("..") else {
        let port = number(text)?;
        return Ok(port..=port);
    };
    let (first, end) = (number(first)?, number(end)?);
    if first < end { Ok(first..=end - 1) } else { Err("the range of ports is empty") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allows(list: &str, url: &str) -> bool {
        OutboundHosts::parse(list).unwrap().allows(&Destination::of(url).unwrap()).is_ok()
    }

    #[test]
    fn scheme_host_and_port_must_all_fit() {
        let entry = "https://api.example.com";
        for url in ["https://api.example.com/v1", "https://API.example.com:443/"] {
            assert!(allows(entry, url), "{url}");
        }
        for url in [
            "http://api.example.com/v1",
            "https://api.example.com:8443/v1",
            "https://api.example.com.example.org/v1",
            "https://a.api.example.com/",
        ] {
            assert!(!allows(entry, url), "{url}");
        }
        assert!(allows("https://API.Example.com:443/", "https://api.example.com/"));
    }

    #[test]
    fn stars_stand_for_any_scheme_any_host_names_below_one_and_any_port() {
        let entry = "*://hooks.example.com:443";
        assert!(allows(entry, "https://hooks.example.com/a"));
        assert!(allows(entry, "http://hooks.example.com:443/a"));
        assert!(!allows(entry, "http://hooks.example.com/a"));
        assert!(!allows(entry, "https://example.com/a"));
        assert!(allows("https://*:443", "https://anything.example.org/"));
        assert!(!allows("https://*:443", "https://anything.example.org:8443/"));
        assert!(allows("https://*:*", "https://anything.example.org:8443/"));
        assert!(allows("https://*.example.com", "https://a.b.example.com/"));
        assert!(!allows("https://*.example.com", "https://example.com/"));
        assert!(!allows("https://*.example.com", "https://badexample.com/"));
        assert!(allows("*://*:*", "http://[::1]:4711/"));
        assert!(OutboundHosts::parse("*://*:*").unwrap().is_everything());
        for less in ["", "https://*:*", "*://*:443", "*://*.example.com:*"] {
            assert!(!OutboundHosts::parse(less).unwrap().is_everything(), "{less}");
        }
    }

    #[test]
    fn addresses_and_networks_are_their_own() {
        assert!(allows("http://127.0.0.1:9000", "http://127.0.0.1:9000/v1"));
        assert!(allows("http://[::1]:9000", "http://[0:0::1]:9000/v1"));
        assert!(allows("*://10.0.0.0/8:8000", "http://10.255.0.1:8000/"));
        assert!(!allows("*://10.0.0.0/8:8000", "http://11.0.0.1:8000/"));
        assert!(allows("https://10.1.2.3/31", "https://10.1.2.2/"));
        assert!(!allows("https://10.1.2.3/31", "https://10.1.2.4/"));
        assert!(allows("https://0.0.0.0/0", "https://192.0.2.1/"));
        assert!(!allows("https://0.0.0.0/0", "https://[::1]/"));
        assert!(!allows("https://0.0.0.0/0", "https://example.com/"));
        assert!(allows("*://2001:db8::/32:443", "https://[2001:db8:1::1]/"));
        assert!(!allows("*://2001:db8::/32:443", "https://[2001:db9::1]/"));
        assert!(allows("*://::/0:443", "https://[2001:db9::1]/"));
    }

    #[test]
    fn a_range_of_ports_ends_before_its_last() {
        let entry = "http://example.com:8000..8002";
        let at = |port: u16| allows(entry, &format!("http://example.com:{port}/"));
        assert_eq!([7999, 8000, 8001, 8002].map(at), [false, true, true, false]);
    }

    #[test]
    fn a_list_lets_out_to_each_and_names_what_is_outside() {
        let list = "https://api.example.com, https://*.example.org\nhttp://10.0.0.0/8:8000";
        assert!(allows(list, "https://api.example.com/v1"));
        assert!(allows(list, "https://a.example.org/v1"));
        assert!(allows(list, "http://10.0.0.1:8000/v1"));
        let hosts = OutboundHosts::parse(list).unwrap();
        let outside = hosts.allows(&Destination::of("https://api.example.net:8443/v1").unwrap()).unwrap_err();
        assert_eq!(
            outside.to_string(),
            "`https://api.example.net:8443` is outside of `https://api.example.com, https://*.example.org, \
             http://10.0.0.0/8:8000`, where this installation lets calls go"
        );
        assert!(!allows("", "https://example.com/"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for entry in [
            "api.example.com",
            "api.example.com:443",
            "://api.example.com",
            "HTTPS://api.example.com",
            "redis://api.example.com",
            "{http,https}://api.example.com",
            "https://api.example.com/v1",
            "https://api.example.com:443/v1",
            "https://*ample.com",
            "https://*.*.example.com",
            "https://*.Example.com",
            "https://a.*.com",
            "https://",
            "https://.example.com",
            "https://bücher.example",
            "https://user@example.com",
            "https://{a,b}",
            "http://self",
            "https://self.alt:443",
            "http://[::1]",
            "https://10.0.0.0/33",
            "*://ff00::/129:80",
            "https://example/8",
            "*://example.com",
            "https://example.com:http",
            "https://example.com:65536",
            "https://example.com:{80,443}",
            "https://example.com:8000..8000",
            "https://example.com:8000..",
            "insecure:allow-all",
            "any",
        ] {
            let error = OutboundHosts::of_entries(["https://example.com", entry]).unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{entry}` names no place")), "{error}");
        }
        assert!(OutboundHosts::of_entries(["https://a.example,https://b.example"]).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}", place in "[*.:/0-9a-f\\[\\]]{0,30}") {
            let somewhere = Destination::of("https://[2001:db8::1]/").unwrap();
            for list in [text, format!("*://{place}"), format!("https://{place}:443")] {
                let _ = OutboundHosts::parse(&list).map(|hosts| hosts.allows(&somewhere));
            }
        }

        #[test]
        fn a_network_has_the_addresses_that_begin_like_it(network in any::<u32>(), address in any::<u32>(), bits in 0u32..=32) {
            let address = core::net::Ipv4Addr::from_bits(address);
            let same = (network ^ address.to_bits()).leading_zeros() >= bits;
            let entry = format!("https://{}/{bits}", core::net::Ipv4Addr::from_bits(network));
            prop_assert_eq!(allows(&entry, &format!("https://{address}/")), same);
        }
    }
}
