//! A role's side of its connection to the node.
//!
//! The control socket was made by the node and is inherited under the name `control`. Whoever dials last is
//! the node: one that was killed and came back takes over.

use std::os::fd::OwnedFd;
use std::time::Duration;

use serde_json::value::RawValue;
use terrace_protocol::report::{RoleReport, ServerReport};
use terrace_protocol::role::{Configure, Divert, FromRole, ToRole};
use terrace_protocol::{Channel, Sender};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};

use crate::descriptors::{self, Descriptors};

/// Everything that a role process is born with.
pub struct Role {
    /// Its id: `web-01/web`.
    pub id: String,
    /// Listening sockets, log files, directories.
    pub descriptors: Descriptors,
    /// Its connection to the node.
    pub control: Control,
}

/// Why a role cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The descriptors are not there.
    #[error(transparent)]
    Descriptors(#[from] descriptors::Error),
    /// The control socket cannot be used.
    #[error("the control socket cannot be used")]
    Control(#[from] std::io::Error),
}

impl Role {
    /// Takes what the keeper has passed on. To be called once, within a tokio runtime.
    ///
    /// # Errors
    /// When the process was not started by a keeper.
    pub fn inherited(id: String) -> Result<Self, Error> {
        let mut descriptors = Descriptors::inherited()?;
        let control = Control::new(descriptors.require("control")?)?;
        Ok(Self {
            id,
            descriptors,
            control,
        })
    }
}

/// What the node wants of a role.
#[derive(Debug)]
pub enum Order {
    /// Run this plan from now on. The same plan may come again.
    Configure {
        /// Its generation.
        generation: u64,
        /// The plan of this kind of role, as JSON.
        plan: Box<RawValue>,
    },
    /// Empty these servers, and use all others: only balancers and web servers are told.
    Divert(Vec<Divert>),
    /// Write the access log into this from now on: only balancers and web servers are told.
    Log(OwnedFd),
    /// How everything on this server stands: only agents are told.
    Facts(Box<ServerReport>),
    /// Take no new work, finish what is in flight, and exit within this time.
    Drain(Duration),
}

/// The connection to the node.
pub struct Control {
    orders: mpsc::Receiver<Order>,
    reports: watch::Sender<Option<FromRole>>,
}

impl Control {
    /// Listens on the control socket, within a tokio runtime.
    ///
    /// # Errors
    /// When the descriptor is no listening unix socket.
    pub fn new(socket: OwnedFd) -> Result<Self, std::io::Error> {
        let socket = std::os::unix::net::UnixListener::from(socket);
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(socket)?;
        let (orders_in, orders) = mpsc::channel(8);
        let (reports, reports_out) = watch::channel(None);
        tokio::spawn(attend(listener, orders_in, reports_out));
        Ok(Self { orders, reports })
    }

    /// Waits for the next order. Never ends: a role outlives its node.
    pub async fn next(&mut self) -> Order {
        match self.orders.recv().await {
            Some(order) => order,
            None => std::future::pending().await,
        }
    }

    /// Tells the node how the role stands. Only the newest report is kept for a node that is away.
    pub fn report(&self, report: RoleReport) {
        self.reports
            .send_replace(Some(FromRole::Report(Box::new(report))));
    }

    /// Tells the node that a plan cannot be run, and why.
    pub fn refuse(&self, generation: u64, reason: String) {
        self.reports
            .send_replace(Some(FromRole::Refused { generation, reason }));
    }
}

async fn attend(
    listener: UnixListener,
    orders: mpsc::Sender<Order>,
    reports: watch::Receiver<Option<FromRole>>,
) {
    let mut current: Option<tokio::task::JoinHandle<()>> = None;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Some(before) = current.take() {
                    before.abort();
                }
                current = Some(tokio::spawn(converse(
                    stream,
                    orders.clone(),
                    reports.clone(),
                )));
            }
            Err(error) => {
                // Out of descriptors, most likely: the role's own work goes first, the node dials again.
                tracing::warn!(%error, "the node cannot be heard");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn converse(
    stream: UnixStream,
    orders: mpsc::Sender<Order>,
    reports: watch::Receiver<Option<FromRole>>,
) {
    let channel = match Channel::<FromRole, ToRole>::open_own(stream).await {
        Ok(channel) => channel,
        Err(error) => {
            tracing::warn!(%error, "a connection to the control socket was refused");
            return;
        }
    };
    let Channel {
        sender,
        mut receiver,
    } = channel;
    let listening = async {
        while let Ok(incoming) = receiver.receive().await {
            let order = match incoming.message {
                ToRole::Configure(Configure { generation, plan }) => {
                    Order::Configure { generation, plan }
                }
                ToRole::Divert(servers) => Order::Divert(servers),
                // Without its descriptor there is nothing to write into.
                ToRole::Log => match incoming.descriptors.into_iter().next() {
                    Some(log) => Order::Log(log),
                    None => continue,
                },
                ToRole::Facts(facts) => Order::Facts(facts),
                ToRole::Drain { within } => Order::Drain(Duration::from_millis(within)),
            };
            if orders.send(order).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = listening => {}
        () = tell(sender, reports) => {}
    }
}

async fn tell(sender: Sender<FromRole>, mut reports: watch::Receiver<Option<FromRole>>) {
    reports.mark_changed();
    while reports.changed().await.is_ok() {
        let newest = reports.borrow_and_update().clone();
        if let Some(newest) = newest
            && sender.send(&newest).await.is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn dial(path: &std::path::Path) -> Channel<ToRole, FromRole> {
        Channel::open(UnixStream::connect(path).await.unwrap())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_node_that_comes_back_hears_the_newest_report_and_is_obeyed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control");
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let mut control = Control::new(socket.into()).unwrap();

        let first = dial(&path).await;
        first
            .sender
            .send(&ToRole::Drain { within: 1_500 })
            .await
            .unwrap();
        assert!(
            matches!(control.next().await, Order::Drain(within) if within.as_millis() == 1_500)
        );
        drop(first);

        control.report(RoleReport {
            id: "old".into(),
            ..RoleReport::default()
        });
        control.report(RoleReport {
            id: "new".into(),
            ..RoleReport::default()
        });
        let mut second = dial(&path).await;
        let heard = second.receiver.receive().await.unwrap().message;
        assert!(matches!(heard, FromRole::Report(report) if report.id == "new"));
        let plan = RawValue::from_string("{}".to_owned()).unwrap();
        second
            .sender
            .send(&ToRole::Configure(Configure {
                generation: 7,
                plan,
            }))
            .await
            .unwrap();
        assert!(matches!(
            control.next().await,
            Order::Configure { generation: 7, .. }
        ));
    }
}
