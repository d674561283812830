//! In which order copies change to a new release: one that serves at a time, and the next only once the one
//! before is ready. A release that never gets ready so takes down one copy and no more. Pure.

use crate::machine::{Machine, Wanted};

/// The copies that are to be told now what they should run ([`crate::Event::Run`]). To be asked again whenever
/// one of them has changed.
pub fn due(copies: &[(&Machine, &Wanted)]) -> Vec<usize> {
    let untold = |wanted_serving: bool| {
        copies
            .iter()
            .enumerate()
            .filter(move |(_, (machine, wanted))| {
                !machine.is_told(wanted) && machine.answers() == wanted_serving
            })
            .map(|(index, _)| index)
    };
    // One that does not serve loses nothing by changing.
    let mut due: Vec<usize> = untold(false).collect();
    let settled = copies
        .iter()
        .all(|(machine, wanted)| !machine.is_told(wanted) || machine.is_serving());
    if due.is_empty() && settled {
        due.extend(untold(true).next());
    }
    due
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{Action, Event, Settings, Verdict};
    use terrace_protocol::keeper::Exit;

    fn wanted(revision: &str) -> Wanted {
        Wanted {
            release: revision.into(),
            revision: revision.into(),
        }
    }

    fn fresh() -> Machine {
        let settings = Settings {
            start_within: Duration::from_secs(30),
            stop_within: Duration::from_secs(10),
            every: Duration::from_secs(1),
            rise: 2,
            fall: 2,
        };
        Machine::new(settings, Instant::now())
    }

    /// Tells it to run this; what it ran before ends at once.
    fn tell(machine: &mut Machine, revision: &str) {
        let now = Instant::now();
        let asked = machine.handle(Event::Run(wanted(revision)), now);
        if asked == [Action::Terminate] {
            let exit = Exit::Code(0);
            let lines = Vec::new();
            machine.handle(Event::Exited { exit, lines }, now);
        }
    }

    /// What it was told to run starts, and is ready.
    fn get_ready(machine: &mut Machine) {
        let now = Instant::now();
        let asked = machine.handle(Event::Started { pid: 1 }, now);
        let [Action::Check { number }] = asked[..] else {
            panic!("{asked:?}");
        };
        let verdict = Verdict::Good("200".into());
        machine.handle(Event::Checked { number, verdict }, now);
        assert!(machine.is_serving());
    }

    fn serving(copies: usize, revision: &str) -> Vec<Machine> {
        let mut machines: Vec<Machine> = (0..copies).map(|_| fresh()).collect();
        for machine in &mut machines {
            tell(machine, revision);
            get_ready(machine);
        }
        machines
    }

    fn due_for(machines: &[Machine], revision: &str) -> Vec<usize> {
        let wanted = wanted(revision);
        let copies: Vec<_> = machines.iter().map(|machine| (machine, &wanted)).collect();
        due(&copies)
    }

    #[test]
    fn copies_that_do_not_serve_are_told_at_once() {
        assert_eq!(due_for(&[fresh(), fresh()], "a"), [0, 1]);
    }

    #[test]
    fn copies_that_serve_change_one_after_the_other() {
        let mut machines = serving(3, "a");
        for turn in 0..3 {
            assert_eq!(due_for(&machines, "b"), [turn]);
            tell(&mut machines[turn], "b");
            assert!(due_for(&machines, "b").is_empty(), "it is not ready yet");
            get_ready(&mut machines[turn]);
        }
        assert!(due_for(&machines, "b").is_empty());
    }

    #[test]
    fn a_release_that_never_gets_ready_takes_one_copy_and_the_next_release_mends_it() {
        let mut machines = serving(2, "a");
        tell(&mut machines[0], "broken");
        let failed = Event::NotStarted("broken".into());
        machines[0].handle(failed, Instant::now());
        assert!(due_for(&machines, "broken").is_empty());
        assert!(machines[1].answers());
        assert_eq!(due_for(&machines, "mended"), [0]);
    }
}
