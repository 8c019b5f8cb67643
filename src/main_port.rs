//! The main port: where users, or admins, come in.

use std::{
    mem,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    Method, Request, Response,
    header::{HeaderName, USER_AGENT},
};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::{
    answer::Answer, ask::Ask, connection::Handler, log::Access, metrics::Refusal, respond::respond, shared::Shared,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Answers, counts and logs what comes in at the main port.
#[derive(Debug)]
pub(crate) struct MainPort(pub(crate) Arc<Shared>);

impl Handler for MainPort {
    /// A connection that says nothing costs a slot. A router that opens connections ahead of need opens another.
    const FIRST_BYTE_TIME: Duration = Duration::from_secs(10);
    const FIRST_HEAD_TIME: Duration = Duration::from_secs(10);

    fn handle(&self, mut request: Request<Incoming>, peer: SocketAddr, start: Instant) -> Response<Full<Bytes>> {
        let Shared { current, metrics, log, .. } = &*self.0;
        let (moment, snapshot) = (self.0.moment(), current.load());
        let (answer, sharing) = respond(&Ask::new(&request), &moment, &snapshot);
        let duration = start.elapsed();
        if matches!(answer, Answer::BadRequest) {
            metrics.refused(Refusal::BadRequest);
        } else {
            metrics.request(request.method(), answer.status(), duration);
            if matches!(answer, Answer::Unauthorized { wrong: true }) {
                metrics.admin_auth_failures.inc();
            }
            if log.has_access() && !answer.is_probe() {
                log.access(&Access {
                    time: (moment.clock)(),
                    tier: snapshot.settings.tier,
                    peer: peer.ip(),
                    forwarded_for: request.headers().get_all(X_FORWARDED_FOR),
                    method: request.method(),
                    path: request.uri().path(),
                    version: request.version(),
                    status: answer.status().as_u16(),
                    bytes: if request.method() == Method::HEAD { 0 } else { answer.length() as u64 },
                    duration,
                    user_agent: request.headers().get(USER_AGENT),
                });
            }
        }
        answer.into_response(mem::take(request.headers_mut()), sharing, moment.draining)
    }

    fn refused(&self, refusal: Refusal) {
        self.0.metrics.refused(refusal);
    }
}
