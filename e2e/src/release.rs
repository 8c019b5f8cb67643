//! One release of the chart in a namespace of its own, in either shape, and what its pods and its users say.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::cluster::Helm;
use crate::http::{self, Mode, Reply};
use crate::programs::{Output, wait_for};
use crate::recorder::{RATE, Recorder, Served};
use crate::scene::Scene;

/// Long enough for a rollout on a busy machine of two cores.
pub(crate) const ROLLOUT: Duration = Duration::from_secs(180);
/// A patched ConfigMap must be in force within this, without any help.
pub(crate) const PATCH: Duration = Duration::from_secs(120);

/// What the toggle of a release moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The demo's tiers.
    Tiers,
    /// A front Service, `NAME-front`, before each application of these names.
    Standby(Vec<String>),
}

pub(crate) struct Release<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) namespace: String,
    /// Which is the fullname too, unless the case has another.
    pub(crate) name: String,
    pub(crate) fullname: String,
    pub(crate) configmap: String,
    /// The Helm that is used from now on.
    pub(crate) helm: Helm,
    pub(crate) shape: Shape,
    /// One for each application.
    pub(crate) user_hosts: Vec<String>,
    pub(crate) admin_host: String,
}

/// A pod as the API server has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) ready: bool,
    pub(crate) restarts: i64,
    pub(crate) terminating: bool,
}

impl<'a> Release<'a> {
    /// A release of the tiers that is yet to be installed, in a new namespace.
    pub(crate) async fn prepare(scene: &'a Scene, part: &str, helm: Helm) -> Result<Release<'a>> {
        let namespace = scene.namespace(part).await?;
        Ok(Self {
            scene,
            name: "shop".to_owned(),
            fullname: "shop".to_owned(),
            configmap: "shop-config".to_owned(),
            helm,
            shape: Shape::Tiers,
            user_hosts: vec![format!("{namespace}-users.test")],
            admin_host: format!("{namespace}-admins.test"),
            namespace,
        })
    }

    /// Installs the tiers into a new namespace and waits, as an operator would; `values` are those of the case.
    pub(crate) async fn install(scene: &'a Scene, part: &str, helm: Helm, values: &[&str]) -> Result<Release<'a>> {
        let release = Self::prepare(scene, part, helm).await?;
        release.helm_install(values, &[]).await?;
        release.await_users(Mode::Normal, Duration::from_secs(60)).await?;
        Ok(release)
    }

    /// A standby release that is yet to be installed, and the applications of these names, which users reach.
    pub(crate) async fn prepare_front(
        scene: &'a Scene,
        part: &str,
        helm: Helm,
        applications: &[&str],
    ) -> Result<Release<'a>> {
        let mut release = Self::prepare(scene, part, helm).await?;
        release.make_standby(applications);
        for name in applications {
            release.apply_application(name).await?;
        }
        Ok(release)
    }

    /// Makes it a standby release before these applications.
    pub(crate) fn make_standby(&mut self, applications: &[&str]) {
        self.name = "page".to_owned();
        self.fullname = "page".to_owned();
        self.configmap = "page-config".to_owned();
        self.user_hosts = applications.iter().map(|name| format!("{}-{name}.test", self.namespace)).collect();
        self.shape = Shape::Standby(applications.iter().map(|&name| name.to_owned()).collect());
    }

    /// Installs a front Service before each of the applications of these names; their entries name it, the second's an
    /// `HTTPRoute` and the others' Ingresses; the admins' does not.
    pub(crate) async fn in_front(
        scene: &'a Scene,
        part: &str,
        helm: Helm,
        applications: &[&str],
        values: &[&str],
    ) -> Result<Release<'a>> {
        let release = Self::prepare_front(scene, part, helm, applications).await?;
        for (number, (name, host)) in applications.iter().zip(&release.user_hosts).enumerate() {
            let manifest = if number == 1 { "httproute" } else { "ingress" };
            let front = format!("{name}-front");
            release.apply(manifest, &[("NAME", name), ("HOST", host), ("SERVICE", &front), ("PORT", "8080")]).await?;
        }
        let admins = [("HOST", release.admin_host.as_str()), ("SERVICE", applications[0])];
        release.apply("admin-ingress", &admins).await?;
        release.helm_install(values, &[]).await?;
        release.await_users(Mode::Normal, Duration::from_secs(60)).await?;
        Ok(release)
    }

