//! The main port: where users, or admins, come in.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    Method, Request, Response,
    header::{HeaderName, USER_AGENT},
};
use http_body::Body as _;
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

    fn handle(&self, request: &Request<Incoming>, peer: SocketAddr, start: Instant) -> Response<Full<Bytes>> {
        let Shared { current, metrics, log, .. } = &*self.0;
        let (ask, moment, snapshot) = (Ask::of(request), self.0.moment(), current.load());
        let answer = respond(&ask, &moment, &snapshot);
        let (is_request, is_probe) = (!matches!(answer, Answer::BadRequest), answer.is_probe());
        let response = answer.into_response(moment.draining);
        let duration = start.elapsed();
        if is_request {
            metrics.request(request.method(), response.status(), duration);
        } else {
            metrics.refused(Refusal::BadRequest);
        }
        if is_request && !is_probe && log.has_access() {
            log.access(&Access {
                time: moment.now,
                tier: snapshot.settings.tier,
                peer: peer.ip(),
                forwarded_for: request.headers().get_all(X_FORWARDED_FOR),
                method: request.method(),
                path: request.uri().path(),
                status: response.status().as_u16(),
                bytes: if request.method() == Method::HEAD { 0 } else { response.body().size_hint().lower() },
                duration,
                user_agent: request.headers().get(USER_AGENT),
            });
        }
        response
    }

    fn refused(&self, refusal: Refusal) {
        self.0.metrics.refused(refusal);
    }
}
