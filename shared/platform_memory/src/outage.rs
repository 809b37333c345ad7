//! A host that dies at a certain question, and one whose questions take turns.

use crate::MemoryPlatform;
use core::cell::Cell;
use core::future::poll_fn;
use core::task::Poll;
use platform::PlatformError;

/// What becomes of the question that the host dies at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastQuestion {
    /// It has no effect.
    Unasked,
    /// It takes effect, and its answer is lost.
    Unanswered,
}

#[derive(Default)]
pub(crate) struct Outage {
    asked: Cell<usize>,
    /// Questions until the host dies, and what becomes of the next one then.
    left: Cell<Option<(usize, LastQuestion)>>,
    takes_turns: Cell<bool>,
}

/// Whether a question that was let through is answered.
#[must_use]
pub(crate) struct Question {
    answered: bool,
}

impl Question {
    pub(crate) fn answer<T>(self, answer: T) -> Result<T, PlatformError> {
        if self.answered { Ok(answer) } else { Err(died()) }
    }
}

impl MemoryPlatform {
    /// The next `questions` to the database, the machines and the upstream are answered; from then on
    /// none is, as if the asking host had died. [`Self::revive`] ends it.
    pub fn fail_after(&self, questions: usize, last: LastQuestion) {
        self.0.outage.left.set(Some((questions, last)));
    }

    pub fn revive(&self) {
        self.0.outage.left.set(None);
    }

    /// Questions so far, whatever became of them.
    pub fn questions(&self) -> usize {
        self.0.outage.asked.get()
    }

    /// Whether each question lets other futures run first, so that those that are polled together
    /// interleave.
    pub fn take_turns(&self, on: bool) {
        self.0.outage.takes_turns.set(on);
    }

    pub(crate) async fn ask(&self) -> Result<Question, PlatformError> {
        let outage = &self.0.outage;
        let mut waits = outage.takes_turns.get();
        poll_fn(|context| {
            if !core::mem::take(&mut waits) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        outage.asked.set(outage.asked.get() + 1);
        let answered = match outage.left.get() {
            None => true,
            Some((0, LastQuestion::Unasked)) => return Err(died()),
            Some((0, LastQuestion::Unanswered)) => {
                outage.left.set(Some((0, LastQuestion::Unasked)));
                false
            }
            Some((left, last)) => {
                outage.left.set(Some((left - 1, last)));
                true
            }
        };
        Ok(Question { answered })
    }
}

fn died() -> PlatformError {
    PlatformError::unavailable("the test let the host die")
}
