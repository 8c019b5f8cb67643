//! The one table of settings: flags, environment, files, `--help` and the docs all come from here.

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, path::PathBuf, time::Duration};

use super::{Accent, Format, LogFormat, Origins, Settings, Source, Switch, Tier, addresses, values};

/// One setting: how it is named, which values it takes, and how its text becomes a field of [`Settings`].
pub struct Setting {
    /// The environment variable, and the file in `CONFIG_DIR` of a live setting.
    pub name: &'static str,
    /// The text that is used where the setting is unset.
    pub default: Option<&'static str>,
    /// Whether it may change while the server runs.
    pub live: bool,
    /// A secret has no flag, and its value is never printed.
    pub secret: bool,
    /// Which values it takes, to end the sentence "expected ...".
    pub expected: &'static str,
    /// What it is for, in one line.
    pub help: &'static str,
    /// Parses a trimmed, non-empty text into its field. `None`: it is not what is expected.
    pub(super) parse: fn(&mut Settings, &str) -> Option<()>,
}

impl Setting {
    /// The flag, without its dashes: `MAINTENANCE_MODE` is `maintenance-mode`. A secret has none.
    #[must_use]
    pub fn flag(&self) -> Option<String> {
        (!self.secret).then(|| self.name.to_ascii_lowercase().replace('_', "-"))
    }
}

/// The setting that is the switch itself.
pub const MAINTENANCE_MODE: &str = "MAINTENANCE_MODE";

/// The settings that may also be set in a certain language, by a file such as `MAINTENANCE_TITLE.fr`.
pub(super) const TRANSLATED: [&str; 2] = ["MAINTENANCE_TITLE", "MAINTENANCE_MESSAGE"];
/// The settings that are credentials together: [`super::Sources::resolve`] puts them into one field.
pub(super) const ADMIN_USER: &str = "ADMIN_USER";
pub(super) const ADMIN_PASSWORD: &str = "ADMIN_PASSWORD";

const SECONDS_A_YEAR: u32 = 31_536_000;

