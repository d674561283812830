//! The words that everybody uses and few explain.

use super::prose::{Block, number, paragraph};
use crate::design::{Design, Tier};
use crate::failures::{Fault, Function, predict, single_points};

pub(super) fn spof(design: &Design) -> Vec<Block> {
    let points = single_points(design);
    let mut blocks = vec![paragraph(
        "A single point of failure is a part that nothing else replaces by itself: when it stops, something stops with it for everybody, \
         however well the rest works. The cure is a second one of it, and something that notices and switches over.",
    )];
    if points.is_empty() {
        blocks.push(paragraph("Here there is none: any one server may fail."));
        return blocks;
    }
    let row = |server: &String| {
        let lost = predict(design, Fault::PowerOff(server.clone())).lost();
        (
            server.clone(),
            format!("takes {} with it", whole_or(design, &lost)),
        )
    };
    blocks.push(paragraph(match points.len() {
        1 => "Here there is one:".to_owned(),
        many => format!("Here there are {}:", number(many)),
    }));
    blocks.push(Block::Rows(points.iter().map(row).collect()));
    blocks
}

/// `the whole site`, or the functions.
pub(super) fn whole_or(design: &Design, functions: &[Function]) -> String {
    if functions == Function::of(design) {
        return "the whole site".to_owned();
    }
    let titles: Vec<&str> = functions.iter().map(|function| function.title()).collect();
    super::and(&titles)
}

/// The tiers whose requests are counted, which `status` shows.
const COUNTED: [Tier; 3] = [Tier::Dns, Tier::LoadBalancer, Tier::Web];

pub(super) fn qps(design: &Design) -> Vec<Block> {
    let counted = COUNTED.into_iter().filter(|tier| design.has(*tier));
    let counted: Vec<String> = counted
        .map(|tier| format!("the {}", tier.title()))
        .collect();
    vec![paragraph(format!(
        "Queries per second: how many requests a server is asked each second (of a web server also: requests/s). They say how busy it \
         is. Beside them belong how many failed and how long they took: a server that refuses everything at once has splendid QPS. \
         `terrace status` shows REQ/S, FAILED and P99 (99 of 100 requests were faster) of {}.",
        super::and(&counted)
    ))]
}
