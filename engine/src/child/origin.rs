//! What the start of a process has in common with other starts, for the breaker.

use alloc::string::String;

/// What a start has in common with others. Hashes: no secret is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) variables: u64,
    pub(crate) client: u64,
}

impl Origin {
    /// The origin of a start with these variables, for a client that sent `said`.
    pub(crate) fn new(variables: &[(String, String)], said: &[u8]) -> Self {
        let all = variables.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let variables = all.fold(0, hash);
        Self { variables, client: hash(hash(0, said), &variables.to_le_bytes()) }
    }
}

/// FNV-1a over a piece and its end. A collision with an unknown value has no use to an attacker.
fn hash(seed: u64, piece: &[u8]) -> u64 {
    let step = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let seed = if seed == 0 { 0xcbf2_9ce4_8422_2325 } else { seed };
    step(piece.iter().fold(seed, |sum, byte| step(sum, *byte)), b'\n')
}
