//! The binary and its command line: what it takes, what it refuses, and how kubectl is called.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn run(arguments: &[&str], kubectl: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-maintenance"));
    command.args(arguments);
    if let Some(kubectl) = kubectl {
        command.env("KUBECTL", kubectl);
    }
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_is_no_misuse_and_says_what_each_command_does() {
    for (arguments, says) in [
        (["--help"].as_slice(), "returns when that is"),
        (&["status", "--help"], "changes nothing"),
        (&["on", "--help"], "their users get the page"),
        (&["on", "--help"], "For entries:"),
        (&["off", "--help"], "their users get the application"),
    ] {
        let ran = run(arguments, None);
        assert_eq!(ran.status.code(), Some(0), "{arguments:?}");
        assert!(text(&ran.stdout).contains(says), "{}", text(&ran.stdout));
    }
    assert!(!text(&run(&["off", "--help"], None).stdout).contains("page pod"));
    assert!(!text(&run(&["on", "--help"], None).stdout).contains("the application has no"));
}

#[test]
fn misuse_is_64_and_names_what_is_wrong() {
    for (arguments, says) in [
        (
            ["on", "--timeout", "soon"].as_slice(),
            "invalid value 'soon' for '--timeout <DURATION>': expected a duration such as 120s, 90m or 2h",
        ),
        (&["on", "--until", "tomorrow"], "expected a time in RFC 3339 with a zone, such as 2026-12-02T07:00:00+01:00"),
        (&["on", "--until", "2099-12-02T07:00:00"], "expected a time in RFC 3339 with a zone"),
        (&["on", "--until", "2099-12-02T07:00:00Z", "--for", "2h"], "cannot be used with"),
        (&["on", "--for=-2h"], "expected a duration"),
        (&["on", "--for", "0m"], "invalid value '0m' for '--for <DURATION>': expected a duration of at least a second"),
        (&["on", "--colour"], "unexpected argument '--colour'"),
        (&["on", "-n"], "a value is required for '--namespace <NS>'"),
        (&["on", "--host", "shop.example.org"], "--url <URL>"),
        (&["off", "--host", "shop.example.org"], "--url <URL>"),
        (&["on", "--url", "http://127.0.0.1/", "--host", "a b"], "expected a host"),
        (&["on", "--url", "http://a b/"], "expected an address"),
        (&["on", "--url", "https:///path"], "expected an address"),
        (&["on", "--timeout", "9999999999999h"], "expected a duration"),
        (&["on", "--for", "8761h"], "at most 8760h"),
        (&["on", "-n", "../kube-system"], "expected at most 63 lower case letters, digits and dashes"),
        (&["on", "--url", "shop.example.org"], "expected an address that begins with http:// or https://"),
        (&["on", "--wait=maybe"], "[possible values: true, false]"),
        (&["on", "-o", "yaml"], "[possible values: table, json]"),
        (&["on", "-A"], "unexpected argument '-A'"),
        (&["on", "deployment/shop"], "expected a release, or ingress/NAME, route/NAME or httproute/NAME"),
        (&["status", "grpcroute/shop"], "a GRPCRoute cannot be switched until the page pods speak HTTP/2"),
        (&["on", "ingress/shop", "--keep-path", "hooks"], "expected a path below /"),
        (&["on", "ingress/shop", "--bypass-header", "X-Tester"], "expected the NAME=VALUE of a header"),
        (&["on", "ingress/shop", "--drop-annotation", "a b"], "expected the key of an annotation"),
        (&["on", "page", "--all"], "cannot be used with"),
        (&["off", "ingress/shop", "--page", "page"], "unexpected argument '--page'"),
        (&["status", "--timeout", "5s"], "unexpected argument '--timeout'"),
        (&["status", "-A", "-n", "shop"], "cannot be used with"),
        (&["on", "page", "--all"], "cannot be used with"),
        (&["off", "--strict"], "unexpected argument '--strict'"),
        (&["off", "--message", "Back soon"], "unexpected argument '--message'"),
        (&["up"], "unrecognized subcommand 'up'"),
        (&[], "Usage: kubectl maintenance"),
    ] {
        let ran = run(arguments, Some("no-such-kubectl"));
        assert_eq!(ran.status.code(), Some(64), "{arguments:?}: {}", text(&ran.stderr));
        assert!(text(&ran.stderr).contains(says), "{arguments:?}: {}", text(&ran.stderr));
    }
}

#[test]
fn a_client_that_is_not_there_is_named() {
    let ran = run(&["status"], Some("no-such-kubectl"));
    assert_eq!(ran.status.code(), Some(1));
    let says = "error: invalid KUBECTL \"no-such-kubectl\" (from the environment): expected a program that is there\n";
    assert_eq!(text(&ran.stderr), says);
}

#[test]
fn without_a_client_both_are_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-maintenance"));
    let ran = command.arg("status").env("PATH", "").env_remove("KUBECTL").output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(text(&ran.stderr).contains("neither kubectl nor oc is on PATH"), "{}", text(&ran.stderr));
}

