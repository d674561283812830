//! What names and parts of files visitors ask for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use terrace_web::files::range::{Asked, asked};

fuzz_target!(|input: (u64, &[u8])| {
    let (length, value) = input;
    if let Asked::Part { start, length: part } = asked(value, length) {
        assert!(part > 0 && start.checked_add(part).is_some_and(|end| end <= length));
    }
});
