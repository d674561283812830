//! A design as text: a card per server, side by side in a row per tier.

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
    for row in rows(design) {
        out += &arrow(design, &row);
        let cards: Vec<Vec<String>> = row.iter().map(|server| card(design, server)).collect();
        let height = cards.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let part =
                |card: &Vec<String>| card.get(line).cloned().unwrap_or_else(|| " ".repeat(CARD));
            let parts: Vec<String> = cards.iter().map(part).collect();
            out += parts.join("  ").trim_end();
            out.push('\n');
        }
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
        let above = from.is_none_or(|from| !row.contains(&from.server) && from.tier < to.tier);
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

fn card(design: &Design, server: &str) -> Vec<String> {
    let single = single_points(design).contains(&server.to_owned());
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
            let text = flow.map_or_else(String::new, |flow| format!("   │ {}", flow.title()));
            lines.push(framed(&text, single));
        }
        lines.push(framed(
            &format!("{} {}", element.tier.title(), element.name),
            single,
        ));
    }
    let (left, across, right) = if single {
        ("╚", "═", "╝")
    } else {
        ("└", "─", "┘")
    };
    lines.push(format!("{left}{}{right}", across.repeat(CARD - 2)));
    lines
}

fn framed(text: &str, single: bool) -> String {
    let side = if single { "║" } else { "│" };
    let cut: String = text.chars().take(CARD - 4).collect();
    format!("{side} {cut:<width$} {side}", width = CARD - 4)
}
