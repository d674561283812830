//! A crowd of visitors at the balancer who say nothing: whoever asks something is served, and `status` says who went for that.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::{self, Site, both, wait_until};
use crate::people::{Outside, PATIENCE, Person, SITE};

/// Far more than an address may have at two workers.
const CROWD: usize = 2_000;
/// As the file says.
const SHARE: usize = 64;
const FILE: &str = r#"site "www.foobar.com" {
    server lb-01  "10.0.0.10" { public "8.8.8.8"; }
    server web-01 "10.0.0.21"
    server web-02 "10.0.0.22"
    load-balancer lb-01 { limit connections=64; }
    web web-01 web-02 static="foobar/public"
    app web-01 web-02 code="foobar" { run "exec python3 -m http.server --bind $HOST $PORT"; }
}
"#;

#[test]
fn a_silent_crowd_keeps_nobody_out_and_status_says_who_went() {
    if !harness::is_root() {
        return;
    }
    terrace_service::descriptors::allow(2 * CROWD as u64).unwrap();
    let site = Site::with_file("crowd", FILE);
    site.up();

    let visits = Outside::of(&site).spawn(|| {
        let mut crowd = Vec::new();
        let mut longest = Duration::ZERO;
        for number in 1..=CROWD {
            crowd.push(TcpStream::connect_timeout(&SITE, PATIENCE).unwrap());
            if number % 500 == 0 {
                let begun = Instant::now();
                assert_eq!(Person::default().get("/").unwrap().status, 200);
                longest = longest.max(begun.elapsed());
            }
        }
        (crowd, longest)
    });
    let (crowd, longest) = visits.join().unwrap();
    assert!(longest < Duration::from_secs(5), "{longest:?}");

    let mut told = String::new();
    wait_until("all that went are told of", || {
        told = both(&site.terrace(&["status"]));
        let line = told.split("lb-01/load-balancer  too many connections: ");
        let count = line.skip(1).find_map(|rest| rest.split(' ').next());
        // Of each worker's share all but those have gone.
        count.is_some_and(|count| count.parse::<usize>().unwrap() + 8 * SHARE >= CROWD)
    });
    assert!(told.contains(" were closed to make room"), "{told}");
    drop(crowd);
}
