//! Random bytes of the system, fetched for many requests at once, each used once.

/// The bytes of one request.
const ONE: usize = 16;
/// The bytes of one system call: the most that are always returned whole.
const MANY: usize = 256;

#[derive(Debug)]
pub(crate) struct Random {
    bytes: [u8; MANY],
    used: usize,
}

impl Default for Random {
    fn default() -> Self {
        Self { bytes: [0; MANY], used: MANY }
    }
}

impl Random {
    /// Returns 16 bytes that were never returned before.
    ///
    /// # Panics
    /// If the system gave no random bytes: there is no safe way to continue.
    pub(crate) fn draw(&mut self) -> [u8; ONE] {
        if self.used + ONE > MANY {
            fill(&mut self.bytes);
            self.used = 0;
        }
        let mut one = [0; ONE];
        let from = &mut self.bytes[self.used..self.used + ONE];
        one.copy_from_slice(from);
        from.fill(0);
        self.used += ONE;
        one
    }
}

#[cfg(target_os = "linux")]
fn fill(bytes: &mut [u8; MANY]) {
    use rustix::rand::{GetRandomFlags, getrandom};
    loop {
        match getrandom(&mut bytes[..], GetRandomFlags::empty()) {
            Ok(MANY) => return,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the system gave no random bytes: {error}"),
        }
    }
}

#[cfg(windows)]
use crate::os::sys::fill;

#[cfg(all(unix, not(target_os = "linux")))]
fn fill(bytes: &mut [u8; MANY]) {
    use std::io::Read;
    let filled = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(bytes));
    if let Err(error) = filled {
        panic!("the system gave no random bytes: {error}");
    }
}
