//! Who gives memory back to the kernel? A thread that does nothing else, so that no check waits for it.

use std::ffi::{c_int, c_long};
use std::thread;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`: after how many milliseconds whichever thread comes by gives memory back that was freed.
const PURGE_DELAY: c_int = 15;
/// What mimalloc has for [`PURGE_DELAY`] where nobody has set it.
const DEFAULT: c_long = 1000;
/// So long that the thread made for it always comes first.
const NEVER: c_long = 24 * 60 * 60 * 1000;

/// How long freed memory is kept; whoever needs some meanwhile takes it from there.
const KEPT: Duration = Duration::from_secs(60);

/// Gives memory back from a thread of its own: after a reload of many rules that takes milliseconds, and threads that answer
/// checks are not to spend them.
///
/// Changes nothing where `MIMALLOC_PURGE_DELAY` is set, or where no thread is to be had.
pub fn give_back_apart() {
    if purge_delay() != DEFAULT {
        return;
    }
    // Before there is another thread that could read it meanwhile.
    set_purge_delay(NEVER);
    let giver = thread::Builder::new().name("keyward-memory".to_owned()).spawn(|| {
        loop {
            thread::sleep(KEPT);
            give_back();
        }
    });
    if giver.is_err() {
        set_purge_delay(DEFAULT);
    }
}

#[expect(unsafe_code, reason = "mimalloc has no safe form of it")]
fn purge_delay() -> c_long {
    // SAFETY: reads one number; any option may be asked for, and one that is not known is 0.
    unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) }
}

#[expect(unsafe_code, reason = "mimalloc has no safe form of it")]
fn set_purge_delay(milliseconds: c_long) {
    // SAFETY: writes one number, which mimalloc reads anew each time.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, milliseconds) }
}

#[expect(unsafe_code, reason = "mimalloc has no safe form of it")]
fn give_back() {
    // SAFETY: may be called from any thread at any time; touches only memory that is free.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_bytes() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
    }

    /// Also tells when another version of mimalloc numbers its options otherwise, where nothing would be given back apart.
    #[test]
    fn freed_memory_is_kept_until_it_is_given_back() {
        assert_eq!(purge_delay(), DEFAULT, "MIMALLOC_PURGE_DELAY must not be set, and PURGE_DELAY be its number");
        give_back_apart();
        assert_eq!(purge_delay(), NEVER);
        let many: Vec<Vec<u8>> = (0..64_000).map(|_| vec![1; 1000]).collect();
        let full = resident_bytes();
        drop(many);
        let kept = resident_bytes();
        give_back();
        let left = resident_bytes();
        let most = 48_000_000;
        assert!(full < kept + most / 4, "{full} before, {kept} after");
        assert!(kept > left + most, "{kept} before, {left} after");
    }
}
