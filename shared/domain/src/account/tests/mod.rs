//! Claims about the account, as examples and as properties.

mod admission;
mod after_the_fact;
mod builders;
mod clocks;
mod configuration;
mod ending;
mod fuzz;
mod keys;
mod late;
mod levels;
mod limits;
mod money;
mod notices;
mod periods;
mod pockets;
mod promises;
mod range;
mod repeats;
mod totals;