/// With a client of a few lines of shell.
#[cfg(unix)]
mod with_a_client {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    /// A client that notes its arguments in `calls`, and then does this.
    fn client(folder: &tempfile::TempDir, then: &str) -> PathBuf {
        let path = folder.path().join("kubectl");
        let calls = folder.path().join("calls");
        fs::write(&path, format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\n{then}\n", calls.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn calls(folder: &tempfile::TempDir) -> Vec<String> {
        fs::read_to_string(folder.path().join("calls")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Every flag of `kubectl options`, but -v and --namespace, which are ours.
    #[test]
    fn kubectls_global_flags_are_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let client = client(&folder, "echo 'no such cluster' >&2; exit 1");
        let flags = [
            "--as=bob",
            "--as-group=ops",
            "--as-group=night",
            "--as-uid=1",
            "--cache-dir=c",
            "--certificate-authority=ca",
            "--client-certificate=cc",
            "--client-key=ck",
            "--cluster=there",
            "--context=there",
            "--disable-compression=true",
            "--insecure-skip-tls-verify=true",
            "--kubeconfig=k",
            "--log-flush-frequency=5s",
            "--match-server-version=true",
            "--password=p",
            "--profile=none",
            "--profile-output=o",
            "--request-timeout=5s",
            "--server=https://there",
            "--tls-server-name=name",
            "--token=t",
            "--user=u",
            "--username=n",
            "--vmodule=v",
            "--warnings-as-errors=true",
        ];
        for before in [true, false] {
            let mut arguments = vec!["status", "-n", "shop"];
            arguments.splice(if before { 0..0 } else { 3..3 }, flags);
            let ran = run(&arguments, client.to_str());
            assert_eq!(ran.status.code(), Some(1), "{}", text(&ran.stderr));
            assert!(
                text(&ran.stderr).contains("error: no such cluster (kubectl proxy cannot be started)"),
                "{}",
                text(&ran.stderr)
            );
            let call = calls(&folder).pop().unwrap();
            assert!(call.starts_with("proxy --unix-socket="), "{call}");
            for flag in flags {
                assert!(call.split(' ').any(|word| word == flag), "{flag} is not in {call}");
            }
        }
    }

    #[test]
    fn the_proxy_listens_where_nobody_else_may_and_only_reads() {
        let folder = tempfile::tempdir().unwrap();
        let client = client(&folder, "socket=${2#--unix-socket=}; ls -ld \"$(dirname \"$socket\")\" >&2; exit 1");
        let ran = run(&["status", "-n", "shop"], client.to_str());
        assert!(text(&ran.stderr).contains("drwx------"), "{}", text(&ran.stderr));
        let call = calls(&folder).pop().unwrap();
        assert!(call.ends_with("--reject-methods=^(POST|PUT|PATCH|DELETE)$"), "{call}");
        let socket = call.split(' ').nth(1).and_then(|word| word.strip_prefix("--unix-socket=")).unwrap();
        assert!(!PathBuf::from(socket).parent().unwrap().exists(), "its folder is left");
    }

    #[test]
    fn verbose_prints_each_command_without_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let client = client(&folder, "exit 1");
        let ran = run(&["status", "-v", "--token", "secret"], client.to_str());
        let said = text(&ran.stderr);
        assert!(said.contains("+ kubectl config view --minify -o json --token=…\n"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }

    #[test]
    fn a_receipt_has_the_command_as_it_was_typed_though_nothing_can_be_asked() {
        let folder = tempfile::tempdir().unwrap();
        let client = client(&folder, "exit 1");
        let ran = run(&["off", "--token", "secret", "-n", "shop", "-o", "json"], client.to_str());
        assert_eq!(ran.status.code(), Some(1));
        let receipt: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(receipt["command"], "kubectl maintenance off --token … -n shop -o json");
        assert_eq!(receipt["problem"], "kubectl proxy cannot be started");
    }

    #[test]
    fn the_first_interrupt_ends_a_proxy_that_does_not_start_too() {
        let folder = tempfile::tempdir().unwrap();
        // As a login that waits for somebody.
        let client = client(&folder, "exec sleep 60");
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-maintenance"));
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.args(["status", "-n", "shop"]).env("KUBECTL", client).spawn().unwrap();
        while calls(&folder).is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        // To the whole group, as a terminal does.
        let group = format!("-{}", child.id());
        assert!(Command::new("kill").args(["-INT", "--", &group]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }

    #[test]
    fn the_second_interrupt_ends_at_once_and_says_what_tells_how_far_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let client = client(&folder, "exec sleep 60");
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-maintenance"));
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.args(["off", "-n", "shop"]).env("KUBECTL", client);
        // A file, as what it has started keeps a pipe open.
        let said = folder.path().join("said");
        let mut child = command.stderr(fs::File::create(&said).unwrap()).spawn().unwrap();
        while calls(&folder).is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let id = child.id().to_string();
        let ended = loop {
            assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
            std::thread::sleep(std::time::Duration::from_millis(50));
            if let Some(ended) = child.try_wait().unwrap() {
                break ended;
            }
        };
        Command::new("kill").args(["-KILL", "--", &format!("-{id}")]).status().unwrap();
        assert_eq!(ended.code(), Some(130));
        let said = fs::read_to_string(said).unwrap();
        let says = "ended at once: kubectl maintenance status -n shop tells what is in which mode";
        assert!(said.contains(says), "{said}");
    }
}
