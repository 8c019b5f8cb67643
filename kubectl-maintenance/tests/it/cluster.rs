//! A cluster in memory, behind the trait that stands for kubectl: objects that are patched, controllers that follow, pods
//! that answer. A call that the plugin should not make is an error.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Parser as _;
use jiff::Timestamp;
use kubectl_maintenance::cli::{Cli, as_typed};
use kubectl_maintenance::confirm::Person;
use kubectl_maintenance::kubectl::{Answer, Kubectl, Ran};
use kubectl_maintenance::output::Output;
use kubectl_maintenance::run::run;
use kubectl_maintenance::session::{Clock, Session};
use serde_json::{Value, json};

pub(crate) const NAMESPACE: &str = "shop";

type Hook = Box<dyn FnOnce(&mut State)>;

/// The cluster, and what was asked of it.
#[derive(Default)]
pub(crate) struct Cluster {
    pub(crate) state: RefCell<State>,
    calls: RefCell<Vec<Vec<String>>>,
    before: RefCell<Vec<(String, Hook)>>,
    stop: Arc<AtomicBool>,
    clock: Waits,
    stop_at: Cell<Option<&'static str>>,
    person: Sits,
}

/// What there is.
#[derive(Default)]
pub(crate) struct State {
    /// By kind and name: `configmaps/app-config`.
    pub(crate) objects: BTreeMap<String, Value>,
    /// How pods behave, by name.
    pub(crate) pods: BTreeMap<String, Pod>,
    /// `VERB KIND` or `VERB KIND/NAME` that are forbidden, such as `list pods` and `patch configmap/app-config`. After
    /// `really` only without `--dry-run`, after `start` kubectl cannot be started, after `answer` its answer is lost, after
    /// `give back` who owns which field cannot be written, as where the plugin was ended before that.
    pub(crate) forbidden: Vec<&'static str>,
    /// APIs that are not served.
    pub(crate) missing: Vec<&'static str>,
    /// The endpoints stay as they are, by Service.
    pub(crate) endpoints: BTreeMap<String, Vec<String>>,
    /// The API server answers the next list with 500.
    pub(crate) broken: bool,
    /// What a mutating webhook makes of each object that is written.
    pub(crate) webhook: Option<fn(&mut Value)>,
    /// Gateways do not read changes of `HTTPRoutes`.
    pub(crate) gateways_sleep: bool,
    version: u64,
}

/// How a pod behaves.
#[derive(Clone)]
pub(crate) struct Pod {
    /// Does not answer.
    pub(crate) silent: bool,
    /// Never reads a change.
    pub(crate) deaf: bool,
    standby: bool,
    config: String,
    read: BTreeMap<String, String>,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

// === impl Cluster ===

impl Cluster {
    /// A tiers release `web` with two user pods, in mode normal. Pods that go away or have ended are there, too.
    pub(crate) fn tiers() -> Self {
        let cluster = Self::default();
        cluster.release("web", "config", "app-config", &json!({"MAINTENANCE_MODE": "false"}));
        for pod in ["web-1", "web-2", "web-old", "web-evicted"] {
            cluster.pod(pod, &user_labels("web"), Some("app-config"));
        }
        cluster.edit("pods/web-old", "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"));
        cluster.edit("pods/web-evicted", "/status/phase", json!("Failed"));
        cluster
    }

    /// A standby release `page` with two page pods and the front Service `shop-front` before two pods of an application.
    pub(crate) fn standby() -> Self {
        let cluster = Self::default();
        cluster.release("page", "service", "page-config", &json!({"RETRY_AFTER": "300"}));
        cluster.front("shop-front", "shop");
        for pod in ["page-1", "page-2"] {
            cluster.pod(pod, &page_labels(), Some("page-config"));
        }
        for pod in ["shop-1", "shop-2"] {
            cluster.pod(pod, &json!({"app": "shop"}), None);
        }
        cluster.service("shop", &json!({"app": "shop"}));
        cluster.page_service("page");
        cluster
    }

