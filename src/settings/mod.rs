//! Settings: from flags, the environment and the config directory to one [`Settings`]. Knows no HTTP.
//!
//! A file beats a flag, a flag beats the environment, and that beats the default. White space around a
//! value is trimmed, and an empty value is as if unset.

mod addresses;
mod directory;
mod source;
mod sources;
mod table;
mod values;

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use jiff::Timestamp;

pub use self::{
    directory::{Files, read},
    source::Source,
    sources::{Invalid, Origin, Sources},
    table::{MAINTENANCE_MODE, Setting, TABLE, find, help},
    values::Origins,
};
pub use crate::{accent::Accent, admin_auth::Credentials, files::ReadError};

/// Everything an operator can set, parsed. Made by [`Sources::resolve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where users come in, at least one.
    pub listen: Vec<SocketAddr>,
    /// Where the kubelet and Prometheus come in.
    pub management_listen: SocketAddr,
    /// Whom this server is for.
    pub tier: Tier,
    /// The directory of live settings.
    pub config_dir: Option<PathBuf>,
    /// The directory of pages that replace embedded ones.
    pub pages_dir: Option<PathBuf>,
    /// Where an own maintenance page may load from.
    pub pages_sources: Vec<Source>,
    /// What users are set to get.
    pub maintenance_mode: Switch,
    /// Whether this server is nothing but the page: in maintenance whatever `maintenance_mode` is, and without the
    /// probes' paths where users come in.
    pub standby: bool,
    /// A path where users come in that tells a load balancer whether to send them here, in either mode. The admin tier
    /// has none, whatever is set.
    pub health_path: Option<String>,
    /// Who may see the admin tier's pages; `None`: everybody, or this is not the admin tier.
    pub credentials: Option<Credentials>,
    /// What the user agents of load balancers' health checks begin with.
    pub health_user_agents: Vec<String>,
    /// The language of the texts that are set without one, and of the page where a client's languages are not there.
    pub language: String,
    /// The heading of the maintenance page, by language, as far as it is set.
    pub titles: BTreeMap<String, String>,
    /// What the maintenance page tells users, by language, as far as it is set.
    pub messages: BTreeMap<String, String>,
    /// Whom users may ask; may be empty.
    pub contact: String,
    /// The colour of the page's button, links and icon, where it is not the built-in blue.
    pub accent: Option<Accent>,
    /// Seconds after which users may try again, where no end is planned.
    pub retry_after: u32,
    /// By how many percent that is raised at random, at most.
    pub retry_jitter: u32,
    /// When maintenance is planned to end.
    pub until: Option<Timestamp>,
    /// The format of the page for clients that do not say what they want.
    pub response_format: Format,
    /// The origins whose browsers may read the answers.
    pub cors_allow_origins: Origins,
    /// How long new connections are still taken after SIGTERM.
    pub shutdown_delay: Duration,
    /// How long connections may take to end after that.
    pub shutdown_timeout: Duration,
    /// Users' connections at once.
    pub max_connections: usize,
    /// How a request is logged.
    pub log_format: LogFormat,
}

/// Whom a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Those whom maintenance keeps out.
    User,
    /// Those who keep working.
    Admin,
}

/// The value of `MAINTENANCE_MODE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Switch {
    /// `true`.
    On,
    /// `false`.
    Off,
    /// Neither: the text itself. Only the admin tier, which merely shows it, accepts such a value.
    Unreadable(String),
}

/// A format of the maintenance page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A page for people.
    Html,
    /// A problem of RFC 9457.
    Json,
    /// The same in XML.
    Xml,
    /// A line for each thing that is said.
    Text,
}

/// How a request is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// One line for people.
    Text,
    /// No access log.
    Off,
}

// === impl Settings ===

impl Settings {
    /// Placeholders, each replaced when its default is parsed.
    fn blank() -> Self {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        Self {
            listen: Vec::new(),
            management_listen: nowhere,
            tier: Tier::User,
            config_dir: None,
            pages_dir: None,
            pages_sources: Vec::new(),
            maintenance_mode: Switch::Off,
            standby: false,
            health_path: None,
            credentials: None,
            health_user_agents: Vec::new(),
            language: String::new(),
            titles: BTreeMap::new(),
            messages: BTreeMap::new(),
            contact: String::new(),
            accent: None,
            retry_after: 0,
            retry_jitter: 0,
            until: None,
            response_format: Format::Html,
            cors_allow_origins: Origins::None,
            shutdown_delay: Duration::ZERO,
            shutdown_timeout: Duration::ZERO,
            max_connections: 0,
            log_format: LogFormat::Json,
        }
    }
}

// === impl Tier ===

impl Tier {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "user" => Some(Self::User),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    /// The name, as in settings, labels and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Switch ===

impl Switch {
    fn parse(text: &str) -> Self {
        match text {
            "true" => Self::On,
            "false" => Self::Off,
            _ => Self::Unreadable(text.to_owned()),
        }
    }

    /// Whether it is on. `None` where the value is neither `true` nor `false`.
    #[must_use]
    pub const fn is_on(&self) -> Option<bool> {
        match self {
            Self::On => Some(true),
            Self::Off => Some(false),
            Self::Unreadable(_) => None,
        }
    }

    /// The value as it was set.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::On => "true",
            Self::Off => "false",
            Self::Unreadable(text) => text,
        }
    }
}

// === impl Format ===

impl Format {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "html" => Some(Self::Html),
            "json" => Some(Self::Json),
            "xml" => Some(Self::Xml),
            "text" => Some(Self::Text),
            _ => None,
        }
    }
}

// === impl LogFormat ===

impl LogFormat {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "json" => Some(Self::Json),
            "text" => Some(Self::Text),
            "off" => Some(Self::Off),
            _ => None,
        }
    }
}
