//! What a command is about, as it is typed: `page` is a release, `ingress/shop` an entry.

use std::fmt;
use std::str::FromStr;

use crate::entry::EntryKind;
use crate::object::Name;

/// What is to be switched, or looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// A release by its name.
    Release(String),
    /// An entry by its kind and name.
    Entry(EntryKind, String),
    /// A Service by its name. It is refused; the cluster tells what to name instead.
    Service(String),
}

/// What is said of a Service that is no front Service.
#[must_use]
pub fn no_service(name: &str) -> String {
    format!(
        "service/{name} cannot be switched: the page pods lack the labels that it selects, and the next kubectl apply or \
         helm upgrade would merge both selectors to one that finds no pod. Take it over as a front Service of a standby \
         release: name it in frontServices, and run helm upgrade with --take-ownership"
    )
}

// === impl Target ===

impl Target {
    /// Whether it names this object.
    #[must_use]
    pub fn is(&self, object: &Name) -> bool {
        matches!(self, Self::Entry(kind, name) if kind.kind() == object.kind && *name == object.name)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((kind, name)) = text.split_once('/') else { return Ok(Self::Release(text.to_owned())) };
        let expected = || "expected a release, or ingress/NAME, route/NAME or httproute/NAME".to_owned();
        if name.is_empty() || name.contains('/') {
            return Err(expected());
        }
        let entry = |kind| Ok(Self::Entry(kind, name.to_owned()));
        match kind {
            "ingress" | "ingresses" | "ing" => entry(EntryKind::Ingress),
            "route" | "routes" => entry(EntryKind::Route),
            "httproute" | "httproutes" => entry(EntryKind::HttpRoute),
            "service" | "services" | "svc" => Ok(Self::Service(name.to_owned())),
            "grpcroute" | "grpcroutes" => Err(
                "a GRPCRoute cannot be switched until the page pods speak HTTP/2: leave it out, its callers stay with the application"
                    .to_owned(),
            ),
            _ => Err(expected()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(name) => f.write_str(name),
            Self::Entry(kind, name) => write!(f, "{kind}/{name}"),
            Self::Service(name) => write!(f, "service/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_release_or_an_entry() {
        let entry = |kind, name: &str| Ok(Target::Entry(kind, name.to_owned()));
        for (text, target) in [
            ("page", Ok(Target::Release("page".to_owned()))),
            ("ingress/shop", entry(EntryKind::Ingress, "shop")),
            ("ing/shop", entry(EntryKind::Ingress, "shop")),
            ("route/shop", entry(EntryKind::Route, "shop")),
            ("httproute/shop.v2", entry(EntryKind::HttpRoute, "shop.v2")),
            ("svc/shop", Ok(Target::Service("shop".to_owned()))),
        ] {
            assert_eq!(text.parse::<Target>(), target);
        }
    }

    #[test]
    fn anything_else_with_a_slash_is_none() {
        for text in ["deployment/shop", "ingress/", "/shop", "ingress/a/b", "Ingress/shop"] {
            let why = "expected a release, or ingress/NAME, route/NAME or httproute/NAME";
            assert_eq!(text.parse::<Target>(), Err(why.to_owned()), "{text}");
        }
        let why = "grpcroute/shop".parse::<Target>().unwrap_err();
        assert!(why.contains("until the page pods speak HTTP/2"), "{why}");
    }

    #[test]
    fn a_target_is_printed_as_it_is_typed() {
        for text in ["page", "ingress/shop", "route/shop", "httproute/shop", "service/shop"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }
}
