//! The functions' secrets: who needs which, and where a value comes from.

use std::collections::{BTreeMap, BTreeSet};

/// One secret. All functions that have it must have the same value: what one writes the others read.
pub struct Rule {
    pub name: &'static str,
    pub functions: &'static [&'static str],
    pub origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Made where nobody has it and the environment gives none.
    Made(Kind),
    /// Only the operator knows it; set whenever the environment gives it.
    Given,
    /// Made with the first deployment only, and written to a file, since somebody must type it.
    First(Kind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32 random bytes in hexadecimal.
    Random,
    /// The same, below the order of the curve P-256.
    P256Scalar,
}

pub const BOOTSTRAP_TOKEN: &str = "BOOTSTRAP_TOKEN";

pub const RULES: [Rule; 7] = [
    Rule { name: "API_KEY_PEPPER_1", functions: &["billing", "proxy"], origin: Origin::Made(Kind::Random) },
    Rule { name: "API_KEY_PEPPER_2", functions: &["billing", "proxy"], origin: Origin::Given },
    Rule {
        name: "PROVIDER_KEYS_KEY_1",
        functions: &["billing", "proxy", "cron-reset"],
        origin: Origin::Made(Kind::Random),
    },
    Rule { name: "SESSION_KEY_P256", functions: &["admin-api"], origin: Origin::Made(Kind::P256Scalar) },
    Rule { name: BOOTSTRAP_TOKEN, functions: &["admin-api"], origin: Origin::First(Kind::Random) },
    Rule { name: "STRIPE_WEBHOOK_SECRETS", functions: &["stripe-webhook"], origin: Origin::Given },
    Rule { name: "MAIL_API_KEY", functions: &["cron-reset"], origin: Origin::Given },
];

/// What is to become of one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Everybody has it.
    Keep,
    /// Nobody has it, and nobody needs to now.
    Leave,
    /// The same value for all of its functions.
    Set { made: bool },
    /// A value cannot be read back, so a function that lacks it cannot get what the others have.
    Torn { has: Vec<&'static str>, lacks: Vec<&'static str> },
}

impl Rule {
    pub fn named(name: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.name == name)
    }

    /// `present` are the names that each function has; `given` those whose values are known, from the environment or
    /// from a deployment that did not finish.
    pub fn decide(
        &self,
        present: &BTreeMap<&'static str, BTreeSet<String>>,
        given: &BTreeSet<String>,
    ) -> Decision {
        let has_it =
            |function: &&&str| present.get(**function).is_some_and(|names| names.contains(self.name));
        let (has, lacks): (Vec<_>, Vec<_>) = self.functions.iter().partition(|function| has_it(function));
        let is_given = given.contains(self.name);
        match self.origin {
            // What is sealed or signed under it would be lost: it is replaced by hand, never by deploying.
            Origin::Made(_) if lacks.is_empty() => Decision::Keep,
            _ if is_given => Decision::Set { made: false },
            _ if lacks.is_empty() => Decision::Keep,
            _ if !has.is_empty() => Decision::Torn { has, lacks },
            Origin::Made(_) => Decision::Set { made: true },
            Origin::First(_) if is_first(present) => Decision::Set { made: true },
            Origin::First(_) | Origin::Given => Decision::Leave,
        }
    }
}

/// Whether no function has any secret yet.
fn is_first(present: &BTreeMap<&'static str, BTreeSet<String>>) -> bool {
    present.values().all(BTreeSet::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::jsonc;
    use crate::paths::{self, FUNCTIONS};
    use serde_json::Value;

    fn present(pairs: &[(&'static str, &str)]) -> BTreeMap<&'static str, BTreeSet<String>> {
        let mut all: BTreeMap<_, BTreeSet<String>> =
            FUNCTIONS.into_iter().map(|function| (function, BTreeSet::new())).collect();
        for (function, name) in pairs {
            all.entry(function).or_default().insert((*name).to_owned());
        }
        all
    }

    fn decide(name: &str, pairs: &[(&'static str, &str)], given: &[&str]) -> Decision {
        let given = given.iter().map(|name| (*name).to_owned()).collect();
        Rule::named(name).unwrap().decide(&present(pairs), &given)
    }

    #[test]
    fn the_rules_are_what_the_functions_declare() {
        let optional: BTreeMap<String, Vec<String>> =
            jsonc::read(&paths::root().join("infra/workers/optional_secrets.json")).unwrap();
        for function in FUNCTIONS {
            let config: Value = jsonc::read(&paths::wrangler_config(function)).unwrap();
            let required: Vec<String> =
                serde_json::from_value(config["secrets"]["required"].clone()).unwrap();
            let declared: BTreeSet<String> = required.into_iter().chain(optional[function].clone()).collect();
            let rules = RULES.iter().filter(|rule| rule.functions.contains(&function));
            assert_eq!(declared, rules.map(|rule| rule.name.to_owned()).collect(), "{function}");
        }
    }

    #[test]
    fn a_secret_is_made_once_and_then_kept_whatever_is_given() {
        assert_eq!(decide("API_KEY_PEPPER_1", &[], &[]), Decision::Set { made: true });
        assert_eq!(decide("API_KEY_PEPPER_1", &[], &["API_KEY_PEPPER_1"]), Decision::Set { made: false });
        let both = [("billing", "API_KEY_PEPPER_1"), ("proxy", "API_KEY_PEPPER_1")];
        assert_eq!(decide("API_KEY_PEPPER_1", &both, &[]), Decision::Keep);
        assert_eq!(decide("API_KEY_PEPPER_1", &both, &["API_KEY_PEPPER_1"]), Decision::Keep);
    }

    #[test]
    fn a_secret_that_one_function_lacks_is_never_made_up() {
        let one = [("billing", "API_KEY_PEPPER_1")];
        let torn = Decision::Torn { has: vec!["billing"], lacks: vec!["proxy"] };
        assert_eq!(decide("API_KEY_PEPPER_1", &one, &[]), torn);
        assert_eq!(decide("API_KEY_PEPPER_1", &one, &["API_KEY_PEPPER_1"]), Decision::Set { made: false });
        let two = [("billing", "API_KEY_PEPPER_2")];
        assert!(matches!(decide("API_KEY_PEPPER_2", &two, &[]), Decision::Torn { .. }));
    }

    #[test]
    fn what_only_the_operator_knows_follows_the_environment() {
        assert_eq!(decide("MAIL_API_KEY", &[], &[]), Decision::Leave);
        assert_eq!(decide("MAIL_API_KEY", &[("cron-reset", "MAIL_API_KEY")], &[]), Decision::Keep);
        let rotated = decide("MAIL_API_KEY", &[("cron-reset", "MAIL_API_KEY")], &["MAIL_API_KEY"]);
        assert_eq!(rotated, Decision::Set { made: false });
    }

    #[test]
    fn a_bootstrap_token_comes_with_the_first_deployment_alone() {
        assert_eq!(decide(BOOTSTRAP_TOKEN, &[], &[]), Decision::Set { made: true });
        assert_eq!(decide(BOOTSTRAP_TOKEN, &[("admin-api", "SESSION_KEY_P256")], &[]), Decision::Leave);
    }
}