    /// The Service that always leads to the page pods of a standby release.
    pub(crate) fn page_service(&self, release: &str) {
        let labels = json!({"app.kubernetes.io/instance": release, "app.kubernetes.io/component": "page"});
        let spec = json!({"selector": {"app": "page"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]});
        self.add("services", &format!("{release}-page"), &labels, json!({"spec": spec}));
    }

    pub(crate) fn release(&self, name: &str, switch: &str, config: &str, data: &Value) {
        let labels = json!({"app.kubernetes.io/instance": name, "maintenance-mode.github.io/switch": switch});
        self.add("configmaps", config, &labels, json!({"data": data}));
    }

    pub(crate) fn front(&self, name: &str, app: &str) {
        let labels = json!({"app.kubernetes.io/instance": "page", "maintenance-mode.github.io/switch": "service"});
        let spec = json!({"type": "ClusterIP", "selector": {"app": app}});
        self.add("services", name, &labels, json!({"spec": spec}));
        let selectors = json!({"maintenance": {"app": "page"}, "normal": {"app": app}}).to_string();
        self.edit(
            &format!("services/{name}"),
            "/metadata/annotations",
            json!({"maintenance-mode.github.io/selectors": selectors}),
        );
    }

    pub(crate) fn service(&self, name: &str, selector: &Value) {
        self.add("services", name, &json!({}), json!({"spec": {"selector": selector}}));
    }