    /// A standby release without front Services that is yet to be installed, next to applications of these names. Their
    /// entries are the case's, and name the applications' own Services.
    pub(crate) async fn prepare_standby(scene: &'a Scene, part: &str, applications: &[&str]) -> Result<Release<'a>> {
        let mut release = Self::prepare_front(scene, part, Helm::V4, applications).await?;
        release.shape = Shape::Standby(Vec::new());
        Ok(release)
    }

    /// The same, installed, with an entry of the page's own, by which the proxy knows its pods.
    pub(crate) async fn stand_by(
        scene: &'a Scene,
        part: &str,
        applications: &[&str],
        values: &[&str],
    ) -> Result<Release<'a>> {
        let release = Self::prepare_standby(scene, part, applications).await?;
        let host = format!("page.host={}-page.test", release.namespace);
        release.helm_install(&[&["expose.type=ingress", &host], values].concat(), &[]).await?;
        Ok(release)
    }

    /// The application of that name: two pods and a Service.
    pub(crate) async fn apply_application(&self, name: &str) -> Result<()> {
        let image = self.scene.cluster.application_image.as_str();
        self.apply("application", &[("NAME", name), ("IMAGE", image)]).await?;
        let deployment = format!("deployment/{name}");
        self.kubectl(&["rollout", "status", &deployment, "--timeout=60s"]).await.map(drop)
    }

    /// An Ingress of the application's own, to port 8080 of a Service.
    pub(crate) async fn apply_ingress(&self, name: &str, host: &str, service: &str) -> Result<()> {
        self.apply_entry("ingress", name, host, service).await
    }

    /// The same, or an `HTTPRoute`, as `manifest` says.
    pub(crate) async fn apply_entry(&self, manifest: &str, name: &str, host: &str, service: &str) -> Result<()> {
        self.apply(manifest, &[("NAME", name), ("HOST", host), ("SERVICE", service), ("PORT", "8080")]).await
    }

    /// `e2e/manifests/NAME.yaml` with these values.
    pub(crate) async fn apply(&self, name: &str, values: &[(&str, &str)]) -> Result<()> {
        let text = self.scene.cluster.manifest(name, values)?;
        self.scene.cluster.apply(&self.namespace, &text).await
    }

    /// What every release of this shape needs here.
    pub(crate) fn values(&self) -> Vec<String> {
        let mut values = self.scene.cluster.image_values().to_vec();
        match &self.shape {
            Shape::Tiers => values.extend([
                "expose.type=ingress".to_owned(),
                format!("expose.user.host={}", self.user_hosts[0]),
                format!("expose.admin.host={}", self.admin_host),
            ]),
            Shape::Standby(applications) => {
                values.push("shape=standby".to_owned());
                values.extend(applications.iter().flat_map(|name| front_values(&format!("{name}-front"), name)));
            }
        }
        values
    }

    /// Installs and waits; `values` are those of the case, `flags` Helm's.
    pub(crate) async fn helm_install(&self, values: &[&str], flags: &[&str]) -> Result<String> {
        let mut sets = self.values();
        sets.extend(values.iter().map(|&value| value.to_owned()));
        let mut arguments = vec!["upgrade", "--install", &self.name, "./chart", "--wait", "--timeout", "180s"];
        arguments.extend(flags);
        arguments.extend(sets.iter().flat_map(|set| ["--set", set.as_str()]));
        let installed = self.run_helm(&arguments).await?;
        // Helm 4 may end its wait in the very moment in which the HPA scales the new tier up, and call that not ready. Once
        // more, as people would; what is really not ready fails again.
        if self.helm == Helm::V4 && !installed.ok() && installed.stderr.contains("status: InProgress") {
            self.scene.figure("helm 4 ended its wait while the HPA scaled up, and was run again");
            return self.run_helm(&arguments).await?.success();
        }
        installed.success()
    }

    /// helm, in the release's namespace.
    pub(crate) async fn run_helm(&self, arguments: &[&str]) -> Result<Output> {
        self.scene.cluster.helm(self.helm, &[arguments, &["--namespace", &self.namespace]].concat()).await
    }

