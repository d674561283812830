//! The role as it runs: real sockets on loopback, real queries, plans over a real control socket.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use serde_json::value::RawValue;
use terrace_protocol::Channel;
use terrace_protocol::report::{RoleReport, State};
use terrace_protocol::role::{Configure, FromRole, ToRole};
use terrace_service::{Control, Descriptors, Role};
use terrace_site::plan::{DnsPlan, RecordData, RecordPlan, ZonePlan};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, UnixStream};
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(10);

struct Running {
    address: SocketAddr,
    node: Channel<ToRole, FromRole>,
    role: tokio::task::JoinHandle<Result<(), terrace_dns::Error>>,
    _directory: tempfile::TempDir,
}

/// UDP and TCP on the same free port of 127.0.0.1.
fn sockets() -> (std::net::UdpSocket, std::net::TcpListener) {
    loop {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(socket) = std::net::UdpSocket::bind(listener.local_addr().unwrap()) {
            return (socket, listener);
        }
    }
}

async fn start() -> Running {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control");
    let control = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let (socket, listener) = sockets();
    let address = listener.local_addr().unwrap();
    let descriptors = Descriptors::from_parts([
        (format!("udp {address} #0"), OwnedFd::from(socket)),
        (format!("listen {address} #0"), OwnedFd::from(listener)),
    ]);
    let role = Role {
        id: "internet/dns".into(),
        descriptors,
        control: Control::new(control.into()).unwrap(),
    };
    let role = tokio::spawn(terrace_dns::run(role));
    let node = Channel::open(UnixStream::connect(&path).await.unwrap())
        .await
        .unwrap();
    Running {
        address,
        node,
        role,
        _directory: directory,
    }
}

fn plan(serial: u32, www: [u8; 4]) -> DnsPlan {
    let record = |name: &str, data| RecordPlan {
        name: name.into(),
        ttl: 300,
        data,
    };
    let text = |number: usize| record("big.foobar.com", RecordData::Txt(format!("{number:0>200}")));
    let mut records = vec![
        record("foobar.com", RecordData::Ns("ns1.foobar.com".into())),
        record("ns1.foobar.com", RecordData::A([192, 0, 2, 53].into())),
        record("foobar.com", RecordData::A(www.into())),
        record("www.foobar.com", RecordData::A(www.into())),
        record(
            "www.foobar.com",
            RecordData::Aaaa("2001:db8::8".parse().unwrap()),
        ),
        record(
            "blog.foobar.com",
            RecordData::Cname("www.foobar.com".into()),
        ),
        record("deep.under.foobar.com", RecordData::A(www.into())),
    ];
    records.extend((0..8).map(text));
    DnsPlan {
        listen: Vec::new(),
        zones: vec![ZonePlan {
            name: "foobar.com".into(),
            serial,
            primary: "ns1.foobar.com".into(),
            mailbox: "hostmaster.foobar.com".into(),
            negative_ttl: 60,
            records,
        }],
    }
}

impl Running {
    async fn configure(&self, generation: u64, plan: &DnsPlan) {
        let plan = RawValue::from_string(serde_json::to_string(plan).unwrap()).unwrap();
        let configure = Configure { generation, plan };
        self.node
            .sender
            .send(&ToRole::Configure(configure))
            .await
            .unwrap();
    }

    /// The first report for which `wanted` holds.
    async fn report(&mut self, wanted: impl Fn(&RoleReport) -> bool) -> RoleReport {
        self.hear(|said| match said {
            FromRole::Report(report) if wanted(&report) => Some(*report),
            _ => None,
        })
        .await
    }

