//! An `HTTPRoute`: the backends of every rule that has some. What would lead requests elsewhere beside them, or past them
//! (the filters `RequestMirror` and `ExtensionRef`), is taken away; all else stays.
//!
//! People may ask for rules that lead to the original backends: for paths, and for testers. Which of all rules serves a
//! request is Gateway API's own order: the longer path, then a method, then more headers, then more query parameters, then
//! the first in the list.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::lost::Served;
use super::paths::{covers, length};
use super::{EXCLUDED, Page, Wish};
use crate::change::Change;
use crate::object::{self, list, namespace, text};

/// What an `HTTPRoute` may have at most: rules, matches in all of them, headers of one match.
const RULES: usize = 16;
const MATCHES: usize = 128;
const HEADERS: usize = 16;

/// Filters that lead requests elsewhere, or do what only their controller knows.
const TAKEN_AWAY: [&str; 2] = ["RequestMirror", "ExtensionRef"];

/// Leads it to the page.
pub(super) fn switch(change: &mut Change, others: &[Value], page: &Page, wish: &Wish) -> Result<Vec<String>, String> {
    let name = change.object.to_string();
    let original: Vec<Value> = list(&change.before, "/spec/rules").cloned().collect();
    let mut notes = Vec::new();

    let mut for_testers = Vec::new();
    if let Some((header, value)) = &wish.bypass {
        for_testers = original.iter().map(|rule| with_header(&name, rule, header, value)).collect::<Result<_, _>>()?;
        notes.push(format!(
            "leads to the application whoever sends the header {header} with that value, and that is no authentication"
        ));
    }
    let mut kept = Vec::new();
    for path in wish.topmost_paths() {
        if redirects(&original, path) {
            notes.push(format!("redirects {path} as before"));
        } else if !serves(&original, path) {
            notes.push(format!("has no rule with a backend that serves {path}"));
        }
        let rules = kept_rules(&name, &original, path)?;
        if rules.is_empty() {
            continue;
        }
        match others.iter().find(|other| takes_from(&change.before, other, path)) {
            None => {
                notes.push(format!("has a rule for {path} meanwhile, to the application"));
                kept.extend(rules);
            }
            Some(other) if hosts(&change.before).is_subset(&hosts(other)) => {
                notes.push(format!("leaves {path} to httproute/{}, which serves it", object::name(other)));
            }
            Some(other) => {
                return Err(format!(
                    "{name} has hosts of which httproute/{} serves {path}, and others, so --keep-path would take it from there: \
                     make an HTTPRoute of that path to the application, {EXCLUDED}, instead",
                    object::name(other)
                ));
            }
        }
    }
    // A rule that is split stays in its place, as the first of two equal matches serves a request.
    let mut rules = Vec::new();
    for rule in &original {
        let (stay, go): (Vec<Value>, Vec<Value>) =
            matches(rule).into_iter().partition(|one| wish.topmost_paths().any(|path| covers(path, path_of(one))));
        if !has_backends(rule) || go.is_empty() {
            rules.push(rule.clone());
            continue;
        }
        if !stay.is_empty() {
            rules.push(with_matches(rule, stay));
        }
        rules.push(to_page(rule, go, page, &mut notes));
    }

    let rules: Vec<Value> = for_testers.into_iter().chain(rules).chain(kept).collect();
    check_size(&name, &rules, original.len())?;
    if !original.is_empty() {
        change.set("/spec/rules".to_owned(), Some(rules.into()));
    }
    Ok(notes)
}

/// A rule that leads to the page.
fn to_page(rule: &Value, matches: Vec<Value>, page: &Page, notes: &mut Vec<String>) -> Value {
    let mut rule = rule.clone();
    if matches.len() < list(&rule, "/matches").count() {
        rule["matches"] = matches.into();
    }
    rule["backendRefs"] =
        json!([{"group": "", "kind": "Service", "name": page.service, "port": page.port, "weight": 1}]);
    let Some(filters) = rule.get_mut("filters").and_then(Value::as_array_mut) else { return rule };
    let taken = |filter: &Value| TAKEN_AWAY.contains(&text(filter, "/type"));
    let mut say = |note: String| {
        if !notes.contains(&note) {
            notes.push(note);
        }
    };
    for filter in filters.iter().map(|filter| text(filter, "/type")) {
        match filter {
            "RequestMirror" | "ExtensionRef" => say(format!("goes without its filter {filter} meanwhile")),
            "ExternalAuth" => {
                say("keeps its filter ExternalAuth, which may ask for a login before the page".to_owned());
            }
            _ => {}
        }
    }
    filters.retain(|filter| !taken(filter));
    if let Some(fields) = rule.as_object_mut().filter(|fields| fields["filters"] == json!([])) {
        fields.remove("filters");
    }
    rule
}

