//! Memory after a flood. The allocator keeps what has been freed for its next use, however much that is; after many
//! connections have gone, the system gets it back.

/// So many have gone at least: what fewer have left is not worth the call.
const MANY: usize = 128;

/// How many connections, and handlers for them, a worker had at most since memory was last given back. Pure: giving it back
/// is for others to do.
#[derive(Debug, Default)]
pub(crate) struct Tide {
    highest: usize,
}

impl Tide {
    /// It has so many now; whether most of a flood has gone.
    pub(crate) fn has_fallen(&mut self, now: usize) -> bool {
        self.highest = self.highest.max(now);
        let fallen = now <= self.highest / 2 && self.highest - now >= MANY;
        if fallen {
            self.highest = now;
        }
        fallen
    }
}

/// Gives back what is free. It takes some milliseconds when that is much.
#[cfg(target_env = "gnu")]
#[allow(
    unsafe_code,
    reason = "the C library's own call, which has no safe form"
)]
pub(crate) fn give_back() {
    // SAFETY: it takes a number, and locks what it looks at.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries give back by themselves, or not at all.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_when_most_of_a_flood_has_gone_and_once() {
        let mut tide = Tide::default();
        assert!(!tide.has_fallen(MANY - 1) && !tide.has_fallen(0), "a few");
        assert!(
            !tide.has_fallen(10 * MANY) && !tide.has_fallen(9 * MANY),
            "it goes on"
        );
        for (open, fallen) in [
            (4_000, false),
            (2_001, false),
            (2_000, true),
            (1_001, false),
            (1_500, false),
            (1_000, true),
            (0, true),
            (0, false),
        ] {
            assert_eq!(tide.has_fallen(open), fallen, "{open}");
        }
    }
}