    pub(crate) fn ingress(&self, name: &str, host: &str, service: &str, labels: &Value) {
        let path = json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}});
        let rule = json!({"host": host, "http": {"paths": [path]}});
        self.add("ingresses", name, labels, json!({"spec": {"rules": [rule]}}));
    }

    /// A Route of OpenShift that reencrypts, with the defaults that the API server writes.
    pub(crate) fn route(&self, name: &str, service: &str) {
        let tls = json!({"termination": "reencrypt", "key": "secret", "destinationCACertificate": "CA"});
        let to = json!({"kind": "Service", "name": service, "weight": 100});
        let spec = json!({"host": "*.example.org", "to": to, "port": {"targetPort": "web"}, "tls": tls});
        self.add("routes", name, &json!({}), json!({"spec": spec}));
    }

    /// An `HTTPRoute` that its gateway has read, with the defaults that the API server writes.
    pub(crate) fn http_route(&self, name: &str, service: &str) {
        let backend = json!({"group": "", "kind": "Service", "name": service, "port": 80, "weight": 1});
        let matches = json!([{"path": {"type": "PathPrefix", "value": "/"}}]);
        let spec = json!({
            "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public"}],
            "hostnames": ["*.example.org"],
            "rules": [{"matches": matches, "backendRefs": [backend]}],
        });
        self.add("httproutes", name, &json!({}), json!({"spec": spec}));
        self.edit(&format!("httproutes/{name}"), "/metadata/generation", json!(1));
        self.state.borrow_mut().gateways_read(&format!("httproutes/{name}"));
    }

    pub(crate) fn pod(&self, name: &str, labels: &Value, config: Option<&str>) {
        let ports = json!([{"name": "http", "containerPort": 8080}, {"name": "management", "containerPort": 9090}]);
        let spec = json!({"containers": [{"ports": ports, "readinessProbe": {"httpGet": {"path": "/readyz?exclude=maintenance"}}}]});
        let status =
            json!({"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]});
        self.add("pods", name, labels, json!({"spec": spec, "status": status}));
        let standby = labels["app.kubernetes.io/component"] == "page";
        let config = config.unwrap_or_default().to_owned();
        let mut state = self.state.borrow_mut();
        let read = state.data(&config);
        state.pods.insert(name.to_owned(), Pod { silent: config.is_empty(), deaf: false, standby, config, read });
    }

    pub(crate) fn add(&self, kinds: &str, name: &str, labels: &Value, rest: Value) {
        let mut object = json!({"metadata": {
            "name": name, "namespace": NAMESPACE, "labels": labels, "resourceVersion": "1", "managedFields": [],
        }});
        if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
            object.extend(rest);
        }
        self.state.borrow_mut().objects.insert(format!("{kinds}/{name}"), object);
    }

    /// Sets a field of an object, as somebody else may.
    pub(crate) fn edit(&self, object: &str, pointer: &str, to: Value) {
        self.state.borrow_mut().edit(object, pointer, to);
    }

    /// A Helm 3 or 4 release, Argo CD or Flux wrote it: who, how, and which fields.
    pub(crate) fn written(&self, object: &str, manager: &str, operation: &str, fields: &Value) {
        let mut fields = fields.clone();
        fields["f:metadata"] = json!({"f:labels": {"f:app.kubernetes.io/name": {}}});
        let entry = json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields});
        self.edit(object, "/metadata/managedFields", json!([entry]));
    }

    /// A JSON patch by somebody with kubectl alone; whether it was made.
    pub(crate) fn patch(&self, object: &str, patch: &str) -> bool {
        let mut state = self.state.borrow_mut();
        apply(state.objects.get_mut(object).unwrap(), &serde_json::from_str(patch).unwrap())
    }

    pub(crate) fn annotate(&self, object: &str, name: &str, text: &str) {
        let mut state = self.state.borrow_mut();
        state.objects.get_mut(object).unwrap()["metadata"]["annotations"][name] = text.into();
    }

    pub(crate) fn label(&self, object: &str, name: &str, text: &str) {
        let mut state = self.state.borrow_mut();
        state.objects.get_mut(object).unwrap()["metadata"]["labels"][name] = text.into();
    }

    pub(crate) fn unready(&self, pod: &str) {
        self.edit(&format!("pods/{pod}"), "/status/conditions", json!([{"type": "Ready", "status": "False"}]));
    }

    pub(crate) fn forbid(&self, what: &'static str) {
        self.state.borrow_mut().forbidden.push(what);
    }

    pub(crate) fn allow_all(&self) {
        self.state.borrow_mut().forbidden.clear();
    }

    pub(crate) fn remove(&self, object: &str) {
        self.state.borrow_mut().objects.remove(object);
    }

    /// What happens right before the first call whose words, joined by spaces, begin so.
    pub(crate) fn before(&self, call: &str, hook: impl FnOnce(&mut State) + 'static) {
        self.before.borrow_mut().push((call.to_owned(), Box::new(hook)));
    }

    /// Ctrl-C is pressed while the first call runs whose words begin so.
    pub(crate) fn interrupt_at(&self, call: &'static str) {
        self.stop_at.set(Some(call));
    }

    /// Somebody sits at a terminal, and answers so when asked.
    pub(crate) fn answers(&self, answer: &str) {
        *self.person.0.borrow_mut() = Some(answer.to_owned());
    }

    /// An object as it is.
    pub(crate) fn object(&self, object: &str) -> Value {
        self.state.borrow().objects[object].clone()
    }

    pub(crate) fn data(&self, config: &str) -> BTreeMap<String, String> {
        self.state.borrow().data(config)
    }

    /// The changes that were made: not the dry runs, and not what only reads.
    pub(crate) fn changes(&self) -> Vec<Vec<String>> {
        let calls = self.calls.borrow();
        let change = |call: &&Vec<String>| {
            matches!(call[0].as_str(), "patch" | "annotate") && !call.iter().any(|word| word == "--dry-run=server")
        };
        calls.iter().filter(change).cloned().collect()
    }

    /// The objects that were patched, in order.
    pub(crate) fn patched(&self) -> Vec<String> {
        self.changes().into_iter().filter(|call| call[0] == "patch").map(|call| call[1].clone()).collect()
    }

    /// All calls, as words joined by spaces.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.borrow().iter().map(|call| call.join(" ")).collect()
    }

    /// Runs a command.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.calls.borrow_mut().clear();
        self.stop.store(false, Ordering::SeqCst);
        let cli = Cli::try_parse_from(["kubectl-maintenance"].iter().chain(arguments)).unwrap();
        let quiet = arguments.contains(&"--quiet");
        let (out, err) = (Written::default(), Written::default());
        let output = Output::to(quiet, false, false, Box::new(out.clone()), Box::new(err.clone()));
        let session =
            Session { kubectl: self, output: &output, stop: &self.stop, clock: &self.clock, person: &self.person };
        let typed = as_typed(arguments.iter().map(|&argument| argument.to_owned()));
        let status = run(&session, &cli.command, &typed, now());
        let said = Said { status, out: out.plain(), err: err.plain() };
        // The new part of the log, for a test that fails.
        println!("$ {}\n{}{}= {status}", arguments.join(" "), said.err, said.out);
        said
    }

    fn called(&self, words: &[String]) {
        let call = words.join(" ");
        self.calls.borrow_mut().push(words.to_vec());
        let due =
            self.before.borrow().iter().position(|(begin, _)| call.starts_with(begin) && !call.contains("--dry-run"));
        if let Some(due) = due {
            let (_, hook) = self.before.borrow_mut().remove(due);
            hook(&mut self.state.borrow_mut());
        }
        if self.stop_at.get().is_some_and(|begin| call.starts_with(begin) && !call.contains("--dry-run")) {
            self.stop_at.set(None);
            self.stop.store(true, Ordering::SeqCst);
        }
    }
}

