//! A scripted OpenAI-compatible provider: real HTTP on loopback, real server-sent events, scripted faults.
//!
//! Scripts are chosen by the request's `model`. Every request is recorded, and a test declares how many it
//! expects: what was not declared fails the test when its scene ends.

mod calls;
pub mod fixed;
mod gate;
mod reply;
mod server;

pub use calls::{Call, Progress};
pub use gate::Gate;
pub use reply::{Completion, Ending, Reply, Tokens};

use calls::Calls;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A handle; clones are the same server, which lives as long as the process.
#[derive(Clone)]
pub struct Upstream {
    shared: Arc<Shared>,
    port: u16,
    open: Arc<watch::Sender<bool>>,
    listening: watch::Receiver<bool>,
}

struct Shared {
    scripts: Mutex<Scripts>,
    calls: Arc<Calls>,
}

#[derive(Default)]
struct Scripts {
    always: HashMap<String, Reply>,
    next: HashMap<String, VecDeque<Reply>>,
    expected: BTreeMap<String, usize>,
}

impl Shared {
    fn scripts(&self) -> MutexGuard<'_, Scripts> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply_for(&self, model: &str) -> Reply {
        let mut scripts = self.scripts();
        if let Some(reply) = scripts.next.get_mut(model).and_then(VecDeque::pop_front) {
            return reply;
        }
        scripts
            .always
            .get(model)
            .cloned()
            .unwrap_or_else(|| Completion::of(&["Hello", " from", " here"]).into())
    }
}

impl Upstream {
    /// Listens on a free port of loopback, on a thread of its own, so that it outlives a test's runtime.
    pub fn start() -> Self {
        let shared = Arc::new(Shared { scripts: Mutex::default(), calls: Calls::new() });
        let running = server::start(shared.clone());
        Self { shared, port: running.port, open: Arc::new(running.open), listening: running.listening }
    }

    /// What a provider's base URL looks like: ends in `/v1`.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Every call for `model` gets `reply`.
    pub fn always(&self, model: &str, reply: impl Into<Reply>) {
        self.shared.scripts().always.insert(model.to_owned(), reply.into());
    }

    /// The next call for `model` that has no reply yet gets `reply`, once.
    pub fn next(&self, model: &str, reply: impl Into<Reply>) {
        self.shared.scripts().next.entry(model.to_owned()).or_default().push_back(reply.into());
    }

    /// Declares the calls of the whole test, by model; all others are expected zero times.
    pub fn expect_calls(&self, expected: &[(&str, usize)]) {
        self.shared.scripts().expected = expected
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|&(model, count)| (model.to_owned(), count))
            .collect();
    }

    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.snapshot()
    }

    /// The call with this index, as soon as it has arrived.
    pub async fn call(&self, index: usize) -> Call {
        self.shared.calls.wait_for(index + 1).await;
        self.calls().swap_remove(index)
    }

    /// Refuses connections, and breaks those that are open, until `come_back`.
    pub async fn go_down(&self) {
        self.switch(false).await;
    }

    pub async fn come_back(&self) {
        self.switch(true).await;
    }

    async fn switch(&self, open: bool) {
        self.open.send_replace(open);
        let mut listening = self.listening.clone();
        let switched = listening.wait_for(|&now| now == open);
        crate::within("the provider to open or close its port", switched)
            .await
            .expect("the server thread lives");
    }

    /// Forgets scripts, calls and expectations of the test before.
    pub(crate) async fn begin(&self) {
        *self.shared.scripts() = Scripts::default();
        self.shared.calls.forget();
        self.come_back().await;
    }

    /// Panics unless exactly the declared calls arrived.
    pub(crate) fn verify(&self) {
        assert_eq!(
            self.shared.calls.by_model(),
            self.shared.scripts().expected,
            "calls that reached the provider"
        );
    }
}
