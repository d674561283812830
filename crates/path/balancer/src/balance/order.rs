//! The order of turns over one period. Pure.
//!
//! However many turns have passed, each has had its due to within one: the k-th turn of one with weight w among W
//! falls into the window ⌊(k−1)W/w⌋ … ⌈kW/w⌉, and of those whose window is open the one that closes first goes first. Such an order always exists (Tijdeman 1980, "The chairman assignment problem"; Baruah et al. 1996,
//! "Proportionate progress"). The greedy way of nginx does not keep within one with many different weights.

/// Who has each turn, from place and weight of each.
pub fn order(members: &[(usize, u32)]) -> Box<[u16]> {
    let divisor = members
        .iter()
        .fold(0, |sum, (_, weight)| gcd(sum, *weight))
        .max(1);
    let weights: Vec<u64> = members
        .iter()
        .map(|(_, weight)| u64::from(weight / divisor))
        .collect();
    let total: u64 = weights.iter().sum();
    let mut had = vec![0; members.len()];
    let mut order = Vec::new();
    for turn in 0..total {
        let open = (0..members.len())
            .filter(|at| weights[*at] > 0 && had[*at] * total / weights[*at] <= turn);
        let closes = |at: usize| ((had[at] + 1) * total).div_ceil(weights[at]);
        // Of windows that close together the one that has been open for longer, which spreads the turns.
        let opened = |at: usize| had[at] * total / weights[at];
        let Some(first) = open.min_by_key(|at| (closes(*at), opened(*at))) else {
            continue;
        };
        had[first] += 1;
        // A tier has at most some hundred members.
        order.push(u16::try_from(members[first].0).unwrap_or(u16::MAX));
    }
    order.into()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavy_ones_do_not_come_in_one_block() {
        assert_eq!(*order(&[(0, 1), (1, 1)]), [0, 1]);
        assert_eq!(*order(&[(0, 4), (1, 2)]), [0, 1, 0]);
        assert_eq!(*order(&[(0, 5), (1, 1), (2, 1)]), [0, 0, 0, 1, 0, 2, 0]);
        assert_eq!(*order(&[(3, 7)]), [3]);
        assert!(order(&[]).is_empty());
    }

    #[test]
    fn after_every_turn_each_has_its_due_within_one() {
        for a in 1..=12 {
            for b in 1..=12 {
                for c in [1, 2, 5, 7, 50, 256] {
                    within_one(&[a, b, c, 1]);
                }
            }
        }
        within_one(&[1, 2, 3, 5, 8, 13, 21, 34, 55, 89]);
    }

    fn within_one(weights: &[u32]) {
        let members: Vec<_> = weights.iter().copied().enumerate().collect();
        let total: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
        let order = order(&members);
        let mut had = vec![0_i64; weights.len()];
        for (turn, index) in (1..).zip(order.iter().cycle().take(order.len() * 2)) {
            had[usize::from(*index)] += 1;
            for (index, weight) in weights.iter().enumerate() {
                let off = had[index] * total - turn * i64::from(*weight);
                assert!(off.abs() < total, "{weights:?}: {index} after {turn} turns");
            }
        }
    }
}
