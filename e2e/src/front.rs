//! An application that is there already, and a release that stands in front of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{Helm, Outcome};
use crate::recorder::{Mode, Recorder, User};
use crate::release::Release;
use crate::report::Scene;

/// The name of the application's Deployment, Service and `Application` header.
pub(crate) const APPLICATION: &str = "shop";

/// What the toggle moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The backend of an Ingress.
    Ingress,
    /// The backend of an `HTTPRoute`.
    HttpRoute,
    /// The selector of a Service, behind an Ingress of someone else.
    Selector,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Ingress, Self::HttpRoute, Self::Selector];

    /// Of the namespace and of the figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::HttpRoute => "httproute",
            Self::Selector => "selector",
        }
    }

    /// The values that choose it.
    fn values(self) -> Vec<String> {
        let values = match self {
            Self::Ingress => {
                &["app.existingService.name=shop", "app.existingService.port=8080", "expose.type=ingress"][..]
            }
            Self::HttpRoute => &[
                "app.existingService.name=shop",
                "app.existingService.port=8080",
                "expose.type=httpRoute",
                "expose.parentRefs[0].name=contour",
                "expose.parentRefs[0].namespace=projectcontour",
            ],
            Self::Selector => &[
                "app.podSelector.app=shop",
                "app.serviceName=shop",
                "app.servicePort=8080",
                "expose.type=ingress",
                "expose.user.enabled=false",
            ],
        };
        values.iter().map(|&value| value.to_owned()).collect()
    }
}

impl<'a> Release<'a> {
    /// A release in front of an application, which is installed first; `values` are those of the case.
    pub(crate) async fn in_front(
        scene: &'a Scene,
        part: &str,
        helm: Helm,
        way: Way,
        values: &[&str],
    ) -> Outcome<Release<'a>> {
        let mut release = Release::prepare(scene, part, helm).await?;
        release.apply_application(way != Way::Selector).await?;
        if way == Way::Selector {
            release.apply(&ingress(&release.namespace, "theirs", &release.user_host)).await?;
        }
        release.stand_in_front(way, values, &[]).await?;
        Ok(release)
    }

    /// Installs the release in front of an application that is there; `flags` are Helm's.
    pub(crate) async fn stand_in_front(&mut self, way: Way, values: &[&str], flags: &[&str]) -> Outcome<()> {
        let sets = self.in_front_arguments(way, values);
        let mut arguments = vec!["upgrade", "--install", "front", "./chart", "--wait", "--timeout", "180s"];
        arguments.extend(flags);
        arguments.extend(sets.iter().map(String::as_str));
        self.run_helm(&arguments).await?.success()?;
        self.await_users(Mode::Normal, Duration::from_secs(60)).await
    }

    /// Makes it a release in front of an application: the `--set`s that it needs, with the `values` of the case.
    pub(crate) fn in_front_arguments(&mut self, way: Way, values: &[&str]) -> Vec<String> {
        self.name = "front".to_owned();
        self.fullname = "front".to_owned();
        self.way = Some(way);
        let mut sets = self.scene.cluster.image_values().to_vec();
        sets.extend(way.values());
        if way != Way::Selector {
            sets.push(format!("expose.user.host={}", self.user_host));
        }
        sets.push(format!("expose.admin.host={}", self.admin_host));
        sets.push("expose.admin.path=/".to_owned());
        sets.extend(values.iter().map(|&value| value.to_owned()));
        sets.into_iter().flat_map(|set| ["--set".to_owned(), set]).collect()
    }

    /// The application: two pods, and its Service unless the chart is to have one.
    pub(crate) async fn apply_application(&self, service: bool) -> Outcome<()> {
        self.apply_part(APPLICATION, service).await
    }

    /// A part of the application, of that name.
    pub(crate) async fn apply_part(&self, name: &str, service: bool) -> Outcome<()> {
        self.apply(&deployment(&self.namespace, name, &self.scene.cluster.application_image)).await?;
        if service {
            self.apply(&app_service(&self.namespace, name)).await?;
        }
        let deployment = format!("deployment/{name}");
        self.kubectl(&["rollout", "status", &deployment, "--timeout=60s"]).await.map(drop)
    }

    pub(crate) async fn apply(&self, object: &Value) -> Outcome<()> {
        self.scene.cluster.apply(object).await
    }

    /// Records users and admins who are served by the application, or else by our page.
    pub(crate) fn record_application(&self) -> Recorder {
        Recorder::start(&self.scene.cluster.ingress, &self.user_host, Some(&self.admin_host), User::OfApplication)
    }

    /// The same before admins have a way in.
    pub(crate) fn record_users_of_application(&self) -> Recorder {
        Recorder::start(&self.scene.cluster.ingress, &self.user_host, None, User::OfApplication)
    }
}

fn deployment(namespace: &str, name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": {
                    "terminationGracePeriodSeconds": 60,
                    "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
                    "containers": [{
                        "name": "application",
                        "image": image,
                        "env": [{ "name": "NAME", "value": name }],
                        "ports": [{ "name": "http", "containerPort": 8080 }],
                        "readinessProbe": { "httpGet": { "path": "/health", "port": "http" }, "periodSeconds": 1 },
                        "securityContext": {
                            "allowPrivilegeEscalation": false,
                            "readOnlyRootFilesystem": true,
                            "capabilities": { "drop": ["ALL"] },
                        },
                    }],
                },
            },
        },
    })
}

pub(crate) fn app_service(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "selector": { "app": name },
            "ports": [{ "name": "http", "port": 8080, "targetPort": "http" }],
        },
    })
}

/// An Ingress of the application's own, to its Service.
pub(crate) fn ingress(namespace: &str, name: &str, host: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        // Contour ends a response after 15 s unless it is told otherwise, and upgrades a connection only where it is told.
        "metadata": { "name": name, "namespace": namespace, "annotations": {
            "projectcontour.io/response-timeout": "infinity",
            "projectcontour.io/websocket-routes": "/",
        } },
        "spec": { "rules": [{ "host": host, "http": { "paths": [{
            "path": "/",
            "pathType": "Prefix",
            "backend": { "service": { "name": APPLICATION, "port": { "number": 8080 } } },
        }] } }] },
    })
}
