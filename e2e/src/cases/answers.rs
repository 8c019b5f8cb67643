//! What is told to whom by values of the chart, through the Ingress: languages, formats and the planned end; pages of one's
//! own; and a password for admins.

use std::time::Duration;

use hyper::header::{
    ACCEPT, ACCEPT_LANGUAGE, ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderName,
    ORIGIN, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE,
};
use serde_json::{Value, json};

use crate::cluster::Helm;
use crate::http::{self, Mode, Reply};
use crate::programs::{all, wait_for};
use crate::release::{PATCH, Release};
use crate::scene::Scene;
use anyhow::{Context, Result, anyhow, ensure};

/// A picture of one pixel, as a ConfigMap has it.
const PICTURE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let (told, pages, admins) = tokio::join!(told(scene), pages(scene), admins(scene));
    all([told, pages, admins])
}

/// Everybody in their own language and format, until when; and a new end without a restart.
async fn told(scene: &Scene) -> Result<()> {
    let values = [
        "maintenance.title=Closed until noon",
        "maintenance.translations.fr.title=Fermé jusqu’à midi",
        "maintenance.until=2099-12-02T07:00:00Z",
        "maintenance.retryJitter=0",
        "maintenance.responseFormat=text",
        "maintenance.cors.allowOrigins={https://app.example.org}",
    ];
    let release = Release::install(scene, "told", Helm::V4, &values).await?;
    release.two_user_pods().await?;
    release.toggle(Mode::Maintenance).await?;
    release.await_users(Mode::Maintenance, Duration::from_secs(30)).await?;

    for (language, told, title) in [("fr-CA", "fr", "Fermé jusqu’à midi"), ("ar", "en", "Closed until noon")] {
        let reply = user_with(&release, ACCEPT_LANGUAGE, language).await?;
        ensure!(
            header(&reply, CONTENT_LANGUAGE) == told && reply.body.contains(title),
            "who reads {language} should get \"{title}\" in {told}, but gets {}: {}",
            header(&reply, CONTENT_LANGUAGE),
            reply.body
        );
    }
    for (accept, content_type) in
        [("application/json", "application/json"), ("*/*", "text/plain"), ("text/html", "text/html")]
    {
        let reply = user_with(&release, ACCEPT, accept).await?;
        let told = header(&reply, CONTENT_TYPE);
        ensure!(
            reply.mode() == Some(Mode::Maintenance) && told.starts_with(content_type),
            "who accepts {accept} should get the page as {content_type}, but gets {} as {told}",
            reply.status
        );
        // A day, which is the most.
        let wait = header(&reply, RETRY_AFTER);
        ensure!(wait == "86400", "Retry-After should be of the planned end, 86400, but is {wait}");
    }
    for (origin, told) in [("https://app.example.org", "https://app.example.org"), ("https://example.org", "")] {
        let reply = user_with(&release, ORIGIN, origin).await?;
        let allowed = header(&reply, ACCESS_CONTROL_ALLOW_ORIGIN);
        ensure!(
            allowed == told,
            "{origin} should be told \"{told}\" in Access-Control-Allow-Origin, not \"{allowed}\""
        );
    }
    let check = user_with(&release, USER_AGENT, "GoogleHC/1.0").await?;
    ensure!(
        check.status == 200 && !check.has_marker(),
        "a load balancer's check should get 200 without the marker, not {}",
        check.status
    );

    let before = release.pods("user").await?;
    let end = "2099-12-03T07:00:00Z";
    let patch = json!({ "data": { "MAINTENANCE_UNTIL": end } }).to_string();
    release.kubectl(&["patch", "configmap", &release.configmap, "--patch", &patch]).await?;
    release.refresh().await?;
    wait_for("the new end to be told", PATCH, async || {
        let reply = user_with(&release, ACCEPT, "application/json").await?;
        Ok((json_of(&reply)?["until"] == end).then_some(()))
    })
    .await?;
    release.same_pods("user", &before).await?;
    scene.figure("page and JSON in French and English, CORS and a load balancer's check through the Ingress; a new end without a restart");
    Ok(())
}

