//! What templates are filled in with.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use minijinja::Value;

use super::{Facts, Pages};
use crate::{
    locales::Wording,
    settings::{Accent, Settings},
    until::{Until, in_utc, to_the_second},
};

/// The colour of the embedded icon, where no other is set.
const BUILT_IN_BLUE: &str = "#0b66c3";

/// What pages are filled in with.
pub(super) struct Variables<'s> {
    settings: &'s Settings,
    /// What is the same in every language.
    common: BTreeMap<&'static str, Value>,
}

// === impl Pages ===

impl Pages {
    /// The variables of every template.
    pub(super) fn variables<'s>(&self, settings: &'s Settings, facts: &Facts) -> Variables<'s> {
        let style = self.style.clone() + &settings.accent.map_or_else(String::new, Accent::style);
        let icon = match (settings.accent, &self.icon) {
            (Some(accent), (embedded, false)) => embedded.replace(BUILT_IN_BLUE, &accent.to_string()),
            (_, (icon, _)) => icon.clone(),
        };
        let icon = format!("data:image/svg+xml;base64,{}", BASE64.encode(icon));
        let users_mode = settings.maintenance_mode.is_on().map_or("", |on| if on { "maintenance" } else { "normal" });
        let (until, until_text) = match facts.until {
            Until::Ahead(until) => (to_the_second(until), in_utc(until)),
            Until::Overdue | Until::Unplanned => Default::default(),
        };
        let mut common = BTreeMap::new();
        common.extend([
            ("style", Value::from_safe_string(style)),
            ("icon", Value::from_safe_string(icon)),
            ("logo", self.logo.clone()),
            ("logo_alt", self.logo_alt.as_str().into()),
            ("script", self.script.clone()),
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("tier", settings.tier.as_str().into()),
            ("pod", facts.pod.as_str().into()),
            ("until", until.into()),
            ("until_text", until_text.into()),
            ("overdue", (facts.until == Until::Overdue).into()),
            ("contact", settings.contact.as_str().into()),
            ("contact_href", contact_href(&settings.contact).into()),
            ("retry_after", settings.retry_after.into()),
            ("users_mode", users_mode.into()),
            ("users_value", settings.maintenance_mode.as_str().into()),
            ("since", to_the_second(facts.since).into()),
            ("started_at", to_the_second(facts.started_at).into()),
            ("reload_error", facts.reload_error.as_str().into()),
        ]);
        Variables { settings, common }
    }
}

// === impl Variables ===

impl Variables<'_> {
    /// All of them, in one language. `scripted` is whether this page may have a script.
    pub(super) fn of(&self, wording: &Wording<'_>, scripted: bool) -> Value {
        let Wording { tag, direction, title, message, locale, locale_tag } = *wording;
        let mut all = self.common.clone();
        all.extend([
            ("lang", tag.into()),
            ("dir", direction.into()),
            ("title", title.text.into()),
            ("title_lang", title.tag.into()),
            ("message", message.text.into()),
            ("message_lang", message.tag.into()),
            ("text", Value::from_object(locale.texts().clone())),
            ("text_lang", locale_tag.into()),
            ("retry_after_text", locale.span(self.settings.retry_after).into()),
            ("scripted", scripted.into()),
        ]);
        Value::from_object(all)
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
