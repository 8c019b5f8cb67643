//! Where the text of a setting comes from, and which of several is used.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf};

use super::{
    Credentials, Files, Settings, Tier, addresses,
    table::{ADMIN_PASSWORD, ADMIN_USER, MAINTENANCE_MODE, Setting, TABLE, TRANSLATED, find},
    values,
};

/// The sources that do not change while the server runs: flags and environment.
#[derive(Clone, Default)]
pub struct Sources {
    flags: BTreeMap<&'static str, String>,
    environment: BTreeMap<&'static str, String>,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file in `CONFIG_DIR`.
    File,
    /// A flag.
    Flag,
    /// An environment variable.
    Environment,
    /// The setting is unset: its default.
    Default,
}

/// A setting or flag that cannot be used: one sentence that names it, its value, where that comes from and what is
/// expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {0}")]
pub struct Invalid(String);

/// As many characters of a wrong value as an error repeats.
const VALUE_SHOWN: usize = 100;

// === impl Sources ===

impl Sources {
    /// Takes the environment variables that are settings; all others are not ours.
    ///
    /// # Errors
    /// A setting's value is not UTF-8.
    pub fn with_environment(
        mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Invalid> {
        for (name, value) in variables {
            let Some(setting) = TABLE.iter().find(|it| name == *it.name) else { continue };
            let value = value
                .into_string()
                .map_err(|value| Invalid::new(setting, Origin::Environment, &value.to_string_lossy()))?;
            self.environment.insert(setting.name, value);
        }
        Ok(self)
    }

    /// Takes a flag, named without its dashes.
    ///
    /// # Errors
    /// There is no such flag, or it was given before.
    pub fn with_flag(mut self, flag: &str, value: String) -> Result<Self, Invalid> {
        let setting = TABLE
            .iter()
            .find(|it| it.flag().as_deref() == Some(flag))
            .ok_or_else(|| Invalid(format!("flag --{}: expected one that --help lists", flag.escape_debug())))?;
        if self.flags.insert(setting.name, value).is_some() {
            return Err(Invalid(format!("flag --{flag}: expected once, and given twice")));
        }
        Ok(self)
    }

    /// The text that is used for a setting, and where it comes from. `None`: it is unset and has no default.
    #[must_use]
    pub fn ruling<'a>(&'a self, setting: &Setting, files: &'a Files) -> Option<(&'a str, Origin)> {
        let file = setting.live.then(|| files.get(setting.name)).flatten();
        let stated = |map: &'a BTreeMap<_, String>| map.get(setting.name).map(|it| it.trim());
        [
            (file, Origin::File),
            (stated(&self.flags), Origin::Flag),
            (stated(&self.environment), Origin::Environment),
            (setting.default, Origin::Default),
        ]
        .into_iter()
        .find_map(|(text, origin)| Some((text.filter(|it| !it.is_empty())?, origin)))
    }

    /// The directory of live settings: what must be known before anything in it can rule.
    #[must_use]
    pub fn config_dir(&self) -> Option<PathBuf> {
        let no_files = Files::default();
        let (path, _) = self.ruling(find("CONFIG_DIR")?, &no_files)?;
        Some(PathBuf::from(path))
    }

    /// Parses every setting.
    ///
    /// # Errors
    /// The first value that is not what is expected, or two that exclude each other. The admin tier only shows
    /// `MAINTENANCE_MODE`, so a wrong one is no error there.
    pub fn resolve(&self, files: &Files) -> Result<Settings, Invalid> {
        let mut settings = Settings::blank();
        for setting in TABLE {
            let Some((text, origin)) = self.ruling(setting, files) else { continue };
            let shown_only = setting.name == MAINTENANCE_MODE && settings.tier == Tier::Admin;
            if (setting.parse)(&mut settings, text).is_none() && !shown_only {
                return Err(Invalid::new(setting, origin, text));
            }
        }
        // As it is more specific, it rules over the same language's text by the plain name, wherever that comes from.
        for (name, texts) in TRANSLATED.into_iter().zip([&mut settings.titles, &mut settings.messages]) {
            for (language, text) in files.in_languages(name) {
                let tag = values::language(language).ok_or_else(|| {
                    let expected = format!("a name that ends in a language tag, as in {name}.fr or {name}.zh-Hant");
                    Invalid::of(&format!("{name}.{}", language.escape_debug()), text, "the config directory", &expected)
                })?;
                texts.insert(tag, text.to_owned());
            }
        }
        if settings.standby && settings.tier == Tier::Admin {
            self.unfit("STANDBY", files, "false where TIER is admin")?;
        }
        if settings.listen.iter().any(|it| addresses::meet(*it, settings.management_listen)) {
            self.unfit("MANAGEMENT_LISTEN", files, "an address of which LISTEN takes no connections")?;
        }
        settings.credentials = self.credentials(files, settings.tier)?;
        Ok(settings)
    }

