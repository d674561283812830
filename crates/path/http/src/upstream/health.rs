//! Whether an instance is well: so many good checks in a row bring it in, so many bad ones take it out. Pure.

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// As expected.
    Good,
    /// An answer that was not expected, or a refusal: something is there and says so.
    Bad,
    /// Nothing at all came in time.
    Silent,
}

/// The health of one instance.
#[derive(Clone, Debug)]
pub struct Health {
    rise: u32,
    fall: u32,
    healthy: bool,
    /// Checks in a row that spoke against the present state.
    against: u32,
    /// Checks in a row that nothing answered.
    silent: u32,
    /// It has never been checked: then one check is enough, either way.
    fresh: bool,
    reason: String,
}

impl Health {
    /// An instance that counts as well until it is checked.
    pub fn new(rise: u32, fall: u32) -> Self {
        Self {
            rise: rise.max(1),
            fall: fall.max(1),
            healthy: true,
            against: 0,
            silent: 0,
            fresh: true,
            reason: "not checked yet".to_owned(),
        }
    }

    /// So many checks are needed from now on.
    pub fn bound(&mut self, rise: u32, fall: u32) {
        (self.rise, self.fall) = (rise.max(1), fall.max(1));
    }

    /// A check came out so; returns whether it is well now.
    pub fn checked(&mut self, check: Check, reason: String) -> bool {
        self.reason = reason;
        self.silent = if check == Check::Silent {
            self.silent.saturating_add(1)
        } else {
            0
        };
        let good = check == Check::Good;
        if good == self.healthy {
            self.against = 0;
        } else {
            self.against += 1;
            let needed = if self.fresh {
                1
            } else if good {
                self.rise
            } else {
                self.fall
            };
            if self.against >= needed {
                self.healthy = good;
                self.against = 0;
            }
        }
        self.fresh = false;
        self.healthy
    }

    /// With this last check it has been silent for long enough to be dead: what was asked of it will not be
    /// answered, and nobody will say so. Whoever refuses or resets is not: its kernel speaks for each connection.
    pub fn fell_silent(&self) -> bool {
        self.silent == self.fall
    }

    /// A request could not be brought to it. One good check brings it back: what refuses connections and then takes
    /// them has been started anew.
    pub fn unreachable(&mut self, reason: &str) -> bool {
        reason.clone_into(&mut self.reason);
        self.healthy = false;
        self.against = 0;
        self.fresh = true;
        false
    }

    /// Why, in words.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(good: bool) -> Check {
        if good { Check::Good } else { Check::Bad }
    }

    #[test]
    fn it_takes_as_many_checks_as_the_plan_says() {
        let mut health = Health::new(2, 3);
        let mut check = |good| health.checked(check(good), String::new());
        assert!(check(true));
        assert_eq!(
            [check(false), check(false), check(false)],
            [true, true, false]
        );
        assert_eq!(
            [check(true), check(false), check(true), check(true)],
            [false, false, false, true]
        );
    }

    #[test]
    fn the_first_check_decides_and_so_does_the_first_after_a_refusal() {
        let mut health = Health::new(2, 3);
        assert!(!health.checked(Check::Bad, "500".into()));
        health.checked(Check::Good, String::new());
        health.checked(Check::Good, String::new());
        assert!(!health.unreachable("connection refused"));
        assert_eq!(health.reason(), "connection refused");
        assert!(health.checked(Check::Good, "200".into()));
    }

    #[test]
    fn silence_in_a_row_is_death_once_and_refusals_are_not() {
        let mut health = Health::new(1, 2);
        let mut dead = |check| {
            health.checked(check, String::new());
            health.fell_silent()
        };
        assert!(
            ![Check::Bad, Check::Bad, Check::Silent]
                .into_iter()
                .any(&mut dead)
        );
        assert!(dead(Check::Silent));
        assert!(!dead(Check::Silent));
        assert!(!dead(Check::Good) && !dead(Check::Silent) && dead(Check::Silent));
    }
}
