use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

use super::{
    DomainName, Email, FilePath, FromText, HostPort, HttpPath, Identifier, Label, Network, Port,
    Rate, ServerName, Size, Url, VariableName,
};

fn good<T: FromText>(texts: &[&str]) {
    let like = T::LIKE.trim_matches('"');
    for text in texts.iter().chain([&like]) {
        assert!(
            T::from_text(text).is_ok(),
            "{text} is not {}: {:?}",
            T::WHAT,
            T::from_text(text).err()
        );
    }
}

fn bad<T: FromText>(texts: &[&str]) {
    for text in texts.iter().chain([&""]) {
        let why = T::from_text(text).err();
        assert!(
            why.is_some_and(|why| !why.is_empty()),
            "{text} is taken for {}",
            T::WHAT
        );
    }
}

#[test]
fn names_that_are_and_names_that_are_not() {
    good::<DomainName>(&[
        "foobar.com",
        "a-1.b2.example",
        "xn--bcher-kva.example",
        "_acme-challenge.foobar.com",
        "*.foobar.com",
    ]);
    bad::<DomainName>(&[
        "foobar",
        "-a.com",
        "a..b",
        "a b.com",
        "https://a.com",
        "a.com/x",
        "a.com:80",
        "8.8.8.8",
        "bücher.example",
    ]);
    good::<ServerName>(&["a", "db-1", "0a"]);
    bad::<ServerName>(&["Web-01", "web_01", "-a", "a-", "1", "internet", "a.b"]);
    good::<Label>(&["my_uploads", "a"]);
    bad::<Label>(&["a/b", "..", "A"]);
    good::<Identifier>(&["foo_bar", "F1"]);
    bad::<Identifier>(&[
        "foo-bar",
        "root",
        "mysql",
        "a`b",
        "terrace_x",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ]);
    good::<VariableName>(&["_A", "a1"]);
    bad::<VariableName>(&["1A", "A-B", "PORT", "DATABASE_URL"]);
    good::<Email>(&["a.b+c@x.example"]);
    bad::<Email>(&["a", "@x.example", "a b@x.example", "a@x"]);
    good::<HostPort>(&["10.0.0.1:1", "[::1]:443"]);
    bad::<HostPort>(&["a.example", "a.example:0", "a.example:65536", ":80"]);
    good::<Network>(&["0.0.0.0/0", "10.0.0.1", "fd00::/8", "::/0"]);
    bad::<Network>(&[
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0/8",
        "fd00::/129",
    ]);
    good::<IpAddr>(&["::1"]);
    bad::<IpAddr>(&["10.0.0", "10.0.0.300", "10.0.0.1/24", "10.0.0.1:80", "a"]);
}

#[test]
fn quantities_and_paths_that_are_and_that_are_not() {
    good::<Duration>(&["500ms", "7d", "2w"]);
    bad::<Duration>(&[
        "1",
        "s",
        "1.5s",
        "0s",
        "1 s",
        "-1s",
        "99999999999999999999s",
        "9999999999999999w",
    ]);
    good::<Size>(&["64K", "2T"]);
    bad::<Size>(&["1", "0M", "1m", "1MB"]);
    good::<Rate>(&["1/m", "100/h"]);
    bad::<Rate>(&["0/s", "1", "1/d"]);
    good::<Port>(&["53/udp"]);
    bad::<Port>(&["53", "0/tcp", "53/sctp"]);
    good::<HttpPath>(&["/", "/a/b?c=d"]);
    bad::<HttpPath>(&["health", "/a b", "/é", "/a#b"]);
    good::<Url>(&["http://a/"]);
    bad::<Url>(&["a.example", "https://", "https://a b"]);
    good::<FilePath>(&["..", "/srv/x"]);
    bad::<FilePath>(&[" ", "a\nb"]);
}

#[test]
fn values_are_kept_in_one_spelling() {
    fn kept<T: FromText + Display>(text: &str) -> String {
        T::from_text(text).map(|value| value.to_string()).unwrap()
    }
    assert_eq!(kept::<DomainName>("WWW.Foobar.com."), "www.foobar.com");
    assert_eq!(kept::<Network>("10.0.0.1"), "10.0.0.1/32");
    assert_eq!(kept::<Email>("Ops@FOOBAR.com"), "Ops@foobar.com");
    assert_eq!(Size::from_text("64K").unwrap().bytes(), 65_536);
    assert_eq!(Duration::from_text("2m").unwrap(), Duration::from_secs(120));
}

#[test]
fn a_name_knows_its_zone() {
    let name = |text| DomainName::from_text(text).unwrap();
    assert!(name("www.foobar.com").is_within(&name("foobar.com")));
    assert!(name("foobar.com").is_within(&name("foobar.com")));
    assert!(!name("notfoobar.com").is_within(&name("foobar.com")));
    assert_eq!(name("www.foobar.com").parent(), Some(name("foobar.com")));
    assert_eq!(name("foobar.com").parent(), None);
}
