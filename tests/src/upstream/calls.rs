//! What reached the scripted provider, and how each call went on.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The answer is under way; this many pieces were sent.
    Answering(usize),
    Completed,
    /// The caller closed the connection before the answer was complete; this many pieces had been sent.
    Cancelled(usize),
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Call {
    pub model: String,
    pub path: String,
    pub headers: HeaderMap,
    /// As JSON; null if it is none.
    pub body: Value,
    /// The body, byte for byte.
    pub bytes: Bytes,
    progress: watch::Receiver<Progress>,
}

impl Call {
    /// Waits until the caller is seen to have gone; says how many pieces had been sent.
    pub async fn cancelled(&mut self) -> usize {
        let seen = self.progress.wait_for(|progress| !matches!(progress, Progress::Answering(_)));
        match crate::within("the provider to see the caller leave", seen).await.map(|progress| *progress) {
            Ok(Progress::Cancelled(pieces)) => pieces,
            other => panic!("the caller stayed to the end: {other:?}"),
        }
    }

    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }
}

/// Marks the call cancelled when it is dropped before `complete`.
pub(super) struct Answering(watch::Sender<Progress>);

impl Answering {
    pub(super) fn piece_sent(&self) {
        self.0.send_modify(|progress| {
            if let Progress::Answering(pieces) = progress {
                *pieces += 1;
            }
        });
    }

    pub(super) fn complete(self) {
        self.0.send_replace(Progress::Completed);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.send_if_modified(|progress| match *progress {
            Progress::Answering(pieces) => {
                *progress = Progress::Cancelled(pieces);
                true
            }
            _ => false,
        });
    }
}

#[derive(Debug)]
pub(super) struct Calls {
    all: Mutex<Vec<Call>>,
    count: watch::Sender<usize>,
}

impl Calls {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { all: Mutex::default(), count: watch::Sender::new(0) })
    }

    /// Also what the request says: its model, empty if it names none, and its body.
    pub(super) fn record(
        &self,
        path: String,
        headers: HeaderMap,
        bytes: Bytes,
    ) -> (Answering, String, Value) {
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let model = body["model"].as_str().unwrap_or("").to_owned();
        let (sender, progress) = watch::channel(Progress::Answering(0));
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Call { model: model.clone(), path, headers, body: body.clone(), bytes, progress });
        self.count.send_replace(all.len());
        (Answering(sender), model, body)
    }

    pub(super) fn snapshot(&self) -> Vec<Call> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn forget(&self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.count.send_replace(0);
    }

    pub(super) async fn wait_for(&self, count: usize) {
        let arrived = self.count.subscribe();
        let waiting = async { { arrived }.wait_for(|&seen| seen >= count).await.map(|_| ()) };
        crate::within(&format!("{count} calls to reach the provider"), waiting)
            .await
            .expect("the log lives on");
    }

    pub(super) fn by_model(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.snapshot() {
            *counts.entry(call.model).or_default() += 1;
        }
        counts
    }
}
