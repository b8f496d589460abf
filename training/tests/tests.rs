//! All tests that need no libtorch, from the dump and a collection of files to models and their evaluation. They are
//! one program with a folder for each part, because every further program must be linked.

mod evaluation {
    mod given;
    mod published;
    mod report;
    mod retrieval;
    mod vggish;
}
mod model {
    mod export;
    mod runlog;
}
mod pipeline {
    mod batches;
    mod cases;
    mod discogs;
    mod end_to_end;
    mod features;
    mod fuzzed;
    mod matching;
    mod scan;
    mod synthetic;
}
mod support;
