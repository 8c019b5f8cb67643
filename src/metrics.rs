//! Metrics, in OpenMetrics. Every series exists from the start and is found by index, so that counting
//! takes no lock; no label has unbounded values.

use std::{
    fmt,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use http::{Method, StatusCode};
use jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet, text::encode},
    metrics::{MetricType, counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use crate::{
    mode::{self, Mode},
    settings::{Settings, Tier},
    until::{self, Until},
};

/// Classes of methods, in the order in which `request` finds them; the last stands for every other.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "other"];
/// The statuses that we answer with.
const CODES: [u16; 7] = [200, 204, 304, 401, 404, 405, 503];
/// Upper bounds of the histogram's buckets, in seconds: an answer takes microseconds.
const BUCKETS: [f64; 9] = [0.000_002_5, 0.000_005, 0.000_01, 0.000_025, 0.000_1, 0.001, 0.01, 0.1, 1.0];

type Labels = Vec<(&'static str, &'static str)>;

/// Every metric.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Vec<[Counter; CODES.len()]>,
    duration: Histogram,
    refused: Vec<Counter>,
    mode: Gauge,
    until: Gauge,
    /// Wrong credentials at the admin tier.
    pub admin_auth_failures: Counter,
    /// Connections to the main port.
    pub main: Connections,
    /// Connections to the management port.
    pub management: Connections,
    /// Reloads of live settings and own pages that are in force.
    pub reloads: Counter,
    /// Reloads that failed: the last good settings stayed.
    pub reload_failures: Counter,
    /// Log lines that were lost.
    pub log_lines_lost: Counter,
}

/// What is told of the connections of one port.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    /// How many there are.
    pub open: Gauge<i64, AtomicI64>,
    /// How many there may be.
    pub limit: Gauge<i64, AtomicI64>,
    /// How many were closed to make room for new ones.
    pub shed: Counter,
}

/// Why a request was refused before it was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400, or no answer to HTTP/2's preface: no HTTP/1 request.
    BadRequest,
    /// 431: the head, with its request line, is too large.
    HeadTooLarge,
    /// No answer: the first head was not there in time.
    HeadTimeout,
}

const REFUSALS: [Refusal; 3] = [Refusal::BadRequest, Refusal::HeadTooLarge, Refusal::HeadTimeout];

/// A histogram of atomic counters; prometheus-client's own takes a lock for each observation.
#[derive(Clone, Debug, Default)]
struct Histogram(std::sync::Arc<HistogramInner>);

#[derive(Debug, Default)]
struct HistogramInner {
    /// One more than there are bounds: the last is above all of them.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
}

// === impl Metrics ===

impl Metrics {
    /// Every metric, at zero.
    #[must_use]
    pub fn new(tier: Tier) -> Self {
        let mut registry = Registry::default();
        let tier = ("tier", tier.as_str());

        let family = Family::<Labels, Counter>::default();
        let requests = METHODS.map(|method| {
            CODES.map(|code| family.get_or_create(&vec![tier, ("method", method), ("code", code_text(code))]).clone())
        });
        registry.register("http_requests", "Requests on the main port, probes included", family);

        let duration = Histogram::default();
        registry.sub_registry_with_label((tier.0.into(), tier.1.into())).register(
            "http_request_duration_seconds",
            "Seconds from a request's head to its answer, before it is sent",
            duration.clone(),
        );

        let open = Family::<Labels, Gauge<i64, AtomicI64>>::default();
        let limit = Family::<Labels, Gauge<i64, AtomicI64>>::default();
        let shed = Family::<Labels, Counter>::default();
        let [main, management] = ["main", "management"].map(|port| {
            let port = vec![("port", port)];
            Connections {
                open: open.get_or_create(&port).clone(),
                limit: limit.get_or_create(&port).clone(),
                shed: shed.get_or_create(&port).clone(),
            }
        });
        registry.register("http_connections", "Open connections", open);
        registry.register("http_connections_limit", "How many connections there may be", limit);
        registry.register("http_connections_shed", "Connections closed to make room for new ones", shed);

        let family = Family::<Labels, Counter>::default();
        let refused = REFUSALS.map(|it| family.get_or_create(&vec![("kind", it.as_str())]).clone());
        registry.register("http_refused_requests", "What was refused on the main port before it was a request", family);

        let admin_auth_failures = Counter::default();
        registry.register(
            "admin_auth_failures",
            "Requests to the admin tier with a wrong user or password",
            admin_auth_failures.clone(),
        );

        let mode = Gauge::default();
        registry.register(
            "maintenance_mode",
            "1 where users are set to get the maintenance page, else 0",
            mode.clone(),
        );
        let until = Gauge::default();
        registry.register(
            "maintenance_until_timestamp_seconds",
            "When maintenance is planned to end, in seconds since 1970; 0 where no end is planned",
            until.clone(),
        );
        let reloads = Counter::default();
        registry.register("config_reloads", "Reloads of live settings and own pages", reloads.clone());
        let reload_failures = Counter::default();
        registry.register(
            "config_reload_failures",
            "Reloads that failed: the last good settings and pages stay",
            reload_failures.clone(),
        );
        let log_lines_lost = Counter::default();
        registry.register(
            "log_lines_lost",
            "Log lines lost: the queue was full or the pipe closed",
            log_lines_lost.clone(),
        );
        let info = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("maintenance_mode_build", "What is running", info);

        Self {
            registry,
            requests: requests.into(),
            duration,
            refused: refused.into(),
            mode,
            until,
            admin_auth_failures,
            main,
            management,
            reloads,
            reload_failures,
            log_lines_lost,
        }
    }

