//! Of a design with very many servers as much as a person can look at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use terrace_site::model::Site;
use terrace_site::wiring;

use super::Design;
use crate::failures::{Standing, standings};

/// A design of so many servers is looked at as a whole,
const WHOLE: usize = 40;
/// and of one that has more so many of each kind.
const SHOWN: usize = 3;

impl Design {
    /// As much of a site as a person can look at: where there are very many servers, the first few of those on which the same
    /// stands, and the one that is named.
    pub fn excerpt(site: &Site, named: Option<&str>) -> Self {
        let mut design = Self::without_flows(site);
        if design.servers.len() <= WHOLE {
            return Self::of(site);
        }
        let (kept, stands_for) = design.kinds(named);
        let wiring = wiring::wire_some(site, |server| kept.contains(server.as_str()));
        design.servers.retain(|server| kept.contains(&server.name));
        design
            .elements
            .retain(|element| kept.contains(&element.server));
        let dialled: HashSet<IpAddr> = wiring
            .instances
            .iter()
            .flat_map(|instance| instance.listens.iter().map(SocketAddr::ip))
            .collect();
        let entry = wiring.addresses.iter();
        let entry = entry.filter(|address| dialled.contains(address));
        design.entry = entry.map(ToString::to_string).collect();
        design.stands_for = stands_for;
        Self::wired(site, design, &wiring)
    }

    /// The servers to look at, and for how many others each of them stands.
    fn kinds(&self, named: Option<&str>) -> (HashSet<String>, BTreeMap<String, usize>) {
        let standings = standings(self);
        let mut shown: HashMap<Option<&Standing<'_>>, (usize, &str)> = HashMap::new();
        let (mut kept, mut stands_for) = (HashSet::new(), BTreeMap::new());
        for server in &self.servers {
            let name = server.name.as_str();
            let (count, last) = shown.entry(standings.get(name)).or_insert((0, name));
            if *count < SHOWN {
                (*count, *last) = (*count + 1, name);
                kept.insert(name.to_owned());
            } else if named == Some(name) {
                kept.insert(name.to_owned());
            } else {
                *stands_for.entry((*last).to_owned()).or_default() += 1;
            }
        }
        (kept, stands_for)
    }
}
