//! Stripe's webhook signatures: `Stripe-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex> …]`, where each
//! `v1` is the HMAC-SHA-256 of `<t>.<body>` under one of the endpoint's secrets.
//!
//! Source: Stripe's documentation, "Verify webhook signatures manually".

use crate::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far the signature's time may lie from ours, before or after.
pub const TOLERANCE_SECS: i64 = 300;
/// Stripe sends one per active secret; more are ignored.
const SIGNATURES_MAX: usize = 16;
const SIGNATURE_HEX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the header Stripe-Signature is not of the form t=<unix seconds>,v1=<signature>")]
    Malformed,
    #[error("the signature's time is more than {TOLERANCE_SECS} seconds from now")]
    OutsideTolerance,
    #[error("no signature matches the body under any of the endpoint's secrets")]
    Mismatch,
}

/// Whether `body`, byte for byte as received, was signed under one of `secrets` around `now`. Empty
/// secrets match nothing.
pub fn verify(header: &str, body: &[u8], secrets: &[&str], now: Timestamp) -> Result<(), SignatureError> {
    let mut time = None;
    let mut signatures = Vec::new();
    for element in header.split(',') {
        let (name, value) = element.trim().split_once('=').ok_or(SignatureError::Malformed)?;
        match name {
            "t" if time.is_none() => time = Some(value),
            "t" => return Err(SignatureError::Malformed),
            "v1" if signatures.len() < SIGNATURES_MAX => signatures.push(value),
            // Other schemes, such as `v0` of test events, are not accepted as proof.
            _ => {}
        }
    }
    let time = time.ok_or(SignatureError::Malformed)?;
    if time.is_empty() || !time.bytes().all(|b| b.is_ascii_digit()) || signatures.is_empty() {
        return Err(SignatureError::Malformed);
    }
    let seconds: i64 = time.parse().map_err(|_| SignatureError::Malformed)?;
    let signed = signatures.iter().filter_map(|hex| from_hex(hex)).any(|signature| {
        secrets
            .iter()
            .filter(|secret| !secret.is_empty())
            .any(|secret| matches(secret, time, body, &signature))
    });
    // The signature first: who cannot sign learns nothing about our clock.
    if !signed {
        return Err(SignatureError::Mismatch);
    }
    if now.as_secs().saturating_sub(seconds).saturating_abs() > TOLERANCE_SECS {
        return Err(SignatureError::OutsideTolerance);
    }
    Ok(())
}

/// Compared in constant time.
fn matches(secret: &str, time: &str, body: &[u8], signature: &[u8; SIGNATURE_HEX / 2]) -> bool {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).expect("HMAC takes any key");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

fn from_hex(hex: &str) -> Option<[u8; SIGNATURE_HEX / 2]> {
    if hex.len() != SIGNATURE_HEX || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; SIGNATURE_HEX / 2];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn sign(secret: &str, seconds: i64, body: &[u8]) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(body);
        mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect()
    }

    fn header(secret: &str, seconds: i64) -> String {
        format!("t={seconds},v1={}", sign(secret, seconds, BODY))
    }

    #[test]
    fn a_signature_under_any_of_the_secrets_is_taken() {
        let now = NOW.as_secs();
        assert_eq!(verify(&header("new", now), BODY, &["old", "new"], NOW), Ok(()));
        assert_eq!(verify(&header("old", now), BODY, &["old", "new"], NOW), Ok(()));
        let both = format!("{},v1={},v0=abc", header("unknown", now), sign("new", now, BODY));
        assert_eq!(verify(&both, BODY, &["new"], NOW), Ok(()));
    }

    #[test]
    fn a_forged_or_changed_event_is_refused() {
        let header = header("secret", NOW.as_secs());
        assert_eq!(verify(&header, BODY, &["other"], NOW), Err(SignatureError::Mismatch));
        assert_eq!(verify(&header, b"{}", &["secret"], NOW), Err(SignatureError::Mismatch));
        let later = header.replace("t=1700000000", "t=1700000001");
        assert_eq!(verify(&later, BODY, &["secret"], NOW), Err(SignatureError::Mismatch));
    }

    #[test]
    fn an_empty_secret_signs_nothing() {
        let header = header("", NOW.as_secs());
        assert_eq!(verify(&header, BODY, &[""], NOW), Err(SignatureError::Mismatch));
        assert_eq!(verify(&header, BODY, &[], NOW), Err(SignatureError::Mismatch));
    }

    #[test]
    fn an_old_event_and_one_from_the_future_are_refused() {
        for (offset, expected) in [
            (-TOLERANCE_SECS, Ok(())),
            (TOLERANCE_SECS, Ok(())),
            (-TOLERANCE_SECS - 1, Err(SignatureError::OutsideTolerance)),
            (TOLERANCE_SECS + 1, Err(SignatureError::OutsideTolerance)),
        ] {
            let header = header("secret", NOW.as_secs() + offset);
            assert_eq!(verify(&header, BODY, &["secret"], NOW), expected, "{offset}");
        }
    }

    #[test]
    fn what_is_no_signature_header_is_malformed() {
        let long = format!("t={},v1=aa", "9".repeat(40));
        for wrong in ["", "t=1", "v1=aa", "t=,v1=aa", "t=-1,v1=aa", "t=1,t=2,v1=aa", "nonsense", &long] {
            assert_eq!(verify(wrong, BODY, &["secret"], NOW), Err(SignatureError::Malformed), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(header in ".{0,200}", hex in "t=1,v1=\\PC{64}") {
            let _ = verify(&header, BODY, &["secret"], NOW);
            let _ = verify(&hex, BODY, &["secret"], NOW);
        }
    }
}
