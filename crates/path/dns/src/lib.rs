//! The name server: the zone of the site, answered with authority.