    /// Counts a request and its answer.
    pub fn request(&self, method: &Method, status: StatusCode, duration: Duration) {
        let class = match *method {
            Method::GET => 0,
            Method::HEAD => 1,
            Method::POST => 2,
            Method::PUT => 3,
            Method::PATCH => 4,
            Method::DELETE => 5,
            Method::OPTIONS => 6,
            Method::CONNECT => 7,
            _ => 8,
        };
        if let Some(code) = CODES.iter().position(|it| *it == status.as_u16()) {
            self.requests[class][code].inc();
        }
        self.duration.observe(duration);
    }

    /// Counts what was refused before it was a request.
    pub fn refused(&self, refusal: Refusal) {
        self.refused[refusal as usize].inc();
    }

    /// Everything, in OpenMetrics, at a moment.
    #[must_use]
    pub(crate) fn text(&self, settings: &Settings, now: Timestamp) -> String {
        self.mode.set((mode::of(settings) == Mode::Maintenance).into());
        let until = if until::at(settings, now) == Until::Unplanned { None } else { settings.until };
        self.until.set(until.map_or(0, Timestamp::as_second));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

const fn code_text(code: u16) -> &'static str {
    match code {
        200 => "200",
        204 => "204",
        304 => "304",
        401 => "401",
        404 => "404",
        405 => "405",
        _ => "503",
    }
}

// === impl Refusal ===

impl Refusal {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::HeadTooLarge => "head_too_large",
            Self::HeadTimeout => "head_timeout",
        }
    }
}

// === impl Histogram ===

impl Histogram {
    fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
        self.0.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = BUCKETS.into_iter().chain([f64::INFINITY]);
        let counts = self.0.buckets.iter().map(|it| it.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(self.0.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Files, Sources};

    fn settings(files: &[(&str, &str)]) -> Settings {
        Sources::default().resolve(&Files::from_pairs(files)).unwrap()
    }

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::new(Tier::User);
        let teapot = Method::from_bytes(b"BREW").unwrap();
        metrics.request(&Method::GET, StatusCode::SERVICE_UNAVAILABLE, Duration::from_micros(20));
        metrics.request(&teapot, StatusCode::NOT_FOUND, Duration::from_secs(2));
        metrics.refused(Refusal::HeadTooLarge);
        metrics.main.open.inc();
        let maintenance = settings(&[("MAINTENANCE_MODE", "true"), ("MAINTENANCE_UNTIL", "1970-01-01T00:01:00Z")]);
        let text = metrics.text(&maintenance, Timestamp::UNIX_EPOCH);
        for line in [
            "http_requests_total{tier=\"user\",method=\"GET\",code=\"503\"} 1",
            "http_requests_total{tier=\"user\",method=\"other\",code=\"404\"} 1",
            "http_requests_total{tier=\"user\",method=\"GET\",code=\"200\"} 0",
            "http_request_duration_seconds_bucket{tier=\"user\",le=\"0.00001\"} 0",
            "http_request_duration_seconds_bucket{tier=\"user\",le=\"0.000025\"} 1",
            "http_request_duration_seconds_bucket{tier=\"user\",le=\"1.0\"} 1",
            "http_request_duration_seconds_bucket{tier=\"user\",le=\"+Inf\"} 2",
            "http_request_duration_seconds_count{tier=\"user\"} 2",
            "http_request_duration_seconds_sum{tier=\"user\"} 2.00002",
            "http_refused_requests_total{kind=\"head_too_large\"} 1",
            "http_connections{port=\"main\"} 1",
            "http_connections{port=\"management\"} 0",
            "maintenance_mode 1",
            "maintenance_until_timestamp_seconds 60",
            "config_reload_failures_total 0",
            "log_lines_lost_total 0",
            concat!("maintenance_mode_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        let day_after = Timestamp::from_second(60 + 86_401).unwrap();
        assert!(metrics.text(&maintenance, day_after).contains("\nmaintenance_until_timestamp_seconds 0\n"));
        let text = metrics.text(&settings(&[]), Timestamp::UNIX_EPOCH);
        assert!(text.contains("\nmaintenance_mode 0\n") && text.contains("\nmaintenance_until_timestamp_seconds 0\n"));
    }

    #[test]
    fn the_chart_is_held_to_what_is_told() {
        let told = Metrics::new(Tier::User)
            .text(&settings(&[]), Timestamp::UNIX_EPOCH)
            .replace(env!("CARGO_PKG_VERSION"), "VERSION");
        // Series of one metric come in any order, so they are kept sorted.
        let mut told: Vec<_> = told.lines().filter(|it| !it.starts_with('#')).collect();
        told.sort_unstable();
        let told = told.join("\n");
        assert!(include_str!("../ci/chart/metrics.txt").trim_end() == told, "ci/chart/metrics.txt should be\n{told}");
    }
}