    fn named<'a>(&'a self, name: &str, files: &'a Files) -> Option<(&'static Setting, &'a str, Origin)> {
        find(name).and_then(|it| self.ruling(it, files).map(|(text, origin)| (it, text, origin)))
    }

    /// A setting's value does not go with another's.
    fn unfit(&self, name: &str, files: &Files, expected: &str) -> Result<(), Invalid> {
        match self.named(name, files) {
            Some((setting, text, origin)) => Err(Invalid::because(setting, origin, text, expected)),
            None => Ok(()),
        }
    }

    /// A sentence for each setting that has no effect beside the others.
    #[must_use]
    pub fn warnings(&self, settings: &Settings) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        if !settings.pages_sources.is_empty() && settings.pages_dir.is_none() {
            warnings.push("PAGES_SOURCES is not used: it is for a maintenance.html in PAGES_DIR, which is unset");
        }
        if settings.tier == Tier::User && self.named(ADMIN_USER, &Files::default()).is_some() {
            warnings.push("ADMIN_USER is not used: it is for the admin tier, and TIER is user");
        }
        warnings
    }

    /// Both or none: a user without a password would let everybody in, and so would a Secret whose keys are empty.
    fn credentials(&self, files: &Files, tier: Tier) -> Result<Option<Credentials>, Invalid> {
        match (self.named(ADMIN_USER, files), self.named(ADMIN_PASSWORD, files)) {
            (Some((_, user, _)), Some((_, password, _))) => {
                Ok((tier == Tier::Admin).then(|| Credentials::new(user, password)))
            }
            (Some((alone, text, origin)), None) | (None, Some((alone, text, origin))) => {
                Err(Invalid::new(alone, origin, text))
            }
            (None, None) => match find(ADMIN_PASSWORD).filter(|it| self.environment.contains_key(it.name)) {
                Some(empty) if tier == Tier::Admin => Err(Invalid::new(empty, Origin::Environment, "")),
                _ => Ok(None),
            },
        }
    }
}

impl fmt::Debug for Sources {
    /// The names alone: a value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.flags.keys()).entries(self.environment.keys()).finish()
    }
}

// === impl Origin ===

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "the config directory",
            Self::Flag => "the flag",
            Self::Environment => "the environment",
            Self::Default => "the default",
        })
    }
}

// === impl Invalid ===

impl Invalid {
    /// `setting`'s value, which comes from `origin`, is not what is expected.
    #[must_use]
    pub fn new(setting: &Setting, origin: Origin, value: &str) -> Self {
        Self::because(setting, origin, value, setting.expected)
    }

    fn because(setting: &Setting, origin: Origin, value: &str, expected: &str) -> Self {
        let name = setting.name;
        let Some(flag) = setting.flag() else {
            return Self(format!("{name} (from {origin}, not shown): expected {expected}"));
        };
        let flag = if origin == Origin::Flag { format!(" --{flag}") } else { String::new() };
        Self::of(name, value, &format!("{origin}{flag}"), expected)
    }

