//! What was under way when the switch came: requests are finished by the application, and upgraded connections, and those
//! that do not go through a proxy, stay with it until they close.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::cluster::Helm;
use crate::http::Mode;
use crate::plugin;
use crate::programs::{all, wait_for};
use crate::release::Release;
use crate::scene::Scene;
use anyhow::{Context, Result, ensure};

/// Of the upload and the download.
const LENGTH: Duration = Duration::from_secs(30);
/// Sent each 100 ms.
const PIECE: [u8; 1000] = [b'x'; 1000];
/// Contour upgrades to nothing else. Whoever is between does not look at what comes then, which is an echo and no frames.
const UPGRADE: &str = "GET /echo HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let (finished, kept) = tokio::join!(finished(scene), kept(scene));
    all([finished.context("through an Ingress"), kept.context("through a NodePort")])
}

/// An upload, a download and an upgraded connection, from before the switch until long after it.
async fn finished(scene: &Scene) -> Result<()> {
    let release = Release::in_front(scene, "ingress", Helm::V4, &["shop"], &[]).await?;
    let mut upgraded = upgrade(&scene.cluster.ingress, release.user_host()).await?;
    let (upload, download, switch) = tokio::join!(upload(&release), download(&release), async {
        sleep(Duration::from_secs(3)).await;
        plugin::switch(&release, Mode::Maintenance).await?.success()?;
        release.users_see(Mode::Maintenance).await
    });
    all([upload, download, switch])?;
    // Both took far longer than the switch.
    echoes(&mut upgraded).await?;
    ends_with_the_application(&release, &mut upgraded).await?;
    release.users_see(Mode::Maintenance).await?;
    scene.figure(format!(
        "through an Ingress: an upload and a download of {} s across the switch were finished by the application; a WebSocket stayed with it until `kubectl rollout restart deployment/shop`",
        LENGTH.as_secs()
    ));
    Ok(())
}

async fn upload(release: &Release<'_>) -> Result<()> {
    let mut stream = connect(&release.scene.cluster.ingress).await?;
    let pieces = usize::try_from(LENGTH.as_millis() / 100).unwrap_or(usize::MAX);
    let length = pieces * PIECE.len();
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n",
        release.user_host()
    );
    let sent = async {
        stream.write_all(head.as_bytes()).await?;
        for _ in 0..pieces {
            stream.write_all(&PIECE).await?;
            sleep(Duration::from_millis(100)).await;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map(|_| answer)
    };
    let answer = timeout(LENGTH * 2, sent).await.context("the upload did not end")?;
    let answer = answer.context("the upload broke off")?;
    let whole = answer.starts_with("HTTP/1.1 200 ") && answer.contains(&format!("\n{length}\n"));
    ensure!(whole, "the upload was not finished by the application: {answer}");
    Ok(())
}

async fn download(release: &Release<'_>) -> Result<()> {
    let mut stream = connect(&release.scene.cluster.ingress).await?;
    let head = format!(
        "GET /stream?seconds={} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        LENGTH.as_secs(),
        release.user_host()
    );
    let mut answer = String::new();
    let read = async {
        stream.write_all(head.as_bytes()).await?;
        stream.read_to_string(&mut answer).await
    };
    let read = timeout(LENGTH * 2, read).await.context("the download did not end")?;
    read.context("the download broke off")?;
    ensure!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("end\n"),
        "the download was not finished: {}",
        &answer[answer.len().saturating_sub(200)..]
    );
    Ok(())
}

