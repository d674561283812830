//! The servers of the comparison: Terrace's web role and nginx on core 0, one upstream for both on core 1.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Round, cpu, load};
use crate::machine::peer;

/// Connections that are kept open.
const CONNECTIONS: u32 = 64;

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Nginx,
}

/// All three, running. Stopped when dropped.
pub(crate) struct Bench {
    directory: PathBuf,
    ours: Server,
    nginx: Server,
    upstream: Server,
}

/// A server under test, or one that works for it.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Bench {
    /// Starts all of them and waits until they answer.
    pub(crate) fn start(root: &Path) -> io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("terrace-bench-{}", std::process::id()));
        fs::create_dir_all(directory.join("files"))?;
        fs::write(directory.join("files/1k.html"), "x".repeat(1024))?;
        fs::write(directory.join("files/100k.bin"), "x".repeat(100 * 1024))?;
        let upstream = Server::nginx(&directory, "upstream", "1", upstream_configuration)?;
        let port = upstream.port;
        let nginx = Server::nginx(&directory, "nginx", "0", |directory, own| {
            configuration(directory, own, port)
        })?;
        let ours = Server::ours(root, &directory, port)?;
        let bench = Self {
            directory,
            ours,
            nginx,
            upstream,
        };
        for (server, name) in [
            (&bench.ours, "terrace"),
            (&bench.nginx, "nginx"),
            (&bench.upstream, "upstream"),
        ] {
            if !answers(server.port) {
                let log = bench.directory.join(format!("{name}.log"));
                let said = fs::read_to_string(log).unwrap_or_default();
                return Err(io::Error::other(format!("{name} does not listen: {said}")));
            }
        }
        Ok(bench)
    }

    /// Loads one of them.
    pub(crate) fn round(&self, kind: Kind, path: &str) -> io::Result<Round> {
        let server = if kind == Kind::Ours {
            &self.ours
        } else {
            &self.nginx
        };
        round(server, &[&self.upstream], path, CONNECTIONS)
    }
}

/// Loads a server over so many connections; `beside` works for it.
pub(super) fn round(
    server: &Server,
    beside: &[&Server],
    path: &str,
    connections: u32,
) -> io::Result<Round> {
    let own = || cpu::tree(server.child.id());
    let known = || {
        let others: Duration = beside.iter().map(|one| cpu::tree(one.child.id())).sum();
        own() + others + cpu::ended()
    };
    let (before, all, start) = (own(), cpu::machine()?, Instant::now());
    let known_before = known();
    let url = format!("http://127.0.0.1:{}{path}", server.port);
    let seen = load::round(&url, connections)?;
    let used = own() - before;
    let others = (cpu::machine()? - all).saturating_sub(known() - known_before);
    Ok(Round {
        cpu: used.as_secs_f64() * 1e6 / seen.requests,
        rate: seen.rate,
        p99: seen.p99,
        background: others.as_secs_f64() / start.elapsed().as_secs_f64(),
    })
}

