//! Products: what a plan includes.

use domain::money::NanoEur;
use platform::{Database, PlatformError, Row, Statement};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    pub id: String,
    /// None: agreed with each customer.
    pub budget_included: Option<NanoEur>,
    /// `["all"]`, or names.
    pub models: Vec<String>,
    pub requests_per_minute: Option<u64>,
    pub tokens_per_minute: Option<u64>,
}

const FIND: &str = "
SELECT id, budget_included_nano_eur, models, requests_per_minute, tokens_per_minute
FROM products WHERE id = ?1 AND active = 1";

pub async fn find(database: &impl Database, id: &str) -> Result<Option<Product>, PlatformError> {
    let rows = database.query(Statement::new(FIND).bind(id)).await?;
    rows.first().map(of_row).transpose()
}

fn of_row(row: &Row) -> Result<Product, PlatformError> {
    Ok(Product {
        id: row.text("id")?.to_owned(),
        budget_included: row.optional_integer("budget_included_nano_eur")?.map(NanoEur::saturating),
        models: crate::texts(row, "models")?,
        requests_per_minute: crate::optional_unsigned(row, "requests_per_minute")?,
        tokens_per_minute: crate::optional_unsigned(row, "tokens_per_minute")?,
    })
}
