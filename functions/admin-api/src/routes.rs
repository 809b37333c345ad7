//! One module per noun, one file per verb.

pub mod bootstrap {
    mod create;
    pub use create::create;
}

pub mod login {
    mod create;
    pub use create::create;
}

pub mod me {
    mod show;
    pub use show::show;
}

pub mod service_keys {
    mod create;
    mod list;
    mod revoke;
    pub use create::create;
    pub use list::list;
    pub use revoke::revoke;

    use domain::time::Timestamp;
    use http_api::Problem;
    use serde_json::{Value, json};
    use store::service_keys::ServiceKeyRow;
    use store::users::User;

    /// A key for machines may do what no person but an administrator of the whole platform may.
    fn require_admin(caller: &User) -> Result<(), Problem> {
        if caller.role == "admin" {
            return Ok(());
        }
        Err(Problem::forbidden(
            "role_too_low",
            "Only administrators of the platform see and make service keys.",
        ))
    }

    /// Never the secret.
    fn view(row: &ServiceKeyRow) -> Value {
        json!({
            "id": row.key.id,
            "name": row.name,
            "tenant_id": row.key.tenant_id,
            "scopes": row.key.scopes,
            "created": row.created.to_rfc3339(),
            "expires_at": row.expires.map(Timestamp::to_rfc3339),
        })
    }
}

pub mod users {
    mod list;
    pub use list::list;
}
