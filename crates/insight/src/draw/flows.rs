//! The lines between the boxes, and what is written on them. An arrow points at whoever is dialled.

use super::layout::{BESIDE, Page, ROW};
use super::scene::{Label, Line, Point, Rect, Style};
use crate::design::Flow;

const SIZE: f64 = 11.0;
/// Replication keeps below the middle of the boxes, where the ways of the statements end.
const BELOW: f64 = 14.0;

/// A line, and all that takes it.
struct Way {
    route: Route,
    texts: Vec<String>,
    fallback: bool,
}

struct Route {
    points: Vec<Point>,
    label: Point,
    /// The label begins at its point; otherwise its middle is there.
    left: bool,
    /// It is the only one of its kind; of those between two rows one bears the label for all.
    alone: bool,
}

/// Draws the flows: those that take the same line share it and its label.
pub(super) fn connect(page: &mut Page<'_>) {
    let mut ways: Vec<Way> = Vec::new();
    // Which way replication would go after a failover is no part of the picture.
    let drawn = |flow: &&Flow| !(flow.fallback && flow.is_replication());
    for flow in page.design.flows.iter().filter(drawn) {
        let Some(route) = route(page, flow) else {
            continue;
        };
        let text = match (flow.fallback, flow.purpose) {
            (true, _) => "fallback".to_owned(),
            (false, Some(purpose)) if route.alone => purpose.to_owned(),
            _ => flow.title(),
        };
        let same =
            |way: &&mut Way| way.route.points == route.points && way.fallback == flow.fallback;
        match ways.iter_mut().find(same) {
            Some(way) if way.texts.contains(&text) => {}
            Some(way) => way.texts.push(text),
            None => ways.push(Way {
                route,
                texts: vec![text],
                fallback: flow.fallback,
            }),
        }
    }
    let mut said: Vec<(i64, String)> = Vec::new();
    for way in ways {
        draw(page, way, &mut said);
    }
}

fn draw(page: &mut Page<'_>, way: Way, said: &mut Vec<(i64, String)>) {
    let Route {
        points,
        mut label,
        left,
        alone,
    } = way.route;
    let text = way.texts.join(", ");
    // Parallel flows between the same two rows say it once.
    let key = (label.1 as i64, text.clone());
    if alone || !said.contains(&key) {
        said.push(key);
        if way.fallback && !alone {
            label.0 = f64::midpoint(points[0].0, points[1].0);
        }
        let label = if left {
            Label::new(text, label, SIZE, Style::Flow)
        } else {
            Label::centred(text, label, SIZE, Style::Flow)
        };
        let mut others = page.scene.labels.iter();
        if !others.any(|other| other.rect.overlaps(&label.rect)) {
            page.scene.labels.push(label);
        }
    }
    page.scene.lines.push(Line {
        points,
        dashed: way.fallback,
    });
}

fn route(page: &Page<'_>, flow: &Flow) -> Option<Route> {
    let to = page.design.element(&flow.to)?;
    let target = *page.roles.get(flow.to.as_str())?;
    let target_server = *page.servers.get(to.server.as_str())?;
    let middle = page.width / 2.0;
    let Some(from) = &flow.from else {
        return Some(down(page.roles[""], target_server, middle));
    };
    let source = *page.roles.get(from.as_str())?;
    let from = page.design.element(from)?;
    let source_server = *page.servers.get(from.server.as_str())?;
    if from.server == to.server {
        return (source.y < target.y).then(|| within(source, target));
    }
    if source_server.y + source_server.h < target_server.y {
        return Some(down(source_server, target_server, middle));
    }
    // Of one row: only neighbours are joined; the page says that all of a tier stand in.
    let gap = (source_server.x - target_server.x).abs() - source_server.w;
    let replication = flow.is_replication();
    (gap <= BESIDE + 1.0).then(|| beside(source, target, replication))
}

/// From the lower edge of a box to the upper edge of one in a row below.
fn down(from: Rect, to: Rect, middle: f64) -> Route {
    Route {
        points: vec![from.edges()[1], to.edges()[0]],
        label: (middle, to.y - ROW / 2.0 + 4.0),
        left: false,
        alone: false,
    }
}

/// From a role to the one below it on the same server.
fn within(from: Rect, to: Rect) -> Route {
    let (start, end) = (from.edges()[1], to.edges()[0]);
    Route {
        points: vec![start, end],
        label: (start.0 + 10.0, f64::midpoint(start.1, end.1) + 4.0),
        left: true,
        alone: true,
    }
}

/// From a role to one on the server beside.
fn beside(from: Rect, to: Rect, below: bool) -> Route {
    let rightwards = from.x < to.x;
    let mut start = from.edges()[if rightwards { 3 } else { 2 }];
    let mut end = to.edges()[if rightwards { 2 } else { 3 }];
    if below {
        start.1 += BELOW;
        end.1 += BELOW;
    }
    // Two that cross each other, there and back, keep their labels apart.
    let level = (from.y - to.y).abs() < 1.0;
    let share = if level { 0.5 } else { 0.3 };
    let lift = if below { -(SIZE + 4.0) } else { 5.0 };
    let label = (
        start.0 + (end.0 - start.0) * share,
        start.1 + (end.1 - start.1) * share - lift,
    );
    Route {
        points: vec![start, end],
        label,
        left: false,
        alone: true,
    }
}
