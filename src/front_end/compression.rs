//! What becomes of the sum of a band, on vectors.

use super::lanes::Single;
use super::log::{ln, log10};

/// One compression, inlined into the loop over the bands.
pub(super) trait Compress {
    fn of<V: Single>(sum: V) -> V;
}

macro_rules! compressions {
    ($($(#[$doc:meta])* $name:ident: $sum:ident => $result:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl Compress for $name {
            #[inline(always)]
            fn of<V: Single>($sum: V) -> V {
                $result
            }
        }
    )*};
}

compressions! {
    /// None.
    Unchanged: sum => sum;
    /// `log10(10000 x + 1)`, exactly 0 for silence.
    ShiftedLog10: sum => log10(sum * V::splat(10000.0) + V::splat(1.0));
    /// `ln(x + 0.01)`.
    OffsetLn: sum => ln(sum + V::splat(0.01));
    /// `log10(max(x, 1e-30))`.
    FlooredLog10: sum => log10(sum.at_least(1e-30));
    /// `10 log10(max(x, 1e-10))`.
    Decibels: sum => log10(sum.at_least(1e-10)) * V::splat(10.0);
}
