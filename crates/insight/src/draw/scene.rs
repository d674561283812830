//! A drawing in numbers: boxes, labels and lines, in pixels from the upper left.

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

/// A point.
pub type Point = (f64, f64);

impl Rect {
    /// The two have an area in common.
    pub fn overlaps(&self, other: &Rect) -> bool {
        self.x < other.x + other.w
            && other.x < self.x + self.w
            && self.y < other.y + other.h
            && other.y < self.y + self.h
    }

    /// The other lies within.
    pub fn contains(&self, other: &Rect) -> bool {
        self.x <= other.x
            && self.y <= other.y
            && self.x + self.w >= other.x + other.w
            && self.y + self.h >= other.y + other.h
    }

    /// The middle of an edge: upper, lower, left, right.
    pub fn edges(&self) -> [Point; 4] {
        let (cx, cy) = (self.x + self.w / 2.0, self.y + self.h / 2.0);
        [
            (cx, self.y),
            (cx, self.y + self.h),
            (self.x, cy),
            (self.x + self.w, cy),
        ]
    }

    /// The straight line between two points passes through the inside.
    pub fn is_crossed(&self, from: Point, to: Point) -> bool {
        // Liang and Barsky: clip the line's parameter range against each side in turn.
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let sides = [
            (-dx, from.0 - self.x),
            (dx, self.x + self.w - from.0),
            (-dy, from.1 - self.y),
            (dy, self.y + self.h - from.1),
        ];
        let mut range = (0.0_f64, 1.0_f64);
        for (slope, room) in sides {
            if slope == 0.0 {
                if room <= 0.0 {
                    return false;
                }
            } else if slope < 0.0 {
                range.0 = range.0.max(room / slope);
            } else {
                range.1 = range.1.min(room / slope);
            }
        }
        range.1 - range.0 > 1e-6
    }
}

/// What a box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The visitor, or the name server of the registrar: not ours.
    Outside,
    /// A server.
    Server,
    /// A server that is a single point of failure.
    Single,
    /// A role on a server.
    Role,
}

/// A box with lines of text in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub rect: Rect,
    /// The texts in it, the first one large.
    pub lines: Vec<Label>,
}

/// A line of text.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The text.
    pub text: String,
    /// Where it is; the text stands on the lower edge.
    pub rect: Rect,
    /// The height of its letters.
    pub size: f64,
    /// How it looks.
    pub style: Style,
    /// Which part of its rectangle holds it: a font may be narrower than the rectangle.
    pub anchor: Anchor,
}

/// Where in its rectangle a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At the left.
    Start,
    /// In the middle.
    Middle,
    /// At the right.
    End,
}

/// How a text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A name.
    Name,
    /// Something about it.
    Detail,
    /// A warning.
    Warning,
    /// On a line: with a ground of its own, so the line does not strike it through.
    Flow,
}

impl Label {
    /// A text whose left lower corner is at `at`.
    pub fn new(text: impl Into<String>, at: Point, size: f64, style: Style) -> Self {
        let text = text.into();
        // Wide enough for the common sans-serif fonts; a text is never wider than its rectangle.
        let w = text.chars().count() as f64 * size * 0.6;
        Self {
            rect: Rect {
                x: at.0,
                y: at.1 - size,
                w,
                h: size * 1.25,
            },
            text,
            size,
            style,
            anchor: Anchor::Start,
        }
    }

    /// The same, with its right lower corner at `at`.
    pub fn right(text: impl Into<String>, at: Point, size: f64, style: Style) -> Self {
        let mut label = Self::new(text, at, size, style);
        label.rect.x -= label.rect.w;
        label.anchor = Anchor::End;
        label
    }

    /// The same, with its middle at `x`.
    pub fn centred(text: impl Into<String>, at: Point, size: f64, style: Style) -> Self {
        let mut label = Self::new(text, at, size, style);
        label.rect.x -= label.rect.w / 2.0;
        label.anchor = Anchor::Middle;
        label
    }
}

