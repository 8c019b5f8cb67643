//! One request over a connection of its own, and what its answer says.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AGE, HOST, HeaderMap, LOCATION, PROXY_AUTHORIZATION, SERVER, USER_AGENT, VIA};
use hyper::{Request, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;

/// How long a connection, and then an answer, is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an answer's head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Whether it has our marker, `Maintenance-Mode: on`.
    pub(super) marker: bool,
    location: Option<String>,
    /// Server, Via and Age, by which a cache or a platform is known.
    pub(super) traces: String,
}

impl Answer {
    fn new(status: u16, headers: &HeaderMap) -> Self {
        let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let traces: Vec<String> = [("Server", SERVER), ("Via", VIA), ("Age", AGE)]
            .into_iter()
            .filter_map(|(shown, name)| value(name.as_str()).map(|value| format!("{shown}: {value}")))
            .collect();
        Self {
            status,
            marker: value("maintenance-mode").as_deref() == Some("on"),
            location: value(LOCATION.as_str()),
            traces: if traces.is_empty() { "no Server, Via or Age".into() } else { traces.join(", ") },
        }
    }

    /// Whether it is a 503, and not ours.
    pub(super) fn is_foreign_503(&self) -> bool {
        self.status == 503 && !self.marker
    }

    /// Where it redirects to.
    pub(super) fn redirect(&self) -> Option<&str> {
        self.location.as_deref().filter(|_| matches!(self.status, 301 | 302 | 303 | 307 | 308))
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.status, self.marker) {
            (status, true) => write!(f, "{status} with our marker"),
            (503, false) => write!(f, "503 without our marker ({})", self.traces),
            (status, false) => write!(f, "{status}"),
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The host does not resolve, or there is no connection to it from here.
    NotReached(String),
    /// It took the connection and gave no answer.
    NoAnswer(String),
}

/// What asks. It sends nothing secret, so it takes any certificate.
pub(super) struct Client {
    tls: TlsConnector,
    proxies: Matcher,
}

impl Client {
    /// With the proxies that the environment names.
    pub(super) fn new() -> Self {
        Self::with_proxies(Matcher::from_env())
    }

    pub(super) fn with_proxies(proxies: Matcher) -> Self {
        let mut config = ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Self { tls: TlsConnector::from(Arc::new(config)), proxies }
    }

    /// Asks for `url`; with `host` as the Host header and in SNI, where it is another than the URL's.
    pub(super) async fn get(&self, url: &Uri, host: Option<&str>) -> Result<Answer, Failure> {
        let own = url.authority().map_or("", |authority| authority.as_str());
        let host = host.unwrap_or(own);
        let https = url.scheme_str() == Some("https");
        let proxy = self.proxies.intercept(url).filter(|_| !is_loopback(url));
        // A proxy takes the host from the URL, unless it only passes bytes on.
        let tunnel = https || host != own;

        let connected = timeout(PATIENCE, self.connect(url, host, https, tunnel, proxy.as_ref())).await;
        let stream = connected
            .map_err(|_| Failure::NotReached(format!("no connection after {} s", PATIENCE.as_secs())))?
            .map_err(|error| Failure::NotReached(whole(&*error)))?;

        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::get(path)
            .header(HOST, host)
            .header(USER_AGENT, concat!("kubectl-maintenance/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "*/*");
        if let Some(proxy) = proxy.filter(|_| !tunnel) {
            request = request.uri(url.clone());
            if let Some(credentials) = proxy.basic_auth() {
                request = request.header(PROXY_AUTHORIZATION, credentials);
            }
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| Failure::NotReached(whole(&error)))?;

        match timeout(PATIENCE, exchange(stream, request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failure::NoAnswer(whole(&error))),
            Err(_) => Err(Failure::NoAnswer(format!("no answer after {} s", PATIENCE.as_secs()))),
        }
    }

    async fn connect(
        &self,
        url: &Uri,
        host: &str,
        https: bool,
        tunnel: bool,
        proxy: Option<&Intercept>,
    ) -> Result<Box<dyn Stream>, Box<dyn Error + Send + Sync>> {
        let stream = connect_tcp(url, https, tunnel, proxy).await?;
        if !https {
            return Ok(Box::new(stream));
        }
        let name = host.parse::<hyper::http::uri::Authority>()?;
        let name = ServerName::try_from(name.host().trim_matches(['[', ']']).to_owned())?;
        Ok(Box::new(self.tls.connect(name, stream).await?))
    }
}

async fn connect_tcp(
    url: &Uri,
    https: bool,
    tunnel: bool,
    proxy: Option<&Intercept>,
) -> Result<TcpStream, Box<dyn Error + Send + Sync>> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    let Some(proxy) = proxy else { return Ok(connector.call(url.clone()).await?.into_inner()) };
    if proxy.uri().scheme_str() != Some("http") {
        return Err(format!("the proxy {} is not one that begins with http://", proxy.uri()).into());
    }
    let stream = if tunnel {
        let port = url.port_u16().unwrap_or(if https { 443 } else { 80 });
        let target = format!("{}:{port}", url.host().unwrap_or_default()).parse()?;
        let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        tunnel.call(target).await.map_err(|error| format!("by the proxy {}: {}", proxy.uri(), whole(&error)))?
    } else {
        let connected = connector.call(proxy.uri().clone()).await;
        connected.map_err(|error| format!("by the proxy {}: {}", proxy.uri(), whole(&error)))?
    };
    Ok(stream.into_inner())
}

async fn exchange(stream: Box<dyn Stream>, request: Request<Empty<Bytes>>) -> Result<Answer, hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends when the answer is dropped: bodies are not read.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    Ok(Answer::new(answer.status().as_u16(), answer.headers()))
}

/// Whether a URL is this machine's own, such as a port-forward: no proxy gets there.
fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// An error with everything that caused it, each said once.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// Takes any certificate: a router's own one, or one that has expired, must not hide what users get.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
