//! Runs futures on what the host lets one wait for: pollables.

use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, Stream};
use futures_util::task::{ArcWake, waker};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wasi::clocks::monotonic_clock;
use wasi::io::poll::{self, Pollable};

std::thread_local! {
    /// What is waited for, and who. The waiting future owns its pollable, since that must be gone before the stream
    /// it belongs to.
    static WAITING: RefCell<Vec<(Weak<Pollable>, Waker)>> = const { RefCell::new(Vec::new()) };
}

/// Ends when the pollable is ready.
pub(crate) async fn ready(pollable: Pollable) {
    let pollable = Rc::new(pollable);
    poll_fn(|context| {
        if pollable.ready() {
            return Poll::Ready(());
        }
        wait_for(&pollable, context.waker());
        Poll::Pending
    })
    .await;
}

pub(crate) async fn sleep(duration: Duration) {
    ready(monotonic_clock::subscribe_duration(nanoseconds(duration))).await;
}

/// Stops the whole instance: for the few moments that nothing else may happen in.
pub(crate) fn sleep_blocking(duration: Duration) {
    monotonic_clock::subscribe_duration(nanoseconds(duration)).block();
}

/// Since some moment in the past.
pub(crate) fn elapsed() -> Duration {
    Duration::from_nanos(monotonic_clock::now())
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn wait_for(pollable: &Rc<Pollable>, waker: &Waker) {
    WAITING.with_borrow_mut(|waiting| {
        let known = waiting.iter_mut().find(|(other, _)| Weak::as_ptr(other) == Rc::as_ptr(pollable));
        match known {
            Some((_, known)) => known.clone_from(waker),
            None => waiting.push((Rc::downgrade(pollable), waker.clone())),
        }
    });
}

struct Woken(AtomicBool);

impl ArcWake for Woken {
    fn wake_by_ref(woken: &Arc<Self>) {
        woken.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `future` to its end.
///
/// # Panics
/// If it waits for nothing that the host could bring about: it would wait for ever.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = waker(woken.clone());
    loop {
        while woken.0.swap(false, Ordering::Relaxed) {
            if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return result;
            }
        }
        wait();
    }
}

/// Until the host has something for at least one of those who wait.
fn wait() {
    let mut waiting = WAITING.take();
    waiting.retain(|(pollable, _)| pollable.strong_count() > 0);
    let pollables: Vec<Rc<Pollable>> =
        waiting.iter().filter_map(|(pollable, _)| pollable.upgrade()).collect();
    assert!(!pollables.is_empty(), "a future waits for nothing");
    let borrowed: Vec<&Pollable> = pollables.iter().map(AsRef::as_ref).collect();
    let mut is_ready = vec![false; borrowed.len()];
    for index in poll::poll(&borrowed) {
        is_ready[index as usize] = true;
    }
    drop(borrowed);
    drop(pollables);
    let mut at = 0;
    waiting.retain(|(_, waker)| {
        let ready = is_ready[at];
        at += 1;
        if ready {
            waker.wake_by_ref();
        }
        !ready
    });
    WAITING.with_borrow_mut(|added| added.append(&mut waiting));
}

/// What is to be finished before the instance ends.
#[derive(Clone, Default)]
pub(crate) struct Tasks(Rc<TaskList>);

#[derive(Default)]
struct TaskList {
    new: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
    waker: Cell<Option<Waker>>,
}

impl Tasks {
    pub(crate) fn add(&self, task: LocalBoxFuture<'static, ()>) {
        self.0.new.borrow_mut().push(task);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }

    /// Runs `main` with the tasks beside it, until all have ended.
    pub(crate) async fn run_beside(&self, main: impl Future<Output = ()>) {
        let mut main = pin!(main);
        let mut main_ended = false;
        let mut running = FuturesUnordered::new();
        poll_fn(|context| {
            self.0.waker.set(Some(context.waker().clone()));
            main_ended = main_ended || main.as_mut().poll(context).is_ready();
            loop {
                running.extend(self.0.new.take());
                match Pin::new(&mut running).poll_next(context) {
                    Poll::Ready(Some(())) => {}
                    Poll::Ready(None) if self.0.new.borrow().is_empty() => break,
                    Poll::Ready(None) => {}
                    Poll::Pending if self.0.new.borrow().is_empty() => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            if main_ended { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
