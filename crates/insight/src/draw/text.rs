//! A design as text: a card per server, side by side in a row per tier.

use super::more;
use crate::design::{Design, Element, Tier};
use crate::failures::single_points;

/// Characters of a card, frame included.
const CARD: usize = 44;

/// Draws it.
pub fn text(design: &Design) -> String {
    let mut out = format!(
        "visitor\n   │ DNS: {} is {}\n",
        design.site,
        design.entry.join(" or ")
    );
    let single = single_points(design);
    for row in rows(design) {
        out += &arrow(design, &row);
        let card = |server: &String| card(design, server, single.contains(server));
        let cards: Vec<Vec<String>> = row.iter().map(card).collect();
        let height = cards.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let part =
                |card: &Vec<String>| card.get(line).cloned().unwrap_or_else(|| " ".repeat(CARD));
            let parts: Vec<String> = cards.iter().map(part).collect();
            out += parts.join("  ").trim_end();
            out.push('\n');
        }
        out += &across(design, &row);
    }
    out
}

/// The servers of each row, in the order of the visitor's request.
fn rows(design: &Design) -> Vec<Vec<String>> {
    let first = |server: &str| {
        let on = design
            .elements
            .iter()
            .filter(|element| element.server == server);
        on.map(|element| element.tier)
            .min()
            .unwrap_or(Tier::Collector)
    };
    let mut tiers: Vec<Tier> = design
        .servers
        .iter()
        .map(|server| first(&server.name))
        .collect();
    tiers.sort_unstable();
    tiers.dedup();
    let row = |tier: Tier| {
        let of = design
            .servers
            .iter()
            .filter(|server| first(&server.name) == tier);
        of.map(|server| server.name.clone()).collect()
    };
    tiers.into_iter().map(row).collect()
}

/// What comes into a row from above.
fn arrow(design: &Design, row: &[String]) -> String {
    let mut flows: Vec<String> = Vec::new();
    for flow in &design.flows {
        let Some(to) = design
            .element(&flow.to)
            .filter(|to| row.contains(&to.server))
        else {
            continue;
        };
        let from = flow.from.as_ref().and_then(|from| design.element(from));
        let text = flow.title();
        let above = to.tier.on_the_path()
            && from.is_none_or(|from| !row.contains(&from.server) && from.tier < to.tier);
        if above && !flow.fallback && !flows.contains(&text) {
            flows.push(text);
        }
    }
    if flows.is_empty() {
        "\n".to_owned()
    } else {
        format!("   │ {}\n   ▼\n", flows.join(", "))
    }
}

/// What the servers of a row say to each other, a line each.
fn across(design: &Design, row: &[String]) -> String {
    let mut out = String::new();
    for flow in &design.flows {
        let from = flow.from.as_ref().and_then(|from| design.element(from));
        let (Some(from), Some(to)) = (from, design.element(&flow.to)) else {
            continue;
        };
        let beside = from.server != to.server
            && row.contains(&from.server)
            && row.contains(&to.server)
            && from.tier.on_the_path()
            && to.tier.on_the_path();
        // Which way replication would go after a failover is no part of the picture.
        if !beside || (flow.fallback && flow.is_replication()) {
            continue;
        }
        let purpose = match (flow.fallback, flow.purpose) {
            (true, _) => ", fallback".to_owned(),
            (false, Some(purpose)) => format!(": {purpose}"),
            (false, None) => String::new(),
        };
        out += &format!(
            "   {} {} → {} {}  {}{purpose}\n",
            from.server,
            from.tier.title(),
            to.server,
            to.tier.title(),
            flow.title()
        );
    }
    out
}

fn card(design: &Design, server: &str, single: bool) -> Vec<String> {
    let addresses = design
        .server(server)
        .map(|server| server.addresses.join(" "))
        .unwrap_or_default();
    let head = format!("{server}  {addresses}");
    let (left, across, right) = if single {
        ("╔", "═", "╗")
    } else {
        ("┌", "─", "┐")
    };
    let mut lines = vec![format!(
        "{left}{across} {head} {}{right}",
        across.repeat(CARD.saturating_sub(head.chars().count() + 5))
    )];
    if single {
        lines.push(framed("single point of failure", single));
    }
    let on: Vec<&Element> = design
        .elements
        .iter()
        .filter(|element| element.server == server)
        .collect();
    for (index, element) in on.iter().enumerate() {
        if index > 0 && element.tier.on_the_path() {
            let flow = design.flows.iter().find(|flow| {
                flow.to == element.id && flow.from.as_deref() == Some(on[index - 1].id.as_str())
            });
            let text = flow.map_or_else(String::new, |flow| match flow.purpose {
                Some(purpose) => format!("   │ {}: {purpose}", flow.title()),
                None => format!("   │ {}", flow.title()),
            });
            lines.push(framed(&text, single));
        }
        lines.push(framed(
            format!("{} {}", design.title(element), named(element)).trim_end(),
            single,
        ));
    }
    if let Some(others) = design.stands_for.get(server) {
        lines.push(framed(&more(*others), single));
    }
    let (left, across, right) = if single {
        ("╚", "═", "╝")
    } else {
        ("└", "─", "┘")
    };
    lines.push(format!("{left}{}{right}", across.repeat(CARD - 2)));
    lines
}

/// The database's name is said once, where the data is.
fn named(element: &Element) -> &str {
    match element.tier {
        Tier::Router => "",
        _ => &element.name,
    }
}

fn framed(text: &str, single: bool) -> String {
    let side = if single { "║" } else { "│" };
    let cut: String = text.chars().take(CARD - 4).collect();
    format!("{side} {cut:<width$} {side}", width = CARD - 4)
}
