//! The pods of a release: which there are, and what each of them says.

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;

use crate::kubectl::Kubectl;
use crate::object::{list, map, name, text};
use crate::read;
use crate::release::Mode;

/// Where pods show the page, whatever else they listen on.
const MAIN_PORT: u64 = 8080;

/// A pod that is not going away and has not ended.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Whether it is Ready.
    pub ready: bool,
    /// What its containers wait for that they cannot get: an image.
    pub lacks: Option<String>,
    /// Whether its readiness follows the mode: `maintenance.endpoints: withdrawn`.
    pub withdrawn: bool,
    /// It has no address yet, so it cannot be asked.
    pub starting: bool,
    /// Its labels.
    pub labels: std::collections::BTreeMap<String, String>,
    management: u64,
}

/// What a pod says of itself.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Its mode; nothing where it does not answer.
    pub mode: Option<Mode>,
    /// When it plans to end, in seconds since 1970.
    pub until: i64,
    /// The text of its page, where that was asked for and the page could be asked.
    pub message: Option<String>,
    /// Why it did not answer.
    pub trouble: String,
    /// It may not be asked.
    pub forbidden: bool,
}

/// What a pod is waited for to say. Nothing stands for whatever it is.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The mode.
    pub mode: Option<Mode>,
    /// The planned end.
    pub until: Option<Timestamp>,
    /// The text of the page.
    pub message: Option<String>,
    /// A planned end that it no longer has.
    pub gone_until: Option<Timestamp>,
    /// A text that its page no longer has.
    pub gone_message: Option<String>,
}

/// The pods with these labels.
///
/// # Errors
/// Where they cannot be listed.
pub fn list_pods(kubectl: &dyn Kubectl, namespace: &str, query: &str) -> Result<Vec<Pod>> {
    let mut pods: Vec<Pod> =
        read::items(kubectl, &read::path("v1", Some(namespace), "pods", query))?.iter().filter_map(pod).collect();
    pods.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(pods)
}

/// Asks pods in which mode they are; their pages too, where a text is wanted.
///
/// # Errors
/// Where the API server cannot be asked.
pub fn ask(kubectl: &dyn Kubectl, namespace: &str, pods: &[&Pod], page: bool) -> Result<Vec<Told>> {
    let at = |pod: &Pod, port: u64, path: &str| {
        format!("/api/v1/namespaces/{namespace}/pods/{}:{port}/proxy{path}", pod.name)
    };
    let mut paths: Vec<String> = pods.iter().map(|pod| at(pod, pod.management, "/metrics")).collect();
    if page {
        paths.extend(pods.iter().map(|pod| at(pod, MAIN_PORT, "/")));
    }
    let answers = kubectl.get(&paths)?;
    let (metrics, pages) = answers.split_at(pods.len());
    let told = metrics.iter().enumerate().map(|(at, answer)| {
        let metric = |name: &str| {
            let mut lines = answer.body.lines().filter_map(|line| line.split_once(' '));
            lines.find(|line| line.0 == name).and_then(|line| line.1.trim().parse::<f64>().ok())
        };
        let mode = metric("maintenance_mode").filter(|_| answer.status == 200);
        Told {
            mode: mode.map(|mode| if mode == 1.0 { Mode::Maintenance } else { Mode::Normal }),
            #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
            until: metric("maintenance_until_timestamp_seconds").unwrap_or_default() as i64,
            message: pages.get(at).and_then(|page| {
                let page = serde_json::from_str::<Value>(&page.body).ok()?;
                page.pointer("/detail").and_then(Value::as_str).map(str::to_owned)
            }),
            trouble: match (answer.status, mode) {
                (200, Some(_)) => String::new(),
                (200, None) => "it has no metric maintenance_mode".to_owned(),
                _ => read::trouble(answer),
            },
            forbidden: answer.status == 403,
        }
    });
    Ok(told.collect())
}

// === impl Wanted ===

impl Wanted {
    /// Whether a pod says what it is waited for to say. One whose page cannot be asked has read its text all the same, as
    /// it reads all settings at once, where it says the rest.
    #[must_use]
    pub fn met_by(&self, told: &Told) -> bool {
        let Some(mode) = told.mode else { return false };
        self.mode.is_none_or(|wanted| wanted == mode)
            && self.until.is_none_or(|until| until.as_second() == told.until)
            && match (&self.message, &told.message) {
                (Some(wanted), Some(text)) => wanted.trim() == text.trim(),
                _ => true,
            }
            && self.gone_until.is_none_or(|until| until.as_second() != told.until)
            && match (&self.gone_message, &told.message) {
                (Some(gone), Some(text)) => gone.trim() != text.trim(),
                _ => true,
            }
    }
}

fn pod(pod: &Value) -> Option<Pod> {
    let ended = matches!(text(pod, "/status/phase"), "Failed" | "Succeeded");
    if ended || pod.pointer("/metadata/deletionTimestamp").is_some() {
        return None;
    }
    let ports = || list(pod, "/spec/containers").flat_map(|container| list(container, "/ports"));
    let port = |found: Option<&Value>| found.and_then(|port| port["containerPort"].as_u64());
    let management = |port: &&Value| text(port, "/name") == "management";
    let paths = list(pod, "/spec/containers").map(|container| text(container, "/readinessProbe/httpGet/path"));
    let ready = |condition: &Value| text(condition, "/type") == "Ready" && text(condition, "/status") == "True";
    Some(Pod {
        name: name(pod).to_owned(),
        ready: list(pod, "/status/conditions").any(ready),
        lacks: list(pod, "/status/containerStatuses").find_map(lacks),
        starting: text(pod, "/status/podIP").is_empty(),
        withdrawn: paths.into_iter().any(|path| path == "/readyz"),
        labels: map(pod, "/metadata/labels"),
        management: port(ports().find(management)).unwrap_or(9090),
    })
}

/// Why a container does not start, where that is its image.
fn lacks(container: &Value) -> Option<String> {
    let reason = text(container, "/state/waiting/reason");
    let image = text(container, "/image");
    let because = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"].contains(&reason);
    because.then(|| format!("its image {image} cannot be pulled ({reason})"))
}
