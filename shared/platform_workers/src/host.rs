//! The JavaScript side's functions, as Rust sees them. See `js/host.mjs` and `js/rows.mjs`.

use crate::stream_relay::StreamRelay;
use js_sys::{Array, JsString, Promise, Uint8Array};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "workers-host")]
extern "C" {
    /// A worker's bindings.
    #[derive(Clone)]
    pub type Env;
    /// A request's context.
    #[derive(Clone)]
    pub type Context;
    pub type Writer;
    /// An answer whose body is to come.
    #[derive(Clone)]
    pub type Answer;
    #[derive(Clone)]
    pub type D1;
    #[derive(Clone)]
    pub type Deadlines;
    pub type Wait;

    pub fn panicked(call: u32, message: &str);
    pub fn log(level: u32, line: &str);
    pub fn now() -> f64;
    pub fn sleep(milliseconds: f64) -> Promise;
    #[wasm_bindgen(js_name = newDeadlines)]
    pub fn new_deadlines() -> Deadlines;
    #[wasm_bindgen(js_name = startWait)]
    pub fn start_wait(deadlines: &Deadlines, milliseconds: f64) -> Array;
    #[wasm_bindgen(js_name = endWait)]
    pub fn end_wait(deadlines: &Deadlines, wait: &Wait);
    pub fn random(bytes: &mut [u8]);
    pub fn setting(env: &Env, name: &str) -> JsValue;
    #[wasm_bindgen(js_name = waitUntil)]
    pub fn wait_until(context: &Context, promise: &Promise);

    pub fn response(status: u16, headers: &str, body: &[u8]) -> JsValue;
    #[wasm_bindgen(js_name = ownAnswer)]
    pub fn own_answer() -> Array;
    pub fn streamed(call: u32, status: u16, headers: &str) -> Array;
    pub fn relayed(
        call: u32,
        status: u16,
        headers: &str,
        answer: Answer,
        relay: StreamRelay,
        context: &Context,
    ) -> JsValue;
    pub fn left(writer: &Writer) -> Promise;
    pub fn write(writer: &Writer, chunk: &[u8]) -> Option<Promise>;
    pub fn close(writer: &Writer) -> Promise;
    pub fn abort(writer: &Writer);

    pub fn send(method: &str, url: &str, headers: &str, body: &[u8]) -> Promise;
    pub fn read(answer: &Answer) -> Promise;
    pub fn cancel(answer: &Answer);

    #[wasm_bindgen(js_name = applyInObject)]
    pub fn apply_in_object(
        env: &Env,
        binding: &str,
        jurisdiction: &str,
        name: &str,
        command: Uint8Array,
        milliseconds: f64,
        deadlines: &Deadlines,
    ) -> Promise;
    #[wasm_bindgen(js_name = deliverInObject)]
    pub fn deliver_in_object(
        env: &Env,
        binding: &str,
        jurisdiction: &str,
        name: &str,
        milliseconds: f64,
        deadlines: &Deadlines,
    ) -> Promise;

    pub fn query(database: &D1, sql: &str, parameters: Array) -> Promise;
    pub fn commit(database: &D1, statements: Array) -> Promise;
}

#[wasm_bindgen]
extern "C" {
    /// One object's rows and alarm.
    pub type Rows;

    #[wasm_bindgen(method)]
    pub fn name(this: &Rows) -> String;
    #[wasm_bindgen(method)]
    pub fn head(this: &Rows) -> Option<Vec<u8>>;
    #[wasm_bindgen(method)]
    pub fn part(this: &Rows, key: &[u8]) -> Option<Vec<u8>>;
    #[wasm_bindgen(method, js_name = residentParts)]
    pub fn resident_parts(this: &Rows) -> Array;
    #[wasm_bindgen(method)]
    pub fn events(this: &Rows, limit: u32) -> Array;
    #[wasm_bindgen(method, catch)]
    pub fn create(this: &Rows) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = putHead)]
    pub fn put_head(this: &Rows, value: Uint8Array) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn write(this: &Rows, writes: Array) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = dropDue)]
    pub fn drop_due(this: &Rows, now: f64) -> Result<(), JsValue>;
    #[wasm_bindgen(method)]
    pub fn arm(this: &Rows, at: f64);
}

/// An exception's text, for the log.
pub fn text_of(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => error.dyn_ref::<JsString>().map_or_else(|| "an exception without words".into(), String::from),
    }
}
