//! Whether what was deployed answers: every function's health, and a log-in, which needs database and secrets.

use super::web::{Answer, Question, Web};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::time::Duration;

/// A new host gets its name and its certificate within minutes.
const ATTEMPTS: u32 = 36;
const PAUSE: Duration = Duration::from_secs(5);
/// Nobody's: a working log-in refuses it as it refuses a wrong password.
const NOBODY: (&str, &str) = ("smoke-test@deployment.invalid", "of nobody");

pub struct Login {
    pub email: String,
    pub password: String,
}

/// Asks for a function's health until it answers.
pub fn health(web: &impl Web, function: &str, url: &str) -> Result<()> {
    let question = Question { method: "GET", url: url.to_owned(), body: None };
    patiently(web, &question, |answer| {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        answer.status == 200 && body["status"] == "ok" && body["function"] == function
    })
}

/// Logs the administrator in; where none is known, nobody, who must be refused by name.
pub fn log_in(web: &impl Web, origin: &str, login: Option<&Login>) -> Result<()> {
    let (email, password) =
        login.map_or(NOBODY, |Login { email, password }| (email.as_str(), password.as_str()));
    let body = json!({ "email": email, "password": password }).to_string();
    let question = Question { method: "POST", url: format!("{origin}/admin/auth/login"), body: Some(body) };
    let expected = |answer: &Answer| {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        match login {
            Some(_) => answer.status == 200 && body["access_token"].is_string(),
            None => answer.status == 401 && body["code"] == "wrong_credentials",
        }
    };
    let answer = web.ask(&question)?;
    if expected(&answer) {
        return Ok(());
    }
    // Never the body of a 200, which would be a session.
    let said = if answer.status == 200 { "" } else { answer.body.trim() };
    bail!("POST {} answered {} {said}", question.url, answer.status)
}

fn patiently(web: &impl Web, question: &Question, right: impl Fn(&Answer) -> bool) -> Result<()> {
    let mut last = None;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            web.wait(PAUSE);
        }
        match web.ask(question) {
            Ok(answer) if right(&answer) => return Ok(()),
            Ok(answer) => {
                let body: String = answer.body.chars().take(200).collect();
                last = Some(anyhow::anyhow!("it answered {} {body}", answer.status));
            }
            Err(error) => last = Some(error),
        }
    }
    let last = last.context("it was never asked")?;
    Err(last.context(format!("{} {} does not answer as it should", question.method, question.url)))
}
