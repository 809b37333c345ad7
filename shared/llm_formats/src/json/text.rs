//! JSON strings: finding their end fast, their decoded length, and decoding.

use super::JsonError;
use std::borrow::Cow;

/// A JSON string as it stands in the document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    /// Between the quotes, escapes as written.
    raw: &'a [u8],
    /// Offset of the opening quote in the document.
    start: usize,
    /// At least the bytes of the decoded text in UTF-8; exact unless it has surrogate escapes.
    pub decoded_bytes_max: usize,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// Offset of the opening quote.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Offset of the closing quote.
    pub fn end(&self) -> usize {
        self.start + 1 + self.raw.len()
    }

    /// The text, or `None` if it is not Unicode: bad UTF-8 or half of a surrogate pair.
    pub fn decode(&self) -> Option<Cow<'a, str>> {
        let raw = std::str::from_utf8(self.raw).ok()?;
        if !self.escaped {
            return Some(Cow::Borrowed(raw));
        }
        let mut decoded = String::with_capacity(self.decoded_bytes_max);
        let mut rest = raw;
        while let Some(at) = rest.find('\\') {
            decoded.push_str(&rest[..at]);
            let (character, length) = unescape(&rest.as_bytes()[at + 1..])?;
            decoded.push(character);
            rest = &rest[at + 1 + length..];
        }
        decoded.push_str(rest);
        Some(Cow::Owned(decoded))
    }

    /// The decoded key, for a `match`. A key that is not Unicode equals none of ours.
    pub fn name(&self) -> Cow<'a, str> {
        self.decode().unwrap_or(Cow::Borrowed("\u{fffd}"))
    }

    pub fn is(&self, text: &str) -> bool {
        if self.escaped { self.decode().is_some_and(|own| own == text) } else { self.raw == text.as_bytes() }
    }
}

/// Reads the string whose opening quote is at `start`.
pub(super) fn read(document: &[u8], start: usize) -> Result<Text<'_>, JsonError> {
    let mut at = start + 1;
    // How many bytes the escapes so far are longer than what they stand for.
    let mut shrinks = 0;
    loop {
        at += find_special(&document[at..]);
        match document.get(at) {
            Some(b'"') => break,
            Some(b'\\') => {
                let (written, decoded) = escape_lengths(&document[at..])
                    .ok_or(JsonError { at, what: "an invalid escape in a string" })?;
                at += written;
                shrinks += written - decoded;
            }
            Some(_) => return Err(JsonError { at, what: "a control character in a string" }),
            None => return Err(JsonError { at, what: "a string without an end" }),
        }
    }
    let raw = &document[start + 1..at];
    Ok(Text { raw, start, decoded_bytes_max: raw.len() - shrinks, escaped: shrinks > 0 })
}

/// How long an escape is, and the most UTF-8 bytes that it stands for.
fn escape_lengths(escape: &[u8]) -> Option<(usize, usize)> {
    match escape.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some((2, 1)),
        b'u' => Some((
            6,
            match hex(&escape[2..])? {
                ..0x80 => 1,
                0x80..0x800 => 2,
                _ => 3,
            },
        )),
        _ => None,
    }
}

/// The character that an escape stands for, and the escape's length without its first backslash.
fn unescape(escape: &[u8]) -> Option<(char, usize)> {
    let character = match escape.first()? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescape_unicode(&escape[1..]),
        plain => char::from(*plain),
    };
    Some((character, 1))
}

fn unescape_unicode(digits: &[u8]) -> Option<(char, usize)> {
    let first = hex(digits)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, 5));
    }
    let second = hex(digits[4..].strip_prefix(b"\\u")?)?;
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)?, 11))
}

/// The value of the four hexadecimal digits at the start.
fn hex(digits: &[u8]) -> Option<u32> {
    digits.get(..4)?.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHS: u64 = ONES << 7;

/// The high bit of each byte of `word` that equals `byte`; exact up to the first such byte.
fn equal_to(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * u64::from(byte));
    difference.wrapping_sub(ONES) & !difference
}

/// How many bytes come before the first quote, backslash or control character, eight at a time.
fn find_special(bytes: &[u8]) -> usize {
    find_eight_at_a_time(
        bytes,
        |word| equal_to(word, b'"') | equal_to(word, b'\\') | (word.wrapping_sub(ONES * 0x20) & !word),
        |byte| matches!(byte, b'"' | b'\\' | ..0x20),
    )
}

/// The offset of the first `wanted` byte.
pub(crate) fn find_byte(bytes: &[u8], wanted: u8) -> Option<usize> {
    let at = find_eight_at_a_time(bytes, |word| equal_to(word, wanted), |byte| byte == wanted);
    (at < bytes.len()).then_some(at)
}

fn find_eight_at_a_time(bytes: &[u8], in_word: impl Fn(u64) -> u64, in_byte: impl Fn(u8) -> bool) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = in_word(u64::from_le_bytes(*word)) & HIGHS;
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let found = rest.iter().position(|byte| in_byte(*byte)).unwrap_or(rest.len());
    words.len() * 8 + found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_decoded_as_it_was_written(text: String, ascii: bool) {
            let mut document = serde_json::to_string(&text).unwrap();
            if ascii {
                document = document.chars().map(escape_unless_ascii).collect();
            }
            let read = read(document.as_bytes(), 0).unwrap();
            prop_assert_eq!(read.end(), document.len() - 1);
            prop_assert_eq!(read.decode().unwrap(), text.as_str());
            prop_assert!(read.is(&text));
            prop_assert!(read.decoded_bytes_max >= text.len());
        }

        #[test]
        fn a_byte_is_found_where_it_first_stands(bytes: Vec<u8>, wanted: u8) {
            prop_assert_eq!(find_byte(&bytes, wanted), bytes.iter().position(|byte| *byte == wanted));
            let special = bytes.iter().position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\');
            prop_assert_eq!(find_special(&bytes), special.unwrap_or(bytes.len()));
        }
    }

    fn escape_unless_ascii(character: char) -> String {
        let mut units = [0; 2];
        match character.is_ascii() {
            true => character.to_string(),
            false => character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        for document in [r#""\ud83d""#, r#""\ud83dx""#, r#""\ud83d\u0041""#, r#""\ude00""#] {
            let text = read(document.as_bytes(), 0).unwrap();
            assert_eq!(text.decode(), None);
            assert!(!text.is("x"));
        }
    }
}
