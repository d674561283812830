//! What must hold: where a request may go, and what every step leaves as it should be.

use terrace_site::plan::Algorithm;

use super::{Doing, World};

impl World {
    pub(super) fn well(&self, index: usize) -> bool {
        let server = &self.servers[index];
        server.healthy && !server.ejection.is_out(self.now)
    }

    /// Those that a request may go to, by the rule: the well, active before backup; then those that only their
    /// answers speak against; then any.
    pub(super) fn best(&self, tried: &[usize]) -> Option<Vec<usize>> {
        let open = (0..self.servers.len())
            .filter(|index| !tried.contains(index) && !self.servers[*index].leaving);
        let open: Vec<usize> = open.collect();
        let backup = |index: &usize| self.plan.members[*index].backup;
        let of = |wanted: &dyn Fn(&usize) -> bool| {
            let found: Vec<usize> = open.iter().copied().filter(|index| wanted(index)).collect();
            (!found.is_empty()).then_some(found)
        };
        of(&|index| self.well(*index) && !backup(index))
            .or_else(|| of(&|index| self.well(*index)))
            .or_else(|| of(&|index| self.servers[*index].healthy))
            .or_else(|| of(&|_| true))
    }

    pub(super) fn with_room(&self, among: &[usize]) -> Vec<usize> {
        let most = self.plan.queue.in_flight.unwrap_or(u32::MAX);
        let has_room = |index: &usize| self.servers[*index].in_flight < most;
        among.iter().copied().filter(has_room).collect()
    }

    /// What must hold after every step.
    pub(super) fn holds(&self) {
        for (index, server) in self.servers.iter().enumerate() {
            let counted = self.tier.members[index].server.instance.in_flight();
            assert_eq!(counted, server.in_flight, "in flight at {index}");
            let most = self.plan.queue.in_flight.unwrap_or(u32::MAX);
            assert!(
                counted <= most,
                "{counted} in flight at {index}, and not {most}"
            );
        }
        let even = self.plan.algorithm == Algorithm::RoundRobin
            && self.plan.queue.in_flight.is_none()
            && self.plan.slow_start.is_zero();
        let weight = |index: &usize| self.plan.members[*index].weight;
        let active: Vec<usize> = (0..self.servers.len())
            .filter(|index| !self.plan.members[*index].backup)
            .collect();
        let may = |index: &usize| self.well(*index) && !self.servers[*index].leaving;
        let taking: Vec<usize> = active.iter().copied().filter(may).collect();
        let equal = active
            .iter()
            .all(|index| weight(index) == weight(&active[0]));
        // Of different ones a part keeps its shares over a whole period only.
        if even && (taking.len() == active.len() || equal) && !taking.is_empty() {
            self.shares_are_due(&taking);
        }
    }

    /// From any turn on: two times within one, as the first turn may be any of the order.
    pub(super) fn shares_are_due(&self, active: &[usize]) {
        let weight = |index: usize| i64::from(self.plan.members[index].weight);
        let total: i64 = active.iter().map(|index| weight(*index)).sum();
        let turns: i64 = self.shares.iter().sum();
        for index in active {
            let off = self.shares[*index] * total - turns * weight(*index);
            assert!(
                off.abs() < 2 * total,
                "{index} after {turns} turns: {:?}",
                self.shares
            );
        }
    }

    /// With all servers well again, everybody is served and nothing is left behind.
    pub(super) fn calm_down(&mut self) {
        for index in 0..self.servers.len() {
            self.servers[index].doing = Doing::Answers;
            self.check(index);
            self.servers[index].leaving = false;
        }
        self.tell_diverted();
        self.tier.look_after_line(self.now);
        self.poll_waiting();
        while !self.running.is_empty() {
            self.finish_one();
            self.poll_waiting();
        }
        assert!(
            self.waiting.is_empty(),
            "{} wait for ever",
            self.waiting.len()
        );
        assert!(self.servers.iter().all(|server| server.in_flight == 0));
    }
}
