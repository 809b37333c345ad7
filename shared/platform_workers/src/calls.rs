//! Which call is running, so that a panic ends that one and no other.

use crate::host;
use core::cell::Cell;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// No call: calls are counted from one. An object's step runs outside of any, and its panic is its own.
const NONE: u32 = 0;

std::thread_local! {
    static CURRENT: Cell<u32> = const { Cell::new(NONE) };
}

/// Runs `future` as the call of this number.
pub fn in_call<F: Future>(call: u32, future: F) -> impl Future<Output = F::Output> {
    InCall { call, future: Box::pin(future) }
}

/// Tells the JavaScript side which call panicked, so that its caller is answered; sends log lines to the console.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| host::panicked(CURRENT.replace(NONE), &panic.to_string())));
    if log::set_logger(&Console).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}

struct InCall<F> {
    call: u32,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for InCall<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let outer = CURRENT.replace(self.call);
        let polled = self.future.as_mut().poll(context);
        CURRENT.set(outer);
        polled
    }
}

struct Console;

impl log::Log for Console {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        host::log(record.level() as u32, &record.args().to_string());
    }

    fn flush(&self) {}
}
