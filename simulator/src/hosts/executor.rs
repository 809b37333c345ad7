//! One thread, one virtual clock: of all tasks that could go on, the dice choose the next; when none
//! can, time moves to the next timer.

use crate::dice::Dice;
use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use futures_util::future::LocalBoxFuture;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Wake;

/// Polls of one world; one that takes more is going round in circles.
const POLLS_MAX: u64 = 3_000_000;

/// Tasks that die together: those of one host.
pub type Group = u32;

#[derive(Clone)]
pub struct Executor(Rc<Inner>);

struct Inner {
    now_ms: Cell<u64>,
    dice: Dice,
    next_id: Cell<u64>,
    tasks: RefCell<BTreeMap<u64, Task>>,
    ready: Arc<Mutex<Vec<u64>>>,
    timers: RefCell<BTreeMap<(u64, u64), Waker>>,
    /// How often each group was killed.
    lives: RefCell<BTreeMap<Group, u32>>,
    polls: Cell<u64>,
}

struct Task {
    group: Group,
    future: LocalBoxFuture<'static, ()>,
    waker: Arc<TaskWaker>,
}

/// The standard library wants wakers that can be sent; here nothing ever is.
struct TaskWaker {
    id: u64,
    queued: AtomicBool,
    ready: Arc<Mutex<Vec<u64>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.lock().expect("one thread").push(self.id);
        }
    }
}

/// Why [`Executor::run`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// No task can go on and no timer is set.
    Idle,
    /// The caller's condition holds.
    Asked,
    /// More than [`POLLS_MAX`].
    Endless,
}

impl Executor {
    pub fn new(dice: Dice) -> Self {
        Self(Rc::new(Inner {
            now_ms: Cell::new(0),
            dice,
            next_id: Cell::new(0),
            tasks: RefCell::default(),
            ready: Arc::default(),
            timers: RefCell::default(),
            lives: RefCell::default(),
            polls: Cell::new(0),
        }))
    }

    /// Virtual milliseconds since the world began.
    pub fn now_ms(&self) -> u64 {
        self.0.now_ms.get()
    }

    pub fn spawn(&self, group: Group, future: LocalBoxFuture<'static, ()>) {
        let id = self.fresh_id();
        let waker = Arc::new(TaskWaker { id, queued: AtomicBool::new(false), ready: self.0.ready.clone() });
        waker.clone().wake();
        self.0.tasks.borrow_mut().insert(id, Task { group, future, waker });
    }

    /// Drops all tasks of the group, also the one that is running, once it comes back.
    pub fn kill(&self, group: Group) {
        *self.0.lives.borrow_mut().entry(group).or_default() += 1;
        let mut tasks = self.0.tasks.borrow_mut();
        let doomed: Vec<u64> =
            tasks.iter().filter(|(_, task)| task.group == group).map(|(id, _)| *id).collect();
        let doomed: Vec<Task> = doomed.iter().filter_map(|id| tasks.remove(id)).collect();
        drop(tasks);
        // Dropping runs code, which may spawn.
        drop(doomed);
    }

    /// Which life of the group this is.
    pub fn life(&self, group: Group) -> u32 {
        self.0.lives.borrow().get(&group).copied().unwrap_or_default()
    }

    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + use<> {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let due = self.now_ms().saturating_add(millis);
        let key = (due, self.fresh_id());
        let timer = Timer { executor: self.clone(), key };
        poll_fn(move |context| timer.poll(context))
    }

    pub async fn sleep_ms(&self, millis: u64) {
        self.sleep(Duration::from_millis(millis)).await;
    }

    pub fn run(&self, mut asked: impl FnMut() -> bool) -> Stop {
        loop {
            if asked() {
                return Stop::Asked;
            }
            match self.next_ready() {
                Some(id) => self.poll(id),
                None if !self.move_on() => return Stop::Idle,
                None => {}
            }
            self.0.polls.set(self.0.polls.get() + 1);
            if self.0.polls.get() > POLLS_MAX {
                return Stop::Endless;
            }
        }
    }

    /// Drops all tasks, so that a world does not keep itself alive.
    pub fn clear(&self) {
        loop {
            let tasks = core::mem::take(&mut *self.0.tasks.borrow_mut());
            if tasks.is_empty() {
                return;
            }
        }
    }

    fn next_ready(&self) -> Option<u64> {
        let mut ready = self.0.ready.lock().expect("one thread");
        let at = match ready.len() {
            0 => return None,
            1 => 0,
            many => self.0.dice.below(many as u64) as usize,
        };
        Some(ready.swap_remove(at))
    }

    fn poll(&self, id: u64) {
        let Some(mut task) = self.0.tasks.borrow_mut().remove(&id) else { return };
        let life = self.life(task.group);
        task.waker.queued.store(false, Ordering::Relaxed);
        let waker = Waker::from(task.waker.clone());
        let polled = task.future.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_pending() && self.life(task.group) == life {
            self.0.tasks.borrow_mut().insert(id, task);
        }
    }

    /// To the next timer, if there is one; wakes all of that instant.
    fn move_on(&self) -> bool {
        let mut timers = self.0.timers.borrow_mut();
        let Some((&(due, _), _)) = timers.first_key_value() else { return false };
        self.0.now_ms.set(due.max(self.now_ms()));
        while let Some(first) = timers.first_entry()
            && first.key().0 == due
        {
            first.remove().wake();
        }
        true
    }

    fn fresh_id(&self) -> u64 {
        let id = self.0.next_id.get();
        self.0.next_id.set(id + 1);
        id
    }
}

struct Timer {
    executor: Executor,
    key: (u64, u64),
}

impl Timer {
    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        if self.executor.now_ms() >= self.key.0 {
            return Poll::Ready(());
        }
        self.executor.0.timers.borrow_mut().insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.executor.0.timers.borrow_mut().remove(&self.key);
    }
}
