//! Time that only the test moves.

use crate::MemoryPlatform;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};
use core::time::Duration;
use domain::time::Timestamp;
use platform::{Clock, Timer};

/// 2026-03-15T12:00:00Z: the middle of a month, far from a change to summer time.
pub const START: Timestamp = Timestamp::from_millis(1_773_576_000_000);

pub(crate) struct SetClock {
    now: Cell<Timestamp>,
    sleepers: RefCell<Vec<Waker>>,
}

impl Default for SetClock {
    fn default() -> Self {
        Self { now: Cell::new(START), sleepers: RefCell::default() }
    }
}

impl MemoryPlatform {
    pub fn set_now(&self, now: Timestamp) {
        self.0.clock.now.set(now);
        self.0.clock.sleepers.take().into_iter().for_each(Waker::wake);
    }

    pub fn advance(&self, duration: Duration) {
        self.set_now(self.now().plus(duration));
    }
}

impl Clock for MemoryPlatform {
    fn now(&self) -> Timestamp {
        self.0.clock.now.get()
    }
}

impl Timer for MemoryPlatform {
    /// Ends when the test has moved the clock far enough, and never by itself.
    async fn sleep(&self, duration: Duration) {
        let until = self.now().plus(duration);
        poll_fn(|context| {
            if self.now() >= until {
                return Poll::Ready(());
            }
            self.0.clock.sleepers.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
