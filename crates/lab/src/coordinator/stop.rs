//! The end, in order: every node stops its roles from the entry to the database, then the hosts go.

use std::time::{Duration, Instant};

use terrace_protocol::control::Reply;
use terrace_protocol::node::ToNode;
use tokio::sync::mpsc;

use super::{Coordinator, Event};

/// A node that has not stopped its roles by then is stopped with them.
const PATIENCE: Duration = Duration::from_secs(30);

impl Coordinator {
    pub(super) async fn stop(&mut self, heard: &mut mpsc::UnboundedReceiver<Event>) {
        // A command that waits for the site gets the reply to `down` alone, also if the site comes up at this moment.
        for waiting in &mut self.waiting {
            waiting.told = true;
        }
        let begun = Instant::now();
        self.builds.end().await;
        self.front_door = None;
        // What stands still cannot stop in order.
        self.mend().await;
        for name in self.order.clone() {
            if let Some(node) = self
                .servers
                .get(&name)
                .and_then(|server| server.node.as_ref())
            {
                let _ = node.put(ToNode::Stop);
            }
        }
        let stopped = tokio::time::timeout(PATIENCE, self.all_stopped(heard)).await;
        if stopped.is_err() {
            self.step(
                "hosts",
                "some roles did not stop in time: they are stopped now".to_owned(),
                None,
                false,
            );
        }
        for server in self.servers.values_mut() {
            server.kill();
        }
        let _ = tokio::time::timeout(Duration::from_secs(5), self.all_ended(heard)).await;
        self.step("hosts", "gone".to_owned(), Some(begun.elapsed()), true);
        self.tell(Reply::Stopped);
        let waiting = self.waiting.iter().map(|waiting| waiting.reply.sent());
        futures_util::future::join_all(waiting).await;
    }

    async fn all_stopped(&mut self, heard: &mut mpsc::UnboundedReceiver<Event>) {
        while self
            .servers
            .values()
            .any(|server| server.node.is_some() && !server.stopped)
        {
            match heard.recv().await {
                Some(Event::Node { server, message }) => self.node_says(&server, message),
                Some(Event::HostEnded { server, .. }) => self.gone(&server),
                Some(_) => {}
                None => return,
            }
        }
    }

    async fn all_ended(&mut self, heard: &mut mpsc::UnboundedReceiver<Event>) {
        while self.servers.values().any(|server| server.keeper.is_some()) {
            match heard.recv().await {
                Some(Event::HostEnded { server, .. }) => self.gone(&server),
                Some(_) => {}
                None => return,
            }
        }
    }

    fn gone(&mut self, name: &str) {
        if let Some(server) = self.servers.get_mut(name) {
            server.ended();
        }
    }
}
