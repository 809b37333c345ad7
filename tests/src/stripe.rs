//! Signs webhooks as Stripe does: HMAC-SHA-256 over `<unix seconds>.<body>`.

// Stripe signs by its own clock, which is real time.
#![allow(clippy::disallowed_methods)]

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The value of `Stripe-Signature`, with one `v1` for each secret.
pub fn signature(secrets: &[&str], unix_seconds: i64, body: &str) -> String {
    let mut header = format!("t={unix_seconds}");
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length of key");
        mac.update(format!("{unix_seconds}.{body}").as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        header += &format!(",v1={hex}");
    }
    header
}

/// Seconds since 1970, by the machine's clock.
pub fn unix_now() -> i64 {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_secs()).expect("a clock of this age")
}
