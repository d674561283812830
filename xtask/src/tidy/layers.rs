//! Which crate may know which. Peers never do: they meet through sockets, or through a trait that the
//! consumer defines and `node` fills in.

const BOTTOM: &[&str] = &["site", "protocol", "service"];

/// Crate → what it may depend on, beside what is below.
const ARROWS: &[(&str, &[&[&str]])] = &[
    ("site", &[]),
    ("protocol", &[]),
    ("service", &[&["protocol"]]),
    ("insight", &[&["site"]]),
    ("http", &[BOTTOM]),
    ("balancer", &[BOTTOM, &["http"]]),
    ("web", &[BOTTOM, &["http"]]),
    ("dns", &[BOTTOM]),
    ("app", &[BOTTOM]),
    ("database", &[BOTTOM]),
    ("firewall", &[BOTTOM]),
    ("certificate", &[BOTTOM]),
    ("takeover", &[BOTTOM]),
    ("monitor", &[BOTTOM]),
    ("node", &[BOTTOM, PATH, GUARD]),
    ("lab", &[BOTTOM, &["insight"]]),
    (
        "terrace",
        &[BOTTOM, PATH, GUARD, &["insight", "node", "lab"]],
    ),
    ("xtask", &[]),
];

const PATH: &[&str] = &["http", "balancer", "web", "dns", "app", "database"];
const GUARD: &[&str] = &["firewall", "certificate", "takeover", "monitor"];

/// The edges of one manifest that are not in the picture.
pub(super) fn check(name: &str, manifest: &str) -> Vec<String> {
    let Some(package) = package(manifest) else {
        return Vec::new();
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == package) else {
        return vec![format!(
            "{name}: `{package}` has no place in the layout: give it one in xtask/src/tidy/layers.rs"
        )];
    };
    let stranger = |target: &&str| !allowed.iter().any(|group| group.contains(target));
    dependencies(manifest)
        .filter(stranger)
        .map(|target| format!("{name}: `{package}` may not know `{target}`: they meet through a socket, or a trait that `node` fills in"))
        .collect()
}

fn package(manifest: &str) -> Option<&str> {
    let line = manifest
        .lines()
        .find_map(|line| line.strip_prefix("name = \""))?;
    let name = line.strip_suffix('"')?;
    Some(name.strip_prefix("terrace-").unwrap_or(name))
}

/// The crates of ours that a manifest names, tests' dependencies apart.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let mut within = false;
    manifest.lines().filter_map(move |line| {
        if line.starts_with('[') {
            within = line == "[dependencies]";
        }
        let target = line.strip_prefix("terrace-").filter(|_| within)?;
        target.split(['.', ' ']).next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(package: &str, dependency: &str) -> String {
        format!(
            "[package]\nname = \"terrace-{package}\"\n[dependencies]\nserde.workspace = true\nterrace-{dependency}.workspace = true\n"
        )
    }

    #[test]
    fn an_edge_of_the_picture_is_fine() {
        assert_eq!(check("x", &manifest("web", "http")), [""; 0]);
        assert_eq!(check("x", &manifest("node", "database")), [""; 0]);
    }

    #[test]
    fn peers_may_not_know_each_other() {
        assert_eq!(check("x", &manifest("web", "app")).len(), 1);
        assert_eq!(check("x", &manifest("site", "protocol")).len(), 1);
        assert_eq!(check("x", &manifest("lab", "node")).len(), 1);
    }

    #[test]
    fn a_crate_without_a_place_is_named() {
        assert!(check("x", &manifest("cache", "http"))[0].contains("`cache` has no place"));
    }
}
