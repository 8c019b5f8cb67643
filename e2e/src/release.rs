//! One release of the chart in a namespace of its own, and what its pods say.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::time::sleep;

use crate::cluster::{Failure, Helm, Outcome, Output, wait_for};
use crate::ensure;
use crate::front::Way;
use crate::recorder::{self, Mode, Recorder, Reply, User};
use crate::report::Scene;

/// Long enough for a rollout on a busy machine of two cores.
pub(crate) const ROLLOUT: Duration = Duration::from_secs(180);
/// A patched ConfigMap must be in force within this, without any help.
pub(crate) const PATCH: Duration = Duration::from_secs(120);

pub(crate) struct Release<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// What the objects' names start with.
    pub(crate) fullname: String,
    pub(crate) configmap: String,
    /// The Helm that is used from now on.
    pub(crate) helm: Helm,
    pub(crate) user_host: String,
    pub(crate) admin_host: String,
    /// How an application that is there already is switched; `None`: the application is the chart's own.
    pub(crate) way: Option<Way>,
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
    /// A release that is yet to be installed, in a new namespace.
    pub(crate) async fn prepare(scene: &'a Scene, part: &str, helm: Helm) -> Outcome<Release<'a>> {
        let namespace = scene.namespace(part).await?;
        Ok(Self {
            scene,
            name: "shop".to_owned(),
            fullname: "shop".to_owned(),
            configmap: "shop-config".to_owned(),
            helm,
            user_host: format!("{namespace}-users.test"),
            admin_host: format!("{namespace}-admins.test"),
            namespace,
            way: None,
        })
    }

    /// Installs into a new namespace and waits, as an operator would; `values` are those of the case.
    pub(crate) async fn install(scene: &'a Scene, part: &str, helm: Helm, values: &[&str]) -> Outcome<Release<'a>> {
        let release = Self::prepare(scene, part, helm).await?;
        release.helm_install(values).await?;
        release.await_users(Mode::Normal, Duration::from_secs(60)).await?;
        Ok(release)
    }

    pub(crate) async fn helm_install(&self, values: &[&str]) -> Outcome<String> {
        let mut sets = self.scene.cluster.image_values().to_vec();
        sets.push("expose.type=ingress".to_owned());
        sets.push(format!("expose.user.host={}", self.user_host));
        sets.push(format!("expose.admin.host={}", self.admin_host));
        sets.extend(values.iter().map(|&value| value.to_owned()));
        let mut arguments = vec!["install", &self.name, "./chart", "--wait", "--timeout", "180s"];
        arguments.extend(sets.iter().flat_map(|set| ["--set", set.as_str()]));
        self.run_helm(&arguments).await?.success()
    }

    /// helm, in the release's namespace.
    pub(crate) async fn run_helm(&self, arguments: &[&str]) -> Outcome<Output> {
        self.scene.cluster.helm(self.helm, &[arguments, &["--namespace", &self.namespace]].concat()).await
    }

    /// The upgrade that the documentation gives, with these values changed.
    pub(crate) fn upgrade_arguments<'b>(&'b self, values: &[&'b str], owned: bool) -> Vec<&'b str> {
        let mut arguments = vec!["upgrade", &self.name, "./chart", "--reset-then-reuse-values", "--wait"];
        arguments.extend(values.iter().flat_map(|&value| ["--set", value]));
        // Where the key is Helm's, Helm 4 must be told to take it from whoever patched it; Helm 3 knows neither flag.
        if owned && self.helm == Helm::V4 {
            arguments.extend(["--server-side=true", "--force-conflicts"]);
        }
        arguments
    }

    /// An upgrade that leaves the toggle alone.
    pub(crate) async fn upgrade(&self, values: &[&str]) -> Outcome<String> {
        self.run_helm(&self.upgrade_arguments(values, false)).await?.success()
    }

    /// The toggle by Helm.
    pub(crate) async fn toggle(&self, mode: Mode) -> Outcome<String> {
        let value = format!("maintenance.enabled={}", mode == Mode::Maintenance);
        self.run_helm(&self.upgrade_arguments(&[&value], true)).await?.success()
    }

    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Outcome<String> {
        self.scene.cluster.kubectl(&[&["--namespace", &self.namespace], arguments].concat()).await
    }

    pub(crate) async fn get(&self, arguments: &[&str]) -> Outcome<Value> {
        self.scene.cluster.get(&[&["--namespace", &self.namespace], arguments].concat()).await
    }

    /// The toggle by hand, as the OpenShift demo has it.
    pub(crate) async fn patch(&self, value: &str) -> Outcome<()> {
        let patch = serde_json::json!({ "data": { "MAINTENANCE_MODE": value } }).to_string();
        self.kubectl(&["patch", "configmap", &self.configmap, "--patch", &patch]).await.map(drop)
    }

    /// What the ConfigMap says; `None` where it has no such key.
    pub(crate) async fn patched(&self) -> Outcome<Option<String>> {
        let configmap = self.get(&["configmap", &self.configmap]).await?;
        Ok(configmap["data"]["MAINTENANCE_MODE"].as_str().map(str::to_owned))
    }

    /// The ConfigMap's resourceVersion, which moves with each change.
    pub(crate) async fn version(&self) -> Outcome<String> {
        let configmap = self.get(&["configmap", &self.configmap]).await?;
        Ok(configmap["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned())
    }

    /// Makes the kubelets read the ConfigMap now. They must have seen the change first, hence the second before.
    pub(crate) async fn refresh(&self) -> Outcome<()> {
        sleep(Duration::from_secs(1)).await;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mark = format!("e2e/refresh={}", now.as_millis());
        // By name: of those that a selector finds, one that is going away may be gone before its turn.
        let pods = [self.pods("user").await?, self.pods("admin").await?].concat();
        let names = pods.iter().filter(|pod| !pod.terminating).map(|pod| pod.name.as_str());
        let arguments = ["annotate", "--overwrite", "pods"].into_iter().chain(names).chain([mark.as_str()]);
        self.kubectl(&arguments.collect::<Vec<_>>()).await.map(drop)
    }

    /// The pods of a component (`user` or `admin`), by name.
    pub(crate) async fn pods(&self, component: &str) -> Outcome<Vec<Pod>> {
        let list = self.get(&["pods", "--selector", &self.selector(component)]).await?;
        let mut pods = list["items"].as_array().into_iter().flatten().map(Pod::read).collect::<Vec<_>>();
        pods.sort();
        Ok(pods)
    }

    /// The names of the user pods that are not going away.
    pub(crate) async fn pod_names(&self) -> Outcome<Vec<String>> {
        let pods = self.pods("user").await?;
        Ok(pods.into_iter().filter(|pod| !pod.terminating).map(|pod| pod.name).collect())
    }

    /// Names of the pods that are Ready and not going away, sorted.
    pub(crate) async fn serving(&self, component: &str) -> Outcome<Vec<String>> {
        let pods = self.pods(component).await?.into_iter().filter(|pod| pod.ready && !pod.terminating);
        Ok(pods.map(|pod| pod.name).collect())
    }

    /// Waits until the HPA has raised the user tier to its default minimum, and nothing else is left.
    pub(crate) async fn two_user_pods(&self) -> Outcome<()> {
        wait_for("two Ready user pods and no other", Duration::from_secs(90), async || {
            let pods = self.pods("user").await?;
            Ok((pods.len() == 2 && pods.iter().all(|pod| pod.ready && !pod.terminating)).then_some(()))
        })
        .await
    }

    pub(crate) fn selector(&self, component: &str) -> String {
        format!("app.kubernetes.io/instance={},app.kubernetes.io/component={component}", self.name)
    }

    /// A page of a pod's management port, by way of the API server.
    pub(crate) async fn ask_pod(&self, pod: &str, path: &str) -> Outcome<String> {
        let path = format!("/api/v1/namespaces/{}/pods/{pod}:9090/proxy{path}", self.namespace);
        self.scene.cluster.kubectl(&["get", "--raw", &path]).await
    }

    /// A figure of a pod's metrics that has no labels.
    pub(crate) async fn metric(&self, pod: &str, name: &str) -> Outcome<f64> {
        let metrics = self.ask_pod(pod, "/metrics").await?;
        metric(&metrics, name).ok_or_else(|| Failure(format!("/metrics of {pod} has no {name}")))
    }

    pub(crate) async fn user(&self, path: &str) -> Outcome<Reply> {
        recorder::get(&self.scene.cluster.ingress, &self.user_host, path).await
    }

    pub(crate) async fn admin(&self, path: &str) -> Outcome<Reply> {
        recorder::get(&self.scene.cluster.ingress, &self.admin_host, path).await
    }

    pub(crate) fn record(&self) -> Recorder {
        Recorder::start(&self.scene.cluster.ingress, &self.user_host, Some(&self.admin_host), User::OfDemo)
    }

    /// Waits until ten answers in a row, each over a connection of its own, are of that mode.
    pub(crate) async fn await_users(&self, mode: Mode, limit: Duration) -> Outcome<()> {
        let mut row = 0;
        wait_for(&format!("{} to be in mode {mode:?}", self.user_host), limit, async || {
            while row < 10 {
                // A controller without any Ingress does not even listen.
                if self.user("/").await.ok().and_then(|reply| reply.mode()) != Some(mode) {
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
    pub(crate) async fn await_pods(&self, mode: Mode, limit: Duration) -> Outcome<()> {
        wait_for(&format!("every user pod to be in mode {mode:?}"), limit, async || {
            for pod in self.pod_names().await? {
                if (self.metric(&pod, "maintenance_mode").await? > 0.5) != (mode == Mode::Maintenance) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// Fails unless the next ten users all see that mode.
    pub(crate) async fn users_see(&self, mode: Mode) -> Outcome<()> {
        for _ in 0..10 {
            let reply = self.user("/").await?;
            ensure!(reply.mode() == Some(mode), "users should see {mode:?}, but got status {}", reply.status);
        }
        Ok(())
    }

    /// Fails unless the pods are those of before and none has restarted.
    pub(crate) async fn same_pods(&self, component: &str, before: &[Pod]) -> Outcome<()> {
        let now = self.pods(component).await?;
        let identity = |pods: &[Pod]| pods.iter().map(|pod| (pod.uid.clone(), pod.restarts)).collect::<Vec<_>>();
        ensure!(
            identity(&now) == identity(before),
            "the {component} pods should be the same without a restart; before: {before:?}; now: {now:?}"
        );
        Ok(())
    }

    pub(crate) async fn rollout(&self, tier: &str) -> Outcome<()> {
        let deployment = format!("deployment/{}-{tier}", self.fullname);
        self.kubectl(&["rollout", "restart", &deployment]).await?;
        self.rolled_out(tier, ROLLOUT).await?.success().map(drop)
    }

    pub(crate) async fn rolled_out(&self, tier: &str, limit: Duration) -> Outcome<Output> {
        let deployment = format!("deployment/{}-{tier}", self.fullname);
        let limit_text = format!("--timeout={}s", limit.as_secs());
        let arguments = ["--namespace", &self.namespace, "rollout", "status", &deployment, &limit_text];
        self.scene.cluster.try_kubectl(&arguments, limit + Duration::from_secs(10)).await
    }
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
        let pod = serde_json::json!({
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
