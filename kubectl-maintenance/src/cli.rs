//! The command line.

use std::time::Duration;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand, ValueEnum};
use hyper::Uri;
use hyper::http::uri::Authority;
use jiff::{SignedDuration, Timestamp};

use crate::entry::{annotation_key, bypass_header, keep_path};
use crate::kubectl::{SECRET, quoted, without_secret};
use crate::target::Target;

/// The exit status of misuse.
pub const MISUSE: u8 = 64;

/// Puts an application into maintenance and back, and returns when that is in force.
///
/// What is switched is a TARGET: a release of the chart maintenance-mode by its name, or an entry as it stands (ingress/NAME,
/// route/NAME, httproute/NAME), whose users get the page of a standby release in its namespace.
///
/// It uses the kubectl on PATH, else oc; the environment variable KUBECTL names another. kubectl's global flags, such as
/// --context and --as, are passed on to it.
///
/// The exit status is 0 where all is as it should be, 1 where it is not, 64 for misuse, and 130 after Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "kubectl-maintenance", bin_name = "kubectl maintenance", version, max_term_width = 100)]
#[command(after_help = "kubectl's other global flags, which `kubectl options` lists, are passed on to it as well.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: What,
    /// kubectl's own global flags.
    #[command(flatten)]
    pub passed_on: PassedOn,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Tells the mode of each release and each switched entry, since when and why, and whether all agrees; changes nothing
    Status(Status),
    /// Puts releases and entries into maintenance: their users get the page
    On(On),
    /// Ends the maintenance of releases and entries: their users get the application
    Off(Off),
}

/// Arguments of `status`.
#[derive(Args, Debug)]
pub struct Status {
    /// Releases, ingress/NAME, route/NAME, httproute/NAME; default: all releases, and all entries that are switched
    #[arg(value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// Where to look.
    #[command(flatten)]
    pub place: Place,
    /// Every namespace
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Releases and entries with these labels alone
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Which URLs to ask.
    #[command(flatten)]
    pub doors: Doors,
    /// A table for people, or JSON for programs
    #[arg(short = 'o', long, value_enum, value_name = "FORMAT", default_value = "table")]
    pub output: Format,
    /// Print each command of kubectl
    #[arg(short = 'v', long)]
    pub verbose: bool,
}

/// Arguments of `on`.
#[derive(Args, Debug)]
pub struct On {
    /// What `on` and `off` share.
    #[command(flatten)]
    pub switch: Switch,
    /// When it is planned to end, in RFC 3339 with a zone: 2026-12-02T07:00:00+01:00
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "lasts")]
    pub until: Option<Timestamp>,
    /// How long it is planned to take from now: 2h, 90m
    #[arg(id = "lasts", long = "for", value_name = "DURATION", value_parser = planned)]
    pub lasts: Option<Duration>,
    /// What the page says, in every language for which the release has no message of its own
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Why; `status` tells it, the page does not
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Go on where it would be refused: Argo CD or Flux takes the change back, or no page pod is Ready
    #[arg(long)]
    pub force: bool,
    /// Refuse while another entry still leads to the application, but those with the label maintenance-mode.github.io/exclude
    #[arg(long)]
    pub strict: bool,
    /// What is for entries alone.
    #[command(flatten)]
    pub entry: EntryFlags,
}

/// What `on` takes for entries alone.
#[derive(Args, Debug)]
#[command(next_help_heading = "For entries")]
pub struct EntryFlags {
    /// The standby release whose page users get; default: the only one in the namespace
    #[arg(long, value_name = "RELEASE")]
    pub page: Option<String>,
    /// A path that stays with the application, such as the callback of a payment (ingress, httproute)
    #[arg(long = "keep-path", value_name = "PATH", value_parser = keep_path)]
    pub keep_paths: Vec<String>,
    /// Requests with this header get the application, for testers; whoever knows it may send it (httproute)
    #[arg(long = "bypass-header", value_name = "NAME=VALUE", value_parser = bypass_header)]
    pub bypass: Option<(String, String)>,
    /// An annotation to take away while users get the page, and to give back
    #[arg(long = "drop-annotation", value_name = "KEY", value_parser = annotation_key)]
    pub drop_annotations: Vec<String>,
}

