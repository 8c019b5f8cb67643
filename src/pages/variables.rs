//! What templates are filled in with.

use jiff::Timestamp;
use minijinja::{Value, context};

use super::{Facts, Pages};
use crate::settings::Settings;

impl Pages {
    /// The variables of every template.
    pub(super) fn variables(&self, settings: &Settings, facts: &Facts) -> Value {
        let mode = settings.maintenance_mode.is_on();
        context! {
            style => self.style.clone(),
            icon => self.icon.clone(),
            version => env!("CARGO_PKG_VERSION"),
            tier => settings.tier.as_str(),
            pod => facts.pod.clone(),
            title => settings.title.clone(),
            message => settings.message.clone(),
            contact => settings.contact.clone(),
            contact_href => contact_href(&settings.contact),
            retry_after => settings.retry_after,
            retry_after_text => in_words(settings.retry_after),
            users_mode => mode.map_or("", |on| if on { "maintenance" } else { "normal" }),
            users_value => settings.maintenance_mode.as_str(),
            since => to_the_second(facts.since),
            started_at => to_the_second(facts.started_at),
            reload_error => facts.reload_error.clone(),
        }
    }
}

/// Where a contact that is a mail address, a web address or a phone number leads; nothing for other text.
fn contact_href(contact: &str) -> String {
    if contact.contains(char::is_whitespace) && !contact.starts_with('+') {
        return String::new();
    }
    let dialled: String = contact.chars().filter(|it| !matches!(it, ' ' | '-' | '(' | ')')).collect();
    if contact.starts_with("https://") || contact.starts_with("http://") {
        contact.to_owned()
    } else if let Some(digits) =
        dialled.strip_prefix('+').filter(|it| it.len() > 4 && it.bytes().all(|b| b.is_ascii_digit()))
    {
        format!("tel:+{digits}")
    } else if contact
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains(['@', '?']))
    {
        format!("mailto:{contact}")
    } else {
        String::new()
    }
}

/// Seconds in words, rounded up: 300 is "5 minutes", 5400 is "90 minutes".
fn in_words(seconds: u32) -> String {
    let (number, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..7200 => (seconds.div_ceil(60), "minute"),
        7200..172_800 => (seconds.div_ceil(3600), "hour"),
        _ => (seconds.div_ceil(86_400), "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

fn to_the_second(time: Timestamp) -> String {
    format!("{time:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_become_links_only_where_they_are_addresses() {
        for (contact, href) in [
            ("help@example.org", "mailto:help@example.org"),
            ("https://status.example.org/", "https://status.example.org/"),
            ("+49 (30) 123-456", "tel:+4930123456"),
            ("javascript:alert(1)", ""),
            ("the help desk, help@example.org", ""),
            ("a@b@c.d", ""),
            ("extension 7", ""),
            ("", ""),
        ] {
            assert_eq!(contact_href(contact), href, "{contact}");
        }
    }

    #[test]
    fn seconds_are_put_into_words() {
        for (seconds, words) in [
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (300, "5 minutes"),
            (301, "6 minutes"),
            (5400, "90 minutes"),
            (7200, "2 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(in_words(seconds), words);
        }
    }
}
