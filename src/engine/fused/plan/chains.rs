//! Groups operations: a main one, and the steps that its kernel does with each tile of its result.

use crate::engine::fused::ir::{Arithmetic, Id, Ir, Op, Pool, Pooling, Step};
use crate::engine::fused::rewrite::uses;

/// A step behind a main operation.
#[derive(Clone, Debug)]
pub(super) enum Link {
    Step(Step),
    /// With another value, as the second operand.
    Binary(Arithmetic, Id),
}

/// What computes the main operation of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Main {
    /// The values of another node, for the links.
    Element,
    Conv,
    Depthwise,
    Pool,
    /// A pool over the bands of a convolution of one channel.
    Spread,
    /// What is copied value by value, in no inner loop.
    Copy,
}

/// Operations that are computed together.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub main: Main,
    /// The node of the main operation; for [`Main::Element`], the node whose values it takes.
    pub node: Id,
    /// The node whose values are the chain's result.
    pub end: Id,
    pub links: Vec<Link>,
    /// The chain that computes the main operation's input band by band; its result is never whole in memory.
    pub feeder: Option<Box<Chain>>,
}

/// Steps behind one main operation, at most: their addresses are kept on the stack.
pub(in crate::engine::fused) const MAX_LINKS: usize = 8;

/// Pixels of a band of a convolution before a pool, at least: fewer use the weights too rarely.
const MIN_BAND: usize = 42;

impl Chain {
    fn new(main: Main, node: Id, end: Id) -> Self {
        Self { main, node, end, links: Vec::new(), feeder: None }
    }
}

/// The chains of a network, in an order in which they can be computed.
pub(super) fn chains(ir: &Ir) -> Result<Vec<Chain>, String> {
    let uses = uses(ir);
    let mut chains: Vec<Chain> = Vec::new();
    // The chain that ends at a node and may go on.
    let mut open: Vec<Option<usize>> = vec![None; ir.nodes.len()];
    let can_join = |open: &[Option<usize>], chains: &[Chain], x: Id| {
        open[x].filter(|&chain| uses[x] == 1 && chains[chain].links.len() < MAX_LINKS)
    };
    for id in (0..ir.nodes.len()).filter(|&id| uses[id] > 0) {
        let (joined, link) = match ir.op(id) {
            Op::Step(x, step) => (can_join(&open, &chains, *x), Some((*x, Link::Step(step.clone())))),
            Op::Binary(operation, a, b) => {
                let commutes = matches!(
                    operation,
                    Arithmetic::Add | Arithmetic::Mul | Arithmetic::Max | Arithmetic::Min
                );
                let second = commutes && ir.size(*a) == ir.size(*b) && a != b;
                match (can_join(&open, &chains, *a), can_join(&open, &chains, *b).filter(|_| second)) {
                    // The later one: the other is complete by then.
                    (Some(first), Some(second)) if second > first => {
                        (Some(second), Some((*b, Link::Binary(*operation, *a))))
                    }
                    (None, Some(second)) => (Some(second), Some((*b, Link::Binary(*operation, *a)))),
                    (first, _) => (first, Some((*a, Link::Binary(*operation, *b)))),
                }
            }
            _ => (None, None),
        };
        if let Some((x, link)) = link {
            let index = joined.unwrap_or_else(|| {
                chains.push(Chain::new(Main::Element, x, x));
                chains.len() - 1
            });
            let chain = &mut chains[index];
            chain.links.push(link);
            chain.end = id;
            open[id] = Some(index);
            continue;
        }
        let mut chain = match ir.op(id) {
            Op::Input => continue,
            Op::Conv(conv) => {
                let size = ir.size(conv.x);
                let main = if conv.groups == 1 {
                    Main::Conv
                } else if conv.groups == size.channels && conv.groups == conv.bias.len() {
                    Main::Depthwise
                } else {
                    return Err(format!("a convolution in {} groups", conv.groups));
                };
                Chain::new(main, id, id)
            }
            Op::Pool(pool) => {
                let mut chain = Chain::new(Main::Pool, id, id);
                if let Some(before) = can_join(&open, &chains, pool.x) {
                    let before_chain = &chains[before];
                    if is_spread(ir, pool) && before_chain.links.is_empty() && before_chain.node == pool.x {
                        chain.main = Main::Spread;
                        chains[before].end = Id::MAX;
                    } else if feeds(ir, pool, before_chain) {
                        chain.feeder = Some(Box::new(before_chain.clone()));
                        chains[before].end = Id::MAX;
                    }
                }
                chain
            }
            _ => Chain::new(Main::Copy, id, id),
        };
        chain.end = id;
        if chain.main != Main::Copy {
            open[id] = Some(chains.len());
        }
        chains.push(chain);
    }
    // Those that became part of another.
    chains.retain(|chain| chain.end != Id::MAX);
    // A chain reads only nodes before its end.
    chains.sort_by_key(|chain| chain.end);
    Ok(chains)
}

/// Whether a pool takes the maximum over all columns of a convolution of one channel along many rows.
fn is_spread(ir: &Ir, pool: &Pool) -> bool {
    let Op::Conv(conv) = ir.op(pool.x) else { return false };
    let size = ir.size(pool.x);
    pool.pooling == Pooling::Max
        && pool.kernel == [1, size.columns]
        && pool.stride[0] == 1
        && pool.pads == [0; 4]
        && ir.size(conv.x).channels == 1
        && conv.groups == 1
        && conv.stride == [1, 1]
        && conv.dilation == [1, 1]
        && conv.pads[1] == 0
        && conv.pads[3] == 0
        && conv.kernel[0] >= 4
        && (32..=1 << 16).contains(&size.rows)
        && size.columns >= 2
        && ir.size(conv.x).columns <= 4096
}

/// Whether a chain can compute the input of a pool band by band.
fn feeds(ir: &Ir, pool: &Pool, chain: &Chain) -> bool {
    let size = ir.size(pool.x);
    chain.main == Main::Conv
        && pool.pads[0] == 0
        && pool.pads[2] == 0
        && pool.kernel[0] <= pool.stride[0]
        && pool.kernel[0] * size.columns >= MIN_BAND
        && size.rows > pool.kernel[0]
        // Other values by pixel would have to be read from the band's place.
        && chain.links.iter().all(|link| matches!(link, Link::Step(_)))
}
