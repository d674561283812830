//! What stands before the web servers: the balancer, how it chooses, and who works while who waits.

use terrace_site::model::Balance;

use super::prose::{Block, count, paragraph};
use super::{and, parts};
use crate::design::{Design, Tier};

pub(super) fn load_balancer(design: &Design) -> Vec<Block> {
    let webs = design.servers_of(Tier::Web);
    vec![
        paragraph(format!(
            "Visitors dial one address, {}. The load balancer answers there, takes every request and passes it on to one of the web \
             servers. So several servers share the work, and one of them may fail or be maintained while the others serve: the balancer \
             asks each of them again and again whether it is well, and leaves out the one that is not.",
            and(&design.entry)
        )),
        paragraph(format!(
            "Here it stands on {} and chooses among {} by {}.",
            parts::places(design, Tier::LoadBalancer),
            and(&webs),
            design.balance.map_or("round-robin", Balance::word)
        )),
    ]
}

/// How the balancer chooses.
pub(super) fn algorithm(design: &Design) -> Vec<Block> {
    let webs = design.servers_of(Tier::Web);
    let how = match design.balance.unwrap_or(Balance::RoundRobin) {
        Balance::RoundRobin => return round_robin(design),
        Balance::LeastConnections => {
            "Least connections: each request goes to the server with the fewest requests under way at that moment. A slow server, or one \
             that has drawn the long requests, so gets fewer new ones."
        }
        Balance::Random => {
            "Two random choices: two servers are drawn by lot, and the request goes to the one of them with fewer requests under way. Almost \
             as even as asking all of them, and no herd runs to the same one."
        }
        Balance::Source => {
            "By source: the visitor's address is turned into a number, and the number chooses the server. The same visitor meets the same \
             server as long as that is well; the shares are as even as the visitors are."
        }
    };
    vec![
        paragraph(how),
        paragraph(format!("It chooses among {}.", and(&webs))),
        left_out(design),
    ]
}

pub(super) fn round_robin(design: &Design) -> Vec<Block> {
    let webs = design.servers_of(Tier::Web);
    let mut blocks = vec![paragraph(
        "Round robin is taking turns: of servers that do the same work, the first request goes to the first, the next to the second, and \
         after the last the first is next. It needs to know nothing but the list, and is fair where requests cost about the same.",
    )];
    match (design.has(Tier::LoadBalancer), webs.as_slice()) {
        (true, [first, .., last]) => {
            blocks.push(paragraph(format!(
                "Here request 1 goes to {first}, request 2 to {}, and after {last} it is the turn of {first} again. With `weight=2` a server \
                 gets two turns in a round.",
                webs[1]
            )));
            blocks.push(left_out(design));
        }
        _ => blocks.push(paragraph(
            "Here one server gets every request: there are no turns to take.",
        )),
    }
    blocks
}

fn left_out(design: &Design) -> Block {
    let asked = if design.checked_alone {
        "is answered with 504 then"
    } else {
        "is waited for as long as an app may take: it may be busy"
    };
    paragraph(format!(
        "A server that is not healthy is left out: a refused connection is noticed at once, silence within {} s. What a silent one has \
         been asked is asked of another; what must not be done twice {asked}.",
        design.notice.as_secs_f64()
    ))
}

/// Who works and who waits, tier by tier.
pub(super) fn active(design: &Design) -> Vec<Block> {
    let mut here = Vec::new();
    here.extend(balancers(design));
    for tier in [Tier::Web, Tier::App] {
        let servers = design.servers_of(tier);
        if servers.len() > 1 {
            here.push((
                format!("{}s", tier.title()),
                format!(
                    "active-active: {} work at the same time; when one fails, its share goes to the rest",
                    and(&servers)
                ),
            ));
        }
    }
    here.extend(databases(design));
    vec![
        paragraph(
            "Active-active: all members of a group work all the time. Nothing stands idle and every member is known to work, but the ones \
             that are left must be able to carry everything when one fails.",
        ),
        paragraph(
            "Active-passive: one member works, the others wait, ready to take its place. That suits what only one may do at a time, such as \
             holding an address or accepting changes. It costs a machine that mostly waits, and a pause while the place is taken.",
        ),
        paragraph("Here:"),
        Block::Rows(here),
    ]
}

fn balancers(design: &Design) -> Option<(String, String)> {
    let all = design.servers_of(Tier::LoadBalancer);
    let (first, others) = all.split_first()?;
    let text = if others.is_empty() {
        format!("neither: {first} is alone")
    } else if design.shares_address {
        format!(
            "active-passive: {first} holds {} and works; {} listens for it, and takes the address over when it falls silent",
            and(&design.entry),
            and(others)
        )
    } else {
        format!(
            "active-active: each of the {} has an address of its own, and DNS names them all",
            count(all.len(), "balancer")
        )
    };
    Some(("load balancer".to_owned(), text))
}

fn databases(design: &Design) -> Option<(String, String)> {
    let all = design.servers_of(Tier::Database);
    let (primary, replicas) = all.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let takes = if design.has(Tier::Quorum) {
        "takes its place by itself when a majority of the quorum finds it lost"
    } else {
        "takes its place when an operator says so"
    };
    Some((
        "databases".to_owned(),
        format!(
            "active-passive for writing: the primary on {primary} accepts the changes; {} follows it, answers reads, and {takes}",
            and(replicas)
        ),
    ))
}
