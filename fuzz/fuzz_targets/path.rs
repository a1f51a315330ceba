#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| rowgate::fuzzing::path(text));
