//! The query of a request. Parameters are named once; a doubled, unreadable or unknown one is refused by its name.

use crate::fields::is_storable;
use crate::{Problem, TEXT_MAX, read_instant, shortened};
use domain::time::Timestamp;
use http::Uri;

pub struct Query {
    pairs: Vec<(String, String)>,
    known: &'static [&'static str],
}

impl Query {
    /// The query of a request that takes the parameters `known`, percent-decoded.
    pub fn read(uri: &Uri, known: &'static [&'static str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                return Err(unknown(&name, known));
            }
            if pairs.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Problem::duplicate(&name));
            }
            if value.contains(char::REPLACEMENT_CHARACTER) {
                let message = format!("`{name}` cannot be read. Send text in UTF-8, percent-encoded.");
                return Err(Problem::invalid_field(&name, message));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self { pairs, known })
    }

    /// Refuses whatever query there is.
    pub fn none(uri: &Uri) -> Result<(), Problem> {
        Self::read(uri, &[]).map(|_| ())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(self.known.contains(&name), "`{name}` is not among the parameters of this route");
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Not empty, at most [`TEXT_MAX`] bytes, without NUL.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.get(name) {
            Some(text) if !is_storable(text) => {
                let message = format!("`{name}` must be a text of 1 to {TEXT_MAX} bytes without NUL.");
                Err(Problem::invalid_field(name, message))
            }
            text => Ok(text),
        }
    }

    pub fn instant(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let wrong = || {
            let message = format!(
                "`{name}` must be an RFC 3339 instant from 1970 to 9999 like `2027-01-31T12:00:00Z`."
            );
            Problem::invalid_field(name, message)
        };
        read_instant(text).ok_or_else(wrong).map(Some)
    }

    /// A whole number from 1 to `max`.
    pub fn count(&self, name: &str, max: usize) -> Result<Option<usize>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let count = text.parse().ok().filter(|count| (1..=max).contains(count));
        let wrong =
            || Problem::invalid_field(name, format!("`{name}` must be a whole number from 1 to {max}."));
        count.ok_or_else(wrong).map(Some)
    }
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let name = shortened(name);
    let remedy = if known.is_empty() {
        "This request takes none.".to_owned()
    } else {
        format!("There are `{}`.", known.join("`, `"))
    };
    Problem::bad_request("unknown_field", format!("There is no parameter `{name}`. {remedy}")).about(name)
}

/// A path segment, percent-decoded; `name` is what it is.
pub fn path_text(segment: &str, name: &str) -> Result<String, Problem> {
    match percent_encoding::percent_decode_str(segment).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => {
            let message = format!("The path's `{name}` cannot be read. Send text in UTF-8, percent-encoded.");
            Err(Problem::invalid_field(name, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Query, Problem> {
        Query::read(&format!("/x?{query}").parse().unwrap(), &["user", "from", "limit"])
    }

    #[test]
    fn parameters_are_decoded() {
        let query = read("user=a%40b+c&limit=100%").unwrap();
        assert_eq!(query.get("user"), Some("a@b c"));
        assert_eq!(query.get("limit"), Some("100%"));
        assert_eq!(query.get("from"), None);
        assert!(Query::none(&"/x".parse().unwrap()).is_ok());
        assert_eq!(path_text("a%2Fb", "id").unwrap(), "a/b");
    }

    #[test]
    fn p30_a_parameter_that_cannot_be_taken_as_meant_is_refused_by_its_name() {
        for (query, code, param) in [
            ("form=2027-01-01T00:00:00Z", "unknown_field", "form"),
            ("User=a", "unknown_field", "User"),
            ("user=a&user=a", "duplicate_field", "user"),
            ("user=%E4", "invalid_value", "user"),
            ("z", "unknown_field", "z"),
        ] {
            let problem = read(query).err().expect(query);
            assert_eq!((problem.code, problem.param.as_deref()), (code, Some(param)), "{query}");
        }
        let query = read("user=&from=9999-12-31T23:59:59-01:00&limit=0").unwrap();
        assert_eq!(query.text("user").unwrap_err().param.as_deref(), Some("user"));
        assert_eq!(query.instant("from").unwrap_err().param.as_deref(), Some("from"));
        assert_eq!(query.count("limit", 5).unwrap_err().param.as_deref(), Some("limit"));
        assert_eq!(Query::none(&"/x?a=1".parse().unwrap()).unwrap_err().param.as_deref(), Some("a"));
        assert_eq!(path_text("%E4", "hold_id").unwrap_err().param.as_deref(), Some("hold_id"));
    }
}
