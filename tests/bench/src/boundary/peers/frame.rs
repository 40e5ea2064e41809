//! The frames of the peers without types: as long as those of a typed call of two large `u64` and its answer.

/// Bytes of a call: length, id, method, two numbers, and room for what a typed call says beside them.
pub const CALL_BYTES: usize = 40;

/// Bytes of an answer: length, id, the sum, and room again.
pub const ANSWER_BYTES: usize = 24;

/// Bytes of the length at the front of a frame, which does not count itself.
pub const LENGTH_BYTES: usize = 4;

/// A call, as it is written.
pub type Call = [u8; CALL_BYTES];

/// An answer, as it is written.
pub type Answer = [u8; ANSWER_BYTES];

/// What the caller writes.
pub fn call(id: u32, a: u64, b: u64) -> Call {
    let mut call = [0; CALL_BYTES];
    call[..4].copy_from_slice(&length(CALL_BYTES));
    call[4..8].copy_from_slice(&id.to_le_bytes());
    call[8..16].copy_from_slice(&METHOD.to_le_bytes());
    call[16..24].copy_from_slice(&a.to_le_bytes());
    call[24..32].copy_from_slice(&b.to_le_bytes());
    call
}

/// What the callee writes for a call.
pub fn answer(call: &Call) -> Answer {
    let mut answer = [0; ANSWER_BYTES];
    answer[..4].copy_from_slice(&length(ANSWER_BYTES));
    answer[4..8].copy_from_slice(&call[4..8]);
    let sum = number(&call[16..24]).wrapping_add(number(&call[24..32]));
    answer[8..16].copy_from_slice(&sum.to_le_bytes());
    answer
}

/// The id of the call and the sum.
pub fn read(answer: &Answer) -> (u32, u64) {
    (u32::from_le_bytes([answer[4], answer[5], answer[6], answer[7]]), number(&answer[8..16]))
}

/// The first bytes of a frame of `bytes` bytes, these included. Frames here have little more than 1 MiB.
pub const fn length(bytes: usize) -> [u8; LENGTH_BYTES] {
    ((bytes - LENGTH_BYTES) as u32).to_le_bytes()
}

const METHOD: u64 = 0x9e37_79b9_7f4a_7c15;

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("8 bytes were cut out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_id_and_the_sum_of_its_call() {
        assert_eq!(read(&answer(&call(7, 20, 22))), (7, 42));
    }
}
