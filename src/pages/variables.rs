//! What templates are filled in with.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use minijinja::{Value, context};

use super::{Facts, Pages};
use crate::{
    locales::Wording,
    settings::{Accent, Settings},
    until::{Until, in_utc, to_the_second},
};

/// The colour of the embedded icon, where no other is set.
const BUILT_IN_BLUE: &str = "#0b66c3";

impl Pages {
    /// The variables of every template. `scripted` is whether this page may have a script.
    pub(super) fn variables(&self, settings: &Settings, facts: &Facts, wording: &Wording<'_>, scripted: bool) -> Value {
        let style = self.style.clone() + &settings.accent.map_or_else(String::new, Accent::style);
        let icon = match (settings.accent, &self.icon) {
            (Some(accent), (embedded, false)) => embedded.replace(BUILT_IN_BLUE, &accent.to_string()),
            (_, (icon, _)) => icon.clone(),
        };
        let mode = settings.maintenance_mode.is_on();
        let Wording { locale, .. } = wording;
        let (until, until_text) = match facts.until {
            Until::Ahead(until) => (to_the_second(until), in_utc(until)),
            Until::Overdue | Until::Unplanned => Default::default(),
        };
        context! {
            style => Value::from_safe_string(style),
            icon => Value::from_safe_string(format!("data:image/svg+xml;base64,{}", BASE64.encode(icon))),
            logo => self.logo.clone(),
            logo_alt => self.logo_alt.clone(),
            script => self.script.clone(),
            version => env!("CARGO_PKG_VERSION"),
            tier => settings.tier.as_str(),
            pod => facts.pod.clone(),
            lang => wording.tag,
            dir => wording.direction,
            title => wording.title.text,
            title_lang => wording.title.tag,
            message => wording.message.text,
            message_lang => wording.message.tag,
            text => Value::from(locale.texts().clone()),
            text_lang => wording.locale_tag,
            until,
            until_text,
            overdue => facts.until == Until::Overdue,
            scripted,
            contact => settings.contact.clone(),
            contact_href => contact_href(&settings.contact),
            retry_after => settings.retry_after,
            retry_after_text => locale.span(settings.retry_after),
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
}