/// A connection through a `NodePort` and an upgraded one, from before the switch until the application restarts.
async fn kept(scene: &Scene) -> Result<()> {
    let node_port = ["frontServices.shop-front.type=NodePort"];
    let release = Release::in_front(scene, "nodeport", Helm::V4, &["shop"], &node_port).await?;
    let service = release.get(&["service", "shop-front"]).await?;
    let port = service["spec"]["ports"][0]["nodePort"].as_u64().unwrap_or_default();
    let node = scene.cluster.node_address().await?;
    let door = format!("{node}:{port}");

    let mut kept =
        wait_for("the NodePort to answer", Duration::from_secs(20), async || Ok(connect(&door).await.ok())).await?;
    ensure!(ask(&mut kept).await?.contains("application: shop"), "the application should answer before the switch");
    let mut upgraded = upgrade(&door, "shop").await?;

    plugin::switch(&release, Mode::Maintenance).await?.success()?;
    let new = async || ask(&mut connect(&door).await?).await;
    wait_for("new connections to get the page", Duration::from_secs(20), async || {
        Ok(new().await?.starts_with("HTTP/1.1 503 ").then_some(()))
    })
    .await?;
    // Not only in the moment of the switch.
    sleep(Duration::from_secs(5)).await;
    let still = ask(&mut kept).await?;
    ensure!(still.contains("application: shop"), "the kept connection should still be the application's: {still}");
    echoes(&mut upgraded).await?;

    // What the docs give to end them.
    ends_with_the_application(&release, &mut kept).await?;
    ended(&mut upgraded).await?;
    ensure!(new().await?.starts_with("HTTP/1.1 503 "), "who comes back should get the page");
    scene.figure(
        "through a NodePort: new connections get the page; a kept one and a WebSocket stay with the application until `kubectl rollout restart deployment/shop`",
    );
    Ok(())
}

/// A connection that is the application's from now on.
async fn upgrade(address: &str, host: &str) -> Result<TcpStream> {
    let mut stream = connect(address).await?;
    let answer = exchange(&mut stream, &UPGRADE.replace("HOST", host), "\r\n\r\n").await?;
    ensure!(answer.starts_with("HTTP/1.1 101 "), "the connection should be upgraded, but: {answer}");
    echoes(&mut stream).await?;
    Ok(stream)
}

async fn echoes(upgraded: &mut TcpStream) -> Result<()> {
    let echo = exchange(upgraded, "hello", "hello").await;
    let echo = echo.context("the upgraded connection should be the application's")?;
    ensure!(echo == "hello", "the upgraded connection should echo, but says {echo}");
    Ok(())
}

/// Restarts the application, by what the docs give to end its connections.
async fn ends_with_the_application(release: &Release<'_>, stream: &mut TcpStream) -> Result<()> {
    release.kubectl(&["rollout", "restart", "deployment/shop"]).await?;
    release.kubectl(&["rollout", "status", "deployment/shop", "--timeout=60s"]).await?;
    ended(stream).await
}

/// Reads until the other side has closed the connection.
async fn ended(stream: &mut TcpStream) -> Result<()> {
    let mut rest = [0; 4096];
    let ended = timeout(Duration::from_secs(60), async { while matches!(stream.read(&mut rest).await, Ok(1..)) {} });
    ended.await.context("the connection should have ended with the application, but is still open")
}

async fn connect(address: &str) -> Result<TcpStream> {
    let connected = timeout(Duration::from_secs(5), TcpStream::connect(address)).await;
    let connected = connected.with_context(|| format!("{address} does not take a connection"))?;
    connected.with_context(|| address.to_owned())
}

/// One request over a connection that stays open; the head of its answer and what came with it.
async fn ask(stream: &mut TcpStream) -> Result<String> {
    let answer = exchange(stream, "GET / HTTP/1.1\r\nHost: shop\r\n\r\n", "\r\n\r\n").await?;
    // The rest of the body, which is short or of no interest.
    let mut rest = [0; 65536];
    let _ = timeout(Duration::from_millis(200), stream.read(&mut rest)).await;
    Ok(answer)
}

/// Sends, and reads until what came holds `until`.
async fn exchange(stream: &mut TcpStream, text: &str, until: &str) -> Result<String> {
    let mut answer = Vec::new();
    let exchanged = async {
        stream.write_all(text.as_bytes()).await?;
        loop {
            let mut piece = [0; 4096];
            let read = stream.read(&mut piece).await?;
            answer.extend_from_slice(&piece[..read]);
            if read == 0 || String::from_utf8_lossy(&answer).contains(until) {
                return Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned());
            }
        }
    };
    let exchanged = timeout(Duration::from_secs(10), exchanged).await;
    let exchanged = exchanged.context("no answer within 10 s")?;
    exchanged.context("the connection broke off")
}