/// Every setting, in the order in which they are parsed: `TIER` and `MAINTENANCE_LANGUAGE` come before what depends on
/// them.
pub static TABLE: &[Setting] = &[
    Setting {
        name: "LISTEN",
        default: Some("[::]:8080"),
        live: false,
        secret: false,
        expected: "an IP address and a port, as in [::]:8080, or several with commas between them, none of which takes \
                   another's connections, as [::] takes IPv4 too",
        help: "where users come in",
        parse: |s, text| addresses::parse(text).map(|it| s.listen = it),
    },
    Setting {
        name: "MANAGEMENT_LISTEN",
        default: Some("[::]:9090"),
        live: false,
        secret: false,
        expected: "an IP address and a port, as in [::]:9090 or 127.0.0.1:9090",
        help: "/metrics and the probes; the kubelet asks here; never behind a public route",
        parse: |s, text| address(text).map(|it| s.management_listen = it),
    },
    Setting {
        name: "TIER",
        default: Some("user"),
        live: false,
        secret: false,
        expected: "user or admin",
        help: "whom this server is for; maintenance touches the user tier only",
        parse: |s, text| Tier::parse(text).map(|it| s.tier = it),
    },
    Setting {
        name: "CONFIG_DIR",
        default: None,
        live: false,
        secret: false,
        expected: "a directory that can be read",
        help: "a directory of live settings, one file each, read again every second",
        parse: |s, text| {
            s.config_dir = Some(PathBuf::from(text));
            Some(())
        },
    },
    Setting {
        name: "PAGES_DIR",
        default: None,
        live: false,
        secret: false,
        expected: "a directory that can be read",
        help: "a directory whose files replace the embedded pages of the same names, with their pictures and a logo; read \
               again when they change",
        parse: |s, text| {
            s.pages_dir = Some(PathBuf::from(text));
            Some(())
        },
    },
    Setting {
        name: "PAGES_SOURCES",
        default: None,
        live: false,
        secret: false,
        expected: "origins separated by spaces, each https:// and a host, which may begin with *. and end with a port, \
                   and no path",
        help: "where a maintenance.html of your own may load pictures, fonts, styles and scripts from",
        parse: |s, text| Source::parse_all(text).map(|it| s.pages_sources = it),
    },
    Setting {
        name: MAINTENANCE_MODE,
        default: Some("false"),
        live: true,
        secret: false,
        expected: "true or false",
        help: "whether users get the maintenance page",
        parse: |s, text| {
            s.maintenance_mode = Switch::parse(text);
            s.maintenance_mode.is_on().map(|_| ())
        },
    },
    Setting {
        name: "STANDBY",
        default: Some("false"),
        live: false,
        secret: false,
        expected: "true or false",
        help: "whether this server stands by for another application: always in maintenance, and where users come in \
               every path is the page, the probes' too",
        parse: |s, text| Switch::parse(text).is_on().map(|it| s.standby = it),
    },
    Setting {
        name: "HEALTH_PATH",
        default: None,
        live: false,
        secret: false,
        expected: "an absolute path without a query, other than /, as in /lb-health",
        help: "a path where users come in that answers 200 in either mode and 503 during shutdown, for a load balancer; \
               the user tier's alone",
        parse: |s, text| path(text).map(|it| s.health_path = Some(it)),
    },
    Setting {
        name: "HEALTH_USER_AGENTS",
        default: Some("GoogleHC/ ELB-HealthChecker/"),
        live: false,
        secret: false,
        expected: "what user agents begin with, in visible ASCII, separated by spaces; or none",
        help: "the health checks of load balancers, which in maintenance get 200 on any path, so that users get the page \
               and not the load balancer's own error",
        parse: |s, text| values::user_agents(text).map(|it| s.health_user_agents = it),
    },
    Setting {
        name: "MAINTENANCE_LANGUAGE",
        default: Some("en"),
        live: true,
        secret: false,
        expected: "a language tag, as in en, pt-BR or zh-Hant",
        help: "the language of title and message, and the one used where a client's languages are not there",
        parse: |s, text| values::language(text).map(|it| s.language = it),
    },
    Setting {
        name: "MAINTENANCE_TITLE",
        default: None,
        live: true,
        secret: false,
        expected: "any text",
        help: "the heading of the maintenance page, instead of the built-in one of each language; a file \
               MAINTENANCE_TITLE.fr in CONFIG_DIR is the same in French",
        parse: |s, text| text_in(&mut s.titles, &s.language, text),
    },
    Setting {
        name: "MAINTENANCE_MESSAGE",
        default: None,
        live: true,
        secret: false,
        expected: "any text",
        help: "what the maintenance page tells users, instead of the built-in text of each language; a file \
               MAINTENANCE_MESSAGE.fr in CONFIG_DIR is the same in French",
        parse: |s, text| text_in(&mut s.messages, &s.language, text),
    },
    Setting {
        name: "MAINTENANCE_CONTACT",
        default: None,
        live: true,
        secret: false,
        expected: "any text; a mail address, an https: address or a phone number becomes a link",
        help: "whom users may ask",
        parse: |s, text| text_into(&mut s.contact, text),
    },
    Setting {
        name: "MAINTENANCE_ACCENT",
        default: None,
        live: true,
        secret: false,
        expected: "a colour as #rrggbb, dark enough for a contrast of 4.5:1 to white",
        help: "the colour of the page's button, links and icon; blue where it is unset",
        parse: |s, text| Accent::parse(text).map(|it| s.accent = Some(it)),
    },
    Setting {
        name: "RETRY_AFTER",
        default: Some("300"),
        live: true,
        secret: false,
        expected: "whole seconds from 1 to 31536000",
        help: "seconds after which users may try again, where no end is planned or it has passed",
        parse: |s, text| number(text, 1, SECONDS_A_YEAR).map(|it| s.retry_after = it),
    },
    Setting {
        name: "RETRY_JITTER",
        default: Some("10"),
        live: true,
        secret: false,
        expected: "a whole percentage from 0 to 100",
        help: "by how many percent Retry-After is raised at random, at most 300 s, so that clients do not come back in \
               one wave",
        parse: |s, text| number(text, 0, 100).map(|it| s.retry_jitter = it),
    },
    Setting {
        name: "MAINTENANCE_UNTIL",
        default: None,
        live: true,
        secret: false,
        expected: "a date and time with seconds and a zone, as in 2026-12-02T07:00:00+01:00 or 2026-12-02T06:00:00Z",
        help: "when maintenance is planned to end",
        parse: |s, text| values::time(text).map(|it| s.until = Some(it)),
    },
    Setting {
        name: "RESPONSE_FORMAT",
        default: Some("html"),
        live: true,
        secret: false,
        expected: "html, json, xml or text",
        help: "the format of the maintenance page for clients that do not say what they want",
        parse: |s, text| Format::parse(text).map(|it| s.response_format = it),
    },
    Setting {
        name: "CORS_ALLOW_ORIGINS",
        default: None,
        live: true,
        secret: false,
        expected: "origins separated by spaces, as in https://app.example.org, without paths; or *",
        help: "the origins whose browsers may read the answers",
        parse: |s, text| Origins::parse(text).map(|it| s.cors_allow_origins = it),
    },
    Setting {
        name: ADMIN_USER,
        default: None,
        live: false,
        secret: false,
        expected: "a name without a colon, and ADMIN_PASSWORD with it",
        help: "who may see the admin tier's pages, by HTTP Basic; the probes need no credentials",
        parse: |_, text| visible(text).filter(|it| !it.contains(':')).map(|_| ()),
    },
    Setting {
        name: ADMIN_PASSWORD,
        default: None,
        live: false,
        secret: true,
        expected: "a password, and ADMIN_USER with it",
        help: "the password of ADMIN_USER",
        parse: |_, text| visible(text).map(|_| ()),
    },
    Setting {
        name: "SHUTDOWN_DELAY",
        default: Some("10"),
        live: false,
        secret: false,
        expected: "whole seconds from 0 to 3600",
        help: "seconds after SIGTERM in which new connections are still taken, until routers have noticed",
        parse: |s, text| seconds(text).map(|it| s.shutdown_delay = it),
    },
    Setting {
        name: "SHUTDOWN_TIMEOUT",
        default: Some("20"),
        live: false,
        secret: false,
        expected: "whole seconds from 0 to 3600",
        help: "seconds after that in which open connections may end",
        parse: |s, text| seconds(text).map(|it| s.shutdown_timeout = it),
    },
    Setting {
        name: "MAX_CONNECTIONS",
        default: Some("4096"),
        live: false,
        secret: false,
        expected: "a whole number from 1 to 1000000",
        help: "connections to the main port at once; at the limit, room is made for new ones",
        parse: |s, text| number(text, 1, 1_000_000).map(|it| s.max_connections = it as usize),
    },
    Setting {
        name: "LOG_FORMAT",
        default: Some("json"),
        live: false,
        secret: false,
        expected: "json, text or off",
        help: "the access log on stdout: one line a request, probes left out",
        parse: |s, text| LogFormat::parse(text).map(|it| s.log_format = it),
    },
];

