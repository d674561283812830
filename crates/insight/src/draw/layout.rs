//! Where everything goes: a row per tier from the visitor down, servers side by side, their roles stacked in
//! the order in which a request crosses them.

use std::collections::BTreeMap;

use super::scene::{Kind, Label, Line, Rect, Scene, Shape, Style};
use super::{flows, more};
use crate::design::{Design, Element, Server, Tier};
use crate::failures::single_points;

const ROLE: (f64, f64) = (250.0, 50.0);
/// Between two roles on a server: an arrow and its label.
const STEP: f64 = 34.0;
const PADDING: f64 = 16.0;
const HEAD: f64 = 34.0;
const WARNING: f64 = 18.0;
const MARGIN: f64 = 24.0;
/// Between two rows: the flows and their labels.
pub(super) const ROW: f64 = 76.0;
/// Between two servers of a row: labels of what they say to each other.
pub(super) const BESIDE: f64 = 176.0;
const OUTSIDE: (f64, f64) = (190.0, 46.0);

/// Places the whole design.
pub(super) fn scene(design: &Design) -> Scene {
    let mut page = Page::new(design);
    page.place_outside();
    for rank in page.ranks() {
        page.place_row(rank);
    }
    flows::connect(&mut page);
    page.finish()
}

/// A drawing in the making.
pub(super) struct Page<'a> {
    pub(super) design: &'a Design,
    rows: BTreeMap<Tier, Vec<&'a Server>>,
    single: Vec<String>,
    pub(super) width: f64,
    y: f64,
    /// Where each server is.
    pub(super) servers: BTreeMap<&'a str, Rect>,
    /// Where each element is; the visitor is the one without a name.
    pub(super) roles: BTreeMap<&'a str, Rect>,
    pub(super) scene: Scene,
}

impl<'a> Page<'a> {
    fn new(design: &'a Design) -> Self {
        let mut rows: BTreeMap<Tier, Vec<&Server>> = BTreeMap::new();
        for server in &design.servers {
            rows.entry(rank(design, server)).or_default().push(server);
        }
        let most = rows.values().map(Vec::len).max().unwrap_or(1).max(1) as f64;
        let server = ROLE.0 + 2.0 * PADDING;
        let width =
            (most * server + (most - 1.0) * BESIDE).max(2.0 * OUTSIDE.0 + 240.0) + 2.0 * MARGIN;
        let scene = Scene {
            width,
            height: 0.0,
            shapes: Vec::new(),
            lines: Vec::new(),
            labels: Vec::new(),
        };
        let single = single_points(design);
        Self {
            design,
            rows,
            single,
            width,
            y: MARGIN,
            servers: BTreeMap::new(),
            roles: BTreeMap::new(),
            scene,
        }
    }

    fn ranks(&self) -> Vec<Tier> {
        self.rows.keys().copied().collect()
    }

    /// The visitor in the middle, and beside it the name server that it asks.
    fn place_outside(&mut self) {
        let visitor = Rect {
            x: (self.width - OUTSIDE.0) / 2.0,
            y: self.y,
            w: OUTSIDE.0,
            h: OUTSIDE.1,
        };
        self.outside(
            visitor,
            "visitor",
            &format!("asks for {}", self.design.site),
        );
        self.roles.insert("", visitor);
        if !self.design.has(Tier::Dns) {
            let dns = Rect {
                x: MARGIN,
                ..visitor
            };
            self.outside(
                dns,
                "DNS",
                &format!("{} {}", self.design.site, self.design.entry.join(" ")),
            );
            let y = visitor.y + visitor.h / 2.0;
            self.scene.lines.push(Line {
                points: vec![(visitor.x, y), (dns.x + dns.w, y)],
                dashed: false,
            });
        }
        self.y += OUTSIDE.1 + ROW;
    }

    fn outside(&mut self, rect: Rect, name: &str, detail: &str) {
        let middle = rect.x + rect.w / 2.0;
        let size = (rect.w - 8.0) / (detail.chars().count() as f64 * 0.6);
        let lines = vec![
            Label::centred(name, (middle, rect.y + 19.0), 14.0, Style::Name),
            Label::centred(
                detail,
                (middle, rect.y + 37.0),
                size.min(11.0),
                Style::Detail,
            ),
        ];
        self.scene.shapes.push(Shape {
            kind: Kind::Outside,
            rect,
            lines,
        });
    }

