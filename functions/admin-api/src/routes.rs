//! One module per noun, one file per verb.

pub mod login {
    mod create;
    pub use create::create;
}

pub mod me {
    mod show;
    pub use show::show;
}

pub mod users {
    mod list;
    pub use list::list;
}
