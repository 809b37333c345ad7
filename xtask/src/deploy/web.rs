//! Asking a deployment over https.

use crate::{paths, process};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    pub method: &'static str,
    pub url: String,
    pub body: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

pub trait Web {
    /// Fails when nobody answers within a bounded wait.
    fn ask(&self, question: &Question) -> Result<Answer>;
    fn wait(&self, time: Duration);
}

/// By the pinned Node: it brings TLS and the roots of trust, so that xtask needs neither.
pub struct NodeFetch;

impl Web for NodeFetch {
    fn ask(&self, question: &Question) -> Result<Answer> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Outcome {
            Answer(Answer),
            Error { error: String },
        }
        let mut command = process::program(paths::node(), &["infra/workers/ask.mjs"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("`{}` could not be started", process::shown(&command)))?;
        let mut stdin = child.stdin.take().context("a pipe")?;
        stdin.write_all(&serde_json::to_vec(question)?)?;
        drop(stdin);
        let output = child.wait_with_output()?;
        match serde_json::from_slice(&output.stdout).context("ask.mjs answered nothing")? {
            Outcome::Answer(answer) => Ok(answer),
            Outcome::Error { error } => bail!("{} {}: {error}", question.method, question.url),
        }
    }

    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