    fn place_row(&mut self, rank: Tier) {
        let servers = self.rows[&rank].clone();
        let each = ROLE.0 + 2.0 * PADDING;
        let all = servers.len() as f64 * each + (servers.len() as f64 - 1.0) * BESIDE;
        let mut x = (self.width - all) / 2.0;
        let head = servers
            .iter()
            .map(|server| self.head(server))
            .fold(0.0, f64::max);
        let mut tallest: f64 = 0.0;
        for server in servers {
            tallest = tallest.max(self.place_server(server, x, head));
            x += each + BESIDE;
        }
        self.y += tallest + ROW;
    }

    /// What is written above a server's roles, and how high it is. All of a row are as high as the highest,
    /// so their roles stand side by side.
    fn head(&self, server: &Server) -> f64 {
        HEAD + WARNING * self.remarks(server).len() as f64
    }

    fn remarks(&self, server: &Server) -> Vec<(String, Style)> {
        let on = self
            .design
            .elements
            .iter()
            .filter(|element| element.server == server.name);
        let extra: Vec<&str> = on
            .filter(|one| !is_drawn(one.tier))
            .map(|one| one.tier.title())
            .collect();
        let mut remarks = Vec::new();
        if self.single.contains(&server.name) {
            remarks.push(("single point of failure".to_owned(), Style::Warning));
        }
        if !extra.is_empty() {
            remarks.push((format!("also: {}", extra.join(", ")), Style::Detail));
        }
        if let Some(others) = self.design.stands_for.get(&server.name) {
            remarks.push((more(*others), Style::Detail));
        }
        remarks
    }

    /// A server and what stands on it; returns its height.
    fn place_server(&mut self, server: &'a Server, x: f64, head: f64) -> f64 {
        let on = self
            .design
            .elements
            .iter()
            .filter(|element| element.server == server.name);
        let roles: Vec<&Element> = on.filter(|element| is_drawn(element.tier)).collect();
        let count = roles.len() as f64;
        let height = head + count * ROLE.1 + (count - 1.0).max(0.0) * STEP + PADDING;
        let rect = Rect {
            x,
            y: self.y,
            w: ROLE.0 + 2.0 * PADDING,
            h: height,
        };
        // Names stand left, so a flow that ends at the middle of the upper edge strikes nothing through.
        let mut lines = vec![
            Label::new(
                &server.name,
                (x + PADDING, self.y + 22.0),
                14.0,
                Style::Name,
            ),
            Label::right(
                server.addresses.join(" "),
                (rect.x + rect.w - PADDING, self.y + 22.0),
                11.0,
                Style::Detail,
            ),
        ];
        for (index, (text, style)) in self.remarks(server).into_iter().enumerate() {
            let below = self.y + 40.0 + index as f64 * WARNING;
            lines.push(Label::new(text, (x + PADDING, below), 11.0, style));
        }
        let kind = if self.single.contains(&server.name) {
            Kind::Single
        } else {
            Kind::Server
        };
        self.scene.shapes.push(Shape { kind, rect, lines });
        self.servers.insert(&server.name, rect);
        for (index, element) in roles.into_iter().enumerate() {
            let y = self.y + head + index as f64 * (ROLE.1 + STEP);
            self.place_role(
                element,
                Rect {
                    x: x + PADDING,
                    y,
                    w: ROLE.0,
                    h: ROLE.1,
                },
            );
        }
        height
    }

    fn place_role(&mut self, element: &'a Element, rect: Rect) {
        let detail = [element.name.as_str(), &element.listens.join(" ")].join("  ");
        let size = (rect.w - 24.0) / (detail.chars().count() as f64 * 0.6);
        let lines = vec![
            Label::new(
                self.design.title(element),
                (rect.x + 12.0, rect.y + 20.0),
                14.0,
                Style::Name,
            ),
            Label::new(
                detail.trim(),
                (rect.x + 12.0, rect.y + 39.0),
                size.min(11.0),
                Style::Detail,
            ),
        ];
        self.scene.shapes.push(Shape {
            kind: Kind::Role,
            rect,
            lines,
        });
        self.roles.insert(&element.id, rect);
    }

    fn finish(mut self) -> Scene {
        self.scene.height = self.y - ROW + MARGIN;
        self.scene
    }
}

/// The row that a server stands in: the first tier that a request reaches on it.
fn rank(design: &Design, server: &Server) -> Tier {
    let on = design
        .elements
        .iter()
        .filter(|element| element.server == server.name);
    let tiers = on
        .map(|element| element.tier)
        .filter(|tier| is_drawn(*tier));
    tiers.min().unwrap_or(Tier::Quorum)
}

/// It has a box of its own; the others are named in their server's head.
fn is_drawn(tier: Tier) -> bool {
    tier.on_the_path() || tier == Tier::Dns
}