/// Arguments of `off`.
#[derive(Args, Debug)]
pub struct Off {
    /// What `on` and `off` share.
    #[command(flatten)]
    pub switch: Switch,
    /// Ask this URL of the application first, for --host where that is given, and go on only where it answers below 500
    #[arg(long, value_name = "URL", value_parser = url, group = "asked")]
    pub check: Option<String>,
    /// Go on where it would be refused: Argo CD or Flux takes the change back, the application has no ready pod or does not
    /// answer, or somebody has changed an entry meanwhile, which is then restored all the same
    #[arg(long)]
    pub force: bool,
}

/// What `on` and `off` share.
#[derive(Args, Debug)]
pub struct Switch {
    /// Releases, ingress/NAME, route/NAME, httproute/NAME; default: the only release in the namespace
    #[arg(value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// All releases and entries of the namespace, after a look at the list
    #[arg(long, conflicts_with = "targets")]
    pub all: bool,
    /// Do not ask before --all
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Where to look.
    #[command(flatten)]
    pub place: Place,
    /// Which URLs to ask.
    #[command(flatten)]
    pub doors: Doors,
    /// How long to wait until it is in force
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = duration)]
    pub timeout: Duration,
    /// Return when it is in force; with =false, when it is changed
    #[arg(long, value_name = "BOOL", default_value_t = true, default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub wait: bool,
    /// Check everything, print each change as a command, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// No progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Print each command of kubectl
    #[arg(short = 'v', long)]
    pub verbose: bool,
    /// A line for people, or JSON for programs
    #[arg(short = 'o', long, value_enum, value_name = "FORMAT", default_value = "table")]
    pub output: Format,
}

/// Where to look.
#[derive(Args, Debug)]
pub struct Place {
    /// The namespace; default: that of kubectl's context
    #[arg(short, long, value_name = "NS", value_parser = namespace)]
    pub namespace: Option<String>,
}

