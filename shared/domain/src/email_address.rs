//! E-mail addresses, as people are known and written to.

/// Bytes of an address (RFC 5321 with its erratum 1690).
pub const EMAIL_BYTES_MAX: usize = 254;
const NAME_BYTES_MAX: usize = 64;
const LABEL_BYTES_MAX: usize = 63;

/// The form in which addresses are stored and compared.
pub fn comparable(address: &str) -> String {
    address.to_lowercase()
}

/// An address in its comparable form; none where a mail could not go to exactly this one person: no list, no
/// `Name <address>`, nothing that is not seen. Quoted names and bare IP addresses as domains are not taken. Whether
/// somebody reads there, only a mail to it tells.
pub fn parse(text: &str) -> Option<String> {
    let address = comparable(text);
    let (name, domain) = address.split_once('@')?;
    let fits = address.len() <= EMAIL_BYTES_MAX && is_name(name) && domain.split('.').all(is_label);
    fits.then_some(address)
}

/// A dot-string of RFC 5321, with the letters of RFC 6531.
fn is_name(name: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.chars().all(|c| {
                if c.is_ascii() {
                    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
                } else {
                    is_seen(c)
                }
            })
    };
    name.len() <= NAME_BYTES_MAX && name.split('.').all(is_atom)
}

fn is_label(label: &str) -> bool {
    let is_letter =
        |c: char| if c.is_ascii() { c.is_ascii_alphanumeric() || matches!(c, '-' | '_') } else { is_seen(c) };
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label.chars().all(is_letter)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Neither a blank nor a character that only steers how others are shown, so that two addresses that look alike for
/// this reason are not two.
fn is_seen(c: char) -> bool {
    let steers = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}'
        | '\u{e0000}'..='\u{e0fff}');
    !c.is_whitespace() && !c.is_control() && !steers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_lower_case_in_every_alphabet() {
        for (written, read) in [
            ("Ada@Example.com", "ada@example.com"),
            ("JÜRGEN@MÜNCHEN.DE", "jürgen@münchen.de"),
            ("ЖЕНЯ@example.com", "женя@example.com"),
            ("o'brien+tag@mail.example.co.uk", "o'brien+tag@mail.example.co.uk"),
            ("admin@localhost", "admin@localhost"),
            ("संपर्क@example.com", "संपर्क@example.com"),
        ] {
            assert_eq!(parse(written).as_deref(), Some(read));
            assert_eq!(comparable(written), read);
        }
    }

    #[test]
    fn p30_what_is_not_one_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}", ["b".repeat(63).as_str(); 4].join("."));
        for wrong in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a da@example.com",
            "a@b\n",
            "ada@example.com,eve@example.com",
            "ada,eve@example.com",
            "ada;eve@example.com",
            "ada@example.com;",
            "ada@example,com",
            "ada@a@example.com",
            "Ada <ada@example.com>",
            "<ada@example.com>",
            "\"a b\"@example.com",
            "ada@[127.0.0.1]",
            "ada(x)@example.com",
            ".ada@example.com",
            "ada.@example.com",
            "a..da@example.com",
            "ada@example..com",
            "ada@.com",
            "ada@example.com.",
            "ada@-example.com",
            "ada@example-.com",
            "ada\\@example.com",
            "a\u{200b}da@example.com",
            "ada@exam\u{ad}ple.com",
            "a\u{202e}da@example.com",
            "a\u{a0}da@example.com",
            "a\u{0}@example.com",
            &long,
            &longer,
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_read_is_read_again_as_itself(text in "\\PC{1,12}@\\PC{1,8}") {
            if let Some(address) = parse(&text) {
                prop_assert_eq!(parse(&address), Some(address.clone()));
                prop_assert_eq!(comparable(&text), address);
            }
        }
    }
}
