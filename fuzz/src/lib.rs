//! What must hold of settings and messages, wherever they come from.

use maintenance_mode::fuzzing::{Origins, Settings, TABLE, Tier};

/// Every field is in the range that its setting documents.
pub fn assert_in_range(settings: &Settings) {
    let Settings { retry_after, shutdown_delay, shutdown_timeout, max_connections, .. } = settings;
    assert!((1..=31_536_000).contains(retry_after), "RETRY_AFTER {retry_after}");
    assert!(
        shutdown_delay.as_secs() <= 3600 && shutdown_delay.subsec_nanos() == 0,
        "SHUTDOWN_DELAY {shutdown_delay:?}"
    );
    assert!(
        shutdown_timeout.as_secs() <= 3600 && shutdown_timeout.subsec_nanos() == 0,
        "SHUTDOWN_TIMEOUT {shutdown_timeout:?}"
    );
    assert!((1..=1_000_000).contains(max_connections), "MAX_CONNECTIONS {max_connections}");
    if let Some(path) = &settings.health_path {
        let is_path = path.starts_with('/') && path != "/" && !path.contains(['?', '#']);
        assert!(is_path && path.bytes().all(|it| it.is_ascii_graphic()), "HEALTH_PATH {path:?}");
    }
    if settings.tier == Tier::User {
        assert!(settings.maintenance_mode.is_on().is_some(), "MAINTENANCE_MODE {:?}", settings.maintenance_mode);
    } else {
        assert!(!settings.standby, "STANDBY of the admin tier");
    }
    for (language, text) in settings.titles.iter().chain(&settings.messages) {
        assert!(!text.is_empty() && text == text.trim(), "{text:?}");
        assert!(is_tag(language), "{language:?}");
    }
    assert_eq!(settings.contact, settings.contact.trim());
    assert!(is_tag(&settings.language), "MAINTENANCE_LANGUAGE {:?}", settings.language);
    assert!(settings.retry_jitter <= 100, "RETRY_JITTER {}", settings.retry_jitter);
    if let Origins::Listed(origins) = &settings.cors_allow_origins {
        let is_origin = |it: &String| it.contains("://") && it.matches('/').count() == 2 && it.is_ascii();
        assert!(!origins.is_empty() && origins.iter().all(is_origin), "CORS_ALLOW_ORIGINS {origins:?}");
    }
    let agents = &settings.health_user_agents;
    assert!(agents.iter().all(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_graphic())), "{agents:?}");
}

/// What may stand in a header and in an attribute as it is.
fn is_tag(language: &str) -> bool {
    language.len() >= 2 && language.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
}

/// A message is one line, and nothing in it moves a terminal's cursor or turns its text around.
pub fn assert_one_line(message: &str) {
    let turns = |it| matches!(it, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!message.is_empty(), "no message");
    assert!(!message.contains(|it: char| it.is_control() || turns(it)), "not one plain line: {message:?}");
}

/// Whether a message names a setting.
#[must_use]
pub fn names_a_setting(message: &str) -> bool {
    TABLE.iter().any(|setting| message.contains(setting.name))
}
