//! Exact search: every row is compared.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::atomic::{self, AtomicUsize};

use super::Library;
use super::kernels::FloatQuery;

/// Rows that a thread takes at a time.
const BLOCK: usize = 4096;
/// Tracks whose cosines are computed again from floats after a pass in 8 bits.
pub(super) const RESCORED: usize = 200;

/// The rows that a search reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats: exact.
    #[default]
    F32,
    /// 8-bit integers, a quarter of the memory to read; the best 200 (or twice as many as asked for) are computed again
    /// from the floats. The integers are made at the first search and kept as long as the library.
    Int8,
}

/// How a search runs.
#[derive(Clone, Copy)]
pub(super) struct How {
    pub precision: Precision,
    /// 0 means all cores.
    pub threads: usize,
}

/// A track and its cosine. The greater is the better; among equal cosines, the lower index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scored {
    pub track: usize,
    pub cosine: f32,
}

impl Eq for Scored {}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cosine.total_cmp(&other.cosine).then(other.track.cmp(&self.track))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The best of what was offered.
struct Best {
    count: usize,
    /// The worst is on top.
    heap: BinaryHeap<std::cmp::Reverse<Scored>>,
}

impl Best {
    fn new(count: usize) -> Self {
        Best { count, heap: BinaryHeap::new() }
    }

    /// Whether something would be among the best.
    fn wants(&self, scored: Scored) -> bool {
        self.heap.len() < self.count || self.heap.peek().is_some_and(|worst| scored > worst.0)
    }

    fn offer(&mut self, scored: Scored) {
        if self.wants(scored) {
            if self.heap.len() == self.count {
                self.heap.pop();
            }
            self.heap.push(std::cmp::Reverse(scored));
        }
    }
}

impl Library {
    /// The `count` tracks with the largest cosines to a vector of length 1 among those that `accept` takes, best first.
    pub(super) fn nearest(
        &self,
        unit: &[f32],
        count: usize,
        how: How,
        accept: &(dyn Fn(usize) -> bool + Sync),
    ) -> Vec<Scored> {
        let count = count.min(self.len());
        if count == 0 {
            return Vec::new();
        }
        if how.precision == Precision::F32 {
            return self.scan(unit, count, how, accept);
        }
        let mut found = self.scan(unit, (2 * count).max(RESCORED).min(self.len()), how, accept);
        let query = FloatQuery::new(unit, self.kernels());
        for scored in &mut found {
            scored.cosine = self.exact(&query, scored.track);
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
        found.truncate(count);
        found
    }

    /// The cosine of a query with a track.
    pub(super) fn exact(&self, query: &FloatQuery, track: usize) -> f32 {
        let row = self.row(track);
        let mut product = [0.0];
        for (_, vectors, scales) in self.pieces(row..row + 1) {
            self.kernels().products(query, vectors, &mut product);
            product[0] = (product[0] * scales[0]).clamp(-1.0, 1.0);
        }
        product[0]
    }

    fn scan(
        &self,
        unit: &[f32],
        count: usize,
        how: How,
        accept: &(dyn Fn(usize) -> bool + Sync),
    ) -> Vec<Scored> {
        let rows = self.rows();
        let blocks = rows.div_ceil(BLOCK);
        let next = AtomicUsize::new(0);
        let scan = Scan::new(self, unit, how.precision);
        let work = || {
            let mut best = Best::new(count);
            let mut cosines = vec![0.0; BLOCK];
            loop {
                let block = next.fetch_add(1, atomic::Ordering::Relaxed);
                if block >= blocks {
                    return best;
                }
                let range = block * BLOCK..rows.min((block + 1) * BLOCK);
                let cosines = &mut cosines[..range.len()];
                scan.cosines(range.clone(), cosines);
                for (row, &cosine) in range.zip(cosines.iter()) {
                    // Most rows end here.
                    if !best.wants(Scored { track: 0, cosine }) {
                        continue;
                    }
                    let Some(track) = self.track_of(row) else { continue };
                    let scored = Scored { track, cosine };
                    if best.wants(scored) && accept(track) {
                        best.offer(scored);
                    }
                }
            }
        };
        let mut found: Vec<Scored> = on_threads(how.threads, blocks, &work)
            .into_iter()
            .flat_map(|best| best.heap.into_iter().map(|scored| scored.0))
            .collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        found.truncate(count);
        found
    }

    /// The cosines of all tracks with a vector of length 1.
    pub(super) fn cosines(&self, unit: &[f32], threads: usize) -> Vec<f32> {
        let rows = self.rows();
        let mut out = vec![0.0; rows];
        let scan = Scan::new(self, unit, Precision::F32);
        let blocks = std::sync::Mutex::new(out.chunks_mut(BLOCK).enumerate());
        let work = || {
            loop {
                let block = blocks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                let Some((number, out)) = block else { return };
                scan.cosines(number * BLOCK..number * BLOCK + out.len(), out);
            }
        };
        on_threads(threads, rows.div_ceil(BLOCK), &work);
        if self.len() < rows {
            return (0..self.len()).map(|track| out[self.row(track)]).collect();
        }
        out
    }
}

/// Runs the same work on several threads, of which the caller's is one; 0 means as many as there are cores.
pub(super) fn on_threads<T: Send>(threads: usize, blocks: usize, work: &(dyn Fn() -> T + Sync)) -> Vec<T> {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let threads = threads.min(blocks).max(1);
    std::thread::scope(|scope| {
        // Where the system gives no thread, the others do its work.
        let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..threads).filter_map(spawn).collect();
        let mut results = vec![work()];
        for other in others {
            results.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    })
}

/// A query, ready for rows.
enum Scan<'a> {
    Floats { library: &'a Library, query: FloatQuery },
    Int8 { library: &'a Library, query: super::kernels::Int8Query, scale: f32 },
}

impl<'a> Scan<'a> {
    fn new(library: &'a Library, unit: &[f32], precision: Precision) -> Self {
        match precision {
            Precision::F32 => Scan::Floats { library, query: FloatQuery::new(unit, library.kernels()) },
            Precision::Int8 => {
                let (query, scale) = library.quantised().query(unit, library.kernels());
                Scan::Int8 { library, query, scale }
            }
        }
    }

    fn cosines(&self, rows: Range<usize>, out: &mut [f32]) {
        match self {
            Scan::Floats { library, query } => {
                let first = rows.start;
                for (start, vectors, scales) in library.pieces(rows) {
                    let out = &mut out[start - first..][..scales.len()];
                    library.kernels().products(query, vectors, out);
                    for (cosine, scale) in out.iter_mut().zip(scales) {
                        *cosine = (*cosine * scale).clamp(-1.0, 1.0);
                    }
                }
            }
            Scan::Int8 { library, query, scale } => {
                let mut products = [0; 256];
                for (number, out) in out.chunks_mut(products.len()).enumerate() {
                    let start = rows.start + number * products.len();
                    let (values, scales) = library.quantised().rows(start..start + out.len());
                    let products = &mut products[..out.len()];
                    library.kernels().int8_products(query, values, products);
                    for ((cosine, &product), row) in out.iter_mut().zip(products.iter()).zip(scales) {
                        *cosine = product as f32 * scale * row;
                    }
                }
            }
        }
    }
}