/// From a ConfigMap, with a picture; changed without a restart, and not by a page that does not render.
async fn pages(scene: &Scene) -> Result<()> {
    let release = Release::prepare(scene, "pages", Helm::V4).await?;
    apply_page(&release, "<h1>First</h1>").await?;
    release.helm_install(&["maintenance.enabled=true", "maintenance.pages=shop-pages"], &[]).await?;
    release.two_user_pods().await?;
    release.await_users(Mode::Maintenance, Duration::from_secs(60)).await?;
    let first = release.user("/").await?.body;
    ensure!(first.contains("<h1>First</h1>"), "the page should be the ConfigMap's, but is: {first}");

    let before = release.pods("user").await?;
    let second = r#"<h1>Second</h1><img src="{{ data_uri("picture.png") }}" alt="">"#;
    apply_page(&release, second).await?;
    release.refresh().await?;
    let second = format!(r#"<h1>Second</h1><img src="data:image/png;base64,{PICTURE}" alt="">"#);
    wait_for("every pod to have the changed page", PATCH, async || {
        Ok(everybody_gets(&release, &second).await?.then_some(()))
    })
    .await?;

    let mut failures = Vec::new();
    for pod in release.pod_names().await? {
        let count = release.metric(&pod, "config_reload_failures_total").await?;
        failures.push((pod, count));
    }
    apply_page(&release, "<h1>Third {{ nothing }}</h1>").await?;
    release.refresh().await?;
    for (pod, before) in failures {
        wait_for("the page that does not render to be refused", PATCH, async || {
            Ok((release.metric(&pod, "config_reload_failures_total").await? > before).then_some(()))
        })
        .await?;
        let log = release.kubectl(&["logs", &pod]).await?;
        ensure!(log.contains("maintenance.html"), "the log of {pod} should name the page that is refused: {log}");
    }
    ensure!(everybody_gets(&release, &second).await?, "the last good page should stay, and does not");
    release.same_pods("user", &before).await?;
    scene.figure("maintenance.pages: a page of one's own with a picture, changed without a restart; one that does not render changes nothing");
    Ok(())
}

/// Asked for a Secret's user and password, and nobody else is.
async fn admins(scene: &Scene) -> Result<()> {
    let release = Release::prepare(scene, "admins", Helm::V4).await?;
    release.apply("admins-secret", &[]).await?;
    release.helm_install(&["admin.auth.existingSecret=shop-admins"], &[]).await?;
    release.await_users(Mode::Normal, Duration::from_secs(60)).await?;
    let asked = wait_for("admins to be asked for a password", Duration::from_secs(30), async || {
        let reply = release.admin("/admin").await?;
        Ok((reply.status == 401).then_some(reply))
    })
    .await?;
    let how = header(&asked, WWW_AUTHENTICATE);
    ensure!(how.starts_with("Basic realm="), "admins should be asked for HTTP Basic, but: {how}");
    // boss:open-sesame and boss:open
    for (credentials, status) in [("Basic Ym9zczpvcGVuLXNlc2FtZQ==", 200), ("Basic Ym9zczpvcGVu", 401)] {
        let authorization = Some((AUTHORIZATION, credentials));
        let reply = http::get_with(&scene.cluster.ingress, &release.admin_host, "/admin", authorization).await?;
        ensure!(reply.status == status, "an admin with {credentials} should get {status}, not {}", reply.status);
    }
    let tested = release.run_helm(&["test", &release.name, "--timeout", "120s"]).await?;
    tested.success().context("helm test")?;
    let log = release.kubectl(&["logs", "--selector", &release.selector("admin"), "--tail=-1"]).await?;
    ensure!(!log.contains("sesame") && !log.contains("Ym9z"), "the admins' log has what nobody may read: {log}");
    scene.figure("admin.auth.existingSecret: 401 without the password, 200 with it; users, probes and helm test are asked for nothing");
    Ok(())
}

/// Whether ten users, each over a connection of their own, get a page with these words.
async fn everybody_gets(release: &Release<'_>, words: &str) -> Result<bool> {
    for _ in 0..10 {
        if !release.user("/").await?.body.contains(words) {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn user_with(release: &Release<'_>, name: HeaderName, value: &str) -> Result<Reply> {
    http::get_with(&release.scene.cluster.ingress, release.user_host(), "/", Some((name, value))).await
}

/// A header's text; empty where it is not there.
fn header(reply: &Reply, name: HeaderName) -> String {
    let value = reply.headers.get(name);
    value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

fn json_of(reply: &Reply) -> Result<Value> {
    serde_json::from_str(&reply.body).map_err(|error| anyhow!("this should be JSON: {}: {error}", reply.body))
}

async fn apply_page(release: &Release<'_>, page: &str) -> Result<()> {
    release.apply("pages", &[("PAGE", page), ("PICTURE", PICTURE)]).await
}
