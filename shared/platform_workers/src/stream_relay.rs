//! A relay as `js/relay.mjs` drives it: in calls that need no future of Rust's, but the last.

use bytes::Bytes;
use platform::StreamError;
use platform::relay::{End, Flow, Relay};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
pub struct StreamRelay {
    relay: Box<dyn Relay>,
    out: Vec<Bytes>,
}

impl StreamRelay {
    pub(crate) fn new(relay: Box<dyn Relay>) -> Self {
        Self { relay, out: Vec::new() }
    }
}

/// What `look` adds if what goes out is what came in, so that it does not cross again.
const UNCHANGED: u32 = 4;

#[wasm_bindgen]
impl StreamRelay {
    pub fn passes(&self) -> bool {
        self.relay.passes()
    }

    pub fn look(&mut self, chunk: Vec<u8>) -> u32 {
        let chunk = Bytes::from(chunk);
        self.out.clear();
        let flow = number(self.relay.look(chunk.clone(), &mut self.out));
        let is_unchanged = |out: &[Bytes]| matches!(out, [only] if *only == chunk);
        if is_unchanged(&self.out) { flow + UNCHANGED } else { flow }
    }

    /// What goes out for the last look.
    pub fn out(&mut self) -> Vec<u8> {
        self.out.concat()
    }

    pub fn idle(&mut self) -> u32 {
        number(self.relay.idle())
    }

    /// `how`: 0 here, 1 broken, 2 left.
    pub async fn end(self, how: u32, error: String) -> Vec<u8> {
        let how = match how {
            0 => End::Here,
            1 => End::Broken(StreamError::Broken(error)),
            _ => End::Left,
        };
        self.relay.end(how).await.into()
    }
}

const fn number(flow: Flow) -> u32 {
    match flow {
        Flow::GoOn => 0,
        Flow::LookSoon => 1,
        Flow::Whole => 2,
        Flow::Cut => 3,
    }
}
