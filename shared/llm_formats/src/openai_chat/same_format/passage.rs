//! A chat stream on its way to a client that speaks chat, too.

use super::{Piece, StreamMeter, StreamOptions, closing};
use crate::UpstreamError;
use crate::passage::{BROKEN_OFF, BROKEN_OFF_CODE, Closing, Facts, Passage, Progress};
use crate::sse::OpenEvent;
use bytes::Bytes;
use domain::price::Usage;

pub struct ChatPassage {
    meter: StreamMeter,
    passes: bool,
    /// What has gone out of an event whose end has not come, where bytes pass.
    open: OpenEvent,
    /// What stands in the chunk with the usage beside the usage: JSON members, or nothing.
    members: Box<dyn Fn(&Usage) -> String>,
    /// The target's last event.
    done: Option<Bytes>,
    error: Option<UpstreamError>,
    failed: bool,
}

impl ChatPassage {
    /// `passes` asks for bytes as they come: only for clients that want the usage, from targets that report it.
    pub fn new(options: StreamOptions, passes: bool, members: Box<dyn Fn(&Usage) -> String>) -> Self {
        let passes = passes && options.client_wants_usage;
        Self {
            meter: StreamMeter::new(options),
            passes,
            open: OpenEvent::default(),
            members,
            done: None,
            error: None,
            failed: false,
        }
    }

    fn take_pieces(&mut self, out: &mut Vec<Bytes>) -> Progress {
        let mut progress = Progress::GoOn;
        while let Some(piece) = self.meter.next_piece() {
            match piece {
                Piece::Pass(bytes) => out.push(bytes),
                Piece::Usage(event) => out.push(event.with_members(&(self.members)(&event.usage))),
                Piece::Error { event, error } => {
                    self.failed = true;
                    self.error = Some(error);
                    out.push(event);
                }
                Piece::Done(event) => {
                    self.done = Some(event);
                    progress = Progress::Done;
                }
                Piece::CeilingReached => progress = Progress::CeilingReached,
            }
        }
        progress
    }

    /// What a client that gets changed bytes has not seen of an orderly end.
    fn orderly_end(&mut self, usage: &Usage, end: &mut Vec<u8>) {
        if self.meter.options.client_wants_usage && self.meter.usage().is_none() {
            end.extend_from_slice(&self.meter.usage_event(usage, &(self.members)(usage)));
        }
        end.extend_from_slice(&self.done.take().unwrap_or_default());
    }
}

impl Passage for ChatPassage {
    fn passes(&self) -> bool {
        self.passes
    }

    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Progress {
        if self.passes {
            self.open.push(&chunk);
        }
        self.meter.push(chunk);
        self.take_pieces(out)
    }

    fn end(&mut self, out: &mut Vec<Bytes>) -> Progress {
        self.meter.end_of_upstream();
        self.take_pieces(out)
    }

    fn facts(&self) -> Facts {
        Facts {
            usage: self.meter.usage().copied(),
            output_so_far: self.meter.output_so_far(),
            counted_output: self.meter.counted_output(),
            has_output: self.meter.has_output(),
            is_complete: self.meter.is_complete(),
        }
    }

    fn is_between_events(&self) -> bool {
        self.open.bytes().is_empty()
    }

    fn take_error(&mut self) -> Option<UpstreamError> {
        self.error.take()
    }

    fn close(&mut self, how: Closing, usage: &Usage) -> Vec<u8> {
        let mut end = if self.passes { closing(self.open.bytes()) } else { Vec::new() };
        match how {
            Closing::Complete if self.passes => {}
            Closing::Complete => self.orderly_end(usage, &mut end),
            Closing::AtCeiling => {
                let members = (self.members)(usage);
                let wanted = self.meter.options.client_wants_usage.then_some((usage, members.as_str()));
                end.extend_from_slice(&self.meter.clean_end(wanted));
            }
            // The target's own error event says it already.
            Closing::BrokenOff if self.failed => {}
            Closing::BrokenOff => end.extend_from_slice(broken_off().as_bytes()),
        }
        end
    }
}

fn broken_off() -> String {
    format!(
        "data: {{\"error\":{{\"message\":\"{BROKEN_OFF}\",\"type\":\"server_error\",\"param\":null,\
         \"code\":\"{BROKEN_OFF_CODE}\"}}}}\n\n"
    )
}
