//! The life of the role, as its node sees it: a plan, another plan, servers that are emptied, and the end.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::value::to_raw_value;
use terrace_protocol::Channel;
use terrace_protocol::report::{RoleReport, State};
use terrace_protocol::role::{Configure, Divert, FromRole, ToRole};
use terrace_service::{Control, Descriptors, Role};
use terrace_site::plan::UpstreamPlan;
use tokio::net::UnixStream;

use crate::harness::{PATIENCE, Visitor, plan, wait_for};
use crate::upstream::{Reply, Upstream};

type Node = Channel<ToRole, FromRole>;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[test]
fn a_plan_is_swapped_at_once_and_a_drain_finishes_what_is_in_flight() {
    let (answer, answers) = std::sync::mpsc::channel();
    let answers = std::sync::Mutex::new(answers);
    let slow = Upstream::start(move |_, _| {
        let _ = answers.lock().unwrap().recv_timeout(PATIENCE);
        Reply::ok("slow")
    });
    let quick = Upstream::start(|_, _| Reply::ok("quick"));
    let directory = tempfile::tempdir().unwrap();
    let (address, role) = start(directory.path());
    runtime().block_on(async {
        let mut node = node(directory.path()).await;
        configure(&mut node, 1, &plan(address, quick.address)).await;
        let mut stays = Visitor::to(address);
        assert_eq!(stays.ask(GET).text(), "quick");

        let mut second = plan(address, slow.address);
        second.routes[0].timeouts.first_byte = PATIENCE;
        second.redirects.push("c.example".to_owned());
        configure(&mut node, 2, &second).await;
        wait_for("the second plan", || {
            let answer = Visitor::to(address).ask("GET / HTTP/1.1\r\nHost: c.example\r\n\r\n");
            (answer.status == 308).then_some(())
        });
        // The connection that was open is under the new plan from its next request on, and the app has moved.
        stays.send(GET);
        wait_for("the request", || {
            (!slow.requests().is_empty()).then_some(())
        });

        let drain = ToRole::Drain { within: 8_000 };
        node.sender.send(&drain).await.unwrap();
        heard(&mut node, |report| report.state == State::Draining).await;
        wait_for("the end of the listener", || {
            TcpStream::connect(address).is_err().then_some(())
        });
        answer.send(()).unwrap();
        let last = stays.answer(false);
        assert_eq!(last.text(), "slow");
        assert_eq!(last.field("connection"), Some("close"));
        assert!(stays.is_closed());
    });
    role.join().unwrap().unwrap();
}

