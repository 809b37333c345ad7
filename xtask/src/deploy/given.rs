//! Secrets whose values are known: from the operator's environment, or from a deployment that did not finish.

use super::secret_rules::{BOOTSTRAP_TOKEN, RULES};
use anyhow::{Result, bail};
use std::collections::BTreeMap;

const TOKEN_LENGTH_MIN: usize = 32;

/// By name; what the environment states wins. Fails, by name alone, on a value that no function could use.
pub fn known(
    variable: &dyn Fn(&str) -> Option<String>,
    unfinished: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let mut known = BTreeMap::new();
    for rule in &RULES {
        let stated = variable(rule.name).filter(|value| !value.is_empty());
        let Some(value) = stated.or_else(|| unfinished.get(rule.name).cloned()) else { continue };
        if let Some(expected) = unusable(rule.name, &value) {
            bail!("the value given for {} must be {expected}", rule.name);
        }
        known.insert(rule.name.to_owned(), value);
    }
    Ok(known)
}

/// What it should have been.
fn unusable(name: &str, value: &str) -> Option<&'static str> {
    let is_hex = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    match name {
        _ if value.trim() != value => Some("without blanks and line ends around it"),
        "PROVIDER_KEYS_KEY_1" if !is_hex => Some("64 hexadecimal digits"),
        "SESSION_KEY_P256" if !is_hex || value[..8].eq_ignore_ascii_case("ffffffff") => {
            Some("64 hexadecimal digits below the order of P-256: begin them with 0 to 7")
        }
        // Some hosts join headers that came twice by one.
        BOOTSTRAP_TOKEN if value.len() < TOKEN_LENGTH_MIN || value.contains(',') => {
            Some("at least 32 random characters, none of them a comma")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_value_is_refused_by_its_name_and_not_shown() {
        for (name, value) in [
            ("PROVIDER_KEYS_KEY_1", "too-short"),
            ("SESSION_KEY_P256", &*"F".repeat(64)),
            ("BOOTSTRAP_TOKEN", "hunter2"),
            ("API_KEY_PEPPER_1", "with-a-line-end\n"),
        ] {
            let variable = |asked: &str| (asked == name).then(|| value.to_owned());
            let error = known(&variable, &BTreeMap::new()).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains(value.trim()), "{error}");
        }
    }

    #[test]
    fn what_was_made_before_is_known_and_an_empty_variable_states_nothing() {
        let unfinished = BTreeMap::from([("API_KEY_PEPPER_1".to_owned(), "made before".to_owned())]);
        let known = known(&|_| Some(String::new()), &unfinished).unwrap();
        assert_eq!(known, unfinished);
    }
}
