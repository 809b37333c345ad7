//! In the end accounts and pools know all that the directory says of them: keys, limits, status, terms.

use crate::checks::books::Books;
use crate::hosts::database;
use crate::world::World;
use domain::account::Configuration;
use domain::identity::AccountId;
use domain::rate_limit::RateLimits;
use futures_util::FutureExt;
use platform::{Database, PlatformError, Row, Statement};

/// Asked at once, by nobody's host.
struct Directory<'a>(&'a database::World);

impl Database for Directory<'_> {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, PlatformError> {
        self.0.query(&statement)
    }

    async fn commit(&self, statements: Vec<Statement>) -> Result<(), PlatformError> {
        self.0.commit(&statements)
    }
}

/// P14, P21.
pub fn account_knows_all(world: &World, account: AccountId, books: &Books) -> Result<(), String> {
    let directory = Directory(&world.database);
    let said = store::configuration::load(&directory, account, world.wall()).now_or_never();
    let said = said.ok_or("the directory does not answer at once")?.map_err(|error| error.to_string())?;
    let mut said = said.ok_or("the user is gone")?;
    if said.closed {
        said.keys.clear();
    }
    let known: &Configuration = books.view().configuration().ok_or("the account was never configured")?;
    if *known == said {
        Ok(())
    } else {
        Err(format!("the account knows {known:?}, the directory says {said:?}"))
    }
}

const RATES: &str = "SELECT requests_per_minute, tokens_per_minute FROM tenants WHERE id = ?1";

pub fn pool_knows_its_rates(world: &World, tenant: usize) -> Result<(), String> {
    let tenant = &world.tenants[tenant];
    let rows = world.database.query(&Statement::new(RATES).bind(tenant.id.as_str()));
    let rows = rows.map_err(|error| error.to_string())?;
    let row = rows.first().ok_or("the tenant is gone")?;
    let limit = |column| {
        let limit = row.optional_integer(column).map_err(|error| error.to_string())?;
        Ok::<_, String>(limit.map(i64::unsigned_abs))
    };
    let said = RateLimits {
        requests_per_minute: limit("requests_per_minute")?,
        tokens_per_minute: limit("tokens_per_minute")?,
    };
    let pools = world.pools.borrow();
    let known = pools[&tenant.pool].view().configuration().ok_or("the pool was never configured")?.rates;
    if known == said { Ok(()) } else { Err(format!("the pool knows {known:?}, the directory says {said:?}")) }
}
