//! The command line: what is wrong is one line, and an exit status.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    fs, io,
    net::TcpListener,
    process::{self, Output},
};

use common::{Dir, Server, command};

fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

fn refused(arguments: &[&str], status: i32, message: &str) {
    let output = run(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("maintenance-mode: ") && text.contains(message), "{text}");
}

#[test]
fn what_cannot_be_used_is_named_in_one_line() {
    refused(
        &["--maintenance-mode=on"],
        64,
        r#"invalid MAINTENANCE_MODE "on" (from the flag --maintenance-mode): expected true or false"#,
    );
    refused(&["--colour", "red"], 64, "invalid flag --colour: expected one that --help lists");
    refused(
        &["--health-path=/"],
        64,
        r#"invalid HEALTH_PATH "/" (from the flag --health-path): expected an absolute path"#,
    );
    refused(
        &["--tier=admin", "--standby=true"],
        64,
        r#"invalid STANDBY "true" (from the flag --standby): expected false where TIER is admin"#,
    );
    refused(
        &["--listen=[::]:8080,127.0.0.1:8080"],
        64,
        r#"invalid LISTEN "[::]:8080,127.0.0.1:8080" (from the flag --listen): expected an IP address and a port, as in [::]:8080, or several with commas between them, none of which takes another's connections, as [::] takes IPv4 too"#,
    );
    refused(
        &["--listen=127.0.0.1:7001", "--management-listen=[::]:7001"],
        64,
        r#"invalid MANAGEMENT_LISTEN "[::]:7001" (from the flag --management-listen): expected an address of which LISTEN takes no"#,
    );
    refused(&["serve"], 64, r#"invalid argument "serve": expected"#);
    refused(&["--pages-dir=/nonexistent"], 64, "PAGES_DIR: /nonexistent cannot be read");
    refused(&["--config-dir=/nonexistent"], 64, "CONFIG_DIR: /nonexistent cannot be read");
    let pages = Dir::new();
    pages.write("maintenance.html", "{{ titel }}");
    refused(&["--pages-dir", pages.str()], 64, "maintenance.html:1");
    pages.write("maintenance.html", r#"{% if users_mode == "maintenance" %}{{ typo }}{% endif %}"#);
    refused(&["--pages-dir", pages.str()], 64, "maintenance.html:1");
    pages.write("maintenance.html", &format!("{{{{ 1{} }}}}", "+1".repeat(100_000)));
    refused(&["--pages-dir", pages.str()], 64, "maintenance.html:1: has more than 10000 tokens");
    pages.write("maintenance.html", &"x".repeat(256 * 1024 + 1));
    refused(&["--pages-dir", pages.str()], 64, "/maintenance.html is larger than 256 KiB");
    let config = Dir::new();
    config.write("RETRY_AFTER", "soon");
    refused(
        &["--config-dir", config.str()],
        64,
        r#"invalid RETRY_AFTER "soon" (from the config directory): expected whole seconds"#,
    );
    fs::remove_file(config.path().join("RETRY_AFTER")).unwrap();
    assert!(process::Command::new("mkfifo").arg(config.path().join("RETRY_AFTER")).status().unwrap().success());
    refused(&["--config-dir", config.str()], 64, "/RETRY_AFTER is not a regular file");
}

#[test]
fn the_exit_status_is_right_though_stderr_is_closed() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("--listen={}", taken.local_addr().unwrap());
    for (argument, status) in [("--tier=users", 64), (&listen, 1)] {
        let (reader, closed) = io::pipe().unwrap();
        drop(reader);
        assert_eq!(command().arg(argument).stderr(closed).status().unwrap().code(), Some(status), "{argument}");
    }
}

#[test]
fn a_port_in_use_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&["--listen", &address], 1, &format!("LISTEN \"{address}\" cannot be listened at: Address already in use"));
    let message = format!("MANAGEMENT_LISTEN \"{address}\" cannot be listened at: Address already in use");
    refused(&["--listen=127.0.0.1:0", "--management-listen", &address], 1, &message);
}

#[test]
fn a_good_file_beats_a_wrong_flag() {
    let config = Dir::new();
    config.write("MAINTENANCE_MODE", "true");
    let server = Server::start(&["--maintenance-mode=on", "--config-dir", config.str()]);
    assert_eq!(server.get("/").status, 503);
}

#[test]
fn a_probe_answers_by_its_exit_status() {
    let server = Server::start(&["--maintenance-mode=true"]);
    let status = |path: &str| run(&["probe", &format!("http://{}{path}", server.management)]).status.code();
    assert_eq!(status("/livez"), Some(0));
    assert_eq!(status("/readyz"), Some(1));
    assert_eq!(status("/readyz?exclude=maintenance"), Some(0));
    refused(&["probe", "https://localhost/"], 64, "invalid URL \"https://localhost/\": expected http://HOST");
}

#[test]
fn help_and_version_are_printed() {
    let version = run(&["--version"]);
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        concat!("maintenance-mode ", env!("CARGO_PKG_VERSION"), "\n")
    );
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    assert!(help.contains("--maintenance-mode, MAINTENANCE_MODE, live"), "{help}");
}

#[test]
fn the_documentation_has_every_setting_as_the_help_has_it() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let documented = include_str!("../docs/configuration.md");
    let mut lines = help.lines().skip_while(|line| !line.starts_with("  --"));
    let mut settings = 0;
    while let (Some(name), Some(what), Some(rest)) = (lines.next(), lines.next(), lines.next()) {
        let (name, live) = name.strip_suffix(", live").map_or((name, ""), |name| (name, "yes"));
        let name = name.rsplit(' ').next().unwrap();
        let (expected, default) = rest.trim().split_once("; default ").unwrap();
        let default = if default == "none" { default.to_owned() } else { format!("`{}`", default.trim_matches('"')) };
        let row = format!("| `{name}` | {default} | {live} | {expected} | {} |", what.trim());
        let row = row.replace("|  |", "| |");
        assert!(documented.replace("|  |", "| |").contains(&row), "docs/configuration.md lacks {row}");
        settings += 1;
    }
    assert!(settings > 10, "{help}");
    let (table, _) = documented.split_once("### In the chart").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, settings, "docs/configuration.md has a row twice, or one of no setting");
}
