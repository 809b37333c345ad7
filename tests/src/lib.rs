//! The black-box suite: a host that runs the whole product, a scripted provider behind it, a client in front
//! of it. Stories are in `tests/`, one file each; they only speak HTTP, so they hold on every host.

pub mod assertions;
pub mod bench;
pub mod client;
pub mod fixtures;
pub mod hosts;
pub mod load;
pub mod money;
pub mod sdk;
pub mod seed;
pub mod stripe;
pub mod upstream;
pub mod webhooks;

pub use assertions::{DEADLINE, eventually, within};
pub use fixtures::{Scene, User, chat_body};
pub use upstream::{Completion, Gate, Reply};
