//! The position that a replica must have reached before it may answer.

use crate::gtid::Position;

/// What is known of the newest writes, and what follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// Counts changes of the position.
    pub version: u64,
    /// What a replica must have; `None`: nothing is known yet.
    pub position: Option<Position>,
    epoch: u64,
    /// What sessions of this router have committed, and what was seen of it since.
    acknowledged: Option<Position>,
    /// What the primary had when it was asked last, acknowledged or not.
    primary: Option<Position>,
}

impl Token {
    /// Something was committed in this epoch.
    pub fn add(&mut self, epoch: u64, committed: Position) {
        if epoch >= self.epoch {
            self.acknowledged = join(self.acknowledged.take(), Some(committed.clone()));
            let position = join(self.position.clone(), Some(committed));
            self.set(position);
        }
    }

    /// The primary of this epoch has said how far it is.
    pub fn stand(&mut self, epoch: u64, position: Position) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.acknowledged = None;
        }
        self.primary = Some(position.clone());
        let needed = join(self.acknowledged.clone(), Some(position));
        self.set(needed);
    }

    /// The primary is away, and its replicas have received this. Where one of them has everything that was acknowledged
    /// (`vouched`), what else the primary had was acknowledged to nobody, and is not waited for.
    pub fn received(&mut self, received: Option<Position>, vouched: bool) {
        self.acknowledged = join(self.acknowledged.take(), received);
        let primary = self.primary.clone().filter(|_| !vouched);
        let needed = join(self.acknowledged.clone(), primary);
        self.set(needed);
    }

    fn set(&mut self, position: Option<Position>) {
        if self.position != position {
            self.version += 1;
            self.position = position;
        }
    }
}

fn join(one: Option<Position>, other: Option<Position>) -> Option<Position> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.union(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use terrace_site::plan::Engine;

    use super::*;

    fn known(changes: impl FnOnce(&mut Token)) -> String {
        let mut token = Token::default();
        changes(&mut token);
        token.position.map_or(String::new(), |one| one.to_string())
    }

    fn mariadb(text: &str) -> Position {
        Position::parse(Engine::Mariadb, text).unwrap()
    }

    #[test]
    fn commits_that_are_told_late_take_nothing_back() {
        let told = known(|token| {
            token.add(1, mariadb("0-1-10"));
            token.add(1, mariadb("0-1-9"));
            assert_eq!(token.version, 1);
        });
        assert_eq!(told, "0-1-10");
        let source = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let mysql =
            |text: &str| Position::parse(Engine::Mysql, &format!("{source}:{text}")).unwrap();
        let told = known(|token| {
            token.stand(1, mysql("1-80"));
            token.add(1, mysql("77"));
            token.add(1, mysql("81"));
        });
        assert_eq!(told, format!("{source}:1-81"));
    }

    #[test]
    fn what_a_failover_has_given_up_is_not_waited_for() {
        let told = known(|token| {
            token.stand(1, mariadb("0-1-100"));
            token.stand(2, mariadb("0-2-95"));
            token.add(1, mariadb("0-1-101"));
        });
        assert_eq!(told, "0-2-95");
    }

    #[test]
    fn without_a_primary_what_was_acknowledged_is_waited_for_and_no_more() {
        let dies = |vouched: bool| {
            known(|token| {
                token.stand(1, mariadb("0-1-10"));
                token.add(1, mariadb("0-1-11"));
                token.stand(1, mariadb("0-1-13"));
                token.received(Some(mariadb("0-1-12")), vouched);
            })
        };
        assert_eq!(dies(true), "0-1-12", "13 was acknowledged to nobody");
        assert_eq!(dies(false), "0-1-13", "13 may have been");
        let told = known(|token| {
            token.add(1, mariadb("0-1-11"));
            token.received(Some(mariadb("0-1-10")), true);
        });
        assert_eq!(told, "0-1-11", "one's own is never given up");
        let told = known(|token| {
            token.received(Some(mariadb("0-1-12")), true);
            // It was started again, and has thrown away what it had not applied.
            token.received(Some(mariadb("0-1-11")), true);
        });
        assert_eq!(told, "0-1-12");
    }
}
