//! Who does something in a world: callers, operators, the scheduler, the provider, receivers of webhooks.

pub mod calls;
pub mod clients;
pub mod directory;
pub mod limits;
pub mod operators;
pub mod scheduler;
pub mod script;
pub mod upstream;
pub mod webhooks;
