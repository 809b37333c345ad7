//! One module per noun, one file per verb.

pub mod events {
    mod receive;
    pub use receive::receive;
}