impl Drop for Bench {
    fn drop(&mut self) {
        for server in [&mut self.ours, &mut self.nginx, &mut self.upstream] {
            server.stop();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Server {
    /// Starts one on a port of its own.
    pub(crate) fn start(
        directory: &Path,
        name: &str,
        command: impl FnOnce(u16) -> io::Result<Command>,
    ) -> io::Result<Self> {
        let port = free_port()?;
        Ok(Self {
            child: quiet(command(port)?, directory, name)?,
            port,
        })
    }

    pub(crate) fn nginx(
        directory: &Path,
        name: &str,
        core: &str,
        text: impl Fn(&Path, u16) -> String,
    ) -> io::Result<Self> {
        Self::start(directory, name, |port| {
            let file = directory.join(format!("{name}.conf"));
            fs::write(&file, text(directory, port))?;
            let mut command = Command::new("taskset");
            command
                .args(["-c", core])
                .arg(peer("nginx"))
                .args(["-g", "daemon off;", "-c"])
                .arg(file);
            Ok(command)
        })
    }

    fn ours(root: &Path, directory: &Path, upstream: u16) -> io::Result<Self> {
        Self::start(directory, "terrace", |port| {
            let plan = directory.join("plan.json");
            fs::write(&plan, our_plan(port, upstream))?;
            let mut command = Command::new("taskset");
            command
                .args(["-c", "0"])
                .arg(root.join("target/release/terrace"))
                .args(["internal", "web", "--plan"])
                .arg(plan)
                .arg("--files")
                .arg(directory.join("files"))
                .arg("--access-log")
                .arg(directory.join("terrace-access.log"));
            Ok(command)
        })
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) -> io::Result<()> {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        Ok(nix::sys::signal::kill(pid, signal)?)
    }

    /// Ends it, and nginx's workers along with their master.
    pub(crate) fn stop(&mut self) {
        let _ = self.signal(nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

fn quiet(mut command: Command, directory: &Path, name: &str) -> io::Result<Child> {
    let log = fs::File::create(directory.join(format!("{name}.log")))?;
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// A port that nobody has at this moment.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

pub(crate) fn answers(port: u16) -> bool {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if start.elapsed() > Duration::from_secs(10) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// What both have in common: where nginx may write when it is not installed as a service.
pub(super) fn head(directory: &Path, name: &str) -> String {
    let at = directory.display();
    format!(
        "user root;\nworker_processes 1;\npid {at}/{name}.pid;\nerror_log {at}/{name}-error.log;\nevents {{ worker_connections 4096; }}\n\
         http {{\nclient_body_temp_path {at}/{name}-body;\nproxy_temp_path {at}/{name}-proxy;\nfastcgi_temp_path {at}/{name}-f;\n\
         uwsgi_temp_path {at}/{name}-u;\nscgi_temp_path {at}/{name}-s;\nkeepalive_requests 10000000;\nkeepalive_timeout 60s;\n"
    )
}

fn upstream_configuration(directory: &Path, port: u16) -> String {
    let body = "y".repeat(128);
    format!(
        "{}access_log off;\nserver {{ listen 127.0.0.1:{port}; location / {{ default_type text/plain; return 200 \"{body}\"; }} }}\n}}\n",
        head(directory, "upstream")
    )
}

/// nginx at its best for the same work: the same fields passed on and the same facts logged as we do by default.
fn configuration(directory: &Path, port: u16, upstream: u16) -> String {
    let at = directory.display();
    format!(
        "{}log_format same '$msec $remote_addr $request_id $request_method $host $request_uri $status $bytes_sent \
         $request_time $upstream_addr $upstream_header_time $request_completion';\n\
         access_log {at}/nginx-access.log same buffer=64k flush=1s;\nsendfile on;\ntcp_nopush on;\n\
         open_file_cache max=1000;\ntypes {{ text/html html; }}\nupstream app {{ server 127.0.0.1:{upstream}; keepalive 256; \
         keepalive_requests 10000000; }}\nserver {{\nlisten 127.0.0.1:{port};\nroot {at}/files;\nlocation /app {{\n\
         proxy_pass http://app;\nproxy_http_version 1.1;\nproxy_set_header Connection \"\";\nproxy_set_header Host $host;\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\nproxy_set_header X-Forwarded-Proto $scheme;\n\
         proxy_set_header X-Forwarded-Host $host;\nproxy_set_header X-Request-Id $request_id;\n}}\n}}\n}}\n",
        head(directory, "nginx")
    )
}

pub(super) fn our_plan(port: u16, upstream: u16) -> String {
    let timeouts = r#"{"connect":2000,"first_byte":30000,"idle":60000,"total":300000}"#;
    format!(
        r#"{{"listen":["127.0.0.1:{port}"],"workers":1,"name":"www.foobar.com","names":["www.foobar.com"],"redirects":[],
"localhost":false,"files":"files","routes":[{{"prefix":"/","app":"app","upstreams":[{{"instance":"web-01/app/1",
"address":"127.0.0.1:{upstream}","near":true}}],"health":{{"path":null,"expect":null,"every":1000,"within":1000,"rise":1,"fall":2}},
"timeouts":{timeouts}}}],"trust":[],"limits":{{"head":65536,"body":67108864,"connections":8192}},"timeouts":{timeouts}}}"#
    )
}
