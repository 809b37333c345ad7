//! A paid call between its two ledger calls. However it ends, and also if it is dropped, its hold ends
//! exactly once.

use core::time::Duration;
use domain::account::{Account, Checkpoint, Command, Release, Reply, Reserved, Settle};
use domain::identity::RequestId;
use domain::money::NanoEur;
use domain::price::{Tariff, Usage};
use domain::time::Timestamp;
use platform::Platform;

/// Tries of a settlement; after the last the hold's expiry books the call.
const SETTLE_TRIES: u32 = 6;
const SETTLE_BACKOFF: Duration = Duration::from_millis(100);

pub struct OpenCall<P: Platform> {
    platform: P,
    account: String,
    request_id: RequestId,
    valid_until: Timestamp,
    tariff: Tariff,
    input_estimate: u64,
    hold: NanoEur,
    /// Free money after the hold was taken.
    remaining: NanoEur,
    started_at: Timestamp,
    first_token_ms: Option<u64>,
    /// What the call has used as far as it is known; settled if the call is dropped.
    so_far: Option<Usage>,
    /// On its way to the ledger; sent again if the call is dropped before the ledger has answered.
    settling: Option<Command>,
    ended: bool,
}

/// What a finished call used.
pub struct Ending {
    pub usage: Usage,
    /// Whether `usage` is our estimate.
    pub estimated: bool,
    pub outcome: &'static str,
}

/// What a finished call cost.
pub struct Bill {
    pub cost: NanoEur,
    pub remaining: NanoEur,
}

impl<P: Platform> OpenCall<P> {
    pub fn new(
        platform: P,
        account: String,
        request_id: RequestId,
        valid_until: Timestamp,
        tariff: Tariff,
        input_estimate: u64,
    ) -> Self {
        let started_at = platform.now();
        Self {
            platform,
            account,
            request_id,
            valid_until,
            tariff,
            input_estimate,
            hold: NanoEur::ZERO,
            remaining: NanoEur::ZERO,
            started_at,
            first_token_ms: None,
            so_far: None,
            settling: None,
            ended: false,
        }
    }

    pub fn opened(mut self, reserved: &Reserved) -> Self {
        self.hold = reserved.hold;
        self.remaining = reserved.remaining;
        self
    }

    /// The ledger refused: there is no hold to end.
    pub fn never_opened(mut self) {
        self.ended = true;
    }

    pub fn platform(&self) -> &P {
        &self.platform
    }

    pub const fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// Input as estimated and output as counted on the way: for calls whose provider reports nothing.
    pub const fn estimate(&self, output: u64) -> Usage {
        Usage {
            input: self.input_estimate,
            cached_input: 0,
            cache_write: 0,
            output,
            reasoning: 0,
            audio_input: 0,
            audio_output: 0,
        }
    }

    /// The provider accepted the call: from here on it costs at least its input.
    pub fn accepted(&mut self) {
        self.so_far = Some(self.estimate(0));
    }

    /// Output arrived. Remembers what a drop would settle.
    pub fn has_used(&mut self, usage: Usage) {
        if self.first_token_ms.is_none() {
            self.first_token_ms = Some(self.elapsed_ms());
        }
        self.so_far = Some(usage);
    }

    /// The price within the hold, as the ledger will charge it.
    fn cost_of(&self, usage: &Usage) -> NanoEur {
        cost_within(&self.tariff, self.hold, usage)
    }

    /// What callers find in a usage object beside the usage: its cost, if they asked for it.
    pub fn members_of_usage(&self, with_cost: bool) -> Box<dyn Fn(&Usage) -> String> {
        let (tariff, hold) = (self.tariff, self.hold);
        Box::new(move |usage| match with_cost {
            true => format!("\"cost_eur\":\"{}\"", cost_within(&tariff, hold, usage)),
            false => String::new(),
        })
    }

    /// Charges what was used. Waits for the ledger; if it cannot be reached, tries on in the background.
    pub async fn settle(mut self, ending: Ending) -> Bill {
        let cost = self.cost_of(&ending.usage);
        let bill = Bill { cost, remaining: self.remaining.saturating_add(self.hold).saturating_sub(cost) };
        let command = self.settlement(&ending);
        self.settling = Some(command.clone());
        let answer = self.platform.apply::<Account>(&self.account, command.clone()).await;
        self.ended = true;
        match answer {
            Ok(Reply::Settled(settled)) => Bill { cost: settled.charged, remaining: settled.remaining },
            Ok(_) => bill,
            Err(_) => {
                self.send_later(command);
                bill
            }
        }
    }

    /// Ends the call without charge: no byte of an answer reached the caller.
    pub fn release_later(mut self) {
        self.ended = true;
        self.send_later(Command::Release(Release {
            request_id: self.request_id,
            valid_until: self.valid_until,
        }));
    }

    /// Tells the ledger how far the call is, so that the hold lives on and a crash loses little.
    pub fn checkpoint_later(&self) {
        if let Some(usage) = self.so_far {
            self.send_later(Command::Checkpoint(Checkpoint { request_id: self.request_id, usage }));
        }
    }

    fn settlement(&self, ending: &Ending) -> Command {
        Command::Settle(Box::new(Settle {
            request_id: self.request_id,
            usage: ending.usage,
            estimated: ending.estimated,
            served: None,
            outcome: ending.outcome.into(),
            latency_ms: self.elapsed_ms(),
            first_token_ms: self.first_token_ms,
        }))
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.platform.now().since(self.started_at).as_millis()).unwrap_or(u64::MAX)
    }

    fn send_later(&self, command: Command) {
        let (platform, account) = (self.platform.clone(), self.account.clone());
        let task = async move { send(platform, account, command).await };
        self.platform.finish_later(Box::pin(task));
    }
}

fn cost_within(tariff: &Tariff, hold: NanoEur, usage: &Usage) -> NanoEur {
    tariff.price(usage).map_or(hold, |price| price.cost.min(hold))
}

/// Repeats until the ledger has it. All these commands are safe to repeat.
async fn send<P: Platform>(platform: P, account: String, command: Command) {
    for attempt in 0..SETTLE_TRIES {
        match platform.apply::<Account>(&account, command.clone()).await {
            Ok(_) => return,
            Err(error) if attempt + 1 == SETTLE_TRIES => {
                log::error!("account {account}: a call's end was not booked, its expiry will be: {error}");
            }
            Err(_) => platform.sleep(SETTLE_BACKOFF * 2u32.pow(attempt)).await,
        }
    }
}

/// The caller left, or the work was cancelled: what was used until here is charged.
impl<P: Platform> Drop for OpenCall<P> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        match (self.settling.take(), self.so_far) {
            (Some(settlement), _) => self.send_later(settlement),
            (None, Some(usage)) => {
                let ending = Ending { usage, estimated: true, outcome: "client_closed" };
                self.send_later(self.settlement(&ending));
            }
            (None, None) => self.send_later(Command::Release(Release {
                request_id: self.request_id,
                valid_until: self.valid_until,
            })),
        }
    }
}
