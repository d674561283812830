//! A scene as an SVG file: no script, no font, nothing from elsewhere; light and dark.

use std::fmt::Write;

use super::scene::{Anchor, Kind, Label, Line, Scene, Shape, Style};

const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1c2430}\
.detail{fill:#5a6675}.warning{fill:#b3261e;font-weight:600}.name{font-weight:600}\
.outside{fill:#eef1f5;stroke:#8a96a5}.server{fill:#f8fafc;stroke:#5a6675}\
.single{fill:#fff6f5;stroke:#b3261e;stroke-width:3}.role{fill:#e3edf9;stroke:#3b6fb0}\
.ground{fill:#fff}.line{stroke:#3d4a5a;fill:none;stroke-width:1.4}.dashed{stroke-dasharray:5 4;stroke:#8a96a5}";

/// Draws it.
pub(super) fn render(scene: &Scene, title: &str) -> String {
    let (width, height) = (scene.width, scene.height);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"end\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
         <path d=\"M0 0 10 5 0 10z\" fill=\"#3d4a5a\"/></marker></defs>\n\
         <rect class=\"ground\" width=\"{width:.0}\" height=\"{height:.0}\"/>\n",
        escaped(title)
    );
    let (grounds, tops): (Vec<&Shape>, Vec<&Shape>) = scene
        .shapes
        .iter()
        .partition(|shape| shape.kind != Kind::Role);
    grounds.iter().for_each(|one| shape(&mut out, one));
    scene.lines.iter().for_each(|one| line(&mut out, one));
    tops.iter().for_each(|one| shape(&mut out, one));
    scene.labels.iter().for_each(|one| label(&mut out, one));
    out += "</svg>\n";
    out
}

/// Writing to a String cannot fail.
macro_rules! put {
    ($out:expr, $($part:tt)*) => { let _ = writeln!($out, $($part)*); };
}

fn shape(out: &mut String, shape: &Shape) {
    let class = match shape.kind {
        Kind::Outside => "outside",
        Kind::Server => "server",
        Kind::Single => "single",
        Kind::Role => "role",
    };
    let rect = shape.rect;
    put!(
        out,
        "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"8\"/>",
        rect.x,
        rect.y,
        rect.w,
        rect.h
    );
    shape.lines.iter().for_each(|one| label(out, one));
}

fn label(out: &mut String, label: &Label) {
    let rect = label.rect;
    let class = match label.style {
        Style::Name => "name",
        Style::Detail | Style::Flow => "detail",
        Style::Warning => "warning",
    };
    // One that begins beside its line covers nothing of it.
    if label.style == Style::Flow && label.anchor == Anchor::Middle {
        put!(
            out,
            "<rect class=\"ground\" opacity=\".9\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\"/>",
            rect.x,
            rect.y,
            rect.w,
            rect.h
        );
    }
    let (x, anchor) = match label.anchor {
        Anchor::Start => (rect.x, ""),
        Anchor::Middle => (rect.x + rect.w / 2.0, " text-anchor=\"middle\""),
        Anchor::End => (rect.x + rect.w, " text-anchor=\"end\""),
    };
    put!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" font-size=\"{:.1}\"{anchor}>{}</text>",
        rect.y + label.size,
        label.size,
        escaped(&label.text)
    );
}

fn line(out: &mut String, line: &Line) {
    let points: Vec<String> = line
        .points
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let dashed = if line.dashed { " dashed" } else { "" };
    put!(
        out,
        "<polyline class=\"line{dashed}\" points=\"{}\" marker-end=\"url(#end)\"/>",
        points.join(" ")
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
