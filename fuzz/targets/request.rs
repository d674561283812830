//! A visitor's request head: whatever comes, it is understood, refused or not yet whole; never more is taken than came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use terrace_http::head::{Parsed, RequestHead};

fuzz_target!(|bytes: &[u8]| {
    let mut head = RequestHead::default();
    if let Ok(Parsed::Whole(taken)) = head.parse(&mut bytes.to_vec()) {
        assert!(taken <= bytes.len());
        // The same bytes have the same meaning alone as with what follows them.
        let mut alone = RequestHead::default();
        assert!(matches!(alone.parse(&mut bytes[..taken].to_vec()), Ok(Parsed::Whole(same)) if same == taken));
        assert_eq!(alone.framing, head.framing);
    }
});
