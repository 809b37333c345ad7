//! Where webhooks may go. The address comes from a tenant, and our side sends to it: it must not lead
//! into a network that only we can see.
//!
//! Only the text is judged. A public name may still resolve to a private address, or come to do so after
//! it was saved (DNS rebinding): that is for the network to refuse. On Workers, `fetch` reaches no
//! private network. On Spin only hosts that the deployment names are reached, and those are known here.

/// Longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 1_024;

/// What an address may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// `https`, and a host with a public name.
    Public,
    /// Any host, also with plain `http`: for a developer's own machine.
    Any,
}

impl Reach {
    /// As the setting `WEBHOOK_ADDRESSES` says it: `any`, or what a deployment on Spin lets out to. Whatever does not let
    /// out to everything is public.
    pub fn of_setting(value: Option<&str>) -> Self {
        if matches!(value, Some("any" | "*://*:*")) { Self::Any } else { Self::Public }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("an address within `{0}`, where this installation lets webhooks go")]
    NotAllowed(String),
    #[error(
        "an address of at most {ADDRESS_BYTES_MAX} visible ASCII characters, without user, password or fragment, like `https://example.com/hook`"
    )]
    Malformed,
    #[error("an address that begins with `https://`")]
    NotHttps,
    #[error("an address whose host has a public name, and no IP address or name of a private network")]
    NotPublic,
}

/// Last labels of names that mean something within one network only.
const PRIVATE_NAMES: [&str; 11] = [
    "arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
];

/// Whether webhooks may be sent to `address`. Stricter than a browser: what is not plain is malformed, so
/// that nothing is read here in another way than by whoever sends.
pub fn check(address: &str, reach: Reach) -> Result<(), AddressError> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>^`{|}#".contains(&byte);
    if address.len() > ADDRESS_BYTES_MAX || !address.bytes().all(plain) {
        return Err(AddressError::Malformed);
    }
    let rest = match (address.strip_prefix("https://"), address.strip_prefix("http://")) {
        (Some(rest), _) => rest,
        (None, Some(rest)) if reach == Reach::Any => rest,
        _ => return Err(AddressError::NotHttps),
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = without_port(authority).ok_or(AddressError::Malformed)?.to_ascii_lowercase();
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let well_formed = match literal {
        Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
        None => is_name(&host),
    };
    match (well_formed, reach) {
        (false, _) => Err(AddressError::Malformed),
        (true, Reach::Any) => Ok(()),
        (true, Reach::Public) if is_public_name(&host) => Ok(()),
        (true, Reach::Public) => Err(AddressError::NotPublic),
    }
}

/// The same when an address is saved, for the setting as it is: one outside what the deployment lets out to would be
/// refused later, when nobody looks.
pub fn check_new(address: &str, setting: Option<&str>) -> Result<(), AddressError> {
    check(address, Reach::of_setting(setting))?;
    let Some(allowed) = setting.filter(|setting| setting.starts_with("https://")) else { return Ok(()) };
    let authority = address.trim_start_matches("https://").split(['/', '?']).next().unwrap_or_default();
    let host = without_port(authority).unwrap_or_default().to_ascii_lowercase();
    match is_within(&host, port(authority), allowed) {
        true => Ok(()),
        false => Err(AddressError::NotAllowed(allowed.to_owned())),
    }
}

const HTTPS_PORT: &str = "443";

fn port(authority: &str) -> &str {
    authority.rsplit_once(':').map_or(HTTPS_PORT, |(_, port)| port)
}

/// `https://host`, `https://*.domain` or `https://*`, with a port or with `:*` for any.
fn is_within(host: &str, port: &str, allowed: &str) -> bool {
    let allowed = allowed.trim_start_matches("https://");
    let (name, allowed_port) = allowed.rsplit_once(':').unwrap_or((allowed, HTTPS_PORT));
    let name = name.to_ascii_lowercase();
    let named = match name.strip_prefix('*') {
        Some(domain) => domain.is_empty() || (domain.starts_with('.') && host.ends_with(domain)),
        None => host == name,
    };
    named && (allowed_port == "*" || allowed_port == port)
}

/// The host of `host`, `host:port` or `[address]:port`.
fn without_port(authority: &str) -> Option<&str> {
    let end_of_host = authority.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = authority[end_of_host..].find(':') else { return Some(authority) };
    let (host, port) = authority.split_at(end_of_host + colon);
    let number = port[1..].bytes().all(|byte| byte.is_ascii_digit()).then(|| port[1..].parse::<u16>().ok());
    number.flatten().filter(|port| *port != 0).map(|_| host)
}

fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// More than one label, the last of which begins with a letter: every form of an IPv4 address that clients
/// understand (`127.1`, `0x7f000001`, `2130706433`) ends in one that begins with a digit.
fn is_public_name(host: &str) -> bool {
    let Some((_, last)) = host.rsplit_once('.') else { return false };
    last.starts_with(|first: char| first.is_ascii_alphabetic()) && !PRIVATE_NAMES.contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_public_name_over_https_is_taken() {
        for address in [
            "https://example.com",
            "https://hooks.example.com:8443/a/b?c=d",
            "https://EXAMPLE.com/",
            "https://xn--bcher-kva.example/",
            "https://127.0.0.1.example.com/",
        ] {
            assert_eq!(check(address, Reach::Public), Ok(()), "{address}");
        }
    }

    #[test]
    fn a_deployment_that_names_its_hosts_takes_no_others() {
        let check = |address, hosts| check_new(address, Some(hosts));
        let below = "https://*.example.com";
        assert_eq!(check("https://hooks.example.com/a", below), Ok(()));
        assert_eq!(check("https://hooks.example.com:443/a", below), Ok(()));
        let refused = Err(AddressError::NotAllowed(below.into()));
        assert_eq!(check("https://hooks.example.com:8443/a", below), refused);
        assert_eq!(check("https://example.com/a", below), refused);
        assert_eq!(check("https://hooks.example.com.example.org/", below), refused);
        assert_eq!(check("https://hooks.example.org:8443/", "https://*:*"), Ok(()));
        assert_eq!(check("https://hooks.example.org/", "https://hooks.example.org:443"), Ok(()));
        assert_eq!(check("https://printer.local/", "https://*:443"), Err(AddressError::NotPublic));
        assert_eq!(check("http://hooks.example.org/", "https://*:443"), Err(AddressError::NotHttps));
    }

    #[test]
    fn what_only_our_own_network_reaches_is_refused() {
        for address in [
            "https://localhost/",
            "https://a.localhost/",
            "https://printer.local/",
            "https://metadata.google.internal/computeMetadata/v1/",
            "https://billing/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.0.0.0x1/",
            "https://0177.0.0.1/",
            "https://10.0.0.8/",
            "https://172.16.0.1/",
            "https://192.168.1.1:8443/",
            "https://169.254.169.254/latest/meta-data/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[fe80::1]/",
            "https://[fd00::1]:80/",
            "https://[::ffff:169.254.169.254]/",
        ] {
            assert_eq!(check(address, Reach::Public), Err(AddressError::NotPublic), "{address}");
            assert_eq!(check(address, Reach::Any), Ok(()), "{address}");
        }
    }

    #[test]
    fn plain_http_is_for_a_developers_machine() {
        assert_eq!(check("http://example.com/", Reach::Public), Err(AddressError::NotHttps));
        assert_eq!(check("http://127.0.0.1:9000/hook", Reach::Any), Ok(()));
        for address in ["ftp://example.com/", "//example.com", "example.com", "HTTPS://example.com", ""] {
            assert_eq!(check(address, Reach::Any), Err(AddressError::NotHttps), "{address}");
        }
        assert_eq!(Reach::of_setting(Some("any")), Reach::Any);
        for value in [None, Some(""), Some("public"), Some("ANY")] {
            assert_eq!(Reach::of_setting(value), Reach::Public);
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_malformed() {
        for address in [
            "https://",
            "https:///path",
            "https://user@example.com/",
            "https://example.com@127.0.0.1/",
            "https://example.com\\@127.0.0.1/",
            "https://example.com./",
            "https://.example.com/",
            "https://example..com/",
            "https://exa%6dple.com/",
            "https://example.com:/",
            "https://example.com:0/",
            "https://example.com:+1/",
            "https://example.com:65536/",
            "https://example.com:1:2/",
            "https://[::1/",
            "https://[::1]x/",
            "https://[v1.x]/",
            "https://bücher.example/",
            "https://example.com/ path",
            "https://example.com/\r\nx: y",
            "https://example.com/#part",
        ] {
            assert_eq!(check(address, Reach::Any), Err(AddressError::Malformed), "{address}");
        }
        let long = format!("https://example.com/{}", "a".repeat(ADDRESS_BYTES_MAX));
        assert_eq!(check(&long, Reach::Public), Err(AddressError::Malformed));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}", host in "[\\[\\]:@.0-9a-fx-]{0,40}") {
            let _ = check(&text, Reach::Public);
            let _ = check(&format!("https://{host}/"), Reach::Public);
        }

        #[test]
        fn no_number_is_a_public_host(address in any::<u32>(), last in any::<u8>()) {
            for host in [address.to_string(), format!("{address:#x}"), format!("a.{last}"), format!("{last}.{last:#o}")] {
                prop_assert!(check(&format!("https://{host}/"), Reach::Public).is_err(), "{}", host);
            }
        }
    }
}