/// A flow: a line through these points, with an arrow at its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Two or more.
    pub points: Vec<Point>,
    /// Used only while something else is not healthy.
    pub dashed: bool,
}

/// A whole drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// Servers come before what stands on them.
    pub shapes: Vec<Shape>,
    /// Flows.
    pub lines: Vec<Line>,
    /// Texts outside of boxes.
    pub labels: Vec<Label>,
}

impl Scene {
    /// Everything that covers something else, one line each: none, in a drawing that can be read.
    pub fn overlaps(&self) -> Vec<String> {
        let mut found = self.shapes_over_shapes();
        found.extend(self.texts_over_texts());
        found.extend(self.labels_over_shapes());
        found.extend(self.lines_over_texts());
        found
    }

    fn shapes_over_shapes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (index, one) in self.shapes.iter().enumerate() {
            let others = self.shapes[index + 1..].iter();
            let covers =
                |other: &&Shape| one.rect.overlaps(&other.rect) && !one.rect.contains(&other.rect);
            found.extend(
                others
                    .filter(covers)
                    .map(|other| format!("{} and {} overlap", one.name(), other.name())),
            );
            let out = one
                .lines
                .iter()
                .filter(|label| !one.rect.contains(&label.rect));
            found.extend(out.map(|label| format!("{:?} leaves {}", label.text, one.name())));
            if matches!(one.kind, Kind::Role | Kind::Outside)
                && self.lines.iter().any(|line| line.crosses(&one.rect))
            {
                found.push(format!("a line crosses {}", one.name()));
            }
        }
        found
    }

    fn texts_over_texts(&self) -> Vec<String> {
        let mut found = Vec::new();
        let whole = Rect {
            x: 0.0,
            y: 0.0,
            w: self.width,
            h: self.height,
        };
        let texts: Vec<&Label> = self
            .shapes
            .iter()
            .flat_map(|shape| &shape.lines)
            .chain(&self.labels)
            .collect();
        for (index, one) in texts.iter().enumerate() {
            let others = texts[index + 1..]
                .iter()
                .filter(|other| one.rect.overlaps(&other.rect));
            found
                .extend(others.map(|other| format!("{:?} and {:?} overlap", one.text, other.text)));
            if !whole.contains(&one.rect) {
                found.push(format!("{:?} leaves the drawing", one.text));
            }
        }
        found
    }

    fn labels_over_shapes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for label in &self.labels {
            let covered = |shape: &&Shape| {
                shape.rect.overlaps(&label.rect) && !shape.rect.contains(&label.rect)
            };
            let shapes = self.shapes.iter().filter(covered);
            found.extend(shapes.map(|shape| format!("{:?} covers {}", label.text, shape.name())));
        }
        found
    }

    /// The names of servers; roles are drawn over the lines.
    fn lines_over_texts(&self) -> Vec<String> {
        let servers = self
            .shapes
            .iter()
            .filter(|shape| matches!(shape.kind, Kind::Server | Kind::Single));
        let struck = servers
            .flat_map(|shape| &shape.lines)
            .filter(|label| self.lines.iter().any(|line| line.crosses(&label.rect)));
        struck
            .map(|label| format!("a line strikes {:?} through", label.text))
            .collect()
    }
}

impl Shape {
    fn name(&self) -> &str {
        self.lines.first().map_or("", |label| label.text.as_str())
    }
}

impl Line {
    fn crosses(&self, rect: &Rect) -> bool {
        self.points
            .windows(2)
            .any(|part| rect.is_crossed(part[0], part[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_crosses_what_it_passes_through_and_not_what_it_touches() {
        let rect = Rect {
            x: 10.0,
            y: 10.0,
            w: 10.0,
            h: 10.0,
        };
        assert!(rect.is_crossed((0.0, 0.0), (30.0, 30.0)));
        assert!(!rect.is_crossed((0.0, 0.0), (30.0, 5.0)));
        assert!(!rect.is_crossed((15.0, 0.0), (15.0, 10.0)));
        assert!(!rect.is_crossed((0.0, 10.0), (30.0, 10.0)));
    }
}
