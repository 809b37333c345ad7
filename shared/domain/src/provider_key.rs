//! Provider keys at rest: sealed with XChaCha20-Poly1305, bound to their provider.
//!
//! Text form: `v1.` and the base64 of nonce (24 bytes) ‖ ciphertext ‖ tag (16 bytes). ChaCha is used
//! since it is fast in wasm, where AES has no hardware to lean on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

const PREFIX: &str = "v1.";
const NONCE: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderKeyError {
    #[error("a sealed provider key is not of the form v1.<base64>")]
    Malformed,
    #[error("a sealed provider key does not open: another master key or provider sealed it")]
    WrongKey,
    #[error("the master key is not 64 hexadecimal digits")]
    MasterKey,
}

/// The master key from its 64 hexadecimal digits.
pub fn master_key(hex: &str) -> Result<[u8; 32], ProviderKeyError> {
    let mut key = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return Err(ProviderKeyError::MasterKey);
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).map_err(|_| ProviderKeyError::MasterKey)?;
    }
    Ok(key)
}

/// `nonce` must be random and used once.
pub fn seal(master: &[u8; 32], provider: &str, key: &str, nonce: &[u8; NONCE]) -> String {
    let payload = Payload { msg: key.as_bytes(), aad: provider.as_bytes() };
    let sealed = XChaCha20Poly1305::new(master.into())
        .encrypt(&XNonce::from(*nonce), payload)
        .expect("sealing fails only beyond 256 GB");
    format!("{PREFIX}{}", STANDARD_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
}

pub fn open(master: &[u8; 32], provider: &str, sealed: &str) -> Result<String, ProviderKeyError> {
    let encoded = sealed.strip_prefix(PREFIX).ok_or(ProviderKeyError::Malformed)?;
    let bytes = STANDARD_NO_PAD.decode(encoded).map_err(|_| ProviderKeyError::Malformed)?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or(ProviderKeyError::Malformed)?;
    let payload = Payload { msg: sealed, aad: provider.as_bytes() };
    let key = XChaCha20Poly1305::new(master.into())
        .decrypt(&XNonce::from(*nonce), payload)
        .map_err(|_| ProviderKeyError::WrongKey)?;
    String::from_utf8(key).map_err(|_| ProviderKeyError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_opens_only_with_its_master_and_provider() {
        let sealed = seal(&[7; 32], "openai", "a fake key", &[1; NONCE]);
        assert!(!sealed.contains("fake"));
        assert_eq!(open(&[7; 32], "openai", &sealed).as_deref(), Ok("a fake key"));
        assert_eq!(open(&[8; 32], "openai", &sealed), Err(ProviderKeyError::WrongKey));
        assert_eq!(open(&[7; 32], "other", &sealed), Err(ProviderKeyError::WrongKey));
        assert_eq!(open(&[7; 32], "openai", "v1.AAAA"), Err(ProviderKeyError::Malformed));
        assert_eq!(open(&[7; 32], "openai", "plain"), Err(ProviderKeyError::Malformed));
    }
}
