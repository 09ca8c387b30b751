//! What does watching cost? Keyward put together by its own parts, with everybody watching or nobody.

use std::future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use keyward::app::assemble::assemble;
use keyward::app::outside::RealServers;
use keyward::app::server::Bound;
use keyward::audit::AuditWriter;
use keyward::clock::{Clock, SystemClock};
use keyward::config::{self, ProcessEnvironment};
use keyward::explain::Recent;
use keyward::ext_authz::AuthorizationService;
use keyward::ext_authz::service::DecisionMetrics;
use keyward::telemetry::metrics::Metrics;

/// Makes this program serve the configuration that follows, counted and timed; audited as the configuration says.
pub const WATCHED: &str = "--serve-watched";

/// The same with no decision counted or timed.
pub const UNWATCHED: &str = "--serve-unwatched";

struct Nobody;

impl DecisionMetrics for Nobody {
    fn decided(&self, _: &'static str, _: &'static str, _: Duration) {}
    fn cancelled(&self, _: Duration) {}
}

/// Serves until killed, on the same kind of runtime as `keyward serve`.
pub fn serve(is_watched: bool) {
    let path = std::env::args().next_back().expect("a configuration");
    let loaded = config::load(Path::new(&path), &ProcessEnvironment).expect("the configuration is right");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let config = &loaded.config;
        let (clock, metrics): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Arc::new(Metrics::new()));
        let outside = RealServers::new(Arc::clone(&clock), Arc::clone(&metrics));
        let authorizer = Arc::new(ArcSwap::from_pointee(assemble(config, &outside).expect("it can decide")));
        outside.show_caches();
        let audit = AuditWriter::start(config.audit).expect("a thread");
        let counted: Arc<dyn DecisionMetrics> =
            if is_watched { Arc::<Metrics>::clone(&metrics) } else { Arc::new(Nobody) };
        let service = AuthorizationService::new(authorizer, clock, audit, counted)
            .keeping(Arc::new(Recent::new(config.explain)))
            .with_limits(&config.listen.limits)
            .into_server();
        // The server counts connections and open streams in either: it is by these that it keeps its limits.
        let bound = Bound::bind(&config.listen, service, metrics).await.expect("a free port");
        bound.run(future::pending()).await;
    });
}
