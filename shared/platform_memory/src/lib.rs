//! The room for tests: keeps the boundary's promises in memory, with a clock that the test sets, an
//! upstream that it scripts, and faults that it injects. `infra/native_host` serves from it, with its rows in
//! a folder.
//!
//! ```
//! # futures_executor::block_on(async {
//! use platform::{Clock, Upstream};
//! use platform_memory::{Answer, MemoryPlatform};
//!
//! let platform = MemoryPlatform::new();
//! platform.answer_next(Answer::text(200, "hello"));
//! let response = platform.send(http::Request::get("http://upstream/").body("".into()).unwrap()).await;
//! assert_eq!(response.unwrap().status(), 200);
//! assert_eq!(platform.upstream_calls(), 1);
//! # });
//! ```

mod background;
mod chance;
mod clock;
mod database;
mod delivery;
mod in_folder;
mod mortal;
mod outage;
mod rows;
mod secrets;
mod state;
mod upstream;
mod watched;

pub use clock::START;
pub use delivery::Delivered;
pub use in_folder::DIRECTORY_FILE;
pub use mortal::{Death, MortalPlatform};
pub use outage::LastQuestion;
pub use state::Fault;
pub use upstream::{Answer, Ending};
pub use watched::Watched;

use std::rc::Rc;

/// A whole host. Clones are handles to the same one.
#[derive(Clone)]
pub struct MemoryPlatform(Rc<Rooms>);

struct Rooms {
    clock: clock::SetClock,
    chance: chance::Seeded,
    secrets: secrets::Named,
    upstream: upstream::Scripted,
    database: database::InMemory,
    state: state::Machines,
    background: background::Tasks,
    outage: outage::Outage,
}

impl Rooms {
    fn of(
        chance: chance::Seeded,
        secrets: secrets::Named,
        database: database::InMemory,
        state: state::Machines,
    ) -> Self {
        Self {
            clock: clock::SetClock::default(),
            chance,
            secrets,
            upstream: upstream::Scripted::default(),
            database,
            state,
            background: background::Tasks::default(),
            outage: outage::Outage::default(),
        }
    }
}

impl Default for MemoryPlatform {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryPlatform {
    /// With all migrations applied, at [`START`], and with secrets for every name the functions ask for.
    pub fn new() -> Self {
        Self::seeded(1)
    }

    /// Like [`Self::new`]; the seed decides every random byte.
    pub fn seeded(seed: u64) -> Self {
        let chance = chance::Seeded::new(seed);
        let secrets = secrets::Named::generated(&chance);
        let (database, state) = (database::InMemory::migrated(), state::Machines::default());
        Self(Rc::new(Rooms::of(chance, secrets, database, state)))
    }
}
