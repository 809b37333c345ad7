//! Signatures of our webhooks, as Standard Webhooks defines them: the header `webhook-signature` holds
//! `v1,` and the base64 of the HMAC-SHA-256 of `<webhook-id>.<webhook-timestamp>.<body>`. A secret is
//! `whsec_` and the base64 of its bytes.
//!
//! Source: the Standard Webhooks specification, "Signature scheme" (symmetric).

use crate::time::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const SECRET_PREFIX: &str = "whsec_";
/// The specification asks for 24 to 64.
pub const SECRET_BYTES: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's secret is not of the form whsec_<base64>")]
pub struct MalformedSecret;

/// `random` must be unpredictable.
pub fn new_secret(random: &[u8; SECRET_BYTES]) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(random))
}

/// The header's value for a message that is sent at `at`.
pub fn sign(secret: &str, id: &str, at: Timestamp, body: &[u8]) -> Result<String, MalformedSecret> {
    let encoded = secret.strip_prefix(SECRET_PREFIX).ok_or(MalformedSecret)?;
    let key = STANDARD.decode(encoded).map_err(|_| MalformedSecret)?;
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).expect("HMAC takes any key");
    mac.update(id.as_bytes());
    mac.update(b".");
    mac.update(at.as_secs().to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let secret = ["whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"].concat();
        let at = Timestamp::from_millis(1_614_265_330_999);
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn everything_that_is_signed_counts() {
        let (secret, at) = (new_secret(&[7; SECRET_BYTES]), Timestamp::from_millis(5_000));
        let signature = sign(&secret, "id", at, b"{}");
        assert_ne!(signature, sign(&new_secret(&[8; SECRET_BYTES]), "id", at, b"{}"));
        assert_ne!(signature, sign(&secret, "id2", at, b"{}"));
        assert_ne!(signature, sign(&secret, "id", Timestamp::from_millis(6_000), b"{}"));
        assert_ne!(signature, sign(&secret, "id", at, b"{ }"));
        assert_eq!(sign("plain", "id", at, b"{}"), Err(MalformedSecret));
        assert_eq!(sign("whsec_*", "id", at, b"{}"), Err(MalformedSecret));
    }
}