/// When the tests take place.
pub(crate) fn now() -> Timestamp {
    "2026-12-01T20:00:00.5Z".parse().unwrap()
}

pub(crate) fn user_labels(release: &str) -> Value {
    json!({"app.kubernetes.io/instance": release, "app.kubernetes.io/component": "user"})
}

pub(crate) fn page_labels() -> Value {
    json!({"app.kubernetes.io/instance": "page", "app.kubernetes.io/component": "page", "app": "page"})
}

impl Kubectl for Cluster {
    fn read(&self, arguments: &[&str]) -> Result<Ran> {
        let words: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        self.called(&words);
        let state = self.state.borrow();
        match arguments {
            ["auth", "whoami", ..] if state.forbidden.contains(&"whoami") => Ok(refused("unknown command \"whoami\"")),
            ["auth", "whoami", "-o", "json"] => Ok(printed(&json!({"status": {"userInfo": {"username": "ann"}}}))),
            ["config", "view", "--minify", "-o", "json"] => {
                Ok(printed(&json!({"contexts": [{"context": {"namespace": NAMESPACE, "user": "ann@there"}}]})))
            }
            ["get", object, "--namespace", NAMESPACE, ..] => match state.objects.get(&key(object)) {
                Some(object) => Ok(printed(object)),
                None => Ok(refused("Error from server (NotFound)")),
            },
            _ => bail!("unexpected: {words:?}"),
        }
    }

