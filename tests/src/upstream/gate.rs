//! A gate that a test opens: the way to place an event exactly between two others, without waiting for time.

use std::sync::Arc;
use tokio::sync::Semaphore;

/// More than any test lets through one gate.
const WIDE_OPEN: usize = 1 << 24;

/// Starts closed. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    pub fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets `count` more pass.
    pub fn open(&self, count: usize) {
        self.0.add_permits(count);
    }

    /// Lets everything pass from now on.
    pub fn open_wide(&self) {
        self.0.add_permits(WIDE_OPEN);
    }

    /// Waits for its turn; a turn is used up.
    pub async fn pass(&self) {
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}
