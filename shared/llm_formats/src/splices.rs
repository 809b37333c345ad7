//! A body changed in a few places.

use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// Bytes of a body to replace, in order: an insertion before a replacement that starts at the same byte.
#[derive(Default)]
pub(crate) struct Splices(Vec<Splice>);

struct Splice {
    range: Range<usize>,
    text: String,
}

impl Splices {
    pub fn push(&mut self, range: Range<usize>, text: impl Into<String>) {
        let place = |range: &Range<usize>| (range.start, range.end);
        let index = self.0.partition_point(|splice| place(&splice.range) < place(&range));
        self.0.insert(index, Splice { range, text: text.into() });
    }

    /// The changed body; the same bytes, uncopied, if nothing changes.
    pub fn apply(self, body: &Bytes) -> Bytes {
        let Splices(splices) = self;
        if splices.is_empty() {
            return body.clone();
        }
        let added: usize = splices.iter().map(|splice| splice.text.len()).sum();
        let mut changed = BytesMut::with_capacity(body.len() + added);
        let mut copied = 0;
        for splice in &splices {
            changed.extend_from_slice(&body[copied..splice.range.start]);
            changed.extend_from_slice(splice.text.as_bytes());
            copied = splice.range.end;
        }
        changed.extend_from_slice(&body[copied..]);
        changed.freeze()
    }
}