    fn of(name: &str, value: &str, origin: &str, expected: &str) -> Self {
        let shown: String = value.chars().take(VALUE_SHOWN).collect();
        let cut = if shown.len() < value.len() { "..." } else { "" };
        Self(format!("{name} {shown:?}{cut} (from {origin}): expected {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Format, Origins, Switch};

    fn environment(pairs: &[(&str, &str)]) -> Sources {
        let pairs = pairs.iter().map(|(name, value)| (name.into(), value.into()));
        Sources::default().with_environment(pairs).unwrap()
    }

    #[test]
    fn defaults_parse_and_are_the_documented_ones() {
        let settings = Sources::default().resolve(&Files::default()).unwrap();
        assert_eq!(settings.listen, ["[::]:8080".parse().unwrap()]);
        assert_eq!(settings.management_listen.to_string(), "[::]:9090");
        assert_eq!(settings.tier, Tier::User);
        assert_eq!(settings.maintenance_mode, Switch::Off);
        assert_eq!(settings.retry_after, 300);
        assert_eq!(settings.shutdown_delay.as_secs(), 10);
        assert_eq!(settings.shutdown_timeout.as_secs(), 20);
        assert_eq!(settings.max_connections, 4096);
        assert_eq!((settings.language.as_str(), settings.titles.len(), settings.messages.len()), ("en", 0, 0));
        assert_eq!((settings.retry_jitter, settings.until), (10, None));
        assert_eq!((settings.response_format, settings.cors_allow_origins), (Format::Html, Origins::None));
        assert_eq!(settings.health_user_agents, ["GoogleHC/", "ELB-HealthChecker/"]);
        assert_eq!(settings.contact, "");
    }

    #[test]
    fn a_file_beats_a_flag_beats_the_environment() {
        let sources = environment(&[("RETRY_AFTER", "1"), ("MAX_CONNECTIONS", "7"), ("PATH", "/bin")]);
        assert_eq!(sources.resolve(&Files::default()).unwrap().retry_after, 1);
        let sources = sources.with_flag("retry-after", "2".into()).unwrap();
        assert_eq!(sources.resolve(&Files::default()).unwrap().retry_after, 2);
        let files = Files::from_pairs(&[("RETRY_AFTER", "3"), ("MAX_CONNECTIONS", "9")]);
        let settings = sources.resolve(&files).unwrap();
        assert_eq!(settings.retry_after, 3);
        assert_eq!(settings.max_connections, 7, "only a live setting may come from a file");
    }

    #[test]
    fn an_empty_value_is_as_if_unset_and_white_space_is_trimmed() {
        let sources = environment(&[("RETRY_AFTER", " 60\n"), ("MAINTENANCE_MODE", "  ")]);
        let settings = sources.resolve(&Files::from_pairs(&[("RETRY_AFTER", " \n")])).unwrap();
        assert_eq!(settings.retry_after, 60);
        assert_eq!(settings.maintenance_mode, Switch::Off);
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_expected() {
        for (name, value) in [
            ("MAINTENANCE_MODE", "TRUE"),
            ("MAINTENANCE_MODE", "1"),
            ("RETRY_AFTER", "+5"),
            ("RETRY_AFTER", "0"),
            ("RETRY_AFTER", "31536001"),
            ("LISTEN", "8080"),
            ("LISTEN", "[::]:8080,127.0.0.1:8080"),
            ("TIER", "users"),
            ("SHUTDOWN_DELAY", "10s"),
            ("MAX_CONNECTIONS", "-1"),
            ("LOG_FORMAT", "xml"),
            ("MAINTENANCE_ACCENT", "#ffff00"),
            ("PAGES_SOURCES", "https://a/b"),
            ("HEALTH_PATH", "/"),
            ("HEALTH_PATH", "lb"),
            ("HEALTH_PATH", "/lb?x"),
            ("HEALTH_PATH", "/größe"),
            ("HEALTH_USER_AGENTS", "größe"),
            ("MAINTENANCE_LANGUAGE", "French"),
            ("RETRY_JITTER", "101"),
            ("MAINTENANCE_UNTIL", "06:00"),
            ("RESPONSE_FORMAT", "HTML"),
            ("CORS_ALLOW_ORIGINS", "https://a/"),
        ] {
            let error = environment(&[(name, value)]).resolve(&Files::default()).unwrap_err().to_string();
            let expected = find(name).unwrap().expected;
            assert_eq!(error, format!("invalid {name} {value:?} (from the environment): expected {expected}"));
        }
    }

    #[test]
    fn a_wrong_value_is_named_with_where_it_comes_from() {
        let invalid = |sources: &Sources, files| sources.resolve(&Files::from_pairs(files)).unwrap_err().to_string();
        let sources = environment(&[("RETRY_AFTER", "soon")]);
        let expected = "expected whole seconds from 1 to 31536000";
        assert_eq!(invalid(&sources, &[]), format!("invalid RETRY_AFTER \"soon\" (from the environment): {expected}"));
        let sources = sources.with_flag("retry-after", "later".into()).unwrap();
        let of_flag = format!("invalid RETRY_AFTER \"later\" (from the flag --retry-after): {expected}");
        assert_eq!(invalid(&sources, &[]), of_flag);
        let of_file = format!("invalid RETRY_AFTER \"never\" (from the config directory): {expected}");
        assert_eq!(invalid(&sources, &[("RETRY_AFTER", "never")]), of_file);
        let error = Invalid::new(find("TIER").unwrap(), Origin::Default, "").to_string();
        assert_eq!(error, "invalid TIER \"\" (from the default): expected user or admin");
    }

    #[test]
    fn a_text_may_be_set_in_several_languages() {
        let sources = environment(&[("MAINTENANCE_TITLE", "Closed"), ("MAINTENANCE_LANGUAGE", "EN")]);
        let files = [
            ("MAINTENANCE_TITLE.fr", "Fermé"),
            ("MAINTENANCE_TITLE.pt-br", "Fechado"),
            ("MAINTENANCE_MESSAGE.de", "Zu"),
        ];
        let settings = sources.resolve(&Files::from_pairs(&files)).unwrap();
        let texts =
            |map: &BTreeMap<String, String>| map.iter().map(|(tag, text)| format!("{tag}: {text}")).collect::<Vec<_>>();
        assert_eq!(texts(&settings.titles), ["en: Closed", "fr: Fermé", "pt-BR: Fechado"]);
        assert_eq!(texts(&settings.messages), ["de: Zu"]);
        let files = [("MAINTENANCE_TITLE", "by the plain name"), ("MAINTENANCE_TITLE.en", "by its own")];
        assert_eq!(texts(&sources.resolve(&Files::from_pairs(&files)).unwrap().titles), ["en: by its own"]);
        let wrong = Files::from_pairs(&[("MAINTENANCE_TITLE.french", "Fermé")]);
        assert_eq!(
            sources.resolve(&wrong).unwrap_err().to_string(),
            "invalid MAINTENANCE_TITLE.french \"Fermé\" (from the config directory): expected a name that ends in a language tag, as in MAINTENANCE_TITLE.fr or MAINTENANCE_TITLE.zh-Hant"
        );
    }

    #[test]
    fn a_long_wrong_value_is_cut_in_its_error() {
        let error = environment(&[("TIER", &"é".repeat(5000))]).resolve(&Files::default()).unwrap_err();
        assert!(error.to_string().len() < 400, "{error}");
        assert!(error.to_string().contains("\"... (from the environment): "), "{error}");
    }

    #[test]
    fn the_admin_tier_keeps_a_switch_that_does_not_parse() {
        let sources = environment(&[("TIER", "admin"), ("MAINTENANCE_MODE", "on")]);
        let settings = sources.resolve(&Files::default()).unwrap();
        assert_eq!(settings.maintenance_mode, Switch::Unreadable("on".into()));
    }

    #[test]
    fn the_admin_tier_cannot_stand_by() {
        let error = environment(&[("TIER", "admin"), ("STANDBY", "true")]).resolve(&Files::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid STANDBY \"true\" (from the environment): expected false where TIER is admin"
        );
        assert!(environment(&[("TIER", "admin"), ("STANDBY", "false")]).resolve(&Files::default()).is_ok());
    }

    #[test]
    fn the_two_ports_do_not_take_each_others_connections() {
        let expected = "expected an address of which LISTEN takes no connections";
        for (listen, management) in [
            ("127.0.0.1:7001", "127.0.0.1:7001"),
            ("[::]:7001", "127.0.0.1:7001"),
            ("127.0.0.1:7001", "[::]:7001"),
            ("127.0.0.1:8080,127.0.0.1:7001", "0.0.0.0:7001"),
        ] {
            let sources = environment(&[("LISTEN", listen), ("MANAGEMENT_LISTEN", management)]);
            let error = sources.resolve(&Files::default()).unwrap_err().to_string();
            let message = format!("invalid MANAGEMENT_LISTEN {management:?} (from the environment): {expected}");
            assert_eq!(error, message, "{listen}");
        }
        let error = environment(&[("LISTEN", "[::]:9090")]).resolve(&Files::default()).unwrap_err().to_string();
        assert_eq!(error, format!("invalid MANAGEMENT_LISTEN \"[::]:9090\" (from the default): {expected}"));
        for listen in ["127.0.0.1:0", "127.0.0.2:7001", "[::1]:7001"] {
            let sources = environment(&[("LISTEN", listen), ("MANAGEMENT_LISTEN", "127.0.0.1:7001")]);
            assert!(sources.resolve(&Files::default()).is_ok(), "{listen}");
        }
    }

    #[test]
    fn a_user_and_a_password_come_together_and_are_the_admin_tiers() {
        let resolve = |pairs: &[(&str, &str)]| environment(pairs).resolve(&Files::default()).map(|it| it.credentials);
        let both = [("ADMIN_USER", "anna"), ("ADMIN_PASSWORD", " hunter2\n"), ("TIER", "admin")];
        assert_eq!(resolve(&both), Ok(Some(Credentials::new("anna", "hunter2"))));
        assert_eq!(resolve(&both[..2]), Ok(None), "the user tier asks nobody");
        let user = "expected a name without a colon, and ADMIN_PASSWORD with it";
        let password =
            "invalid ADMIN_PASSWORD (from the environment, not shown): expected a password, and ADMIN_USER with it";
        for (pairs, message) in [
            (&both[..1], format!("invalid ADMIN_USER \"anna\" (from the environment): {user}")),
            (&both[1..], password.into()),
            (&[("ADMIN_USER", ""), ("ADMIN_PASSWORD", ""), both[2]], password.into()),
            (
                &[("ADMIN_USER", "an:na"), both[1]],
                format!("invalid ADMIN_USER \"an:na\" (from the environment): {user}"),
            ),
            (&[both[0], ("ADMIN_PASSWORD", "a\u{7f}b")], password.into()),
            (
                &[both[0], ("ADMIN_PASSWORD", " ")],
                format!("invalid ADMIN_USER \"anna\" (from the environment): {user}"),
            ),
        ] {
            assert_eq!(resolve(pairs).unwrap_err().to_string(), message);
        }
        assert_eq!(format!("{:?}", environment(&both[1..])), "[\"ADMIN_PASSWORD\", \"TIER\"]");
        let error = Sources::default().with_flag("admin-password", "hunter2".into()).unwrap_err();
        assert_eq!(error.to_string(), "invalid flag --admin-password: expected one that --help lists");
    }

    #[test]
    fn a_setting_that_has_no_effect_beside_the_others_is_warned_of() {
        let warnings = |pairs: &[(&str, &str)]| {
            let sources = environment(pairs);
            sources.warnings(&sources.resolve(&Files::default()).unwrap()).join("; ")
        };
        let origins = ("PAGES_SOURCES", "https://a");
        let admin = [("ADMIN_USER", "anna"), ("ADMIN_PASSWORD", "hunter2"), ("TIER", "admin")];
        assert_eq!(warnings(&[]), "");
        assert_eq!(warnings(&[origins, ("PAGES_DIR", "/pages")]), "");
        assert_eq!(warnings(&admin), "");
        let told = "PAGES_SOURCES is not used: it is for a maintenance.html in PAGES_DIR, which is unset";
        assert_eq!(warnings(&[origins]), told);
        assert_eq!(warnings(&admin[..2]), "ADMIN_USER is not used: it is for the admin tier, and TIER is user");
    }

    #[test]
    fn flags_that_are_unknown_or_given_twice_are_refused() {
        let error = Sources::default().with_flag("colour", "red".into()).unwrap_err();
        assert_eq!(error.to_string(), "invalid flag --colour: expected one that --help lists");
        let once = Sources::default().with_flag("tier", "user".into()).unwrap();
        let error = once.with_flag("tier", "admin".into()).unwrap_err();
        assert_eq!(error.to_string(), "invalid flag --tier: expected once, and given twice");
    }

    #[test]
    fn a_secret_has_no_flag_and_is_never_shown() {
        let secret = Setting {
            name: "TOKEN",
            default: None,
            live: false,
            secret: true,
            expected: "a token",
            help: "",
            parse: |_, _| None,
        };
        assert_eq!(secret.flag(), None);
        let error = Invalid::new(&secret, Origin::Environment, "hunter2").to_string();
        assert_eq!(error, "invalid TOKEN (from the environment, not shown): expected a token");
    }
}
