//! Hashes of keys as they are stored: 64 hexadecimal digits.

use domain::api_key::KeyHash;

pub fn to_hex(hash: &KeyHash) -> String {
    hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn from_hex(hex: &str) -> Option<KeyHash> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(KeyHash::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_print_and_parse() {
        let hash = KeyHash::of("a fake key");
        assert_eq!(from_hex(&to_hex(&hash)), Some(hash));
        for wrong in ["", "zz", &"z".repeat(64), &"é".repeat(32)] {
            assert_eq!(from_hex(wrong), None);
        }
    }
}
