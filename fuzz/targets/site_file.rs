//! Any text as a site's file: a site, or problems with their places; and what `fmt` makes of it stays the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let loaded = terrace_site::load(text);
    assert!(loaded.site.is_some() || !loaded.problems.is_empty());
    if let Ok(once) = terrace_site::read::fmt(text) {
        assert_eq!(terrace_site::read::fmt(&once).ok().as_deref(), Some(once.as_str()));
    }
});
