//! One folder per noun, one file per verb.

pub mod budget {
    pub mod get;
}
pub mod chat {
    pub mod completions;
}
pub mod messages {
    pub mod count_tokens;
    pub mod create;
}
pub mod models {
    pub mod get;
    pub mod list;
}
pub mod usage {
    pub mod get;
}
