//! Asking for memory before it is needed: with thousands of calls and streams the next one is not in the processor's cache.

/// Asks for the first `lines` cache lines of a value, no more than it has, without waiting for them.
#[inline(always)]
pub fn fetch<T>(value: &T, lines: usize) {
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE: usize = 64;
        let start = std::ptr::from_ref(value).cast::<i8>();
        for line in 0..lines.min(size_of::<T>().div_ceil(LINE)) {
            // SAFETY: a prefetch reads nothing and never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * LINE)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (value, lines);
}