    async fn hear<T>(&mut self, wanted: impl Fn(FromRole) -> Option<T>) -> T {
        timeout(LIMIT, async {
            loop {
                let said = self.node.receiver.receive().await.unwrap().message;
                if let Some(found) = wanted(said) {
                    return found;
                }
            }
        })
        .await
        .unwrap()
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Message {
        let query = query(name, kind);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(&query, self.address).await.unwrap();
        let mut buffer = vec![0; 65_535];
        let (length, _) = timeout(LIMIT, socket.recv_from(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        Message::from_vec(&buffer[..length]).unwrap()
    }

    async fn ask_by_tcp(&self, name: &str, kind: RecordType) -> Message {
        let query = query(name, kind);
        let length = u16::try_from(query.len()).unwrap();
        timeout(LIMIT, async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(&length.to_be_bytes()).await.unwrap();
            stream.write_all(&query).await.unwrap();
            let mut answer = vec![0; stream.read_u16().await.unwrap().into()];
            stream.read_exact(&mut answer).await.unwrap();
            Message::from_vec(&answer).unwrap()
        })
        .await
        .unwrap()
    }
}

fn query(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

fn shown(records: &[hickory_proto::rr::Record]) -> Vec<String> {
    records.iter().map(ToString::to_string).collect()
}

const SOA: &str =
    "foobar.com. 60 IN SOA ns1.foobar.com. hostmaster.foobar.com. 1 3600 600 1209600 60";

#[tokio::test]
async fn records_are_answered_with_authority_by_udp_and_tcp() {
    let running = start().await;
    running.configure(1, &plan(1, [8, 8, 8, 8])).await;
    for answer in [
        running.ask("www.foobar.com.", RecordType::A).await,
        running.ask("WWW.FooBar.com.", RecordType::A).await,
        running.ask_by_tcp("www.foobar.com.", RecordType::A).await,
    ] {
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        assert!(answer.metadata.authoritative && !answer.metadata.recursion_available);
        let answers = shown(&answer.answers).join("\n").to_lowercase();
        assert_eq!(answers, "www.foobar.com. 300 in a 8.8.8.8");
    }
    let expected = [
        (
            RecordType::AAAA,
            "www.foobar.com.",
            "www.foobar.com. 300 IN AAAA 2001:db8::8",
        ),
        (
            RecordType::NS,
            "foobar.com.",
            "foobar.com. 300 IN NS ns1.foobar.com.",
        ),
        (RecordType::SOA, "foobar.com.", SOA),
        (RecordType::A, "foobar.com.", "foobar.com. 300 IN A 8.8.8.8"),
    ];
    for (kind, name, record) in expected {
        assert_eq!(shown(&running.ask(name, kind).await.answers), [record]);
    }
    let alias = running.ask("blog.foobar.com.", RecordType::A).await;
    assert_eq!(
        shown(&alias.answers),
        [
            "blog.foobar.com. 300 IN CNAME www.foobar.com.",
            "www.foobar.com. 300 IN A 8.8.8.8"
        ]
    );
    let servers = running.ask("foobar.com.", RecordType::NS).await;
    assert_eq!(
        shown(&servers.additionals),
        ["ns1.foobar.com. 300 IN A 192.0.2.53"]
    );
}

#[tokio::test]
async fn what_is_not_there_is_denied_in_the_right_way() {
    let running = start().await;
    running.configure(1, &plan(1, [8, 8, 8, 8])).await;
    let cases = [
        ("nothing.foobar.com.", RecordType::A, ResponseCode::NXDomain),
        ("www.foobar.com.", RecordType::MX, ResponseCode::NoError),
        // Nothing is called so, but something is below it (RFC 8020).
        ("under.foobar.com.", RecordType::A, ResponseCode::NoError),
    ];
    for (name, kind, code) in cases {
        let answer = running.ask(name, kind).await;
        assert_eq!(answer.metadata.response_code, code, "{name}");
        assert!(answer.metadata.authoritative, "{name}");
        assert!(answer.answers.is_empty(), "{name}");
        assert_eq!(shown(&answer.authorities), [SOA], "{name}");
    }
    for name in ["www.example.org.", "com.", "."] {
        let answer = running.ask(name, RecordType::A).await;
        assert_eq!(
            answer.metadata.response_code,
            ResponseCode::Refused,
            "{name}"
        );
        assert!(
            answer.answers.is_empty() && !answer.metadata.authoritative,
            "{name}"
        );
    }
    let transfer = running.ask_by_tcp("foobar.com.", RecordType::AXFR).await;
    assert_eq!(transfer.metadata.response_code, ResponseCode::Refused);
}

#[tokio::test]
async fn what_does_not_fit_a_datagram_is_truncated_and_whole_by_tcp() {
    let running = start().await;
    running.configure(1, &plan(1, [8, 8, 8, 8])).await;
    let cut = running.ask("big.foobar.com.", RecordType::TXT).await;
    assert!(cut.metadata.truncation && cut.answers.len() < 8);
    let whole = running.ask_by_tcp("big.foobar.com.", RecordType::TXT).await;
    assert!(!whole.metadata.truncation);
    assert_eq!(whole.answers.len(), 8);
}

#[tokio::test]
async fn a_new_plan_is_answered_at_once_and_a_bad_one_never() {
    let mut running = start().await;
    running.configure(1, &plan(1, [8, 8, 8, 8])).await;
    let report = running.report(|report| report.generation == 1).await;
    assert_eq!(report.state, State::Serving);
    assert_eq!(
        (report.what.as_str(), report.id.as_str()),
        ("foobar.com", "internet/dns")
    );

    running.configure(2, &plan(2, [9, 9, 9, 9])).await;
    running.report(|report| report.generation == 2).await;
    let answer = running.ask("www.foobar.com.", RecordType::A).await;
    assert_eq!(shown(&answer.answers), ["www.foobar.com. 300 IN A 9.9.9.9"]);

    let mut bad = plan(3, [7, 7, 7, 7]);
    bad.zones[0].records[0].name = "www.elsewhere.com".into();
    running.configure(3, &bad).await;
    let reason = running
        .hear(|said| match said {
            FromRole::Refused {
                generation: 3,
                reason,
            } => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(
        reason,
        "`www.elsewhere.com` is not in the zone `foobar.com`"
    );
    let answer = running.ask("www.foobar.com.", RecordType::A).await;
    assert_eq!(shown(&answer.answers), ["www.foobar.com. 300 IN A 9.9.9.9"]);

    let counted = |report: &RoleReport| {
        report
            .traffic
            .as_ref()
            .is_some_and(|traffic| traffic.requests == 2)
    };
    let report = running.report(counted).await;
    assert_eq!((report.generation, report.state), (2, State::Serving));
}

#[tokio::test]
async fn a_query_that_comes_before_the_plan_waits_for_it() {
    let running = start().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let early = query("www.foobar.com.", RecordType::A);
    socket.send_to(&early, running.address).await.unwrap();
    let by_tcp = running.ask_by_tcp("www.foobar.com.", RecordType::A);
    let configure = async {
        tokio::task::yield_now().await;
        running.configure(1, &plan(1, [8, 8, 8, 8])).await;
    };
    let (answer, ()) = tokio::join!(by_tcp, configure);
    assert_eq!(answer.answers.len(), 1);
    let mut buffer = [0; 512];
    let length = timeout(LIMIT, socket.recv(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    let answer = Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!(answer.answers.len(), 1);
}

#[tokio::test]
async fn draining_ends_the_role() {
    let running = start().await;
    running.configure(1, &plan(1, [8, 8, 8, 8])).await;
    running.ask("www.foobar.com.", RecordType::A).await;
    let drain = ToRole::Drain { within: 5_000 };
    running.node.sender.send(&drain).await.unwrap();
    timeout(LIMIT, running.role)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

/// What everyone uses to look agrees with what our own messages say.
#[tokio::test]
async fn dig_understands_it() {
    if std::process::Command::new("dig")
        .arg("-v")
        .output()
        .is_err()
    {
        println!("skipped: dig is not installed");
        return;
    }
    let running = start().await;
    running.configure(1, &plan(1, [8, 8, 8, 8])).await;
    let port = running.address.port().to_string();
    for by in ["+notcp", "+tcp"] {
        let dig = tokio::process::Command::new("dig")
            .args(["@127.0.0.1", "-p", &port, "+short", "+timeout=5", by])
            .args(["www.foobar.com", "A"])
            .kill_on_drop(true)
            .output();
        let output = timeout(LIMIT, dig).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "8.8.8.8\n", "{by}");
    }
}