    /// The upgrade that the documentation gives, with these values changed.
    pub(crate) fn upgrade_arguments<'b>(&'b self, values: &[&'b str], owned: bool) -> Vec<&'b str> {
        let mut arguments = vec!["upgrade", &self.name, "./chart", "--reset-then-reuse-values", "--wait"];
        arguments.extend(values.iter().flat_map(|&value| ["--set", value]));
        // Where the key is Helm's, Helm 4 must be told to take it from whoever patched it.
        if owned {
            arguments.extend(self.helm.force());
        }
        arguments
    }

    /// An upgrade that leaves the toggle alone.
    pub(crate) async fn upgrade(&self, values: &[&str]) -> Result<String> {
        self.run_helm(&self.upgrade_arguments(values, false)).await?.success()
    }

    /// The toggle by Helm.
    pub(crate) async fn toggle(&self, mode: Mode) -> Result<String> {
        let value = format!("maintenance.enabled={}", mode.value());
        self.run_helm(&self.upgrade_arguments(&[&value], true)).await?.success()
    }

    /// Helm's revisions, oldest first.
    pub(crate) async fn history(&self) -> Result<Vec<Value>> {
        let history = self.run_helm(&["history", &self.name, "-o", "json"]).await?.success()?;
        serde_json::from_str(&history).context("helm history")
    }

    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.scene.cluster.kubectl(&[&["--namespace", &self.namespace], arguments].concat()).await
    }

    pub(crate) async fn get(&self, arguments: &[&str]) -> Result<Value> {
        self.scene.cluster.get(&[&["--namespace", &self.namespace], arguments].concat()).await
    }

