//! The life of the role, as its node sees it: plans, servers that are emptied, and the end.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::value::to_raw_value;
use terrace_protocol::Channel;
use terrace_protocol::report::{RoleReport, State};
use terrace_protocol::role::{Configure, Divert, FromRole, ToRole};
use terrace_service::{Control, Descriptors, Role};
use terrace_site::plan::BalancerPlan;
use tokio::net::UnixStream;

use crate::harness::{GET, named, plan};
use crate::upstream::{Reply, Upstream};
use crate::visitor::{PATIENCE, Visitor, wait_for};

type Node = Channel<ToRole, FromRole>;

#[test]
fn servers_are_emptied_and_used_again_under_plans_that_change() {
    let (answer, answers) = std::sync::mpsc::channel::<()>();
    let answers = Mutex::new(answers);
    let one = Upstream::start(move |number, _| {
        if number == 0 {
            let _ = answers.lock().unwrap().recv_timeout(PATIENCE);
        }
        Reply::ok("one")
    });
    let two = named("two");
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control");
    let control = UnixListener::bind(&socket).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let role = start(control, listener);
    runtime().block_on(async {
        let mut node = Node::open(UnixStream::connect(&socket).await.unwrap())
            .await
            .unwrap();
        let mut plan = plan(address, &[one.address, two.address]);
        plan.tiers[0].timeouts.first_byte = PATIENCE;
        configure(&mut node, 1, &plan).await;
        let mut waits = Visitor::to(address);
        waits.send(GET);
        wait_for("the request", || (!one.requests().is_empty()).then_some(()));

        divert(&mut node, &[("web-01", 1)]).await;
        let report = heard(&mut node, |report| drain(report, 0) == Some((1, false))).await;
        assert_eq!(report.upstreams[0].in_flight, 1);
        assert!(report.reason.contains("being emptied"), "{}", report.reason);
        let mut visitor = Visitor::to(address);
        assert!((0..4).all(|_| visitor.ask(GET).text() == "two"));

        // A later order is answered under its own number, and another plan changes nothing of it.
        divert(&mut node, &[("web-01", 2)]).await;
        heard(&mut node, |report| drain(report, 0) == Some((2, false))).await;
        plan.tiers[0].members[1].weight = 3;
        configure(&mut node, 2, &plan).await;
        assert!((0..4).all(|_| visitor.ask(GET).text() == "two"));

        answer.send(()).unwrap();
        assert_eq!(waits.answer(false).text(), "one");
        heard(&mut node, |report| drain(report, 0) == Some((2, true))).await;
        divert(&mut node, &[]).await;
        heard(&mut node, |report| drain(report, 0).is_none()).await;
        let texts: Vec<_> = (0..8).map(|_| visitor.ask(GET).text()).collect();
        assert_eq!(texts.iter().filter(|text| *text == "one").count(), 2);

        node.sender
            .send(&ToRole::Drain { within: 8_000 })
            .await
            .unwrap();
        heard(&mut node, |report| report.state == State::Draining).await;
        assert!(visitor.is_closed());
    });
    role.join().unwrap().unwrap();
}

/// The role, on a thread of its own.
fn start(
    control: UnixListener,
    listener: TcpListener,
) -> JoinHandle<Result<(), terrace_balancer::Error>> {
    let name = format!("listen {} #0", listener.local_addr().unwrap());
    let listens = [(name, listener.into())];
    std::thread::spawn(move || {
        runtime().block_on(async {
            let role = Role {
                id: "lb-01/load-balancer".to_owned(),
                descriptors: Descriptors::from_parts(listens),
                control: Control::new(control.into()).unwrap(),
            };
            terrace_balancer::run(role).await
        })
    })
}

/// Which order empties an upstream, and whether it is done.
fn drain(report: &RoleReport, index: usize) -> Option<(u64, bool)> {
    report.upstreams.get(index)?.news().1
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

async fn configure(node: &mut Node, generation: u64, plan: &BalancerPlan) {
    let plan = to_raw_value(plan).unwrap();
    let configure = ToRole::Configure(Configure { generation, plan });
    node.sender.send(&configure).await.unwrap();
    heard(node, |report| report.generation == generation).await;
}

/// Has these servers emptied, each by the order of this number, and all others used.
async fn divert(node: &mut Node, servers: &[(&str, u64)]) {
    let order = |(server, number): &(&str, u64)| Divert {
        server: (*server).to_owned(),
        number: *number,
        within: 30_000,
    };
    let orders = servers.iter().map(order).collect();
    node.sender.send(&ToRole::Divert(orders)).await.unwrap();
}

/// Waits for a report like this.
async fn heard(node: &mut Node, wanted: impl Fn(&RoleReport) -> bool) -> RoleReport {
    let waiting = async {
        loop {
            let message = node.receiver.receive().await.unwrap().message;
            if let FromRole::Report(report) = message
                && wanted(&report)
            {
                return *report;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .unwrap()
}
