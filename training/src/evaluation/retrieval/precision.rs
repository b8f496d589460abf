//! Measures of a ranking: average precision, and precision among the first.
//!
//! If several tracks are equally near, a figure is its expectation over all orders of these (McSherry and Najork,
//! "Computing information retrieval performance measures efficiently in the presence of tied scores", ECIR 2008). So
//! the order of a table has no influence, an encoder that gives the same vector for everything scores exactly at chance
//! level, and the chance level is the figure of a ranking in which all are equally near.

/// The measures of one ranking, in the order of [`Figures::values`].
pub const MEASURES: [&str; 4] = ["map", "precision_1", "precision_5", "precision_10"];

/// The numbers of nearest tracks for the precisions.
pub const FIRST: [usize; 3] = [1, 5, 10];

/// The figures of one ranking, each from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Average precision (its mean over queries is called mean average precision); then the precision among the first
    /// 1, 5 and 10. A query with fewer relevant tracks than that cannot reach 1.
    pub values: [f64; MEASURES.len()],
}

/// Tracks of a ranking that are equally near.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tie {
    size: usize,
    relevant: usize,
}

impl Figures {
    /// The figures for candidates with their nearness and whether they are relevant, in any order; the slice is
    /// reordered. `None` if none is relevant.
    pub fn of(candidates: &mut [(f32, bool)]) -> Option<Self> {
        candidates.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let ties = candidates.chunk_by(|a, b| a.0 == b.0);
        Self::of_ties(
            ties.map(|tie| Tie { size: tie.len(), relevant: tie.iter().filter(|one| one.1).count() }),
        )
    }

    /// The expectation for a random order of `candidates` candidates, `relevant` of them relevant. `None` if none is
    /// relevant.
    ///
    /// # Panics
    /// If `relevant` is more than `candidates`.
    pub fn chance(candidates: usize, relevant: usize) -> Option<Self> {
        assert!(relevant <= candidates);
        Self::of_ties([Tie { size: candidates, relevant }])
    }

    fn of_ties(ties: impl IntoIterator<Item = Tie>) -> Option<Self> {
        // The numbers of candidates and of relevant ones before the tie.
        let (mut before, mut found) = (0, 0);
        let (mut sum, mut first) = (0.0, [0.0; FIRST.len()]);
        for Tie { size, relevant } in ties {
            if relevant > 0 {
                let share = relevant as f64 / size as f64;
                // Given that one is relevant, the probability that another one of the tie is.
                let rest = if size > 1 { (relevant - 1) as f64 / (size - 1) as f64 } else { 0.0 };
                for place in 0..size {
                    let above = found as f64 + 1.0 + place as f64 * rest;
                    sum += share * above / (before + place + 1) as f64;
                }
                for (first, &limit) in first.iter_mut().zip(&FIRST) {
                    *first += share * size.min(limit.saturating_sub(before)) as f64;
                }
            }
            before += size;
            found += relevant;
        }
        if found == 0 {
            return None;
        }
        let mut values = [sum / found as f64, 0.0, 0.0, 0.0];
        for (at, &limit) in FIRST.iter().enumerate() {
            values[at + 1] = first[at] / limit as f64;
        }
        Some(Figures { values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, for one order.
    fn plain(order: &[bool]) -> [f64; 4] {
        let relevant = order.iter().filter(|&&one| one).count() as f64;
        let precision =
            |limit: usize| order.iter().take(limit).filter(|&&one| one).count() as f64 / limit as f64;
        let sum: f64 = (1..=order.len()).filter(|&place| order[place - 1]).map(precision).sum();
        [sum / relevant, precision(1), precision(5), precision(10)]
    }

    /// All orders of the candidates in which the nearer ones come first.
    fn orders(candidates: &[(f32, bool)]) -> Vec<Vec<bool>> {
        let Some(nearest) = candidates.iter().map(|one| one.0).max_by(f32::total_cmp) else {
            return vec![vec![]];
        };
        let mut all = Vec::new();
        for at in (0..candidates.len()).filter(|&at| candidates[at].0 == nearest) {
            let mut rest = candidates.to_vec();
            let (_, relevant) = rest.remove(at);
            for order in orders(&rest) {
                all.push([vec![relevant], order].concat());
            }
        }
        all
    }

    fn close(a: &[f64; 4], b: &[f64; 4]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    #[test]
    fn a_known_ranking() {
        // Relevant at ranks 1, 3 and 6 of seven: (1 + 2/3 + 3/6) / 3.
        let order = [true, false, true, false, false, true, false];
        let mut candidates: Vec<(f32, bool)> =
            order.iter().zip(0..).map(|(&one, at)| (-(at as f32), one)).collect();
        candidates.reverse();
        let figures = Figures::of(&mut candidates).unwrap();
        let expected = [(1.0 + 2.0 / 3.0 + 0.5) / 3.0, 1.0, 0.4, 0.3];
        assert!(close(&figures.values, &expected), "{figures:?}");
    }

    #[test]
    fn nothing_relevant_is_no_figure() {
        assert_eq!(Figures::of(&mut []), None);
        assert_eq!(Figures::of(&mut [(1.0, false)]), None);
        assert_eq!(Figures::chance(3, 0), None);
        assert_eq!(Figures::chance(0, 0), None);
        assert_eq!(Figures::chance(1, 1).unwrap().values, [1.0, 1.0, 0.2, 0.1]);
    }

    proptest! {
        #[test]
        fn ties_are_expectations(candidates in prop::collection::vec((0u8..3, any::<bool>()), 1..8)) {
            let mut candidates: Vec<(f32, bool)> =
                candidates.into_iter().map(|(near, relevant)| (f32::from(near) - 1.0, relevant)).collect();
            let orders = orders(&candidates);
            let found = Figures::of(&mut candidates);
            if !candidates.iter().any(|one| one.1) {
                prop_assert_eq!(found, None);
                return Ok(());
            }
            let mut mean = [0.0; 4];
            for order in &orders {
                plain(order).iter().zip(&mut mean).for_each(|(value, mean)| *mean += value / orders.len() as f64);
            }
            prop_assert!(close(&found.unwrap().values, &mean), "{:?} {:?}", found, mean);
        }

        #[test]
        fn chance_is_the_mean_over_random_orders(size in 1usize..8, relevant in 1usize..8) {
            let relevant = relevant.min(size);
            let candidates: Vec<(f32, bool)> = (0..size).map(|at| (0.5, at < relevant)).collect();
            let orders = orders(&candidates);
            let mut mean = [0.0; 4];
            for order in &orders {
                plain(order).iter().zip(&mut mean).for_each(|(value, mean)| *mean += value / orders.len() as f64);
            }
            let chance = Figures::chance(size, relevant).unwrap();
            prop_assert!(close(&chance.values, &mean), "{:?} {:?}", chance, mean);
        }
    }
}
