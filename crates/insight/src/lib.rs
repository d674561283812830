//! What a site's design means, before anything runs.
//!
//! [`design`] looks at a site the way questions are asked of it; [`failures`] says what each element takes
//! down when it fails; [`findings`] what to worry about, with the line it comes from; [`explain`] answers a
//! newcomer's questions with this site's own names; [`draw`] shows it. All of it is pure: text and values
//! come out, nothing is measured here.

pub mod design;
pub mod draw;
pub mod explain;
pub mod failures;
pub mod findings;
mod page;

pub use design::Design;
pub use page::page;

/// The design in one line: `1 server: web server, app server, database; 1 single point of failure: web-01`.
pub fn sentence(design: &Design) -> String {
    let mut tiers: Vec<&str> = design
        .elements
        .iter()
        // It goes without saying: it stands wherever an app asks a database.
        .filter(|element| element.tier != design::Tier::Router)
        .map(|element| element.tier.title())
        .collect();
    tiers.dedup();
    let points = failures::single_points(design);
    let points = match points.as_slice() {
        [] => "no single point of failure".to_owned(),
        [one] => format!("1 single point of failure: {one}"),
        many => format!(
            "{} single points of failure: {}",
            many.len(),
            many.join(", ")
        ),
    };
    let servers = match design.servers.len() {
        1 => "1 server".to_owned(),
        many => format!("{many} servers"),
    };
    format!("{servers}: {}; {points}", tiers.join(", "))
}
