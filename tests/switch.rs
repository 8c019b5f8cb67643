//! The switch and pages, live, by mounted directories.
#![allow(clippy::unwrap_used)]

mod common;

use std::{fs, os::unix::fs::symlink};

use common::{Client, Dir, Server, eventually};

#[test]
fn a_file_switches_both_ways_on_a_kept_connection() {
    let dir = Dir::new();
    let server = Server::start(&["--config-dir", dir.str(), "--retry-jitter=0"]);
    let mut client = Client::to(server.main);
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(client.ask(request).status, 200);
    dir.write("MAINTENANCE_MODE", "true\n");
    dir.write("MAINTENANCE_TITLE", "Moving house");
    eventually("maintenance with its title", || {
        let answer = client.ask(request);
        answer.status == 503 && answer.text().contains("<h1>Moving house</h1>")
    });
    let answer = client.ask(request);
    for header in ["retry-after: 300", "cache-control: no-store", "maintenance-mode: on"] {
        assert!(answer.has(header), "{header} in {}", answer.head);
    }
    assert_eq!(server.metric("maintenance_mode"), 1);
    fs::remove_file(dir.path().join("MAINTENANCE_MODE")).unwrap();
    eventually("normal again", || client.ask(request).status == 200);
    server.err().await_line(r#"MAINTENANCE_MODE is gone from the config directory: \"false\" from the default rules"#);
}

#[test]
fn a_configmap_is_followed_through_the_link_that_the_kubelet_swaps() {
    let dir = Dir::new();
    for (generation, mode) in [("..1", "false"), ("..2", "true")] {
        fs::create_dir(dir.path().join(generation)).unwrap();
        dir.write(&format!("{generation}/MAINTENANCE_MODE"), mode);
    }
    symlink("..1", dir.path().join("..data")).unwrap();
    symlink("..data/MAINTENANCE_MODE", dir.path().join("MAINTENANCE_MODE")).unwrap();
    let server = Server::start(&["--config-dir", dir.str()]);
    assert_eq!(server.get("/").status, 200);
    symlink("..2", dir.path().join("..data_tmp")).unwrap();
    fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
    eventually("maintenance", || server.get("/").status == 503);
}

#[test]
fn a_setting_that_cannot_be_used_changes_nothing_and_is_logged_once() {
    let dir = Dir::new();
    dir.write("MAINTENANCE_MODE", "true");
    let server = Server::start(&["--config-dir", dir.str()]);
    dir.write("MAINTENANCE_MODE", "on");
    eventually("the failure is counted", || server.metric("config_reload_failures_total") == 1);
    let line = server.err().await_line("reload failed");
    assert!(
        line.contains(r#"invalid MAINTENANCE_MODE \"on\" (from the config directory): expected true or false"#),
        "{line}"
    );
    fs::remove_dir_all(dir.path()).unwrap();
    eventually("the missing directory is counted", || server.metric("config_reload_failures_total") == 2);
    assert_eq!(server.get("/").status, 503);
    fs::create_dir(dir.path()).unwrap();
    dir.write("MAINTENANCE_MODE", "false");
    eventually("it goes on", || server.get("/").status == 200);
    assert_eq!(server.err().count("reload failed"), 2);
}

#[test]
fn the_admin_tier_shows_what_users_are_set_to_get_and_never_changes() {
    let dir = Dir::new();
    dir.write("MAINTENANCE_MODE", "<soon>");
    let server = Server::start(&["--tier", "admin", "--config-dir", dir.str()]);
    let page = server.get("/admin");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("&lt;soon&gt;") && page.has("cache-control: no-store"), "{}", page.text());
    dir.write("MAINTENANCE_MODE", "true");
    eventually("it shows maintenance", || server.get("/admin").text().contains("the maintenance page (503)"));
    assert_eq!((server.get("/").status, server.get("/readyz").status, server.get("/x").status), (200, 200, 404));
}

#[test]
fn a_name_in_the_config_directory_that_is_no_live_setting_is_warned_of_once() {
    let dir = Dir::new();
    dir.write("MAINTENANCE_TITEL", "hunter2");
    dir.write("LOG_FORMAT", "text");
    let server = Server::start(&["--config-dir", dir.str(), "--pages-sources=https://a.example"]);
    let line = |name: &str| format!(r#"CONFIG_DIR: \"{name}\" is the name of no live setting and is not used"#);
    server.err().await_line(&line("MAINTENANCE_TITEL"));
    server.err().await_line(&line("LOG_FORMAT"));
    server.err().await_line("PAGES_SOURCES is not used");
    dir.write("MAINTENANCE_CONTACT.fr", "x");
    server.err().await_line(&line("MAINTENANCE_CONTACT.fr"));
    assert_eq!(server.err().count(&line("LOG_FORMAT")), 1);
    assert_eq!(server.err().count("hunter2"), 0, "what a file says is not told");
}

#[test]
fn pages_are_overridden_file_by_file() {
    let dir = Dir::new();
    dir.write("maintenance.html", "<style>{{ style }}</style>{{ title }}!");
    dir.write("style.css", "h1{}");
    dir.write("index.htm", "");
    let server = Server::start(&["--pages-dir", dir.str(), "--maintenance-mode=true", "--maintenance-title", "A & B"]);
    assert_eq!(server.get("/").text(), "<style>h1{}</style>A &amp; B!");
    server.err().await_line(r#"PAGES_DIR: \"index.htm\" is the name of no page or picture"#);
}

#[test]
fn own_pages_are_followed_and_one_that_cannot_be_used_changes_nothing() {
    let dir = Dir::new();
    for (generation, page) in [("..1", "one"), ("..2", "{{ typo }}"), ("..3", "{{ data_uri('a.png') }}<img src=b.png>")]
    {
        fs::create_dir(dir.path().join(generation)).unwrap();
        dir.write(&format!("{generation}/maintenance.html"), page);
        dir.write(&format!("{generation}/a.png"), "A");
    }
    symlink("..1", dir.path().join("..data")).unwrap();
    for name in ["maintenance.html", "a.png"] {
        symlink(format!("..data/{name}"), dir.path().join(name)).unwrap();
    }
    let swap = |generation: &str| {
        symlink(generation, dir.path().join("..data_tmp")).unwrap();
        fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
    };
    let server = Server::start(&["--pages-dir", dir.str(), "--maintenance-mode=true"]);
    assert_eq!(server.get("/").text(), "one");
    swap("..2");
    server.err().await_line("reload failed, the last good pages stay: PAGES_DIR: maintenance.html:1:4: ");
    eventually("the failure is counted", || server.metric("config_reload_failures_total") == 1);
    assert_eq!(server.get("/").text(), "one");
    swap("..3");
    eventually("the new page", || server.get("/").text() == "data:image/png;base64,QQ==<img src=b.png>");
    assert!(server.get("/").head.contains("img-src data:;"));
    server
        .err()
        .await_line(r#"PAGES_DIR: maintenance.html links to \"b.png\", which its policy will block: put the file"#);
    assert_eq!(server.metric("config_reloads_total"), 1);
}
