//! The life of the role, as its node sees it: a plan, another plan, and the end.

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use serde_json::value::to_raw_value;
use terrace_protocol::Channel;
use terrace_protocol::report::State;
use terrace_protocol::role::{Configure, FromRole, ToRole};
use terrace_service::{Control, Descriptors, Role};
use tokio::net::UnixStream;

use crate::harness::{PATIENCE, Visitor, plan, wait_for};
use crate::upstream::{Reply, Upstream};

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
    let socket = directory.path().join("control");
    let control = UnixListener::bind(&socket).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let listens = [(format!("listen {address} #0"), listener.into())];
    let role = std::thread::spawn(move || {
        runtime().block_on(async {
            let role = Role {
                id: "web-01/web".to_owned(),
                descriptors: Descriptors::from_parts(listens),
                control: Control::new(control.into()).unwrap(),
            };
            terrace_web::run(role).await
        })
    });
    runtime().block_on(async {
        let stream = UnixStream::connect(&socket).await.unwrap();
        let mut node = Channel::<ToRole, FromRole>::open(stream).await.unwrap();
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

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

async fn configure(
    node: &mut Channel<ToRole, FromRole>,
    generation: u64,
    plan: &terrace_site::plan::WebPlan,
) {
    let plan = to_raw_value(plan).unwrap();
    let configure = ToRole::Configure(Configure { generation, plan });
    node.sender.send(&configure).await.unwrap();
    heard(node, |report| report.generation == generation).await;
}

/// Waits for a report like this.
async fn heard(
    node: &mut Channel<ToRole, FromRole>,
    wanted: impl Fn(&terrace_protocol::report::RoleReport) -> bool,
) {
    let waiting = async {
        loop {
            let message = node.receiver.receive().await.unwrap().message;
            if matches!(message, FromRole::Report(report) if wanted(&report)) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .unwrap();
}
