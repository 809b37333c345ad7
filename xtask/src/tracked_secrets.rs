//! Looks for what must never be committed: strings that look like somebody's live credentials.

use crate::paths;
use crate::process::{answer_of, program};
use anyhow::{Context, Result, bail};
use std::fs;

/// A prefix, and how many characters of a key must follow it before it counts.
const PATTERNS: [(&str, usize); 7] = [
    ("sk-", 32),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("whsec_", 24),
    ("AKIA", 16),
    ("ghp_", 30),
    // Written in two parts, so that this file does not find itself.
    (concat!("-----BEGIN ", "PRIVATE KEY"), 0),
];
/// Larger files are not written by hand.
const FILE_BYTES_MAX: u64 = 2_000_000;

/// Fails with the places found. Test keys are made at run time, or are visibly too short to be real.
pub fn scan() -> Result<()> {
    let listed = answer_of(&mut program("git", &["ls-files", "--cached", "--others", "--exclude-standard"]))
        .context("git is needed to list the tracked files")?;
    let mut found = Vec::new();
    for name in listed.lines() {
        let file = paths::root().join(name);
        if fs::metadata(&file).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= FILE_BYTES_MAX) {
            let text = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
            found.extend(suspicious_lines(&text).map(|line| format!("{name}:{line}")));
        }
    }
    if !found.is_empty() {
        bail!("these look like secrets; make them at run time, or visibly fake:\n  {}", found.join("\n  "));
    }
    Ok(())
}

/// The numbers of the lines, from 1.
fn suspicious_lines(text: &str) -> impl Iterator<Item = usize> {
    text.lines().enumerate().filter(|(_, line)| is_suspicious(line)).map(|(index, _)| index + 1)
}

fn is_suspicious(line: &str) -> bool {
    PATTERNS.iter().any(|(prefix, length)| {
        line.match_indices(prefix).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let inside_a_word = before.is_some_and(|character| character.is_alphanumeric());
            !inside_a_word && key_length(&line[at + prefix.len()..]) >= *length
        })
    })
}

fn key_length(text: &str) -> usize {
    text.chars()
        .take_while(|character| character.is_ascii_alphanumeric() || "-_".contains(*character))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_are_found_and_short_examples_are_not() {
        let key = format!("let key = \"sk-{}\";", "a1".repeat(20));
        assert!(is_suspicious(&key));
        assert!(is_suspicious(&format!("whsec_{}", "0".repeat(32))));
        assert!(!is_suspicious("Authorization: Bearer sk-cf-example"));
        assert!(!is_suspicious("the task-list-of-a-very-long-branch-name-that-goes-on"));
        assert_eq!(suspicious_lines(&format!("one\n{key}\n")).collect::<Vec<_>>(), [2]);
    }
}
