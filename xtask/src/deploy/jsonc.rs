//! JSON with comments and trailing commas, as wrangler's configuration is written.

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use std::fs;
use std::path::Path;

pub fn read<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&plain(&text)).with_context(|| file.display().to_string())
}

/// The same as plain JSON, line for line, so that errors name the right one.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let taken = match next {
            '"' => string_length(rest),
            '/' if rest.starts_with("//") => {
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                continue;
            }
            '/' if rest.starts_with("/*") => {
                let end = rest.find("*/").map_or(rest.len(), |at| at + 2);
                out.extend(rest[..end].chars().filter(|c| *c == '\n'));
                rest = &rest[end..];
                continue;
            }
            '}' | ']' => {
                drop_trailing_comma(&mut out);
                1
            }
            other => other.len_utf8(),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out
}

/// Bytes of the string that `text` begins with, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn drop_trailing_comma(out: &mut String) {
    let end = out.trim_end().len();
    if out[..end].ends_with(',') {
        out.remove(end - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn comments_and_trailing_commas_go_and_texts_stay() {
        let text = "// one\n{ /* two\n */ \"url\": \"https://a/*b*/,]\", \"quote\": \"\\\"//\", \"list\": [1, 2, ], }\n";
        let value: Value = serde_json::from_str(&plain(text)).unwrap();
        assert_eq!(value, json!({ "url": "https://a/*b*/,]", "quote": "\"//", "list": [1, 2] }));
        assert_eq!(plain(text).lines().count(), text.lines().count());
    }

    #[test]
    fn every_function_is_read_as_wrangler_reads_it() {
        for function in crate::paths::FUNCTIONS {
            let config: Value = read(&crate::paths::wrangler_config(function)).unwrap();
            assert_eq!(config["name"], format!("cloudfreedom-{function}"));
        }
    }
}