    fn change(&self, arguments: &[&str], input: &str) -> Result<Ran> {
        let mut words: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        self.called(&words);
        if let Some(flag) = words.iter().position(|word| word == "--patch-file") {
            words[flag + 1] = fs::read_to_string(&words[flag + 1])?;
            words[flag] = "-p".to_owned();
        }
        let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        let dry_run = arguments.contains(&"--dry-run=server");
        let mut state = self.state.borrow_mut();
        match &arguments[..] {
            ["create", "-f", "-", "-o", "json"] => {
                let reviews: Value = serde_json::from_str(input)?;
                let answers = reviews["items"].as_array().unwrap().iter().map(|review| {
                    let asked = &review["spec"]["resourceAttributes"];
                    let right = format!(
                        "{} {}/{}",
                        text(&asked["verb"]),
                        text(&asked["resource"]),
                        text(&asked["subresource"])
                    );
                    let allowed = !state.forbidden.contains(&right.trim_end_matches('/'));
                    json!({"kind": "SelfSubjectAccessReview", "status": {"allowed": allowed}}).to_string()
                });
                Ok(Ran { ok: true, stdout: answers.collect::<Vec<_>>().join("\n"), stderr: String::new() })
            }
            [
                "patch",
                object,
                "--namespace",
                NAMESPACE,
                "--type",
                "json",
                "--field-manager",
                "kubectl-maintenance",
                "-p",
                patch,
                ..,
            ] => {
                let what = format!("patch {object}");
                if state.forbidden.contains(&what.as_str())
                    || (!dry_run && state.forbidden.contains(&format!("really {what}").as_str()))
                {
                    return Ok(refused(&format!("Error from server (Forbidden): {object} is forbidden")));
                }
                if patch.contains("/metadata/managedFields")
                    && state.forbidden.contains(&format!("give back {object}").as_str())
                {
                    return Ok(refused("Error from server (Conflict)"));
                }
                let Some(before) = state.objects.get(&key(object)) else {
                    return Ok(refused("Error from server (NotFound)"));
                };
                let mut after = before.clone();
                if !apply(&mut after, &serde_json::from_str(patch)?) {
                    return Ok(refused(
                        "The request is invalid: the server rejected our request due to an error in our request",
                    ));
                }
                take(&mut after, &serde_json::from_str(patch)?);
                if after["metadata"]["annotations"].to_string().len() > 262_144 {
                    return Ok(refused("metadata.annotations: Too long: may not be more than 262144 bytes"));
                }
                if let Some(webhook) = state.webhook {
                    webhook(&mut after);
                }
                if !dry_run {
                    if state.forbidden.contains(&format!("start {what}").as_str()) {
                        bail!("kubectl cannot be started");
                    }
                    state.store(&key(object), after);
                    after = state.objects[&key(object)].clone();
                    if state.forbidden.contains(&format!("answer {what}").as_str()) {
                        return Ok(refused("Unable to connect to the server: connection reset by peer"));
                    }
                }
                Ok(printed(&after))
            }
            [
                "annotate",
                "pod",
                "--namespace",
                NAMESPACE,
                "--overwrite",
                "--field-manager",
                "kubectl-maintenance",
                pods @ ..,
                _,
            ] => {
                if state.forbidden.contains(&"patch pods") {
                    return Ok(refused("Error from server (Forbidden): pods is forbidden"));
                }
                let pods: Vec<String> = match pods {
                    ["--selector", labels] => {
                        let pods = state.objects.iter().filter(|(key, _)| key.starts_with("pods/"));
                        let found = pods.filter(|(_, pod)| matches(labels, &pod["metadata"]["labels"]));
                        found.map(|(key, _)| key.replace("pods/", "")).collect()
                    }
                    pods => pods.iter().map(|&pod| pod.to_owned()).collect(),
                };
                for pod in pods {
                    state.read_config(&pod);
                }
                Ok(Ran { ok: true, ..Ran::default() })
            }
            _ => bail!("unexpected: {words:?}"),
        }
    }

    fn get(&self, paths: &[String]) -> Result<Vec<Answer>> {
        for path in paths {
            self.called(&["get".to_owned(), "--raw".to_owned(), path.clone()]);
        }
        if mem::take(&mut self.state.borrow_mut().broken) {
            return Ok(paths.iter().map(|_| status(500, "etcdserver: request timed out")).collect());
        }
        let state = self.state.borrow();
        Ok(paths.iter().map(|path| state.answer(path)).collect())
    }

    fn as_typed(&self, arguments: &[&str]) -> String {
        format!("kubectl {}", arguments.join(" "))
    }
}

// === impl State ===

impl State {
    pub(crate) fn edit(&mut self, object: &str, pointer: &str, to: Value) {
        let object = self.objects.get_mut(object).unwrap();
        if let Some(field) = object.pointer_mut(pointer) {
            *field = to;
        } else {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[field] = to;
        }
    }

