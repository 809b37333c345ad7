//! One module per noun, one file per verb.

pub mod budget {
    mod check;
    mod show;
    pub use check::check;
    pub use show::show;
}

pub mod keys {
    mod create;
    mod revoke;
    pub use create::create;
    pub use revoke::revoke;
}

pub mod provider_bills {
    mod import;
    pub use import::{day_of, import};
}

pub mod reconciliation {
    mod show;
    pub use show::show;
}

pub mod tenants {
    mod update;
    pub use update::update;
}

pub mod usage {
    mod export;
    mod list;
    mod log;
    mod summary;
    pub use export::export;
    pub use list::{list, request_id};
    pub use log::log;
    pub use summary::summary;
}

pub mod users {
    mod create;
    mod limits;
    mod update;
    pub use create::create;
    pub use update::update;
}
