//! Which hosts a component may call: `allowed_outbound_hosts`.

use anyhow::{Context, Result, bail};
use http::Uri;

/// One entry, like `https://api.example.com`, `https://*.example.com:8443` or `*://127.0.0.1:*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// None: any.
    scheme: Option<String>,
    host: Host,
    /// None: any.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// Everything below this domain, which begins with a dot.
    Below(String),
    Named(String),
}

impl Allowed {
    pub fn parse(entry: &str) -> Result<Self> {
        let (scheme, rest) = entry.split_once("://").with_context(|| format!("{entry}: no scheme"))?;
        if rest.contains(['/', '?', '#']) {
            bail!("{entry}: a host has no path");
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, "*")) => (host, None),
            Some((host, port)) => (host, Some(port.parse().with_context(|| format!("{entry}: the port"))?)),
            None => (rest, Some(default_port(scheme).with_context(|| format!("{entry}: no port"))?)),
        };
        let host = match host {
            "*" => Host::Any,
            host => match host.strip_prefix('*') {
                Some(domain) if domain.starts_with('.') => Host::Below(domain.to_ascii_lowercase()),
                Some(_) => bail!("{entry}: a star stands for a whole label"),
                None => Host::Named(host.to_ascii_lowercase()),
            },
        };
        Ok(Self { scheme: (scheme != "*").then(|| scheme.to_owned()), host, port })
    }

    pub fn allows(&self, uri: &Uri) -> bool {
        let scheme = uri.scheme_str().unwrap_or("https");
        let Some(host) = uri.host().map(str::to_ascii_lowercase) else { return false };
        let port = uri.port_u16().or_else(|| default_port(scheme));
        let host_fits = match &self.host {
            Host::Any => true,
            Host::Below(domain) => host.ends_with(domain),
            Host::Named(name) => host == *name,
        };
        host_fits
            && self.scheme.as_deref().is_none_or(|allowed| allowed == scheme)
            && self.port.is_none_or(|allowed| Some(allowed) == port)
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entry: &str, uri: &str) -> bool {
        Allowed::parse(entry).unwrap().allows(&uri.parse().unwrap())
    }

    #[test]
    fn scheme_host_and_port_must_all_fit() {
        assert!(allows("https://api.example.com", "https://api.example.com/v1"));
        assert!(!allows("https://api.example.com", "http://api.example.com/v1"));
        assert!(!allows("https://api.example.com", "https://api.example.com:8443/v1"));
        assert!(!allows("https://api.example.com", "https://api.example.com.evil.example/v1"));
        assert!(allows("https://*.example.com", "https://a.b.example.com/"));
        assert!(!allows("https://*.example.com", "https://example.com/"));
        assert!(allows("*://127.0.0.1:*", "http://127.0.0.1:4711/"));
        assert!(Allowed::parse("api.example.com").is_err());
        assert!(Allowed::parse("https://api.example.com/v1").is_err());
        assert!(Allowed::parse("https://*ample.com").is_err());
    }
}
