//! The cases, one a file, in the order in which they start: the switches that are measured, then those that wait longest.

mod all;
mod answers;
mod application_away;
mod argocd;
mod bad_value;
mod compose;
mod ctrl_c;
mod endpoints;
mod entries;
mod entry_upgrades;
mod front_services;
mod given_back;
mod helm_after_plugin;
mod helm_ends;
mod hpa;
mod install;
mod migration;
mod oauth2_proxy;
mod patch;
mod pods;
mod probes;
mod rendered;
mod rights;
mod routes;
mod someone_else;
mod switches;
mod take_over;
mod under_way;
mod ways_past;

use std::pin::Pin;

use anyhow::Result;

use crate::cluster::Helm;
use crate::scene::Scene;

use switches::{By, Kind, Warmth, What, measured};

type Run = for<'a> fn(&'a Scene) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// What is proved, and by what name it is asked for.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// How many of the run's turns it takes: more than one where its figures want a machine that does little else.
    pub(crate) turns: u32,
    pub(crate) run: Run,
}

macro_rules! case {
    ($name:literal, $turns:literal, $about:literal, $scene:ident => $future:expr) => {
        Case { name: $name, about: $about, turns: $turns, run: |$scene| Box::pin($future) }
    };
}

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case!("config-helm3", 2, "ten switches on and off by Helm 3", scene => measured(scene, What::Config, By::Helm(Helm::V3))),
    case!("config-helm4", 2, "ten switches on and off by Helm 4", scene => measured(scene, What::Config, By::Helm(Helm::V4))),
    case!("config-plugin", 2, "ten switches on and off by the plugin", scene => measured(scene, What::Config, By::Plugin)),
    case!("config-script", 2, "ten switches on and off by the scripts", scene => measured(scene, What::Config, By::Script)),
    case!("service-helm3", 2, "a front Service, ten switches by Helm 3", scene => measured(scene, What::Service, By::Helm(Helm::V3))),
    case!("service-helm4", 2, "a front Service, ten switches by Helm 4", scene => measured(scene, What::Service, By::Helm(Helm::V4))),
    case!("service-plugin", 2, "a front Service, ten switches by the plugin", scene => measured(scene, What::Service, By::Plugin)),
    case!("services-helm3", 2, "three front Services, ten switches by Helm 3", scene => measured(scene, What::ThreeServices, By::Helm(Helm::V3))),
    case!("services-helm4", 2, "three front Services, ten switches by Helm 4", scene => measured(scene, What::ThreeServices, By::Helm(Helm::V4))),
    case!("services-plugin", 2, "three front Services, ten switches by the plugin", scene => measured(scene, What::ThreeServices, By::Plugin)),
    case!("ingress-plugin", 2, "an Ingress as it stands, ten switches by the plugin", scene => measured(scene, What::Entry(Kind::Ingress, Warmth::Warm), By::Plugin)),
    case!("ingress-cold", 2, "the same where the proxy knows one side alone", scene => measured(scene, What::Entry(Kind::Ingress, Warmth::Cold), By::Plugin)),
    case!("httproute-plugin", 2, "an HTTPRoute as it stands, ten switches by the plugin", scene => measured(scene, What::Entry(Kind::HttpRoute, Warmth::Warm), By::Plugin)),
    case!("httproute-cold", 2, "the same where the proxy knows one side alone", scene => measured(scene, What::Entry(Kind::HttpRoute, Warmth::Cold), By::Plugin)),
    case!("pods", 2, "2, 10 and 50 user pods and page pods, by the plugin", scene => pods::run(scene)),
    case!("argocd", 1, "Argo CD in both shapes: by commit, by hand and by parameter", scene => argocd::run(scene)),
    case!("helm-ends", 1, "rollback, uninstall, and a Helm that was killed", scene => helm_ends::run(scene)),
    case!("helm-after-plugin", 1, "Helm 3 and 4 after the plugin: same mode, other mode, a key more, a key less", scene => helm_after_plugin::run(scene)),
    case!("patch", 1, "the switch by patch, and patches and upgrades together", scene => patch::run(scene)),
    case!("entries", 1, "Ingresses and HTTPRoutes of real life, as they stand", scene => entries::run(scene)),
    case!("routes", 1, "a Route of each termination, as it stands", scene => routes::run(scene)),
    case!("entry-upgrades", 1, "Helm 3, Helm 4 and kubectl apply of an entry that is switched", scene => entry_upgrades::run(scene)),
    case!("given-back", 1, "an entry after a timeout, after somebody's change, and by kubectl alone", scene => given_back::run(scene)),
    case!("all", 1, "three applications of a namespace at once, of which one fails", scene => all::run(scene)),
    case!("ways-past", 1, "--keep-path, --bypass-header, --strict, and --message, of entries", scene => ways_past::run(scene)),
    case!("probes", 1, "probes in maintenance, and no restart in 2 minutes", scene => probes::run(scene)),
    case!("migration", 1, "from app.existingService and app.podSelector of the chart before", scene => migration::run(scene)),
    case!("under-way", 1, "a WebSocket, an upload and a download across the switch", scene => under_way::run(scene)),
    case!("take-over", 1, "taking over a Service, and giving it back", scene => take_over::run(scene)),
    case!("hpa", 1, "the HPA under load", scene => hpa::run(scene)),
    case!("front-services", 1, "every value of a front Service, two ports, and port 80", scene => front_services::run(scene)),
    case!("rights", 1, "the role of rbac.toggle.subjects, and one with a right less", scene => rights::run(scene)),
    case!("application-away", 1, "an application without pods, page pods that are gone, and another way in", scene => application_away::run(scene)),
    case!("someone-else", 1, "a change by somebody else meanwhile", scene => someone_else::run(scene)),
    case!("ctrl-c", 1, "Ctrl-C while the plugin changes and while it waits", scene => ctrl_c::run(scene)),
    case!("oauth2-proxy", 1, "an OAuth proxy before the admin tier", scene => oauth2_proxy::run(scene)),
    case!("endpoints", 1, "maintenance.endpoints", scene => endpoints::run(scene)),
    case!("bad-value", 1, "a malformed MAINTENANCE_MODE", scene => bad_value::run(scene)),
    case!("install", 1, "installed with --wait, everything is there", scene => install::run(scene)),
    case!("rendered", 1, "rendered manifests, applied twice", scene => rendered::run(scene)),
    case!("answers", 1, "what each client is told, pages of one's own, and a password for admins", scene => answers::run(scene)),
    case!("compose", 1, "compose.yaml", scene => compose::run(scene)),
];
