//! What really happened to one caller's request, as nobody in the product can know it.

use crate::hosts::executor::Group;
use core::cell::{Cell, RefCell};
use domain::identity::RequestId;
use domain::price::Usage;

/// Where in a call's life its host dies (promise P3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillPoint {
    AfterHold,
    AfterUpstreamSend,
    /// After so many chunks.
    MidStream(u64),
    BeforeSettle,
    AfterSettle,
}

pub struct Call {
    pub number: u64,
    pub account: usize,
    pub host: Group,
    pub kill_at: Option<KillPoint>,
    /// The client has gone or has its answer, and nothing of it runs on a host any more.
    over: Cell<bool>,
    disturbed: Cell<bool>,
    pub facts: RefCell<Facts>,
}

#[derive(Debug, Default)]
pub struct Facts {
    /// From its `Reserve`.
    pub request_id: Option<RequestId>,
    pub input_estimate: Usage,
    pub sent_upstream: bool,
    pub answer: Answered,
    /// Output tokens and events that were handed to the product.
    pub delivered_output: u64,
    /// The provider's own count, as handed to the product.
    pub reported: Option<Usage>,
    /// The whole answer came, and its end.
    pub complete: bool,
    pub checkpoints: Vec<Usage>,
    /// What a `Settle` said that was acknowledged.
    pub settled: Option<Usage>,
    /// The charge that the client was told of.
    pub told_cost: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answered {
    #[default]
    Nothing,
    /// Refused, broken, or an answer that says nothing: not to be charged.
    Useless,
    Whole,
    Stream,
}

impl Call {
    pub fn new(number: u64, account: usize, host: Group, kill_at: Option<KillPoint>) -> Self {
        Self {
            number,
            account,
            host,
            kill_at,
            over: Cell::new(false),
            disturbed: Cell::new(false),
            facts: RefCell::default(),
        }
    }

    /// For a trace: its number, and its request's id once that is known.
    pub fn tag(&self) -> String {
        let id = self.facts.borrow().request_id.map_or_else(String::new, |id| id.to_string());
        format!("#{} {id}", self.number)
    }

    /// Something other than the upstream and the caller went wrong: the rule for the lost may apply.
    pub fn disturb(&self) {
        if !self.over.get() {
            self.disturbed.set(true);
        }
    }

    pub fn is_disturbed(&self) -> bool {
        self.disturbed.get()
    }

    pub fn is_over(&self) {
        self.over.set(true);
    }
}