/// The setting of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.name == name)
}

/// What `--help` prints of the settings: a paragraph each, as flag and environment variable.
#[must_use]
pub fn help() -> String {
    let mut text = String::new();
    for setting in TABLE {
        let flag = setting.flag().map_or_else(String::new, |flag| format!("--{flag}, "));
        let live = if setting.live { ", live" } else { "" };
        let default = setting.default.map_or_else(|| "none".into(), |it| format!("{it:?}"));
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "  {flag}{}{live}\n      {}\n      {}; default {default}\n",
            setting.name, setting.help, setting.expected
        );
    }
    text
}

fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

fn number(text: &str, least: u32, most: u32) -> Option<u32> {
    // `parse` alone would take a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    text.parse().ok().filter(|it| (least..=most).contains(it))
}

fn seconds(text: &str) -> Option<Duration> {
    number(text, 0, 3600).map(|it| Duration::from_secs(it.into()))
}

/// RFC 7617, 2: neither user nor password has control characters.
fn visible(text: &str) -> Option<&str> {
    Some(text).filter(|it| !it.contains(char::is_control))
}

fn path(text: &str) -> Option<String> {
    let uri: http::Uri = text.parse().ok()?;
    // `/` is what users ask for.
    let is_path = text.len() > 1 && text.starts_with('/') && uri.path() == text;
    // A URI has other characters as `%` and digits alone; `Uri` is not so strict.
    (is_path && text.bytes().all(|it| it.is_ascii_graphic())).then(|| text.to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every parser")]
fn text_in(texts: &mut BTreeMap<String, String>, language: &str, text: &str) -> Option<()> {
    texts.insert(language.to_owned(), text.to_owned());
    Some(())
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every parser")]
fn text_into(field: &mut String, text: &str) -> Option<()> {
    text.clone_into(field);
    Some(())
}
