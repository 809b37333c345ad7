//! Configurations that accounts have not acknowledged.

use crate::AT_ONCE;
use crate::jobs::Slice;
use futures_util::{StreamExt, stream};
use platform::{Platform, PlatformError};
use store::{configuration, pending_pushes};

pub const PAGE: usize = 100;
/// The page and its configurations, each account's answer, and two statements for all of them.
pub const QUESTIONS: usize = 2 + PAGE + 2;

/// The cursor is the last account's id.
pub async fn slice(platform: &impl Platform, cursor: &str) -> Result<Slice, PlatformError> {
    let accounts = pending_pushes::page(platform, None, cursor, PAGE as i64).await?;
    let mut slice = Slice::default();
    if accounts.is_empty() {
        return Ok(slice);
    }
    if accounts.len() == PAGE {
        slice.next = accounts.last().map(ToString::to_string);
    }
    let configurations = configuration::load_page(platform, &accounts, platform.now()).await?;
    let answers = configurations.into_iter().map(|(account, configuration)| async move {
        Ok((account, pending_pushes::tell(platform, account, configuration?).await?))
    });
    let answers: Vec<Result<_, PlatformError>> =
        stream::iter(answers).buffer_unordered(AT_ONCE).collect().await;
    let mut told = Vec::with_capacity(answers.len());
    for answer in answers {
        match answer {
            Ok(answer) => told.push(answer),
            Err(error) => slice.failed(&error),
        }
    }
    if !told.is_empty() {
        platform.commit(pending_pushes::acknowledged(&told).into()).await?;
    }
    slice.done = told.len() as u64;
    Ok(slice)
}
