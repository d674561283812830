//! What is served: which names are ours, what is a file, and whose the rest is.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use terrace_http::head::Method;
use terrace_http::server::{Answer, Decision, Request, Service, holds, pages};
use terrace_http::upstream::{Group, group_for};
use terrace_site::plan::{HEALTH_PATH, Limits, Timeouts, WebPlan};

use crate::files::{Found, Root};

/// What the lab adds to every name.
const LOCALHOST: &[u8] = b".localhost";

/// By what a newcomer asks at the lab's front door, besides the site's own name: it means the site.
const DOOR: [&[u8]; 3] = [b"localhost", b"127.0.0.1", b"[::1]"];

/// A site, as one worker serves it.
pub(crate) struct Site {
    plan: Arc<WebPlan>,
    groups: Vec<(String, Arc<Group>)>,
    files: Option<Root>,
    well: Rc<[u8]>,
}

/// Whose name a request bears.
enum Name {
    Ours,
    /// One that leads to the site's own.
    Leads,
    Unknown,
}

impl Site {
    /// A site with these groups of upstreams, by the prefix of their paths.
    pub(crate) fn new(
        plan: Arc<WebPlan>,
        groups: Vec<(String, Arc<Group>)>,
        files: Option<OwnedFd>,
    ) -> Self {
        let well = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\nContent-Length: 3\r\n";
        Self {
            plan,
            groups,
            files: files.map(Root::new),
            well: Rc::from(&well[..]),
        }
    }

    fn name(&self, host: &[u8]) -> Name {
        let at_door = |door: &[u8]| door.eq_ignore_ascii_case(host);
        if self.plan.localhost && DOOR.into_iter().any(at_door) {
            return Name::Ours;
        }
        let host = self.bare(host);
        let known = |names: &[String]| {
            names
                .iter()
                .any(|name| name.as_bytes().eq_ignore_ascii_case(host))
        };
        match () {
            // HTTP/1.0 without a name, and those who check by address, mean the site's own.
            () if host.is_empty() || known(&self.plan.names) => Name::Ours,
            () if known(&self.plan.redirects) => Name::Leads,
            () => Name::Unknown,
        }
    }

    /// A name without what the lab adds to it.
    fn bare<'a>(&self, host: &'a [u8]) -> &'a [u8] {
        let length = host.len().saturating_sub(LOCALHOST.len());
        let (name, end) = host.split_at(length);
        let added = self.plan.localhost && length > 0 && end.eq_ignore_ascii_case(LOCALHOST);
        if added { name } else { host }
    }

    /// The site's own name, with the port and the `.localhost` that were asked for.
    fn moved(&self, host: &[u8], port: &[u8], request: &Request<'_>) -> Answer {
        let mut location = b"http://".to_vec();
        location.extend_from_slice(self.plan.name.as_bytes());
        if host.len() > LOCALHOST.len()
            && host[host.len() - LOCALHOST.len()..].eq_ignore_ascii_case(LOCALHOST)
        {
            location.extend_from_slice(LOCALHOST);
        }
        location.extend_from_slice(port);
        location.extend_from_slice(request.target());
        pages::moved(&location)
    }
}

/// Host and port of an authority: the port with its colon.
fn split(authority: &[u8]) -> (&[u8], &[u8]) {
    match authority.iter().rposition(|byte| *byte == b':') {
        // The colons of an IPv6 address stand in brackets.
        Some(at) if !authority[at..].contains(&b']') => authority.split_at(at),
        _ => (authority, b""),
    }
}

impl Service for Site {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let (host, port) = split(request.authority());
        // A name may be written with the root's dot behind it.
        let host = match host.strip_suffix(b".") {
            Some(name) if !name.is_empty() => name,
            _ => host,
        };
        if request.target() == HEALTH_PATH.as_bytes() {
            let body = terrace_http::server::Body::Memory(Rc::from(&b"ok\n"[..]));
            return Decision::Answer(Answer {
                status: 200,
                head: Rc::clone(&self.well),
                body,
            });
        }
        match self.name(host) {
            Name::Ours => {}
            Name::Leads => return Decision::Answer(self.moved(host, port, request)),
            Name::Unknown => {
                let why = format!(
                    "this server serves {}, and not the name that was asked for",
                    self.plan.names.join(", ")
                );
                return Decision::Trouble(421, why);
            }
        }
        if let Some(files) = &self.files {
            match files.find(request, request.now) {
                Found::Answer(answer) => return Decision::Answer(answer),
                Found::Lacking(lack) => return Decision::Lack(lack),
                Found::Missing => {}
            }
        }
        match group_for(&self.groups, request.target()) {
            Some(group) => Decision::Forward(Arc::clone(group)),
            None if matches!(request.method(), Method::Get | Method::Head) => {
                Decision::Trouble(404, "there is no such page".to_owned())
            }
            None => Decision::Trouble(405, "files are only read".to_owned()),
        }
    }

    fn trouble(&self, status: u16, why: &str, id: &str, html: bool) -> Answer {
        pages::trouble(status, why, id, html)
    }

    fn site(&self) -> &str {
        &self.plan.name
    }

    fn limits(&self) -> &Limits {
        &self.plan.limits
    }

    fn timeouts(&self) -> &Timeouts {
        &self.plan.timeouts
    }

    fn trusts(&self, neighbour: IpAddr) -> bool {
        holds(&self.plan.trust, neighbour)
    }

    /// The plan has a web server believe our own balancers, and no others.
    fn is_check(&self, request: &Request<'_>, neighbour: IpAddr) -> bool {
        self.trusts(neighbour) && request.field(b"x-forwarded-for").is_none()
    }

    fn shields(&self, neighbour: IpAddr) -> bool {
        // Those whose word is believed here are balancers of ours.
        !self.trusts(neighbour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_have_a_host_and_perhaps_a_port() {
        assert_eq!(split(b"a.example:8080"), (&b"a.example"[..], &b":8080"[..]));
        assert_eq!(split(b"[::1]"), (&b"[::1]"[..], &b""[..]));
        assert_eq!(split(b"[::1]:80"), (&b"[::1]"[..], &b":80"[..]));
    }
}
