//! The [`Machine`] as functions for WebAssembly. The host makes one, passes it to every call, and
//! calls from one thread: that is all that the unsafe code here relies on.

use alloc::boxed::Box;
use core::time::Duration;

use crate::Machine;

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

fn at(milliseconds: f64) -> Duration {
    Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default()
}

/// Makes a machine, for good.
#[unsafe(no_mangle)]
pub extern "C" fn machine() -> &'static mut Machine {
    Box::leak(Box::new(Machine::new()))
}

/// Makes the inbox so long and tells where it is.
#[unsafe(no_mangle)]
pub extern "C" fn inbox(machine: &mut Machine, length: usize) -> *mut u8 {
    machine.inbox.clear();
    machine.inbox.resize(length, 0);
    machine.inbox.as_mut_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn outbox(machine: &Machine) -> *const u8 {
    machine.outbox.as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn outbox_length(machine: &Machine) -> usize {
    machine.outbox.len()
}

#[unsafe(no_mangle)]
pub extern "C" fn number(machine: &Machine) -> u32 {
    machine.number
}

/// The limit, or -1.
#[unsafe(no_mangle)]
pub extern "C" fn admit(machine: &mut Machine) -> f64 {
    machine.admit().map_or(-1.0, f64::from)
}

#[unsafe(no_mangle)]
pub extern "C" fn withdraw(machine: &mut Machine, exchange: u32) {
    machine.withdraw(exchange);
}

#[unsafe(no_mangle)]
pub extern "C" fn request(machine: &mut Machine, exchange: u32, head: usize, now: f64) {
    machine.request(exchange, head, at(now));
}

#[unsafe(no_mangle)]
pub extern "C" fn tell(machine: &mut Machine, what: u32, number: u32, figure: i32, now: f64) {
    machine.tell(what, number, figure, at(now));
}

#[unsafe(no_mangle)]
pub extern "C" fn poll(machine: &mut Machine) -> u32 {
    machine.poll()
}

/// In milliseconds, or infinity.
#[unsafe(no_mangle)]
pub extern "C" fn timeout(machine: &Machine) -> f64 {
    machine.timeout().map_or(f64::INFINITY, |at| at.as_secs_f64() * 1000.0)
}

#[unsafe(no_mangle)]
pub extern "C" fn is_idle(machine: &Machine) -> bool {
    machine.is_idle()
}
