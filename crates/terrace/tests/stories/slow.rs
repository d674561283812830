//! Slow visitors, as they meet a site whose app answers two requests at a time.

use std::fs;

use crate::harness::{self, Site, wait_until};

const FILE: &str = r#"site "www.foobar.com" {
    server lb-01  "10.0.0.10" { public "8.8.8.8"; }
    server web-01 "10.0.0.21"
    load-balancer lb-01 { queue in-flight=2 within="2s"; }
    web web-01 static="foobar/public"
    app web-01 code="workers" health="/health" { run "exec python3 app.py"; }
}
"#;

/// Two workers, each with one request at a time: as `gunicorn -w 2` has them.
const APP: &str = r#"
import http.server, os
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(b"y" * (20 << 20) if self.path == "/large" else b"page")
    def do_POST(self):
        self.answer(str(len(self.rfile.read(int(self.headers["Content-Length"])))).encode())
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), App)
if os.fork():
    server.serve_forever()
else:
    server.serve_forever()
"#;

/// Three that send ten bytes a second, three that never read; beside them one that is quick. At last the slow ones get
/// what is theirs.
const VISITORS: &str = r#"
import socket, time
def to():
    return socket.create_connection(("8.8.8.8", 80), 10)
def ask(line, fields="", body=b""):
    visitor = to()
    visitor.sendall(f"{line} HTTP/1.1\r\nHost: www.foobar.com\r\nConnection: close\r\n{fields}\r\n".encode() + body)
    return visitor
def answer(visitor):
    come = b""
    while more := visitor.recv(1 << 20):
        come += more
    head, body = come.split(b"\r\n\r\n", 1)
    return head[9:12].decode(), body
senders = [ask("POST /form", "Content-Length: 1000\r\n") for _ in range(3)]
readers = [ask("GET /large") for _ in range(3)]
worst, bad = 0, 0
for _ in range(30):
    for sender in senders:
        sender.sendall(b"x")
    begun = time.monotonic()
    bad += answer(ask("GET /")) != ("200", b"page")
    worst = max(worst, time.monotonic() - begun)
    time.sleep(0.05)
size = 1 << 20
large = answer(ask("POST /form", f"Content-Length: {size}\r\n", b"x" * size))
for sender in senders:
    sender.sendall(b"x" * 970)
print(bad, worst < 1.5, large == ("200", str(size).encode()),
      all(answer(one) == ("200", b"1000") for one in senders),
      all(len(answer(one)[1]) == 20 << 20 for one in readers), f"{worst:.2f}")
"#;

#[test]
fn slow_visitors_do_not_hold_an_app_of_two_workers() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("slow-visitors", FILE);
    let code = site.directory.join("stacks/workers");
    fs::create_dir_all(&code).unwrap();
    fs::write(code.join("app.py"), APP).unwrap();
    site.up();
    let said = site.on("internet", &["python3", "-c", VISITORS]);
    assert!(said.starts_with("0 True True True True "), "{said}");
    wait_until("nothing waits any more", || {
        site.roles().iter().all(|role| {
            let traffic = &role["traffic"];
            traffic["spooled"].as_u64().is_none_or(|bytes| bytes == 0)
        })
    });
}
