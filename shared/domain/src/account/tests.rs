//! Claims about the account, as examples and as properties.