    /// The items of a list.
    pub(crate) async fn list(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let mut list = self.get(arguments).await?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            other => bail!("kubectl get {} has no items, but {other}", arguments.join(" ")),
        }
    }

    /// The toggle by hand, as the OpenShift demo has it.
    pub(crate) async fn patch(&self, value: &str) -> Result<()> {
        let patch = json!({ "data": { "MAINTENANCE_MODE": value } }).to_string();
        self.kubectl(&["patch", "configmap", &self.configmap, "--patch", &patch]).await.map(drop)
    }

    /// What the ConfigMap says; `None` where it has no such key.
    pub(crate) async fn patched(&self) -> Result<Option<String>> {
        let configmap = self.get(&["configmap", &self.configmap]).await?;
        Ok(configmap["data"]["MAINTENANCE_MODE"].as_str().map(str::to_owned))
    }

    /// The resourceVersion of an object, which moves with each change.
    pub(crate) async fn version(&self, object: &str) -> Result<String> {
        let object = self.get(&[object]).await?;
        Ok(object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned())
    }

    /// The selector of a Service.
    pub(crate) async fn service_selector(&self, service: &str) -> Result<Value> {
        Ok(self.get(&["service", service]).await?["spec"]["selector"].take())
    }

    /// Fails unless each front Service leads where it should in that mode.
    pub(crate) async fn fronts_are(&self, mode: Mode) -> Result<()> {
        let Shape::Standby(applications) = &self.shape else { bail!("only a standby release has front Services") };
        for name in applications {
            let selector = self.service_selector(&format!("{name}-front")).await?;
            let is = if selector == json!({ "app": name }) { Mode::Normal } else { Mode::Maintenance };
            ensure!(is == mode, "{name}-front should be in mode {}, but selects {selector}", mode.word());
        }
        Ok(())
    }

    /// Makes the kubelets read the ConfigMap now. They must have seen the change first, hence the second before.
    pub(crate) async fn refresh(&self) -> Result<()> {
        sleep(Duration::from_secs(1)).await;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mark = format!("e2e/refresh={}", now.as_millis());
        // By name: of those that a selector finds, one that is going away may be gone before its turn.
        let pods = [self.pods("user").await?, self.pods("admin").await?].concat();
        let names = pods.iter().filter(|pod| !pod.terminating).map(|pod| pod.name.as_str());
        let arguments = ["annotate", "--overwrite", "pods"].into_iter().chain(names).chain([mark.as_str()]);
        self.kubectl(&arguments.collect::<Vec<_>>()).await.map(drop)
    }

    /// The pods of a component (`user`, `admin` or `page`), by name.
    pub(crate) async fn pods(&self, component: &str) -> Result<Vec<Pod>> {
        let list = self.list(&["pods", "--selector", &self.selector(component)]).await?;
        let mut pods = list.iter().map(Pod::read).collect::<Vec<_>>();
        pods.sort();
        Ok(pods)
    }

    /// The names of the user pods that are not going away.
    pub(crate) async fn pod_names(&self) -> Result<Vec<String>> {
        let pods = self.pods("user").await?;
        Ok(pods.into_iter().filter(|pod| !pod.terminating).map(|pod| pod.name).collect())
    }

    /// Names of the pods that are Ready and not going away, sorted.
    pub(crate) async fn serving(&self, component: &str) -> Result<Vec<String>> {
        let pods = self.pods(component).await?.into_iter().filter(|pod| pod.ready && !pod.terminating);
        Ok(pods.map(|pod| pod.name).collect())
    }

    /// Waits until so many pods of a component are Ready, and no other is left.
    pub(crate) async fn await_pods_ready(&self, component: &str, count: usize, limit: Duration) -> Result<()> {
        wait_for(&format!("{count} Ready {component} pods and no other"), limit, async || {
            let pods = self.pods(component).await?;
            Ok((pods.len() == count && pods.iter().all(|pod| pod.ready && !pod.terminating)).then_some(()))
        })
        .await
    }

    /// Waits until the HPA has raised the user tier to its default minimum, and nothing else is left.
    pub(crate) async fn two_user_pods(&self) -> Result<()> {
        self.await_pods_ready("user", 2, Duration::from_secs(90)).await
    }

    /// Scales a Deployment and waits until it has so many Ready pods, or until none is left.
    pub(crate) async fn scale(&self, deployment: &str, replicas: usize) -> Result<()> {
        let deployment = format!("deployment/{deployment}");
        self.kubectl(&["scale", &deployment, &format!("--replicas={replicas}")]).await?;
        wait_for(&format!("{deployment} to have {replicas} Ready pods"), ROLLOUT, async || {
            let status = self.get(&[&deployment]).await?["status"].take();
            let count = |field: &str| usize::try_from(status[field].as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
            Ok((count("readyReplicas") == replicas && count("replicas") == replicas).then_some(()))
        })
        .await
    }

    pub(crate) fn selector(&self, component: &str) -> String {
        format!("app.kubernetes.io/instance={},app.kubernetes.io/component={component}", self.name)
    }

    /// A page of a pod's management port, by way of the API server.
    pub(crate) async fn ask_pod(&self, pod: &str, path: &str) -> Result<String> {
        let path = format!("/api/v1/namespaces/{}/pods/{pod}:9090/proxy{path}", self.namespace);
        self.scene.cluster.kubectl(&["get", "--raw", &path]).await
    }

    /// A figure of a pod's metrics that has no labels.
    pub(crate) async fn metric(&self, pod: &str, name: &str) -> Result<f64> {
        let metrics = self.ask_pod(pod, "/metrics").await?;
        metric(&metrics, name).with_context(|| format!("/metrics of {pod} has no {name}"))
    }

    /// The first application's host.
    pub(crate) fn user_host(&self) -> &str {
        &self.user_hosts[0]
    }

    pub(crate) async fn user(&self, path: &str) -> Result<Reply> {
        self.ask(self.user_host(), path).await
    }

    pub(crate) async fn admin(&self, path: &str) -> Result<Reply> {
        self.ask(&self.admin_host, path).await
    }

    pub(crate) async fn ask(&self, host: &str, path: &str) -> Result<Reply> {
        http::get(&self.scene.cluster.ingress, host, path).await
    }

    /// Records users of every host, and admins.
    pub(crate) fn record(&self) -> Recorder {
        self.record_at(RATE)
    }

    /// The same with so many requests a second.
    pub(crate) fn record_at(&self, rate: u32) -> Recorder {
        Recorder::start(&self.scene.cluster.ingress, &self.user_hosts, Some(&self.admin_host), self.served(), rate)
    }

    /// The same where admins have no way in of their own.
    pub(crate) fn record_users(&self) -> Recorder {
        self.record_users_at(RATE)
    }

    /// That with so many requests a second.
    pub(crate) fn record_users_at(&self, rate: u32) -> Recorder {
        Recorder::start(&self.scene.cluster.ingress, &self.user_hosts, None, self.served(), rate)
    }

    fn served(&self) -> Served {
        if self.shape == Shape::Tiers { Served::ByDemo } else { Served::ByApplication }
    }

    /// Waits until ten answers in a row at each host, each over a connection of its own, are of that mode.
    pub(crate) async fn await_users(&self, mode: Mode, limit: Duration) -> Result<()> {
        for host in &self.user_hosts {
            self.await_host(host, mode, limit).await?;
        }
        Ok(())
    }

    /// The same at one host.
    pub(crate) async fn await_host(&self, host: &str, mode: Mode, limit: Duration) -> Result<()> {
        let mut row = 0;
        wait_for(&format!("{host} to be in mode {}", mode.word()), limit, async || {
            while row < 10 {
                // A controller without any Ingress does not even listen.
                if self.ask(host, "/").await.ok().and_then(|reply| reply.mode()) != Some(mode) {
                    row = 0;
                    return Ok(None);
                }
                row += 1;
            }
            Ok(Some(()))
        })
        .await
    }

    /// Waits until every user pod says itself that it is in that mode.
    pub(crate) async fn await_pods(&self, mode: Mode, limit: Duration) -> Result<()> {
        wait_for(&format!("every user pod to be in mode {}", mode.word()), limit, async || {
            for pod in self.pod_names().await? {
                // A pod that has just begun cannot be asked yet: it has no address.
                let Ok(figure) = self.metric(&pod, "maintenance_mode").await else { return Ok(None) };
                if (figure > 0.5) != (mode == Mode::Maintenance) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// Fails unless the next ten users of each host all see that mode.
    pub(crate) async fn users_see(&self, mode: Mode) -> Result<()> {
        for host in &self.user_hosts {
            self.host_is(host, mode).await?;
        }
        Ok(())
    }

    /// The same of one host.
    pub(crate) async fn host_is(&self, host: &str, mode: Mode) -> Result<()> {
        for _ in 0..10 {
            let reply = self.ask(host, "/").await?;
            let status = reply.status;
            ensure!(reply.mode() == Some(mode), "{host} should be in mode {}, but answers {status}", mode.word());
        }
        Ok(())
    }

    /// Fails unless the pods are those of before and none has restarted.
    pub(crate) async fn same_pods(&self, component: &str, before: &[Pod]) -> Result<()> {
        let now = self.pods(component).await?;
        let identity = |pods: &[Pod]| pods.iter().map(|pod| (pod.uid.clone(), pod.restarts)).collect::<Vec<_>>();
        ensure!(
            identity(&now) == identity(before),
            "the {component} pods should be the same without a restart; before: {before:?}; now: {now:?}"
        );
        Ok(())
    }

    pub(crate) async fn rollout(&self, tier: &str) -> Result<()> {
        let deployment = format!("deployment/{}-{tier}", self.fullname);
        self.kubectl(&["rollout", "restart", &deployment]).await?;
        self.rolled_out(tier, ROLLOUT).await?.success().map(drop)
    }

    pub(crate) async fn rolled_out(&self, tier: &str, limit: Duration) -> Result<Output> {
        let deployment = format!("deployment/{}-{tier}", self.fullname);
        let limit_text = format!("--timeout={}s", limit.as_secs());
        let arguments = ["--namespace", &self.namespace, "rollout", "status", &deployment, &limit_text];
        self.scene.cluster.try_kubectl(&arguments, limit + Duration::from_secs(10)).await
    }
}

/// The values of a front Service before an application.
pub(crate) fn front_values(front: &str, application: &str) -> Vec<String> {
    let values = [
        ("selector.app", application),
        ("ports[0].name", "http"),
        ("ports[0].port", "8080"),
        ("ports[0].targetPort", "http"),
    ];
    values.map(|(key, value)| format!("frontServices.{front}.{key}={value}")).to_vec()
}

// === impl Pod ===

impl Pod {
    fn read(pod: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        Self {
            name: text(&pod["metadata"]["name"]),
            uid: text(&pod["metadata"]["uid"]),
            ready: conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True"),
            restarts: pod["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or(0),
            terminating: !pod["metadata"]["deletionTimestamp"].is_null(),
        }
    }
}

fn metric(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.split(' ').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_figure_by_its_whole_name() {
        let metrics = "# TYPE a gauge\na_total 3\na 1\nb{x=\"y\"} 2\n";
        assert_eq!(metric(metrics, "a"), Some(1.0));
        assert_eq!(metric(metrics, "a_total"), Some(3.0));
        assert_eq!(metric(metrics, "b"), None);
    }

    #[test]
    fn reads_a_pod() {
        let pod = json!({
            "metadata": { "name": "a", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z" },
            "status": {
                "conditions": [{ "type": "Ready", "status": "True" }],
                "containerStatuses": [{ "restartCount": 2 }],
            },
        });
        let read = Pod::read(&pod);
        assert_eq!((read.name.as_str(), read.ready, read.restarts, read.terminating), ("a", true, 2, true));
    }
}
