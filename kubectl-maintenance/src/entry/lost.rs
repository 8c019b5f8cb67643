//! Kept paths that are lost all the same: another entry of the same host serves them, and leads them to the page.

use serde_json::Value;

use super::paths::{covers, length};
use super::{EntryKind, Wish, http_route, ingress, is_kept_whole, original, page_of};
use crate::object::Name;

/// What an entry serves: a path of a host.
pub(super) struct Served {
    pub(super) host: String,
    pub(super) path: String,
    pub(super) exact: bool,
    /// The Services that it leads to.
    pub(super) services: Vec<String>,
}

/// A path that an entry is to keep, and that another leads to the page.
#[derive(Debug)]
pub struct Lost {
    /// The path.
    pub path: String,
    /// The other.
    pub other: Name,
    /// The command after which the other leaves the path to the application.
    pub instead: String,
}

/// The paths that an entry is to keep, and that one of the others leads to the page. The others are as they are, or as they
/// will be.
#[must_use]
pub fn lost(entry: &Value, wish: &Wish, others: &[Value]) -> Vec<Lost> {
    let Some(kind) = EntryKind::of(entry) else { return Vec::new() };
    let (name, before) = (Name::of(kind.kind(), entry), original(entry));
    let own = served(kind, &before);
    let competes = |other: &&Value| match kind {
        EntryKind::Ingress => ingress::may_share_a_controller(other, &before),
        EntryKind::Route => false,
        EntryKind::HttpRoute => http_route::shares_a_parent(other, &before),
    };
    let mut lost = Vec::new();
    for other in others.iter().filter(|other| EntryKind::of(other) == Some(kind)).filter(competes) {
        let other_name = Name::of(kind.kind(), other);
        let Some(page) = page_of(other).filter(|_| other_name != name) else { continue };
        let theirs = served(kind, other);
        for keep in wish.topmost_paths() {
            let takes = |one: &Served| {
                own.iter().any(|own| own.host == one.host)
                    && one.part_of(keep).is_some_and(|part| {
                        longest(&theirs, &one.host, part) > longest(&own, &one.host, part)
                            && leads_to(&theirs, &one.host, part, &page.service)
                    })
            };
            if theirs.iter().any(takes) {
                let instead = instead(&other_name, other, &page.wish, keep);
                lost.push(Lost { path: keep.to_owned(), other: other_name.clone(), instead });
            }
        }
    }
    lost
}

/// What makes an entry that leads to the page leave a path to the application.
fn instead(name: &Name, entry: &Value, wish: &Wish, path: &str) -> String {
    let kept = Wish { keep_paths: vec![path.to_owned()], ..Wish::default() };
    let namespace = &name.namespace;
    if is_kept_whole(&original(entry), &wish.clone().and(&kept)) {
        format!("kubectl maintenance off {name} -n {namespace}")
    } else {
        format!("kubectl maintenance on {name} -n {namespace} --keep-path {path}")
    }
}

fn served(kind: EntryKind, entry: &Value) -> Vec<Served> {
    match kind {
        EntryKind::Ingress => ingress::served(entry),
        EntryKind::Route => Vec::new(),
        EntryKind::HttpRoute => http_route::served(entry),
    }
}

/// The length of the longest path that serves another.
fn longest(all: &[Served], host: &str, path: &str) -> Option<usize> {
    let serving = all.iter().filter(|one| one.host == host && one.serves(path));
    serving.map(|one| length(&one.path)).max()
}

/// Whether the longest path that serves another leads to a Service.
fn leads_to(all: &[Served], host: &str, path: &str, service: &str) -> bool {
    let longest = longest(all, host, path);
    let mut serving = all.iter().filter(|one| one.host == host && one.serves(path));
    serving.any(|one| Some(length(&one.path)) == longest && one.services.iter().any(|named| named == service))
}

// === impl Served ===

impl Served {
    fn serves(&self, path: &str) -> bool {
        let same = covers(path, &self.path) && covers(&self.path, path);
        same || (!self.exact && covers(&self.path, path))
    }

    /// What of a path, and of all below it, it serves.
    fn part_of<'p>(&'p self, path: &'p str) -> Option<&'p str> {
        if covers(path, &self.path) {
            return Some(&self.path);
        }
        self.serves(path).then_some(path)
    }
}