    pub(crate) fn data(&self, config: &str) -> BTreeMap<String, String> {
        let Some(config) = self.objects.get(&format!("configmaps/{config}")) else { return BTreeMap::new() };
        config["data"].as_object().unwrap().iter().map(|(key, value)| (key.clone(), text(value).to_owned())).collect()
    }

    fn store(&mut self, key: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = format!("{}", 1 + self.version).into();
        if let Some(generation) = object["metadata"]["generation"].as_u64() {
            object["metadata"]["generation"] = (generation + 1).into();
        }
        self.objects.insert(key.to_owned(), object);
        if key.starts_with("httproutes/") && !self.gateways_sleep {
            self.gateways_read(key);
        }
    }

    /// As a gateway's controller says that it has read an `HTTPRoute`.
    fn gateways_read(&mut self, key: &str) {
        let services: Vec<String> =
            self.objects.keys().filter_map(|key| key.strip_prefix("services/")).map(str::to_owned).collect();
        let route = self.objects.get_mut(key).unwrap();
        let seen = route["metadata"]["generation"].clone();
        let backends = route["spec"]["rules"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|rule| rule["backendRefs"].as_array().into_iter().flatten());
        let resolved = backends.into_iter().all(|backend| services.iter().any(|service| backend["name"] == *service));
        let condition = |kind: &str, good: bool| {
            let status = if good { "True" } else { "False" };
            json!({"type": kind, "status": status, "observedGeneration": seen, "message": "a Service is not there"})
        };
        let conditions = [condition("Accepted", true), condition("ResolvedRefs", resolved)];
        route["status"] = json!({"parents": [{"parentRef": {"name": "public"}, "conditions": conditions}]});
    }

    fn read_config(&mut self, pod: &str) {
        let data = self.pods.get(pod).map(|pod| self.data(&pod.config)).unwrap_or_default();
        if let Some(pod) = self.pods.get_mut(pod).filter(|pod| !pod.deaf) {
            pod.read = data;
        }
    }

    fn answer(&self, path: &str) -> Answer {
        let (path, query) = path.split_once("?labelSelector=").unwrap_or((path, ""));
        let selector = query
            .replace("%20", " ")
            .replace("%28", "(")
            .replace("%29", ")")
            .replace("%2C", ",")
            .replace("%3D", "=")
            .replace("%21", "!");
        if let Some((pod, rest)) = path.split_once("/proxy/") {
            let (pod, port) = pod.rsplit_once('/').unwrap().1.split_once(':').unwrap();
            return self.pod_answer(pod, port, rest);
        }
        let kinds = path.rsplit('/').next().unwrap();
        if let Some(route) =
            path.split_once("/httproutes/").and_then(|(_, name)| self.objects.get(&format!("httproutes/{name}")))
        {
            return Answer { status: 200, body: route.to_string() };
        }
        if let Some(namespace) = path.strip_prefix("/api/v1/namespaces/").filter(|rest| !rest.contains('/')) {
            return status(if namespace == NAMESPACE { 200 } else { 404 }, "a namespace");
        }
        if self.missing.contains(&kinds) {
            return status(404, "the server could not find the requested resource");
        }
        if self.forbidden.contains(&format!("list {kinds}").as_str()) {
            return status(403, &format!("{kinds} is forbidden: User \"ann\" cannot list resource \"{kinds}\""));
        }
        let (kind, version) = match kinds {
            "ingresses" => ("Ingress", "networking.k8s.io/v1"),
            "routes" => ("Route", "route.openshift.io/v1"),
            "httproutes" => ("HTTPRoute", "gateway.networking.k8s.io/v1"),
            "gateways" => ("Gateway", "gateway.networking.k8s.io/v1"),
            _ => ("", "v1"),
        };
        let items: Vec<Value> = if kinds == "endpointslices" {
            vec![self.endpoints(selector.split_once('=').unwrap().1)]
        } else {
            let of_kind = self.objects.iter().filter(|(key, _)| key.starts_with(&format!("{kinds}/")));
            of_kind
                .map(|(_, object)| object.clone())
                .filter(|object| matches(&selector, &object["metadata"]["labels"]))
                .collect()
        };
        Answer {
            status: 200,
            body: json!({"kind": format!("{kind}List"), "apiVersion": version, "items": items}).to_string(),
        }
    }

