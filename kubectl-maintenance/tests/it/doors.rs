//! Front doors: the URLs that are asked when all else has followed. `src/doors` has the tests of asking itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::cluster::{Cluster, user_labels};

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:9/";

/// A front door that answers the same until it turns, and its URL. Each request is kept as its Host header.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) url: String,
    hosts: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<(u16, bool)>>,
    /// How often it was asked until it turned last.
    turned: Arc<Mutex<usize>>,
}

impl Door {
    pub(crate) fn open(status: u16, marker: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let hosts = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new((status, marker)));
        let (seen, answers) = (Arc::clone(&hosts), Arc::clone(&answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let host =
                    head.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("host: ").map(str::to_owned));
                seen.lock().unwrap().extend(host);
                let (status, marker) = *answers.lock().unwrap();
                let marker = if marker { "Maintenance-Mode: on\r\n" } else { "" };
                let _ =
                    write!(stream, "HTTP/1.1 {status} Such\r\n{marker}Content-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Self { url, hosts, answer, turned: Arc::default() }
    }

    /// Answers so from now on; not before whoever asks has got what it answered until now, and asks again.
    pub(crate) fn turn(&self, status: u16, marker: bool) {
        let mut turned = self.turned.lock().unwrap();
        while self.hosts().len() < *turned + 2 {
            thread::yield_now();
        }
        *self.answer.lock().unwrap() = (status, marker);
        *turned = self.hosts().len();
    }

    fn hosts(&self) -> Vec<String> {
        self.hosts.lock().unwrap().clone()
    }
}

#[test]
fn five_of_our_503_are_maintenance() {
    let door = Door::open(503, true);
    let said = Cluster::tiers().run(&["on", "--url", &door.url, "--host", "shop.example.org"]);
    said.ended(
        0,
        &[&format!("web: front door: {} answers 503 with our marker", door.url), "web: maintenance is in force after"],
    );
    said.not("no front door was checked");
    let hosts = door.hosts();
    assert!(hosts.len() >= 5 && hosts.iter().all(|host| host == "shop.example.org"), "{hosts:?}");
}

#[test]
fn one_that_stays_as_it_was_is_named() {
    let door = Door::open(200, false);
    let said = Cluster::tiers().run(&["on", "--timeout", "2s", "--url", &door.url]);
    said.ended(
        1,
        &[
            "web: configmap/app-config is in mode maintenance, but a front door does not show it",
            &format!("{} answers 200", door.url),
        ],
    );
    let door = Door::open(503, true);
    let cluster = Cluster::standby();
    cluster.edit("services/shop-front", "/spec/selector", json!({"app": "page"}));
    let said = cluster.run(&["off", "--timeout", "1s", "--url", &door.url]);
    said.ended(
        1,
        &[
            "service/shop-front is in mode normal, but a front door does not show it",
            &format!("{} answers 503", door.url),
        ],
    );
    said.not("in force after");
}

#[test]
fn a_503_that_is_not_ours_is_not_maintenance_unless_pods_are_withdrawn() {
    let door = Door::open(503, false);
    let cluster = Cluster::tiers();
    cluster.run(&["on", "--timeout", "2s", "--url", &door.url]).ended(1, &["answers 503"]);
    for pod in ["web-1", "web-2"] {
        cluster.edit(&format!("pods/{pod}"), "/spec/containers/0/readinessProbe/httpGet/path", json!("/readyz"));
    }
    cluster.run(&["on", "--url", &door.url]).ended(0, &["maintenance is in force"]);
    cluster.run(&["status", "--url", &door.url]).ended(0, &[]);
}

#[test]
fn normal_is_not_a_routers_503() {
    let door = Door::open(503, false);
    Cluster::tiers().run(&["off", "--timeout", "1s", "--url", &door.url]).ended(1, &["answers 503"]);
    let door = Door::open(404, false);
    Cluster::tiers().run(&["off", "--url", &door.url]).ended(0, &["answers 404", "normal is in force"]);
}

#[test]
fn one_that_cannot_be_reached_is_a_line_and_no_failure_unless_it_is_named() {
    let cluster = Cluster::tiers();
    cluster.add("services", "web-user", &user_labels("web"), json!({}));
    cluster.ingress("web", "nowhere.invalid", "web-user", &json!({}));
    cluster.run(&["on"]).ended(
        0,
        &[
            "web: front door unchecked: http://nowhere.invalid/ cannot be reached from here",
            "; no front door was checked",
        ],
    );
    let said = cluster.run(&["on", "--url", NOBODY]);
    said.ended(
        1,
        &[
            "configmap/app-config is in mode maintenance, but a front door does not show it",
            "cannot be reached from here",
        ],
    );
    cluster
        .run(&["status"])
        .ended(0, &["front door (ingress/web) unchecked: http://nowhere.invalid/ cannot be reached"]);
    cluster
        .run(&["status", "--url", NOBODY])
        .ended(1, &["WRONG: front door (--url) does not fit mode maintenance: http://127.0.0.1:9/ cannot be reached"]);
}

#[test]
fn entries_that_may_not_be_listed_are_told() {
    let cluster = Cluster::tiers();
    cluster.forbid("list ingresses");
    cluster
        .run(&["on"])
        .ended(0, &["web: ingresses may not be listed, so front doors may be missing", "no front door was checked"]);
}

#[test]
fn services_that_may_not_be_listed_leave_the_front_services_known() {
    let cluster = Cluster::standby();
    cluster.ingress("shop", "shop.invalid", "shop-front", &json!({}));
    cluster.before("get --raw /api/v1/namespaces/shop/services", |_| ());
    cluster.before("get --raw /api/v1/namespaces/shop/services", |state| state.forbidden.push("list services"));
    cluster.run(&["on"]).ended(0, &["services may not be listed", "front door unchecked: http://shop.invalid/"]);
}

#[test]
fn a_service_of_ones_own_before_the_user_pods_is_a_front_door_too() {
    let cluster = Cluster::tiers();
    cluster.service("mine", &user_labels("web"));
    cluster.ingress("mine", "nowhere.invalid", "mine", &json!({}));
    cluster.run(&["on", "--dry-run"]).ended(0, &["web: would ask the front door http://nowhere.invalid/"]);
}

#[test]
fn excluded_entries_are_not_asked() {
    let cluster = Cluster::standby();
    cluster.ingress("testers", "nowhere.invalid", "shop-front", &json!({"maintenance-mode.github.io/exclude": "true"}));
    cluster.run(&["on", "--dry-run"]).not("nowhere.invalid");
}

#[test]
fn the_application_is_asked_before_users_are_let_in() {
    let (good, bad) = (Door::open(401, false), Door::open(500, false));
    let cluster = Cluster::standby();
    cluster.run(&["on"]).ended(0, &[]);
    cluster
        .run(&["off", "--check", &bad.url])
        .ended(1, &["the application does not answer: ", "answers 500", "Nothing has changed; --force"]);
    cluster
        .run(&["off", "--check", NOBODY])
        .ended(1, &["the application does not answer: ", "cannot be reached from here"]);
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
    cluster.run(&["off", "--check", &good.url, "--host", "shop.example.org"]).ended(0, &["normal is in force"]);
    assert_eq!(good.hosts(), ["shop.example.org"]);
    cluster.run(&["off", "--force", "--check", &bad.url]).ended(0, &["forced: the application does not answer"]);
}

#[test]
fn a_front_door_without_an_application_is_told_once_with_what_to_do() {
    let door = Door::open(503, false);
    let cluster = Cluster::standby();
    cluster.run(&["on", "--wait=false"]).ended(0, &[]);
    cluster.remove("pods/shop-1");
    cluster.remove("pods/shop-2");
    let said = cluster.run(&["off", "--force", "--url", &door.url, "--timeout", "5s"]);
    said.ended(1, &["Start the application, or run kubectl maintenance on to show the page again"]);
    assert_eq!(said.err.matches("503").count(), 1, "{}", said.err);
}

#[test]
fn ctrl_c_while_a_front_door_is_asked_is_no_success() {
    let door = Door::open(200, false);
    let cluster = Cluster::standby();
    cluster.interrupt_at("get --raw /apis/discovery");
    let said = cluster.run(&["on", "--url", &door.url]);
    said.ended(130, &["interrupted: page is changed to maintenance, and nothing is put back: its front doors were not asked to the end"]);
    said.not("is in force");
}
