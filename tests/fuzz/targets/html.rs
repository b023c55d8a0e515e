#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| litink_fuzz::read("html", data));