    /// As the endpoint controller makes them.
    fn endpoints(&self, service: &str) -> Value {
        let names: Vec<String> = if let Some(names) = self.endpoints.get(service) {
            names.clone()
        } else {
            let Some(service) = self.objects.get(&format!("services/{service}")) else { return json!({}) };
            let Some(wanted) = service["spec"]["selector"].as_object() else { return json!({}) };
            let pods = self.objects.iter().filter(|(key, _)| key.starts_with("pods/"));
            let found = pods.filter(|(_, pod)| {
                let ready = pod["status"]["conditions"][0]["status"] == "True";
                ready && wanted.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value)
            });
            found.map(|(key, _)| key.replace("pods/", "")).collect()
        };
        let endpoint = |name: &String| json!({"targetRef": {"name": name.trim_end_matches('?')}, "conditions": if name.ends_with('?') { json!({}) } else { json!({"ready": true}) }});
        json!({"endpoints": names.iter().map(endpoint).collect::<Vec<_>>()})
    }

    fn pod_answer(&self, name: &str, port: &str, path: &str) -> Answer {
        if self.forbidden.contains(&"get pods/proxy") {
            return status(403, "pods is forbidden: User \"ann\" cannot get resource \"pods/proxy\"");
        }
        let Some(pod) = self.pods.get(name).filter(|pod| !pod.silent) else {
            return status(503, "the server is currently unable to handle the request");
        };
        let maintenance = pod.standby || pod.read.get("MAINTENANCE_MODE").is_some_and(|mode| mode == "true");
        let until =
            pod.read.get("MAINTENANCE_UNTIL").map_or(0, |until| until.parse::<Timestamp>().unwrap().as_second());
        match (port, path) {
            ("9090", "metrics") => Answer {
                status: 200,
                body: format!(
                    "maintenance_mode {}\nmaintenance_until_timestamp_seconds {until}\n# EOF\n",
                    u8::from(maintenance)
                ),
            },
            ("8080", "") if maintenance => Answer {
                status: 503,
                body: json!({"detail": pod.read.get("MAINTENANCE_MESSAGE").map_or("built in", String::as_str)})
                    .to_string(),
            },
            _ => status(404, "not found"),
        }
    }
}