/// A rule for testers alone: each of its matches wants the header too, and so comes before the same match without it, and
/// among its like where it was.
fn with_header(name: &str, rule: &Value, header: &str, value: &str) -> Result<Value, String> {
    let mut matches = matches(rule);
    for one in &mut matches {
        let mut headers: Vec<Value> = list(one, "/headers").cloned().collect();
        if headers.iter().any(|own| text(own, "/name").eq_ignore_ascii_case(header)) {
            return Err(format!("{name} looks at the header {header} already: name another with --bypass-header"));
        }
        if headers.len() == HEADERS {
            return Err(format!("{name} has a match with {HEADERS} headers, which leaves no room for --bypass-header"));
        }
        headers.push(json!({"name": header, "type": "Exact", "value": value}));
        one["headers"] = headers.into();
    }
    Ok(with_matches(rule, matches))
}

/// The rules that keep a path on the application: the match of each rule that serves the path by a shorter prefix, made
/// longer.
fn kept_rules(name: &str, rules: &[Value], path: &str) -> Result<Vec<Value>, String> {
    let instead = format!("make an HTTPRoute of {path} to the application, {EXCLUDED}, instead");
    let mut all = rules.iter().flat_map(Serving::of);
    if let Some(pattern) = all.find(|one| text(&one.matched, "/path/type") == "RegularExpression") {
        return Err(format!(
            "{name} has the pattern {} as a path, and whether that comes before a prefix is the controller's own, so \
             --keep-path cannot tell: {instead}",
            path_of(&pattern.matched)
        ));
    }
    let mut serving = serving(rules, path);
    if !serving.iter().any(|one| has_backends(one.rule)) {
        return Ok(Vec::new());
    }
    serving.sort_by_key(|one| Reverse(one.length()));
    let overtakes = |one: &Serving<'_>| {
        let longer = serving.iter().filter(|other| other.length() > one.length());
        longer.into_iter().any(|other| one.conditions() > other.conditions())
    };
    if serving.iter().any(overtakes) {
        return Err(format!(
            "{name} serves {path} by several rules with conditions of their own, which would come in another order, so \
             --keep-path cannot keep it: {instead}"
        ));
    }
    let shorter = serving.iter().filter(|one| one.length() < path.len());
    Ok(shorter.map(|one| one.made_longer(path)).collect())
}

/// The matches that serve a path: what a rule serves without a condition no shorter prefix gets.
fn serving<'r>(rules: &'r [Value], path: &str) -> Vec<Serving<'r>> {
    let mut serving: Vec<Serving<'_>> =
        rules.iter().flat_map(Serving::of).filter(|one| one.serves_below(path)).collect();
    let unconditional = serving.iter().filter(|one| one.conditions() == (false, 0, 0));
    let shortest = unconditional.map(Serving::length).max().unwrap_or_default();
    serving.retain(|one| one.length() >= shortest);
    serving
}

/// Whether a path is redirected, whoever asks.
fn redirects(rules: &[Value], path: &str) -> bool {
    let redirects =
        |one: &Serving<'_>| list(one.rule, "/filters").any(|filter| text(filter, "/type") == "RequestRedirect");
    let serving = serving(rules, path);
    !serving.is_empty() && serving.iter().all(redirects)
}

/// Whether a rule with backends serves a path, or something below it.
fn serves(rules: &[Value], path: &str) -> bool {
    let mut all = rules.iter().filter(|rule| has_backends(rule)).flat_map(Serving::of);
    all.any(|one| one.serves_below(path) || covers(path, path_of(&one.matched)))
}

/// Whether another route of one of these hosts serves a path by a longer prefix than this one.
fn takes_from(route: &Value, other: &Value, path: &str) -> bool {
    let longest = |route: &Value| {
        let rules = list(route, "/spec/rules").flat_map(Serving::of);
        rules.filter(|one| one.serves_below(path)).map(|one| one.length()).max()
    };
    !hosts(route).is_disjoint(&hosts(other)) && shares_a_parent(route, other) && longest(other) > longest(route)
}

/// Whether two routes belong to the same Gateway.
pub(super) fn shares_a_parent(one: &Value, other: &Value) -> bool {
    let parent = |route: &Value, parent: &Value| {
        let elsewhere = parent.pointer("/namespace").and_then(Value::as_str);
        (elsewhere.unwrap_or(namespace(route)).to_owned(), text(parent, "/name").to_owned())
    };
    let parents = |route: &Value| -> BTreeSet<(String, String)> {
        list(route, "/spec/parentRefs").map(|named| parent(route, named)).collect()
    };
    !parents(one).is_disjoint(&parents(other))
}

/// What it serves, each of its hosts alike.
pub(super) fn served(route: &Value) -> Vec<Served> {
    let mut served = Vec::new();
    for (host, rule) in
        hosts(route).into_iter().flat_map(|host| list(route, "/spec/rules").map(move |rule| (host, rule)))
    {
        served.extend(matches(rule).iter().map(|one| Served {
            host: host.to_owned(),
            path: path_of(one).to_owned(),
            exact: !matches!(text(one, "/path/type"), "" | "PathPrefix"),
            services: list(rule, "/backendRefs").map(|backend| text(backend, "/name").to_owned()).collect(),
        }));
    }
    served
}

