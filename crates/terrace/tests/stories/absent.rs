//! What `status` says while a server is frozen or off: what visitors get, why, and what helps.

use crate::harness::{self, Site, both, wait_until};
use crate::primary::{primary, wait_until_well};

/// What `terrace status` prints, and whether it says that all is well.
fn status(site: &Site) -> (String, bool) {
    let output = site.terrace(&["status"]);
    (both(&output), output.status.success())
}

#[test]
fn the_headline_is_true_while_the_entry_stands_still_and_while_nothing_can_be_written() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage1();
    site.up();
    wait_until_well(&site);
    let refused = both(&site.terrace(&["fault", "kill", "lb-01/controller"]));
    assert!(
        refused.contains("lb-01/controller is a part of the node")
            && refused.contains("fault crash lb-01"),
        "{refused}"
    );
    site.does(&["fault", "freeze", "lb-01"]);
    let (said, well) = status(&site);
    let headline = said.lines().next().unwrap_or_default();
    assert!(
        headline.starts_with("www.foobar.com  no visitor gets through: lb-01 has been frozen for ")
            && headline.ends_with("(`terrace fault mend`)")
            && !well,
        "{said}"
    );
    site.does(&["fault", "mend"]);
    wait_until_well(&site);
    let first = primary(&site).unwrap();
    let heir = crate::primary::other(&first);
    site.does(&["fault", "freeze", &first]);
    let (said, well) = status(&site);
    let fails = format!("www.foobar.com  writes fail: {first} has been frozen for ");
    let remedy = format!("`terrace failover {heir}` makes {heir} the primary");
    assert!(
        said.starts_with(&fails) && said.contains(&remedy) && !well,
        "{said}"
    );
    // Refused for as long as the controller has not noticed.
    wait_until("the failover is carried out", || {
        site.terrace(&["failover", heir]).status.success()
    });
    wait_until("the headline says who is missing", || {
        let headline =
            format!("www.foobar.com  serves without {first}, which has been frozen for ");
        status(&site).0.starts_with(&headline)
    });
    let (said, _) = status(&site);
    assert_eq!(said.matches(" primary ").count(), 1, "{said}");
    site.does(&["fault", "mend"]);
}
