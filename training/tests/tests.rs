//! Everything that needs no libtorch, from the dump and a collection of files to models that have been measured. One
//! program with a folder for each part, for each program more is linked once more.

mod evaluation {
    mod map;
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
    mod discogs;
    mod end_to_end;
    mod features;
    mod matching;
    mod scan;
    mod synthetic;
}
mod support;
