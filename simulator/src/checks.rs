//! What must be true after every step, and in the end.

pub mod books;
pub mod directory_verdict;
pub mod levels;
pub mod outstanding;
pub mod pace;
pub mod pool_books;
pub mod receipts;
pub mod token_paces;
pub mod verdict;
pub mod view;
