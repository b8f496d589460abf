//! What a core can do at most.

use std::time::Instant;

/// The peak rate of f32 multiply-adds of one core, in GFLOP/s: the best of a few tries.
pub fn peak_gflops() -> f64 {
    let steps = 2_000_000usize;
    let mut best = 0.0f64;
    for _ in 0..10 {
        let start = Instant::now();
        let flops = peak_loop(steps);
        best = best.max(flops / start.elapsed().as_secs_f64() / 1e9);
    }
    best
}

#[cfg(target_arch = "x86_64")]
fn peak_loop(steps: usize) -> f64 {
    // Twelve independent sums: more than latency times units on any CPU.
    macro_rules! twelve {
        ($register:literal, $lanes:literal) => {{
            // SAFETY: the CPU has the instruction set; the loop changes only the registers that it declares.
            unsafe {
                std::arch::asm!(
                    "2:",
                    concat!("vfmadd213ps ", $register, "0,", $register, "12,", $register, "13"),
                    concat!("vfmadd213ps ", $register, "1,", $register, "12,", $register, "13"),
                    concat!("vfmadd213ps ", $register, "2,", $register, "12,", $register, "13"),
                    concat!("vfmadd213ps ", $register, "3,", $register, "12,", $register, "13"),
                    concat!("vfmadd213ps ", $register, "4,", $register, "12,", $register, "13"),
                    concat!("vfmadd213ps ", $register, "5,", $register, "12,", $register, "13"),
                    concat!("vfmadd213ps ", $register, "6,", $register, "12,", $register, "13"),
                    concat!("vfmadd213ps ", $register, "7,", $register, "12,", $register, "13"),
                    concat!("vfmadd213ps ", $register, "8,", $register, "12,", $register, "13"),
                    concat!("vfmadd213ps ", $register, "9,", $register, "12,", $register, "13"),
                    concat!("vfmadd213ps ", $register, "10,", $register, "12,", $register, "13"),
                    concat!("vfmadd213ps ", $register, "11,", $register, "12,", $register, "13"),
                    "dec {steps}",
                    "jnz 2b",
                    steps = inout(reg) steps => _,
                    out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                    out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                );
            }
            steps as f64 * 12.0 * 2.0 * $lanes
        }};
    }
    if is_x86_feature_detected!("avx512f") {
        twelve!("zmm", 16.0)
    } else if is_x86_feature_detected!("fma") {
        twelve!("ymm", 8.0)
    } else {
        f64::NAN
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn peak_loop(_steps: usize) -> f64 {
    f64::NAN
}