/// The key of an object as kubectl names it.
fn key(object: &str) -> String {
    let (kind, name) = object.split_once('/').unwrap();
    let ending = if kind.ends_with('s') { "es" } else { "s" };
    format!("{kind}{ending}/{name}")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Beside its result kubectl may have something to say, such as of an API that is not there.
fn printed(value: &Value) -> Ran {
    let stderr = "E0101 00:00:00 1 memcache.go:1] couldn't get resource list for metrics.k8s.io/v1beta1\n".to_owned();
    Ran { ok: true, stdout: value.to_string(), stderr }
}

fn refused(why: &str) -> Ran {
    Ran { ok: false, stdout: String::new(), stderr: format!("{why}\n") }
}

fn status(status: u16, message: &str) -> Answer {
    Answer { status, body: json!({"kind": "Status", "message": message}).to_string() }
}

/// Whether labels fit a selector such as `a=b,c in (d,e)`.
fn matches(selector: &str, labels: &Value) -> bool {
    let mut rest = selector;
    while !rest.is_empty() {
        let end = match rest.find(" in (") {
            Some(at) if !rest[..at].contains(',') => rest.find(')').unwrap() + 1,
            _ => rest.find(',').unwrap_or(rest.len()),
        };
        let (one, left) = rest.split_at(end);
        rest = left.trim_start_matches(',');
        let fits = if let Some((key, values)) = one.split_once(" in (") {
            values.trim_end_matches(')').split(',').any(|value| labels[key] == value)
        } else if let Some(key) = one.strip_prefix('!') {
            labels.get(key).is_none()
        } else {
            let (key, value) = one.split_once('=').unwrap();
            labels[key] == value
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Applies a JSON patch as the API server does, which takes a test of null for a field that is not there.
fn apply(object: &mut Value, patch: &Value) -> bool {
    for operation in patch.as_array().unwrap() {
        let path = text(&operation["path"]);
        let value = &operation["value"];
        let (parent, field) = path.rsplit_once('/').unwrap();
        let field = field.replace("~1", "/").replace("~0", "~");
        let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) else { return false };
        let done = match text(&operation["op"]) {
            // An empty map is one that is not there.
            "test" => parent.get(&field).filter(|there| **there != json!({})).unwrap_or(&Value::Null) == value,
            "add" => {
                parent.insert(field, value.clone());
                true
            }
            "replace" => parent.insert(field, value.clone()).is_some(),
            "remove" => parent.remove(&field).is_some(),
            _ => false,
        };
        if !done {
            return false;
        }
    }
    true
}

/// What a patch of ours sets is ours from then on, and nobody else's; what it takes away is nobody's.
fn take(object: &mut Value, patch: &Value) {
    const MANAGER: &str = "kubectl-maintenance";
    for operation in patch.as_array().unwrap().iter().filter(|operation| operation["op"] != "test") {
        let path = text(&operation["path"]).replace("~1", "\0");
        let fields: Vec<String> =
            path.split('/').skip(1).map(|field| format!("f:{}", field.replace('\0', "/"))).collect();
        let Some(entries) = object["metadata"]["managedFields"].as_array_mut() else { continue };
        // Maps are nobody's: what is in them is.
        if !["f:data", "f:spec"].contains(&fields[0].as_str()) {
            continue;
        }
        for entry in entries.iter_mut() {
            drop_field(&mut entry["fieldsV1"], &fields);
        }
        if operation["op"] == "remove" {
            continue;
        }
        if !entries.iter().any(|entry| entry["manager"] == MANAGER) {
            entries.push(json!({"manager": MANAGER, "operation": "Update", "apiVersion": "v1", "fieldsV1": {}}));
        }
        let ours = entries.iter_mut().find(|entry| entry["manager"] == MANAGER).unwrap();
        let mut place = &mut ours["fieldsV1"];
        for field in fields {
            place = &mut place[field];
        }
        *place = json!({});
    }
}

/// A map of which no field is left goes with its last.
fn drop_field(fields: &mut Value, path: &[String]) {
    let Some(inner) = fields.as_object_mut() else { return };
    match path {
        [field] => drop(inner.remove(field)),
        [field, rest @ ..] => {
            if let Some(below) = inner.get_mut(field) {
                drop_field(below, rest);
                if *below == json!({}) {
                    inner.remove(field);
                }
            }
        }
        [] => {}
    }
}

/// Who sits at the terminal; nobody, where there is no answer.
#[derive(Default)]
struct Sits(RefCell<Option<String>>);

impl Person for Sits {
    fn is_there(&self) -> bool {
        self.0.borrow().is_some()
    }

    fn answer(&self, _: &dyn Fn() -> bool) -> Option<String> {
        self.0.borrow().clone()
    }
}

/// A clock that waits for nobody.
struct Waits {
    began: Instant,
    waited: Cell<Duration>,
}

impl Default for Waits {
    fn default() -> Self {
        Self { began: Instant::now(), waited: Cell::default() }
    }
}

impl Clock for Waits {
    fn now(&self) -> Instant {
        self.began + self.waited.get()
    }

    fn sleep(&self, time: Duration) {
        self.waited.set(self.waited.get() + time);
    }
}

/// What was written, kept.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    /// Without colours.
    fn plain(&self) -> String {
        anstream::adapter::strip_str(&String::from_utf8_lossy(&self.0.lock().unwrap())).to_string()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