/// Which URLs to ask instead of the hosts of the entries that lead to what is switched: whoever names one knows how to get
/// there from here.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("asked").multiple(true)))]
pub struct Doors {
    /// A front door that must answer, instead of those that the entries name
    #[arg(long = "url", value_name = "URL", value_parser = url, group = "asked")]
    pub urls: Vec<String>,
    /// The host to ask each --url for, as Host and as SNI
    #[arg(long, value_parser = host, requires = "asked")]
    pub host: Option<String>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// kubectl's global flags, as they were given: passed on to every call of kubectl. `-v` is ours, and `--namespace` is
/// told with what is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedOn(pub Vec<String>);

/// Those with a value. Those that people use most are shown in the help.
const WITH_VALUE: [(&str, &str, &str); 23] = [
    ("context", "NAME", "The context of the kubeconfig"),
    ("kubeconfig", "FILE", "The kubeconfig"),
    ("as", "USER", "The user to impersonate"),
    ("as-group", "GROUP", "A group to impersonate"),
    ("token", "TOKEN", "The bearer token"),
    ("server", "URL", "The API server"),
    ("request-timeout", "DURATION", "How long one request may take"),
    ("as-uid", "UID", ""),
    ("as-user-extra", "KEY=VALUE", ""),
    ("cache-dir", "FOLDER", ""),
    ("certificate-authority", "FILE", ""),
    ("client-certificate", "FILE", ""),
    ("client-key", "FILE", ""),
    ("cluster", "NAME", ""),
    ("kuberc", "FILE", ""),
    ("log-flush-frequency", "DURATION", ""),
    ("password", "PASSWORD", ""),
    ("profile", "NAME", ""),
    ("profile-output", "FILE", ""),
    ("tls-server-name", "NAME", ""),
    ("user", "NAME", ""),
    ("username", "NAME", ""),
    ("vmodule", "PATTERNS", ""),
];

/// Those that are on or off.
const ON_OR_OFF: [&str; 4] =
    ["disable-compression", "insecure-skip-tls-verify", "match-server-version", "warnings-as-errors"];

// === impl PassedOn ===

impl Args for PassedOn {
    fn augment_args(command: Command) -> Command {
        let with_value = WITH_VALUE.iter().map(|(name, value, help)| {
            let flag = Arg::new(name).long(name).value_name(value).help(help).action(ArgAction::Append);
            let flag = if *name == "server" { flag.short('s') } else { flag };
            flag.hide(help.is_empty())
        });
        let on_or_off = ON_OR_OFF.iter().map(|name| {
            let flag = Arg::new(name).long(name).value_name("BOOL").action(ArgAction::Append);
            flag.num_args(0..=1).require_equals(true).default_missing_value("true").hide(true)
        });
        command
            .args(with_value.chain(on_or_off).map(|flag| flag.global(true).help_heading("Flags of kubectl, passed on")))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PassedOn {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut passed_on = Self::default();
        passed_on.update_from_arg_matches(matches)?;
        Ok(passed_on)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.clear();
        for name in WITH_VALUE.iter().map(|flag| flag.0).chain(ON_OR_OFF) {
            for value in matches.get_many::<String>(name).into_iter().flatten() {
                self.0.push(format!("--{name}={value}"));
            }
        }
        Ok(())
    }
}

// === the command line as it was typed ===

/// A command line as a person would type it again, without what is secret.
#[must_use]
pub fn as_typed(arguments: impl IntoIterator<Item = String>) -> String {
    let mut typed = vec!["kubectl".to_owned(), "maintenance".to_owned()];
    let mut secret = false;
    for argument in arguments {
        typed.push(if secret { "…".to_owned() } else { quoted(&without_secret(&argument)) });
        secret = !secret && SECRET.contains(&argument.as_str());
    }
    typed.join(" ")
}

// === values ===

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "expected a time in RFC 3339 with a zone, such as 2026-12-02T07:00:00+01:00".to_owned())
}

/// The longest duration: a year.
const LONGEST: Duration = Duration::from_hours(8760);

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = match text.parse::<u32>() {
        Ok(seconds) => Some(SignedDuration::from_secs(seconds.into())),
        Err(_) => text.parse().ok(),
    };
    let parsed = parsed.and_then(|parsed| Duration::try_from(parsed).ok()).filter(|parsed| *parsed <= LONGEST);
    parsed.ok_or_else(|| "expected a duration such as 120s, 90m or 2h, at most 8760h".to_owned())
}

/// The end is to come.
fn planned(text: &str) -> Result<Duration, String> {
    let planned = duration(text)?;
    if planned.is_zero() { Err("expected a duration of at least a second".to_owned()) } else { Ok(planned) }
}

fn url(text: &str) -> Result<String, String> {
    let schemes = ["http", "https"].map(Some);
    match text.parse::<Uri>() {
        Ok(uri) if schemes.contains(&uri.scheme_str()) && uri.host().is_some_and(|host| !host.is_empty()) => {
            Ok(text.to_owned())
        }
        _ => Err("expected an address that begins with http:// or https://".to_owned()),
    }
}

fn host(text: &str) -> Result<String, String> {
    match text.parse::<Authority>() {
        Ok(host) if !host.host().is_empty() && !text.contains('@') => Ok(text.to_owned()),
        _ => Err("expected a host, with a port where it is another than that of the URL's scheme".to_owned()),
    }
}

/// It becomes a part of paths.
fn namespace(text: &str) -> Result<String, String> {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    match text {
        text if !text.is_empty() && text.len() <= 63 && text.chars().all(plain) => Ok(text.to_owned()),
        _ => Err("expected at most 63 lower case letters, digits and dashes".to_owned()),
    }
}
