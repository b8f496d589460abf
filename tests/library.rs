//! Tests of the library through its public interface: against peers where there are any, and against plain versions.
//! One program with a folder for each part, because every program is linked separately.

mod audio {
    mod appended;
    mod bad_input;
    mod damage;
    mod ffmpeg;
    mod formats;
    mod level;
    mod mp4;
    mod odd_files;
    mod parity;
    mod streams;
}
mod engine {
    mod effnet;
    mod fused;
    mod loom_team;
}
mod extractor {
    mod batch;
    mod files;
    mod npy;
    mod patches;
}
mod front_end {
    mod families;
    mod parity;
    mod signals;
    mod stream;
}
mod model {
    mod files;
    mod operators;
    mod outputs;
    mod sharing;
    mod zoo;
}
mod stream {
    mod loom_queue;
    mod misuse;
    mod recordings;
    mod rows;
}
mod packages;
