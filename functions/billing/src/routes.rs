//! One module per noun, one file per verb.

pub mod budget {
    mod check;
    pub(super) mod hold;
    mod show;
    pub use check::check;
    pub use show::show;
}

pub mod holds {
    mod release;
    pub use release::release;
}

pub mod keys {
    mod create;
    mod revoke;
    mod rotate;
    mod update;
    pub use create::create;
    pub use revoke::revoke;
    pub use rotate::rotate;
    pub use update::update;
}

pub mod operations {
    mod order;
    pub use order::{adjust, refund, reset, top_up};
}

pub mod tenants {
    mod budget;
    mod update;
    pub use budget::budget;
    pub use update::update;
}

pub mod usage {
    mod list;
    mod log;
    pub use list::list;
    pub use log::log;
}

pub mod users {
    mod close;
    mod create;
    mod update;
    pub use close::close;
    pub use create::create;
    pub use update::update;
}
