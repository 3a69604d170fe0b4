#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sse_broadcaster_http::fuzzing::proxy_header(input));
