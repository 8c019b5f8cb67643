//! The management port: where the kubelet and Prometheus come in.

use std::{
    mem,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::{
    ask::Ask, connection::Handler, cors::Sharing, metrics::Refusal, respond::respond_management, shared::Shared,
};

/// Connections at once: a kubelet, a Prometheus and some people.
pub(crate) const CONNECTIONS: usize = 64;

/// Answers the probes and writes the metrics out.
#[derive(Debug)]
pub(crate) struct ManagementPort(pub(crate) Arc<Shared>);

impl Handler for ManagementPort {
    /// Who asks here asks at once.
    const FIRST_BYTE_TIME: Duration = Duration::from_secs(2);
    const FIRST_HEAD_TIME: Duration = Duration::from_secs(2);

    fn handle(&self, mut request: Request<Incoming>, _: SocketAddr, _: Instant) -> Response<Full<Bytes>> {
        let (moment, snapshot) = (self.0.moment(), self.0.current.load());
        let metrics = || self.0.metrics.text(&snapshot.settings, (moment.clock)());
        let answer = respond_management(&Ask::new(&request), &moment, &snapshot, metrics);
        answer.into_response(mem::take(request.headers_mut()), Sharing::Off, moment.draining)
    }

    /// Refusals are counted at the main port, as requests are.
    fn refused(&self, _: Refusal) {}
}
