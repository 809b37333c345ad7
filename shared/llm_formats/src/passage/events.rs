//! A stream read as events: translated for its client, or metered while its bytes pass.

use super::{BROKEN_OFF, BROKEN_OFF_CODE, Closing, EventMeter, Facts, Passage, Progress};
use crate::UpstreamError;
use crate::conversation::Event;
use crate::exchange::{EventReader, EventWriter};
use crate::sse::OpenEvent;
use bytes::Bytes;
use domain::price::Usage;

pub struct EventPassage {
    reader: Box<dyn EventReader>,
    /// Where bytes pass, it writes for nobody, so that it can end the stream wherever that is cut.
    writer: Box<dyn EventWriter>,
    meter: EventMeter,
    passing: Option<Passing>,
    events: Vec<Event>,
    error: Option<UpstreamError>,
    failed: bool,
}

/// Client and target speak the same format.
struct Passing {
    /// What has gone out of an event whose end has not come.
    open: OpenEvent,
    /// Makes an event that was cut harmless for the format's clients.
    closing: fn(&[u8]) -> Vec<u8>,
}

impl EventPassage {
    pub fn translated(reader: Box<dyn EventReader>, writer: Box<dyn EventWriter>, meter: EventMeter) -> Self {
        Self { reader, writer, meter, passing: None, events: Vec::new(), error: None, failed: false }
    }

    pub fn passing(
        reader: Box<dyn EventReader>,
        writer: Box<dyn EventWriter>,
        meter: EventMeter,
        closing: fn(&[u8]) -> Vec<u8>,
    ) -> Self {
        let passing = Some(Passing { open: OpenEvent::default(), closing });
        Self { passing, ..Self::translated(reader, writer, meter) }
    }

    fn take_events(&mut self, out: &mut Vec<Bytes>) -> Progress {
        let mut written = String::new();
        let mut progress = Progress::GoOn;
        for event in self.events.drain(..) {
            if self.meter.count(&event) {
                progress = Progress::CeilingReached;
                break;
            }
            match event {
                Event::Ended => progress = Progress::Done,
                Event::Error(error) => {
                    self.failed = true;
                    self.error = Some(error);
                }
                event => self.writer.write(&event, &mut written),
            }
        }
        self.events.clear();
        if self.passing.is_none() && !written.is_empty() {
            out.push(written.into());
        }
        progress
    }
}

impl Passage for EventPassage {
    fn passes(&self) -> bool {
        self.passing.is_some()
    }

    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Progress {
        if let Some(passing) = &mut self.passing {
            passing.open.push(&chunk);
        }
        self.reader.push(&chunk, &mut self.events);
        self.take_events(out)
    }

    fn end(&mut self, out: &mut Vec<Bytes>) -> Progress {
        self.reader.end(&mut self.events);
        self.take_events(out)
    }

    fn facts(&self) -> Facts {
        self.meter.facts()
    }

    fn is_between_events(&self) -> bool {
        self.passing.as_ref().is_none_or(|passing| passing.open.bytes().is_empty())
    }

    fn take_error(&mut self) -> Option<UpstreamError> {
        self.error.take()
    }

    fn close(&mut self, closing: Closing, usage: &Usage) -> Vec<u8> {
        let mut end =
            self.passing.as_ref().map(|passing| (passing.closing)(passing.open.bytes())).unwrap_or_default();
        let mut written = String::new();
        match (closing, &self.passing) {
            // The target has said it itself.
            (Closing::Complete, Some(_)) => {}
            (Closing::BrokenOff, Some(_)) if self.failed => {}
            (Closing::Complete, None) | (Closing::AtCeiling, _) => self.writer.finish(usage, &mut written),
            (Closing::BrokenOff, _) => self.writer.fail(BROKEN_OFF, BROKEN_OFF_CODE, &mut written),
        }
        end.extend_from_slice(written.as_bytes());
        end
    }
}
