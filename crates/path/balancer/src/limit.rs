//! The line of requests that wait for room. Pure: who waits is told by whoever owns the line.

use std::collections::VecDeque;

/// Those that wait, the first first.
#[derive(Debug)]
pub struct Line<W> {
    waiting: VecDeque<(u64, W)>,
    next: u64,
}

impl<W> Default for Line<W> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            next: 0,
        }
    }
}

/// The line is as long as it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

impl<W> Line<W> {
    /// Stands in line, behind at most so many.
    ///
    /// # Errors
    /// [`Full`].
    pub fn join(&mut self, waits: W, most: u32) -> Result<Ticket, Full> {
        if self.waiting.len() >= most as usize {
            return Err(Full);
        }
        let ticket = self.next;
        self.next += 1;
        self.waiting.push_back((ticket, waits));
        Ok(Ticket(ticket))
    }

    /// Leaves before its turn.
    pub fn leave(&mut self, ticket: Ticket) {
        self.waiting.retain(|(other, _)| *other != ticket.0);
    }

    /// Takes the first out for whom there is a place.
    pub fn take<P>(&mut self, place: impl Fn(&W) -> Option<P>) -> Option<(W, P)> {
        let mut places = self.waiting.iter().enumerate();
        let (at, place) = places.find_map(|(at, (_, waits))| Some((at, place(waits)?)))?;
        let (_, waits) = self.waiting.remove(at)?;
        Some((waits, place))
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_come_first_served_and_no_more_than_fit() {
        let mut line = Line::default();
        let first = line.join('a', 2).unwrap();
        line.join('b', 2).unwrap();
        assert_eq!(line.join('c', 2), Err(Full));
        line.leave(first);
        line.leave(first);
        line.join('c', 2).unwrap();
        assert_eq!(line.take(|who| (*who == 'c').then_some(7)), Some(('c', 7)));
        assert_eq!(line.take(|_| Some(8)), Some(('b', 8)));
        assert_eq!(line.take(|_| Some(9)), None);
        assert!(line.is_empty());
    }
}
