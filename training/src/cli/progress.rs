//! Progress bars that several commands share.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over bytes that also counts files. Hidden if standard error is not a terminal.
pub fn bytes_and_files(what: &str) -> ProgressBar {
    bar(&format!("{what} [{{bar:30}}] {{bytes}}/{{total_bytes}} {{bytes_per_sec}} {{eta}}, {{msg}}"))
}

/// A bar over files.
pub fn counted(what: &str, of: &str) -> ProgressBar {
    bar(&format!("{what} [{{bar:30}}] {{pos}}/{{len}} {of} {{per_sec}} {{eta}}"))
}

fn bar(template: &str) -> ProgressBar {
    ProgressBar::new(0).with_style(ProgressStyle::with_template(template).expect("a valid template"))
}

/// Moves a bar of bytes and files.
pub fn show(bar: &ProgressBar, bytes: u64, all_bytes: u64, files: u64, all_files: u64) {
    bar.set_length(all_bytes);
    bar.set_position(bytes);
    bar.set_message(format!("{files} of {all_files} files"));
}
