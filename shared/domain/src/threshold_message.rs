//! How a notice of a budget reads: as data for programs, as a mail for people.

use crate::account::LimitSource;
use crate::notice::Notice;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The `data` of a webhook of type [`ThresholdReached::TYPE`]. Money is decimal euros as text, instants are
/// RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThresholdReached {
    pub tenant_id: String,
    /// The user's id, or the tenant's.
    pub subject: String,
    /// Whose budget: `user`, `key`, `tenant`.
    pub source: String,
    /// 50, 80, 95 or 100.
    pub percent: u8,
    pub used: String,
    pub limit: String,
    pub currency: String,
    pub period_opened_at: String,
    pub resets_at: String,
    /// Of a key's budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
}

/// A mail without its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailText {
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl ThresholdReached {
    pub const TYPE: &str = "budget.threshold_reached";

    pub fn of(subject: &str, notice: &Notice) -> Self {
        let Notice { tenant_id, source, percent, used, limit, period_opened_at, resets_at, at: _, key } =
            notice;
        Self {
            tenant_id: tenant_id.clone(),
            subject: subject.to_owned(),
            source: source.as_str().to_owned(),
            percent: *percent,
            used: used.to_string(),
            limit: limit.to_string(),
            currency: "EUR".to_owned(),
            period_opened_at: period_opened_at.to_rfc3339(),
            resets_at: resets_at.to_rfc3339(),
            key_id: key.as_ref().map(|key| key.id.clone()),
            key_name: key.as_ref().map(|key| key.name.clone()),
        }
    }

    /// The mail to a person of this name, which may be empty.
    pub fn mail(&self, name: &str) -> MailText {
        let Self { percent, .. } = self;
        let (used, limit) = (in_cents(&self.used), in_cents(&self.limit));
        let whose = self.whose();
        let used_up = *percent >= 100;
        let subject = if used_up {
            format!("{} is used up", capitalized(&whose))
        } else {
            format!("{percent} % of {whose} is used")
        };
        let resets_at = in_words(&self.resets_at);
        let consequence = if used_up {
            format!("Calls that this budget does not cover are refused until it starts anew on {resets_at}.")
        } else {
            format!("It starts anew on {resets_at}. Once it is used up, calls are refused until then.")
        };
        let name = name.trim();
        let greeting = if name.is_empty() { "Hello,".to_owned() } else { format!("Hello {name},") };
        let state = format!("€{used} of €{limit} of {whose} is used ({percent} %).");
        let text = format!("{greeting}\n\n{state}\n\n{consequence}\n");
        let html =
            [&greeting, &state, &consequence].map(|line| format!("<p>{}</p>\n", escaped(line))).concat();
        MailText {
            subject,
            text,
            html: format!("<!doctype html>\n<html lang=\"en\"><body>\n{html}</body></html>\n"),
        }
    }

    fn whose(&self) -> String {
        let named = |name: &&String| !name.trim().is_empty();
        match (self.source.as_str(), self.key_name.as_ref().filter(named)) {
            (source, _) if source == LimitSource::Tenant.as_str() => {
                "the AI budget of your organization".into()
            }
            (source, Some(name)) if source == LimitSource::Key.as_str() => {
                format!("the AI budget of your API key “{}”", in_one_line(name))
            }
            (source, None) if source == LimitSource::Key.as_str() => {
                "the AI budget of one of your API keys".into()
            }
            _ => "your AI budget".into(),
        }
    }
}

/// Cut to whole cents: `8.123456789` is `8.12`.
fn in_cents(euros: &str) -> &str {
    match euros.find('.') {
        Some(point) => euros.get(..point + 3).unwrap_or(euros),
        None => euros,
    }
}

/// `2026-03-31 22:00 UTC`.
fn in_words(instant: &str) -> String {
    match Timestamp::parse_rfc3339(instant).map(Timestamp::to_rfc3339) {
        Some(utc) if utc.is_ascii() && utc.len() >= 16 => format!("{} {} UTC", &utc[..10], &utc[11..16]),
        _ => instant.to_owned(),
    }
}

/// A subject must not break.
fn in_one_line(text: &str) -> String {
    text.split(|c: char| c.is_control()).collect::<Vec<_>>().join(" ").trim().to_owned()
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::NanoEur;

    fn message(source: LimitSource, percent: u8) -> ThresholdReached {
        let notice = Notice {
            tenant_id: "t".into(),
            source,
            percent,
            used: NanoEur::parse_euros("8.123456789").unwrap(),
            limit: NanoEur::euros(10),
            period_opened_at: Timestamp::from_millis(1_772_323_200_000),
            resets_at: Timestamp::from_millis(1_774_994_400_000),
            at: Timestamp::from_millis(1_773_576_000_000),
            key: None,
        };
        ThresholdReached::of("eu-1", &notice)
    }

    #[test]
    fn a_mail_says_what_is_used_of_what_and_until_when() {
        let mail = message(LimitSource::User, 80).mail("Ada");
        assert_eq!(mail.subject, "80 % of your AI budget is used");
        assert_eq!(
            mail.text,
            "Hello Ada,\n\n€8.12 of €10.00 of your AI budget is used (80 %).\n\n\
             It starts anew on 2026-03-31 22:00 UTC. Once it is used up, calls are refused until then.\n"
        );
        assert!(
            mail.html.contains("<p>€8.12 of €10.00 of your AI budget is used (80 %).</p>"),
            "{}",
            mail.html
        );
        let mail = message(LimitSource::Tenant, 100).mail("");
        assert_eq!(mail.subject, "The AI budget of your organization is used up");
        assert!(mail.text.starts_with("Hello,\n"), "{}", mail.text);
    }

    #[test]
    fn a_keys_notice_says_which_key_in_one_line() {
        let message = ThresholdReached {
            key_id: Some("k1".into()),
            key_name: Some("CI\nBcc: x".into()),
            ..message(LimitSource::Key, 100)
        };
        let mail = message.mail("Ada");
        assert_eq!(mail.subject, "The AI budget of your API key “CI Bcc: x” is used up");
        let nameless = ThresholdReached { key_name: Some(String::new()), ..message };
        assert_eq!(nameless.mail("").subject, "The AI budget of one of your API keys is used up");
    }

    #[test]
    fn a_name_is_text_and_no_markup() {
        let mail = message(LimitSource::Key, 95).mail("<img src=x onerror=\"y\"> & Co");
        assert!(!mail.html.contains("<img"), "{}", mail.html);
        assert!(
            mail.html.contains("Hello &lt;img src=x onerror=&quot;y&quot;&gt; &amp; Co,"),
            "{}",
            mail.html
        );
    }

    #[test]
    fn programs_get_exact_amounts() {
        let message = message(LimitSource::User, 80);
        assert_eq!((message.used.as_str(), message.limit.as_str()), ("8.123456789", "10.00"));
        assert_eq!(message.resets_at, "2026-03-31T22:00:00.000Z");
    }
}
