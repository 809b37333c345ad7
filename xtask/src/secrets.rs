//! The secrets of one local state folder: made from fresh randomness when the folder is new, kept beside its data.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub const ADMIN_EMAIL: &str = "admin@example.com";

/// Keys are 32 random bytes as 64 hexadecimal digits.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    /// Pepper of version 1 of API keys.
    pub api_key_pepper_1: String,
    /// Version 1 of the key that encrypts providers' keys (ChaCha20-Poly1305).
    pub provider_keys_key_1: String,
    /// The private scalar (big-endian) of the P-256 key that signs admin sessions.
    pub session_key_p256: String,
    /// `whsec_…`, as Stripe shows it.
    pub stripe_webhook_secret: String,
    /// The bearer of `POST /cron/run`.
    #[serde(default = "new_cron_secret")]
    pub cron_secret: String,
    /// The bearer of `POST /admin/bootstrap`.
    #[serde(default = "new_bootstrap_token")]
    pub bootstrap_token: String,
    /// The `X-API-Key` of a machine client of billing.
    pub billing_api_key: String,
    pub admin_email: String,
    pub admin_password: String,
}

impl Secrets {
    /// The folder's secrets; new ones where it has none.
    pub fn load_or_generate(state: &Path) -> Result<Self> {
        let file = file_in(state);
        match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
                format!("{} is not readable by this version; start with --fresh", file.display())
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secrets = Self::generate()?;
                write_private(&file, &serde_json::to_vec_pretty(&secrets)?)?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(|| file.display().to_string()),
        }
    }

    fn generate() -> Result<Self> {
        // A P-256 scalar must be below the curve's order, which starts with 32 one bits.
        let mut scalar = random::<32>()?;
        scalar[0] &= 0x7f;
        Ok(Self {
            api_key_pepper_1: hex(&random::<32>()?),
            provider_keys_key_1: hex(&random::<32>()?),
            session_key_p256: hex(&scalar),
            stripe_webhook_secret: format!("whsec_{}", hex(&random::<24>()?)),
            cron_secret: new_cron_secret(),
            bootstrap_token: new_bootstrap_token(),
            billing_api_key: format!("cf-billing-{}", hex(&random::<24>()?)),
            admin_email: ADMIN_EMAIL.to_owned(),
            admin_password: hex(&random::<12>()?),
        })
    }

    /// As the functions see them: by the names that their `wrangler.jsonc` declares.
    pub fn bindings(&self) -> BTreeMap<&'static str, &str> {
        BTreeMap::from([
            ("API_KEY_PEPPER_1", self.api_key_pepper_1.as_str()),
            ("PROVIDER_KEYS_KEY_1", self.provider_keys_key_1.as_str()),
            ("SESSION_KEY_P256", self.session_key_p256.as_str()),
            ("STRIPE_WEBHOOK_SECRETS", self.stripe_webhook_secret.as_str()),
            ("CRON_SECRET", self.cron_secret.as_str()),
            ("BOOTSTRAP_TOKEN", self.bootstrap_token.as_str()),
        ])
    }
}

/// The file whose presence also says that the folder is a state folder of ours.
pub fn file_in(state: &Path) -> PathBuf {
    state.join("secrets.json")
}

/// Writes a file that only its owner may read; it is there whole or not at all.
pub fn write_private(file: &Path, content: &[u8]) -> Result<()> {
    let unfinished = file.with_extension("unfinished");
    let write = || -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        let mut opened = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        opened.write_all(content)?;
        opened.sync_all()?;
        fs::rename(&unfinished, file)
    };
    write().with_context(|| file.display().to_string())
}

/// Also for a folder that is older than this secret: nobody but the host itself uses it.
fn new_cron_secret() -> String {
    hex(&random::<24>().expect("the system has randomness"))
}

/// As [`new_cron_secret`]: a folder is seeded with an administrator, so it opens nothing.
fn new_bootstrap_token() -> String {
    hex(&random::<32>().expect("the system has randomness"))
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_between_folders_and_fit_their_names() {
        let (one, other) = (Secrets::generate().unwrap(), Secrets::generate().unwrap());
        for (name, value) in one.bindings() {
            assert_ne!(other.bindings()[name], value, "{name}");
        }
        assert_eq!(one.session_key_p256.len(), 64);
        assert!(u8::from_str_radix(&one.session_key_p256[..2], 16).unwrap() < 0x80);
    }
}
