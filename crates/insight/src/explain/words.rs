//! The words that everybody uses and few explain.

use super::prose::paragraph;
use crate::design::{Design, Tier};
use crate::failures::single_points;

pub(super) fn spof(design: &Design) -> String {
    let points = single_points(design);
    let here = match points.as_slice() {
        [] => "Here there is none: any one server may fail.".to_owned(),
        [one] => format!(
            "Here it is {one}: when it fails, something that visitors want is away until somebody repairs it."
        ),
        many => format!(
            "Here there are {}: {}.",
            many.len(),
            super::and(&many.iter().map(String::as_str).collect::<Vec<_>>())
        ),
    };
    paragraph(&format!(
        "A single point of failure is a part that nothing else can replace at once: when it stops, the whole stops, however well \
         everything else works. {here}"
    )) + &paragraph("The cure is a second one of it, and something that notices and switches over.")
}

pub(super) fn round_robin(design: &Design) -> String {
    let webs: Vec<&str> = design
        .tier(Tier::Web)
        .map(|element| element.server.as_str())
        .collect();
    let here = match (design.has(Tier::LoadBalancer), webs.as_slice()) {
        (true, [first, .., last]) => {
            format!(
                "Here the first request goes to {first}, the next one on, and after {last} it begins again with {first}."
            )
        }
        _ => "Here one server gets every request, so there is nothing to take turns.".to_owned(),
    };
    paragraph(&format!(
        "Round robin is taking turns: of servers that do the same work, the first request goes to the first, the next to the \
         second, and after the last the first is next. It needs to know nothing but the list, and is fair when requests cost \
         about the same. {here}"
    ))
}

pub(super) fn primary_replica(design: &Design) -> String {
    let databases: Vec<&str> = design
        .tier(Tier::Database)
        .map(|element| element.server.as_str())
        .collect();
    let here = match databases.as_slice() {
        [] => "This site has no database.".to_owned(),
        [only] => format!(
            "Here {only} is alone: it is the primary. It writes its binary log from its first day, so that a replica can join \
             later without starting over."
        ),
        [primary, replicas @ ..] => format!(
            "Here {primary} is the primary at birth and {} follows; afterwards `terrace status` knows.",
            super::and(replicas)
        ),
    };
    paragraph(&format!(
        "In a primary-replica cluster one database server, the primary, accepts all changes and writes them to a log. The \
         others, the replicas, fetch that log and make the same changes in the same order. Reading can be asked of any of them; \
         writing only of the primary. When the primary is lost, a replica that has the whole log can take its place. {here}"
    ))
}

pub(super) fn tls(design: &Design) -> String {
    let here = match (design.certificate.is_some(), design.has(Tier::LoadBalancer)) {
        (false, _) => {
            "Here nothing is encrypted: there is no line `certificate`, and visitors speak plain HTTP on port 80."
        }
        (true, true) => "Here the load balancer ends it.",
        (true, false) => "Here the web server ends it.",
    };
    paragraph(&format!(
        "HTTPS is HTTP inside TLS (its older name is SSL): the two ends agree on keys, and nobody between them can read or change \
         what passes. The part where the encrypted connection ends, and the request is in clear again, terminates TLS. It holds \
         the certificate and its private key, and spends the processor time. Behind it, requests travel in clear unless they are \
         encrypted anew. {here}"
    ))
}

pub(super) fn qps(_: &Design) -> String {
    paragraph(
        "QPS are queries per second: how many requests a server is asked in each second (for a web server also written requests/s). \
         It says how busy the server is; beside it belong how many failed and how long they took, because a server that refuses \
         everything at once has splendid QPS. `terrace status` shows REQ/S, FAILED and P99 (99 of 100 requests were faster) for \
         each part.",
    )
}
