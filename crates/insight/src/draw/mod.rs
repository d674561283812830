//! Drawings of a design: tier by tier from the visitor down, flows with protocol and port, single points of
//! failure ringed.
//!
//! [`scene`] places everything in numbers, which a test checks for overlaps; [`svg`] and [`text`] only draw.

mod flows;
mod layout;
pub mod scene;
mod svg;
mod text;

pub use text::text;

use crate::design::Design;

/// What is said of servers that are left out.
fn more(count: usize) -> String {
    format!("and {count} more that carry the same")
}

/// The drawing as an SVG file.
pub fn svg(design: &Design) -> String {
    svg::render(&layout::scene(design), &design.site)
}

/// The drawing in numbers.
pub fn scene(design: &Design) -> scene::Scene {
    layout::scene(design)
}
