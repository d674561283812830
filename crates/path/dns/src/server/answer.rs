//! What is answered from: the newest zones, swapped whole between two queries, and counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use hickory_proto::op::ResponseCode;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::Catalog;
use terrace_protocol::report::Traffic;

/// The zones that are answered from now on. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Zones {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    current: RwLock<Arc<Catalog>>,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Zones {
    /// The next query is answered from these. One that is being answered ends with those that it began with.
    pub fn replace(&self, catalog: Catalog) {
        let mut current = self
            .shared
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(catalog);
    }

    /// What was answered so far.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.shared.answered.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
            ..Traffic::default()
        }
    }

    fn current(&self) -> Arc<Catalog> {
        let current = self
            .shared
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }
}

#[async_trait::async_trait]
impl RequestHandler for Zones {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        response: R,
    ) -> ResponseInfo {
        let answered = self
            .current()
            .handle_request::<R, T>(request, response)
            .await;
        self.shared.answered.fetch_add(1, Ordering::Relaxed);
        if answered.response_code == ResponseCode::ServFail {
            self.shared.failed.fetch_add(1, Ordering::Relaxed);
        }
        answered
    }
}
