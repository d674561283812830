//! A body in chunks: the same content however the bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use terrace_http::body::chunked::Decoder;

fn read(bytes: &[u8], step: usize) -> Result<(Vec<u8>, bool), ()> {
    let (mut decoder, mut content, mut at) = (Decoder::default(), Vec::new(), 0);
    while at < bytes.len() && !decoder.is_done() {
        let end = (at + step).min(bytes.len());
        let taken = decoder
            .take(&bytes[at..end], |part| content.extend_from_slice(part))
            .map_err(drop)?;
        assert!(taken <= end - at);
        if taken == 0 {
            break;
        }
        at += taken;
    }
    Ok((content, decoder.is_done()))
}

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(read(bytes, bytes.len().max(1)), read(bytes, 1));
});