#[test]
fn a_connection_that_has_changed_its_protocol_lasts_as_long_as_the_drain() {
    let app = Upstream::start(|_, _| Reply::echo(""));
    let directory = tempfile::tempdir().unwrap();
    let (address, role) = start(directory.path());
    runtime().block_on(async {
        let mut node = node(directory.path()).await;
        let mut plan = plan(address, app.address);
        plan.routes[0].timeouts.idle = PATIENCE;
        configure(&mut node, 1, &plan).await;
        let mut visitor = Visitor::to(address);
        let answer = visitor.ask(
            "GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        assert_eq!(answer.status, 101);
        let in_flight = |report: &RoleReport| {
            let traffic = report.traffic.as_ref();
            traffic.is_some_and(|traffic| traffic.in_flight == 1)
                && report.upstreams[0].in_flight == 1
        };
        heard(&mut node, in_flight).await;
        let drain = ToRole::Drain { within: 1_500 };
        node.sender.send(&drain).await.unwrap();
        heard(&mut node, |report| report.state == State::Draining).await;
        wait_for("the end of the listener", || {
            TcpStream::connect(address).is_err().then_some(())
        });
        visitor.send("still");
        assert_eq!(visitor.exactly(5), b"still");
        assert!(visitor.is_closed());
    });
    role.join().unwrap().unwrap();
    let log = std::fs::read_to_string(directory.path().join("access")).unwrap();
    let lines: Vec<_> = log.lines().collect();
    assert!(
        lines.len() == 1 && lines[0].contains(" /chat 101 ") && lines[0].ends_with(" 1 late-total"),
        "{log}"
    );
}

#[test]
fn the_app_of_a_server_that_is_emptied_gets_nothing_new_and_the_one_beside_stays() {
    let (answer, answers) = std::sync::mpsc::channel();
    let answers = std::sync::Mutex::new(answers);
    let near = Upstream::start(|_, _| Reply::ok("near"));
    let far = Upstream::start(move |_, request| {
        if request.head.contains("/slow") {
            let _ = answers.lock().unwrap().recv_timeout(PATIENCE);
        }
        Reply::ok("far")
    });
    let directory = tempfile::tempdir().unwrap();
    let (address, role) = start(directory.path());
    runtime().block_on(async {
        let mut node = node(directory.path()).await;
        let mut plan = plan(address, far.address);
        plan.routes[0].timeouts.first_byte = PATIENCE;
        plan.routes[0].upstreams[0].instance = "web-02/app/1".to_owned();
        plan.routes[0].upstreams[0].near = false;
        configure(&mut node, 1, &plan).await;
        let mut waits = Visitor::to(address);
        waits.send("GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n");
        wait_for("the request", || {
            let asked = far.requests();
            asked
                .iter()
                .any(|one| one.head.contains("/slow"))
                .then_some(())
        });

        divert(&mut node, &["web-01", "web-02"]).await;
        let emptied = |report: &RoleReport, index: usize| report.upstreams[index].news().1;
        let report = heard(&mut node, |report| emptied(report, 0) == Some((1, false))).await;
        assert_eq!(report.upstreams[0].in_flight, 1);
        assert_eq!(Visitor::to(address).ask(GET).status, 503);
        // Another plan brings an app beside it: that one is not its to empty.
        plan.routes[0].upstreams.push(UpstreamPlan {
            instance: "web-01/app/1".to_owned(),
            address: near.address,
            near: true,
        });
        configure(&mut node, 2, &plan).await;
        assert_eq!(Visitor::to(address).ask(GET).text(), "near");
        answer.send(()).unwrap();
        assert_eq!(waits.answer(false).text(), "far");
        let done = |report: &RoleReport| emptied(report, 1) == Some((1, true));
        let report = heard(&mut node, done).await;
        assert_eq!(emptied(&report, 0), None);

        divert(&mut node, &[]).await;
        heard(&mut node, |report| emptied(report, 1).is_none()).await;
        let drain = ToRole::Drain { within: 100 };
        node.sender.send(&drain).await.unwrap();
    });
    role.join().unwrap().unwrap();
}

/// Has these servers emptied, and all others used.
async fn divert(node: &mut Node, servers: &[&str]) {
    let order = |server: &&str| Divert {
        server: (*server).to_owned(),
        number: 1,
        within: 30_000,
    };
    let orders = servers.iter().map(order).collect();
    node.sender.send(&ToRole::Divert(orders)).await.unwrap();
}

/// The role on a thread of its own, with its node's socket and its log in this directory.
pub fn start(directory: &Path) -> (SocketAddr, JoinHandle<Result<(), terrace_web::Error>>) {
    let control = UnixListener::bind(directory.join("control")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let access = std::fs::File::options()
        .append(true)
        .create(true)
        .open(directory.join("access"))
        .unwrap();
    let descriptors = [
        (format!("listen {address} #0"), listener.into()),
        ("access".to_owned(), access.into()),
    ];
    let role = std::thread::spawn(move || {
        runtime().block_on(async {
            let role = Role {
                id: "web-01/web".to_owned(),
                descriptors: Descriptors::from_parts(descriptors),
                control: Control::new(control.into()).unwrap(),
            };
            terrace_web::run(role).await
        })
    });
    (address, role)
}

pub async fn node(directory: &Path) -> Node {
    let stream = UnixStream::connect(directory.join("control"))
        .await
        .unwrap();
    Node::open(stream).await.unwrap()
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

pub async fn configure(node: &mut Node, generation: u64, plan: &terrace_site::plan::WebPlan) {
    let plan = to_raw_value(plan).unwrap();
    let configure = ToRole::Configure(Configure { generation, plan });
    node.sender.send(&configure).await.unwrap();
    heard(node, |report| report.generation == generation).await;
}

/// Waits for a report like this.
pub async fn heard(node: &mut Node, wanted: impl Fn(&RoleReport) -> bool) -> RoleReport {
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
