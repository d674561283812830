//! Whether an instance is well: so many good checks in a row bring it in, so many bad ones take it out. Pure.

/// The health of one instance.
#[derive(Clone, Debug)]
pub struct Health {
    rise: u32,
    fall: u32,
    healthy: bool,
    /// Checks in a row that spoke against the present state.
    against: u32,
    /// It has never been checked: then one check is enough, either way.
    fresh: bool,
    reason: String,
}

impl Health {
    /// An instance that counts as well until it is checked.
    pub fn new(rise: u32, fall: u32) -> Self {
        let reason = "not checked yet".to_owned();
        Self {
            rise: rise.max(1),
            fall: fall.max(1),
            healthy: true,
            against: 0,
            fresh: true,
            reason,
        }
    }

    /// A check came out so; returns whether it is well now.
    pub fn checked(&mut self, good: bool, reason: String) -> bool {
        self.reason = reason;
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

    #[test]
    fn it_takes_as_many_checks_as_the_plan_says() {
        let mut health = Health::new(2, 3);
        let mut check = |good| health.checked(good, String::new());
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
        assert!(!health.checked(false, "500".into()));
        health.checked(true, String::new());
        health.checked(true, String::new());
        assert!(!health.unreachable("connection refused"));
        assert_eq!(health.reason(), "connection refused");
        assert!(health.checked(true, "200".into()));
    }
}
