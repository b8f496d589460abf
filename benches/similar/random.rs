//! A small random number generator (SplitMix64).

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// About normally distributed: the sum of twelve numbers from -1/2 to 1/2, made of four 16-bit parts each.
    pub fn normal(&mut self) -> f32 {
        let parts = (0..3).flat_map(|_| {
            let bits = self.next();
            (0..4).map(move |part| (bits >> (16 * part)) as u16)
        });
        parts.map(|part| f32::from(part) / 65_536.0 - 0.5).sum()
    }
}
