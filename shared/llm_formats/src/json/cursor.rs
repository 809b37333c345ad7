//! A strict cursor over one JSON document (RFC 8259).

use super::text::{self, Text};
use std::ops::Range;

/// Deepest nesting of objects and arrays; serde_json stops at 127.
const DEPTH_MAX: u8 = 128;

/// Where and why the bytes are not the JSON that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct JsonError {
    /// Byte offset in the document.
    pub at: usize,
    pub what: &'static str,
}

/// What a value is, told by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// Reads values one after the other. Whoever opens an object or array reads it to its end, with
/// [`next_key`](Self::next_key) or [`next_element`](Self::next_element) until they answer no more,
/// and reads or skips every value between, or gives the cursor up.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u8,
    /// Just after an opening bracket, where no comma is due.
    fresh: bool,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0, depth: 0, fresh: false }
    }

    /// The offset of the next byte to read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The document's bytes there.
    pub fn written(&self, range: Range<usize>) -> &'a [u8] {
        &self.bytes[range]
    }

    pub fn error<T>(&self, what: &'static str) -> Result<T, JsonError> {
        Err(JsonError { at: self.at, what })
    }

    pub fn kind(&mut self) -> Result<Kind, JsonError> {
        Ok(match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            Some(_) => return self.error("expected a value"),
            None => return self.error("the document ends too early"),
        })
    }

    pub fn open_object(&mut self) -> Result<(), JsonError> {
        self.open(b'{', "expected an object")
    }

    pub fn open_array(&mut self) -> Result<(), JsonError> {
        self.open(b'[', "expected an array")
    }

    /// The next member's key, the cursor then standing before its value; `None` after the last.
    pub fn next_key(&mut self) -> Result<Option<Text<'a>>, JsonError> {
        if self.closes(b'}')? {
            return Ok(None);
        }
        let key = self.string()?;
        match self.peek() {
            Some(b':') => self.at += 1,
            _ => return self.error("expected `:`"),
        }
        Ok(Some(key))
    }

    /// Whether another element follows, the cursor then standing before it.
    pub fn next_element(&mut self) -> Result<bool, JsonError> {
        Ok(!self.closes(b']')?)
    }

    pub fn string(&mut self) -> Result<Text<'a>, JsonError> {
        match self.peek() {
            Some(b'"') => {}
            _ => return self.error("expected a string"),
        }
        let text = text::read(self.bytes, self.at)?;
        self.at = text.end() + 1;
        Ok(text)
    }

    /// A number as it is written.
    pub fn number(&mut self) -> Result<&'a [u8], JsonError> {
        self.peek();
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(&self.bytes[start..self.at])
    }

    pub fn bool(&mut self) -> Result<bool, JsonError> {
        match self.peek() {
            Some(b't') => self.word(b"true").map(|()| true),
            _ => self.word(b"false").map(|()| false),
        }
    }

    pub fn null(&mut self) -> Result<(), JsonError> {
        self.peek();
        self.word(b"null")
    }

    /// Passes over one value of any kind.
    pub fn skip(&mut self) -> Result<(), JsonError> {
        match self.kind()? {
            Kind::Object => {
                self.open_object()?;
                while self.next_key()?.is_some() {
                    self.skip()?;
                }
                Ok(())
            }
            Kind::Array => {
                self.open_array()?;
                while self.next_element()? {
                    self.skip()?;
                }
                Ok(())
            }
            Kind::String => self.string().map(|_| ()),
            Kind::Number => self.number().map(|_| ()),
            Kind::Bool => self.bool().map(|_| ()),
            Kind::Null => self.null(),
        }
    }

    /// Passes over one value of any kind; its byte range.
    pub fn range(&mut self) -> Result<Range<usize>, JsonError> {
        self.kind()?;
        let start = self.at;
        self.skip()?;
        Ok(start..self.at)
    }

    /// Nothing but white space may follow the document.
    pub fn end(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.error("unexpected text after the document's end"),
        }
    }

    fn open(&mut self, bracket: u8, what: &'static str) -> Result<(), JsonError> {
        if self.peek() != Some(bracket) {
            return self.error(what);
        }
        if self.depth == DEPTH_MAX {
            return self.error("nested too deeply");
        }
        self.at += 1;
        self.depth += 1;
        self.fresh = true;
        Ok(())
    }

    fn closes(&mut self, bracket: u8) -> Result<bool, JsonError> {
        let fresh = std::mem::take(&mut self.fresh);
        match self.peek() {
            Some(byte) if byte == bracket => {
                self.at += 1;
                self.depth -= 1;
                return Ok(true);
            }
            Some(b',') if !fresh => self.at += 1,
            Some(_) if fresh => {}
            Some(_) => return self.error("expected `,` or a closing bracket"),
            None => return self.error("the document ends too early"),
        }
        Ok(false)
    }

    /// The next byte that is not white space, not yet read.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { self.error("expected a digit") } else { Ok(()) }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if !self.bytes[self.at..].starts_with(word) {
            return self.error("expected a value");
        }
        self.at += word.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    fn accepts(document: &[u8]) -> bool {
        let mut cursor = Cursor::new(document);
        std::str::from_utf8(document).is_ok() && cursor.skip().and_then(|_| cursor.end()).is_ok()
    }

    #[test]
    fn a_document_nested_too_deeply_is_refused() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(accepts(nested(usize::from(DEPTH_MAX)).as_bytes()));
        assert!(!accepts(nested(usize::from(DEPTH_MAX) + 1).as_bytes()));
        assert!(!accepts("[".repeat(1_000_000).as_bytes()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn it_accepts_exactly_what_serde_json_accepts(
            document in r#"([\[\]{},: ]|"(a|\\n|\\u00e9|\\u12|\\x|é|"|
    )*"|-?[0-9.eE+-]{1,4}|null|true|fals?e?|"a":){0,12}"#,
        ) {
            let judge = serde_json::from_str::<IgnoredAny>(&document).is_ok();
            prop_assert_eq!(accepts(document.as_bytes()), judge, "{}", document);
        }

        #[test]
        fn a_mutilated_document_is_judged_as_serde_json_does(at in 0usize..200, byte: u8) {
            let mut document = br#"{"a":[1,-2.5e+3,{"b":"x\"\u00e9y"},null,true,false,[],{}],"c":"\ud83d\ude00"}"#.to_vec();
            let at = at % document.len();
            document[at] = byte;
            let judge = serde_json::from_slice::<IgnoredAny>(&document).is_ok();
            prop_assert_eq!(accepts(&document), judge && std::str::from_utf8(&document).is_ok());
        }
    }
}
