//! Tasks that run after the response, when the test says so.

use crate::MemoryPlatform;
use core::cell::RefCell;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use platform::Background;

#[derive(Default)]
pub(crate) struct Tasks(RefCell<Vec<LocalBoxFuture<'static, ()>>>);

impl MemoryPlatform {
    /// Runs all queued tasks, and those that they queue, to their ends, side by side. A task that
    /// sleeps needs the clock advanced meanwhile.
    pub async fn run_background(&self) {
        let mut running = FuturesUnordered::new();
        loop {
            running.extend(self.0.background.0.take());
            if running.next().await.is_none() && self.background_tasks() == 0 {
                return;
            }
        }
    }

    /// Tasks that wait for [`Self::run_background`].
    pub fn background_tasks(&self) -> usize {
        self.0.background.0.borrow().len()
    }

    /// As a host does that dies: queued tasks never run.
    pub fn lose_background(&self) {
        self.0.background.0.take();
    }
}

impl Background for MemoryPlatform {
    fn finish_later(&self, task: LocalBoxFuture<'static, ()>) {
        self.0.background.0.borrow_mut().push(task);
    }
}
