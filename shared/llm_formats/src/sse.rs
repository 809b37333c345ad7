//! Server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>): where an
//! event ends, and the data that it carries. Lines end with LF or CRLF; a lone CR, which the standard
//! also allows and no provider sends, is not a line end here.

use crate::json::find_byte;
use std::borrow::Cow;

/// Finds the blank line that ends an event, in bytes that arrive in any pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventEnd {
    line: LineSoFar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LineSoFar {
    #[default]
    Empty,
    CarriageReturn,
    Text,
}

impl EventEnd {
    /// The offset just after the next event's end; then it starts afresh. `None` if the event goes on
    /// past `bytes`: continue with the bytes that follow.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut start = 0;
        while let Some(length) = find_byte(&bytes[start..], b'\n') {
            let line = self.line.then(&bytes[start..start + length]);
            self.line = LineSoFar::Empty;
            start += length + 1;
            if line != LineSoFar::Text {
                return Some(start);
            }
        }
        self.line = self.line.then(&bytes[start..]);
        None
    }
}

/// The event that has begun in a stream and not ended, wherever the stream was cut.
#[derive(Debug, Default)]
pub struct OpenEvent {
    end: EventEnd,
    bytes: Vec<u8>,
}

impl OpenEvent {
    pub fn push(&mut self, chunk: &[u8]) {
        let mut start = 0;
        while let Some(length) = self.end.find(&chunk[start..]) {
            self.bytes.clear();
            start += length;
        }
        self.bytes.extend_from_slice(&chunk[start..]);
    }

    /// Empty between two events.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Takes a stream apart into its events' data, wherever it was cut.
#[derive(Debug, Default)]
pub struct Events {
    end: EventEnd,
    bytes: Vec<u8>,
}

impl Events {
    /// A longer event is given up: its data is never whole.
    pub const EVENT_BYTES_MAX: usize = 8 << 20;

    /// Hands over the data of each event that `chunk` completes. Events without data are passed over.
    pub fn push(&mut self, chunk: &[u8], mut take: impl FnMut(&[u8])) {
        let mut start = 0;
        while let Some(length) = self.end.find(&chunk[start..]) {
            let rest = &chunk[start..start + length];
            start += length;
            if self.bytes.is_empty() {
                Self::hand_over(rest, &mut take);
            } else {
                self.keep(rest);
                Self::hand_over(&std::mem::take(&mut self.bytes), &mut take);
            }
        }
        self.keep(&chunk[start..]);
    }

    /// The stream's last event, if only its blank line is missing.
    pub fn end(&mut self, mut take: impl FnMut(&[u8])) {
        Self::hand_over(&std::mem::take(&mut self.bytes), &mut take);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = Self::EVENT_BYTES_MAX.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn hand_over(event: &[u8], take: &mut impl FnMut(&[u8])) {
        if let Some(data) = data_of(event) {
            take(&data);
        }
    }
}

impl LineSoFar {
    fn then(self, bytes: &[u8]) -> LineSoFar {
        match (self, bytes) {
            (line, []) => line,
            (LineSoFar::Empty, [b'\r']) => LineSoFar::CarriageReturn,
            _ => LineSoFar::Text,
        }
    }
}

/// An event's data. Several data lines are joined with a space instead of the standard's line feed:
/// JSON does not tell them apart, and the data stays on one line. `None` without a data line.
pub fn data_of(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut data: Option<Cow<[u8]>> = None;
    let mut rest = event;
    while !rest.is_empty() {
        let end = find_byte(rest, b'\n').unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let Some(value) = line.strip_prefix(b"data") else { continue };
        let value = match value.strip_suffix(b"\r").unwrap_or(value) {
            [] => &[],
            [b':', b' ', value @ ..] | [b':', value @ ..] => value,
            _ => continue,
        };
        match &mut data {
            None => data = Some(Cow::Borrowed(value)),
            Some(joined) => {
                let joined = joined.to_mut();
                joined.push(b' ');
                joined.extend_from_slice(value);
            }
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(pieces: &[&[u8]]) -> Vec<usize> {
        let mut finder = EventEnd::default();
        let (mut ends, mut offset) = (Vec::new(), 0);
        for piece in pieces {
            let mut rest = *piece;
            while let Some(end) = finder.find(rest) {
                rest = &rest[end..];
                ends.push(offset + piece.len() - rest.len());
            }
            offset += piece.len();
        }
        ends
    }

    #[test]
    fn an_event_ends_at_a_blank_line_wherever_it_is_cut() {
        let stream = b"data: a\n\nevent: b\r\ndata: c\r\n\r\n: ping\n\n\n";
        let whole = ends(&[stream]);
        assert_eq!(whole, [9, 30, 38, 39]);
        for cut in 0..stream.len() {
            assert_eq!(ends(&[&stream[..cut], &stream[cut..]]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_open_is_known_wherever_the_stream_was_cut() {
        let stream = b"data: a\n\nevent: b\r\ndata: c\r\n\r\n: ping";
        let whole = |cut: usize| {
            let mut open = OpenEvent::default();
            open.push(&stream[..cut]);
            open.bytes().to_vec()
        };
        assert_eq!((whole(9), whole(11)), (Vec::new(), b"ev".to_vec()));
        for first in 0..stream.len() {
            for second in first..=stream.len() {
                let mut open = OpenEvent::default();
                open.push(&stream[..first]);
                open.push(&stream[first..second]);
                assert_eq!(open.bytes(), whole(second), "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn events_are_the_same_wherever_the_stream_was_cut() {
        let stream = b"data: a\n\nevent: b\r\ndata: c\r\n\r\n: ping\n\ndata: last";
        let taken = |pieces: &[&[u8]]| {
            let (mut events, mut taken) = (Events::default(), Vec::new());
            for piece in pieces {
                events.push(piece, |data| taken.push(data.to_vec()));
            }
            events.end(|data| taken.push(data.to_vec()));
            taken
        };
        for cut in 0..=stream.len() {
            assert_eq!(taken(&[&stream[..cut], &stream[cut..]]), [&b"a"[..], b"c", b"last"], "cut at {cut}");
        }
    }

    #[test]
    fn data_is_read_with_and_without_a_space() {
        for (event, data) in [
            (&b"data: {}\n\n"[..], Some(&b"{}"[..])),
            (b"data:{}\r\n\r\n", Some(b"{}")),
            (b"event: x\ndata: {\ndata: }\nid: 4\n\n", Some(b"{ }")),
            (b"data\n\n", Some(b"")),
            (b": ping\n\n", None),
            (b"database: x\n\n", None),
        ] {
            assert_eq!(data_of(event).as_deref(), data, "{}", event.escape_ascii());
        }
    }
}
