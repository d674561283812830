//! An app's response head, to each kind of request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use terrace_http::head::{Method, Parsed, ResponseHead};

fuzz_target!(|bytes: &[u8]| {
    for method in [Method::Get, Method::Head] {
        let mut head = ResponseHead::default();
        if let Ok(Parsed::Whole(taken)) = head.parse(bytes, method) {
            assert!(taken <= bytes.len());
        }
    }
});
