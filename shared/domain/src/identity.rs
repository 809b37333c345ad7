//! Ids. Parsed once at the door; inside, an id cannot be malformed.

use crate::time::Timestamp;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

/// Where an account lives for ever. It is part of the account's name and of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Home {
    #[n(1)]
    Eu,
    #[n(2)]
    Any,
}

impl Home {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eu => "eu",
            Self::Any => "any",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Eu, Self::Any].into_iter().find(|home| home.as_str() == text)
    }

    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::Eu => 1,
            Self::Any => 2,
        }
    }

    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Eu),
            2 => Some(Self::Any),
            _ => None,
        }
    }
}

/// An account: its home and a random id. One per user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct AccountId {
    #[n(0)]
    pub home: Home,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub id: [u8; 16],
}

impl AccountId {
    pub const fn new(home: Home, id: [u8; 16]) -> Self {
        Self { home, id }
    }

    /// `eu-0f3c…`: the home, a dash, 32 hexadecimal digits. Also the user's id in the directory and
    /// the name of the account's state machine.
    pub fn parse(text: &str) -> Option<Self> {
        let (home, hex) = text.split_once('-')?;
        Some(Self { home: Home::parse(home)?, id: from_hex(hex)? })
    }
}

impl core::fmt::Display for AccountId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}-", self.home.as_str())?;
        self.id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One request, in the form of a version 7 UUID; also the operation id of its hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct RequestId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl RequestId {
    pub fn new(now: Timestamp, random: &[u8; 10]) -> Self {
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        Self(*uuid::Builder::from_unix_timestamp_millis(millis, random).as_uuid().as_bytes())
    }

    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::try_parse(text).ok().map(|id| Self(*id.as_bytes()))
    }

    /// The time that is in the first 48 bits of a version 7 UUID, at most the end of the year 9999. Of any other id the
    /// same bits, which say nothing.
    pub fn made_at(self) -> Timestamp {
        let millis = self.0[..6].iter().fold(0, |millis, byte| (millis << 8) | i64::from(*byte));
        Timestamp::from_millis(millis).min(Timestamp::END_OF_9999)
    }

    /// The id of an operation that somebody else named: its SHA-256, cut to 16 bytes.
    pub fn of_foreign(scope: &str, name: &str) -> Self {
        let digest = Sha256::new().chain_update(scope).chain_update([0]).chain_update(name).finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

impl core::fmt::Display for RequestId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

fn from_hex(hex: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let digits = hex.as_bytes();
    let lower = |d: &u8| matches!(d, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 32 || !digits.iter().all(lower) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_parse() {
        let account = AccountId::new(Home::Eu, [0xab; 16]);
        assert_eq!(account.to_string(), format!("eu-{}", "ab".repeat(16)));
        assert_eq!(AccountId::parse(&account.to_string()), Some(account));
        for wrong in
            ["", "eu", "us-abababababababababababababababab", "eu-AB", "eu-+babababababababababababababababa"]
        {
            assert_eq!(AccountId::parse(wrong), None, "{wrong}");
        }
        let request = RequestId::new(Timestamp::from_millis(1_700_000_000_000), &[7; 10]);
        assert_eq!(RequestId::parse(&request.to_string()), Some(request));
        assert!(request.to_string().starts_with("018bcfe5-6800-7"));
    }

    #[test]
    fn a_request_id_says_when_it_was_made_and_never_what_no_timestamp_may_be() {
        let at = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(RequestId::new(at, &[0xff; 10]).made_at(), at);
        assert_eq!(RequestId([0; 16]).made_at(), Timestamp::EPOCH);
        assert_eq!(RequestId([0xff; 16]).made_at().to_rfc3339(), "9999-12-31T23:59:59.999Z");
    }
}