/// Whether it has rules with backends, and a wish keeps all of them. Of a pattern that cannot be told.
pub(super) fn is_kept_whole(route: &Value, wish: &Wish) -> bool {
    let mut switched = list(route, "/spec/rules").filter(|rule| has_backends(rule)).flat_map(matches).peekable();
    let kept = |one: &Value| wish.topmost_paths().any(|keep| covers(keep, path_of(one)));
    let is_pattern = |one: &Value| text(one, "/path/type") == "RegularExpression";
    switched.peek().is_some() && switched.all(|one| kept(&one) && !is_pattern(&one))
}

/// The hosts of a route; one without any has the empty text.
fn hosts(route: &Value) -> BTreeSet<&str> {
    let hosts: BTreeSet<&str> = list(route, "/spec/hostnames").filter_map(Value::as_str).collect();
    if hosts.is_empty() { BTreeSet::from([""]) } else { hosts }
}

/// One match of a rule.
struct Serving<'r> {
    rule: &'r Value,
    matched: Value,
}

// === impl Serving ===

impl<'r> Serving<'r> {
    fn of(rule: &'r Value) -> Vec<Self> {
        matches(rule).into_iter().map(|matched| Self { rule, matched }).collect()
    }

    /// Whether it serves a path and all below it.
    fn serves_below(&self, path: &str) -> bool {
        text(&self.matched, "/path/type") != "Exact" && covers(path_of(&self.matched), path)
    }

    fn length(&self) -> usize {
        length(path_of(&self.matched))
    }

    /// What decides between matches of the same path.
    fn conditions(&self) -> (bool, usize, usize) {
        let count = |field| list(&self.matched, field).count();
        (self.matched.get("method").is_some(), count("/headers"), count("/queryParams"))
    }

    /// Its rule for a path below; what a filter puts in the place of the prefix then becomes longer too.
    fn made_longer(&self, path: &str) -> Value {
        let mut matched = self.matched.clone();
        matched["path"] = json!({"type": "PathPrefix", "value": path});
        let mut rule = with_matches(self.rule, vec![matched]);
        for filter in rule.get_mut("filters").and_then(Value::as_array_mut).into_iter().flatten() {
            for kind in ["urlRewrite", "requestRedirect"] {
                if let Some(instead) = filter.pointer_mut(&format!("/{kind}/path/replacePrefixMatch")) {
                    let begin = instead.as_str().unwrap_or_default().trim_end_matches('/').to_owned();
                    *instead = format!("{begin}{}", &path[self.length()..]).into();
                }
            }
        }
        rule
    }
}

/// Refuses what the API server would, with a sentence that says why.
fn check_size(name: &str, rules: &[Value], before: usize) -> Result<(), String> {
    let matches: usize = rules.iter().map(|rule| list(rule, "/matches").count()).sum();
    let added = rules.len() - before;
    if added > 0 && (rules.len() > RULES || matches > MATCHES) {
        return Err(format!(
            "{name} would have {} rules with {matches} matches, and an HTTPRoute has at most {RULES} and {MATCHES}: leave \
             --bypass-header out, or --keep-path, and make an HTTPRoute of its own for them, {EXCLUDED}",
            rules.len()
        ));
    }
    Ok(())
}

/// The same rule for other matches. It has neither its name, of which there may be one alone, nor a backend that gets no
/// requests: without endpoints one has stopped whole gateways.
fn with_matches(rule: &Value, matches: Vec<Value>) -> Value {
    let mut rule = rule.clone();
    rule["matches"] = matches.into();
    if let Some(fields) = rule.as_object_mut() {
        fields.remove("name");
    }
    let idle = |backend: &Value| backend["weight"] == 0;
    if let Some(backends) = rule.get_mut("backendRefs").and_then(Value::as_array_mut)
        && !backends.iter().all(idle)
    {
        backends.retain(|backend| !idle(backend));
    }
    rule
}

/// The matches of a rule; without one it serves every path.
fn matches(rule: &Value) -> Vec<Value> {
    let matches: Vec<Value> = list(rule, "/matches").cloned().collect();
    match matches.is_empty() {
        true => vec![json!({"path": {"type": "PathPrefix", "value": "/"}})],
        false => matches,
    }
}

/// The path of a match; without one it is every path.
fn path_of(one: &Value) -> &str {
    match text(one, "/path/value") {
        "" => "/",
        path => path,
    }
}

/// Whether a rule has any; one that redirects has none.
pub(super) fn has_backends(rule: &Value) -> bool {
    list(rule, "/backendRefs").next().is_some()
}

/// The Services that it leads to.
pub(super) fn services(route: &Value) -> BTreeSet<String> {
    let backends = list(route, "/spec/rules").flat_map(|rule| list(rule, "/backendRefs"));
    let own = |backend: &&Value| {
        let elsewhere = text(backend, "/namespace");
        backend["weight"] != 0
            && matches!(text(backend, "/kind"), "" | "Service")
            && text(backend, "/group").is_empty()
            && (elsewhere.is_empty() || elsewhere == namespace(route))
    };
    backends.filter(own).map(|backend| text(backend, "/name").to_owned()).collect()
}
