//! The library through its public interface: against other people's implementations where there are such, and against
//! plain definitions. One program with a folder for each part, for each program more is linked once more.

mod audio {
    mod bad_input;
    mod formats;
    mod parity;
    mod streams;
}
mod engine {
    mod effnet;
}
mod extractor {
    mod batch;
    mod files;
    mod npy;
    mod patches;
}
mod mel {
    mod parity;
    mod stream;
}
mod model {
    mod files;
    mod outputs;
    mod sharing;
}
mod stream {
    mod loom_queue;
    mod misuse;
    mod recordings;
    mod rows;
}
mod packages;
