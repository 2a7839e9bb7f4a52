#![no_main]
//! Messages of the wire protocol, as bytes and with a header that fits them.

use libfuzzer_sys::fuzz_target;
use mqlc::executors::wire::is_message;

fuzz_target!(|bytes: &[u8]| {
    let _ = is_message(bytes);
    for opcode in [2013_i32, 2012, 2004] {
        let length = i32::try_from(bytes.len() + 16).unwrap_or(i32::MAX);
        let mut message = length.to_le_bytes().to_vec();
        message.extend([0; 8]);
        message.extend(opcode.to_le_bytes());
        message.extend(bytes);
        let _ = is_message(&message);
    }
});
