//! Where webhooks may go. The address comes from a tenant, and our side sends to it: it must not lead
//! into a network that only we can see.
//!
//! Only the text is judged. A public name may still resolve to a private address, or come to do so after
//! it was saved (DNS rebinding): that is for the network to refuse. On Workers, `fetch` reaches no
//! private network. On Spin that is so where the runtime's configuration says
//! `block_networks = ["private"]`, as ours do; which names are let out to is known here too.

use crate::destination::{Destination, DestinationError, Host, Scheme};
use crate::outbound_hosts::{EntryError, OutboundHosts, Outside};

/// Longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 1_024;

/// What an address may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// `https`, and a host with a public name.
    Public,
    /// The same, and only what the deployment lets calls out to.
    Within(OutboundHosts),
    /// Any host, also with plain `http`: for a developer's own machine.
    Any,
}

impl Reach {
    /// As the setting `WEBHOOK_ADDRESSES` says it: `public`, which is also what its absence means, `any`, or entries of
    /// [`OutboundHosts`], which Spin's host enforces when a webhook is sent. What is none of these is an error: on a
    /// guess, addresses would be saved that nothing can be sent to.
    pub fn of_setting(value: Option<&str>) -> Result<Self, EntryError> {
        let hosts = match value {
            None | Some("" | "public") => return Ok(Self::Public),
            Some("any") => return Ok(Self::Any),
            Some(entries) => OutboundHosts::parse(entries)?,
        };
        Ok(if hosts.is_everything() { Self::Any } else { Self::Within(hosts) })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("an address within `{}`, where this installation lets webhooks go; `{}` is outside", .0.allowed, .0.destination)]
    NotAllowed(Outside),
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

/// Whether webhooks may be sent to `address`. Asked when it is saved, since one outside of what the host lets out to would
/// be refused later, when nobody looks; and again before each webhook, since the setting may have changed.
pub fn check(address: &str, reach: &Reach) -> Result<(), AddressError> {
    if address.len() > ADDRESS_BYTES_MAX {
        return Err(AddressError::Malformed);
    }
    let destination = Destination::of(address).map_err(|error| match error {
        DestinationError::NotHttp => AddressError::NotHttps,
        DestinationError::Malformed => AddressError::Malformed,
    })?;
    let allowed = match reach {
        Reach::Any => return Ok(()),
        Reach::Public => None,
        Reach::Within(hosts) => Some(hosts),
    };
    if destination.scheme != Scheme::Https {
        return Err(AddressError::NotHttps);
    }
    if !is_public(&destination.host) {
        return Err(AddressError::NotPublic);
    }
    allowed.map_or(Ok(()), |hosts| hosts.allows(&destination)).map_err(AddressError::NotAllowed)
}

/// More than one label, the last of which begins with a letter: every form of an IPv4 address that clients
/// understand (`127.1`, `0x7f000001`, `2130706433`) ends in one that begins with a digit.
fn is_public(host: &Host) -> bool {
    let Host::Name(name) = host else { return false };
    let Some((_, last)) = name.rsplit_once('.') else { return false };
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
            assert_eq!(check(address, &Reach::Public), Ok(()), "{address}");
        }
    }

    #[test]
    fn a_deployment_that_names_its_hosts_takes_no_others() {
        let check = |address, hosts| check(address, &Reach::of_setting(Some(hosts)).unwrap());
        let below = "https://*.example.com";
        assert_eq!(check("https://hooks.example.com/a", below), Ok(()));
        assert_eq!(check("https://hooks.example.com:443/a", below), Ok(()));
        for outside in [
            "https://hooks.example.com:8443/a",
            "https://example.com",
            "https://hooks.example.com.example.org",
        ] {
            let refused = check(outside, below).unwrap_err().to_string();
            assert!(refused.contains("within `https://*.example.com`, where"), "{refused}");
        }
        let refused = check("https://hooks.example.org/a", "*://hooks.example.com:443").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "an address within `*://hooks.example.com:443`, where this installation lets webhooks go; \
             `https://hooks.example.org` is outside"
        );
        assert_eq!(check("https://hooks.example.com/a", "*://hooks.example.com:443"), Ok(()));
        assert_eq!(check("https://hooks.example.org:8443/", "https://*:*"), Ok(()));
        assert_eq!(check("https://hooks.example.org/", "https://hooks.example.org:443"), Ok(()));
        assert_eq!(check("https://printer.local/", "https://*:443"), Err(AddressError::NotPublic));
        assert_eq!(check("https://10.0.0.1/", "https://10.0.0.0/8"), Err(AddressError::NotPublic));
        assert_eq!(check("http://hooks.example.org/", "*://*:80"), Err(AddressError::NotHttps));
    }

    #[test]
    fn a_setting_that_is_not_understood_is_an_error() {
        for value in
            ["ANY", "Public", "everything", "hooks.example.com", "https://self", "https://a.example/hook"]
        {
            assert!(Reach::of_setting(Some(value)).is_err(), "{value}");
        }
        for value in ["any", "*://*:*"] {
            assert_eq!(Reach::of_setting(Some(value)), Ok(Reach::Any));
        }
        for value in [None, Some(""), Some("public")] {
            assert_eq!(Reach::of_setting(value), Ok(Reach::Public));
        }
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
            assert_eq!(check(address, &Reach::Public), Err(AddressError::NotPublic), "{address}");
            assert_eq!(check(address, &Reach::Any), Ok(()), "{address}");
        }
    }

    #[test]
    fn plain_http_is_for_a_developers_machine() {
        assert_eq!(check("http://example.com/", &Reach::Public), Err(AddressError::NotHttps));
        assert_eq!(check("http://127.0.0.1:9000/hook", &Reach::Any), Ok(()));
        for address in ["ftp://example.com/", "//example.com", "example.com", "HTTPS://example.com", ""] {
            assert_eq!(check(address, &Reach::Any), Err(AddressError::NotHttps), "{address}");
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
            assert_eq!(check(address, &Reach::Any), Err(AddressError::Malformed), "{address}");
        }
        let long = format!("https://example.com/{}", "a".repeat(ADDRESS_BYTES_MAX));
        assert_eq!(check(&long, &Reach::Public), Err(AddressError::Malformed));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}", host in "[\\[\\]:@.0-9a-fx-]{0,40}") {
            let _ = check(&text, &Reach::Public);
            let _ = check(&format!("https://{host}/"), &Reach::Public);
        }

        #[test]
        fn no_number_is_a_public_host(address in any::<u32>(), last in any::<u8>()) {
            for host in [address.to_string(), format!("{address:#x}"), format!("a.{last}"), format!("{last}.{last:#o}")] {
                prop_assert!(check(&format!("https://{host}/"), &Reach::Public).is_err(), "{}", host);
            }
        }
    }
}
