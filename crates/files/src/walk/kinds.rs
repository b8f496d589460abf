//! What a name says about a file: who reads it, and what is never music.

use std::path::Path;

/// Extensions of files that the embedded decoders read, in lower case. Containers of video are among them: their sound
/// is read if its codec is known.
pub const EMBEDDED: &[&str] = &[
    "3g2", "3ga", "3gp", "aac", "aif", "aifc", "aiff", "alac", "bwf", "caf", "f4a", "f4v", "fla", "flac",
    "m4a", "m4b", "m4r", "m4v", "mka", "mkv", "mov", "mp1", "mp2", "mp3", "mp4", "mpga", "oga", "ogg",
    "opus", "rf64", "wav", "wave", "weba", "webm",
];

/// Extensions of files that ffmpeg reads and the embedded decoders do not, in lower case.
pub const FFMPEG: &[&str] = &[
    "aa3", "ac3", "aea", "amr", "ape", "asf", "au", "avi", "awb", "dff", "divx", "dsf", "dts", "dtshd",
    "eac3", "ec3", "flv", "gsm", "m2ts", "mlp", "mp+", "mpc", "mpe", "mpeg", "mpg", "mpp", "mts", "ogm",
    "ogv", "oma", "qcp", "ra", "rm", "rmvb", "shn", "snd", "spx", "tak", "thd", "ts", "tta", "voc", "vob",
    "vqf", "w64", "wma", "wmv", "wv", "xwma",
];

/// Extensions of music that neither reads: protected against copying, or in a format without an open decoder.
pub const UNREADABLE: &[&str] = &["aa", "aax", "m4p", "ofr", "ofs"];

/// Folders of systems and tools, in lower case: what was thrown away, thumbnails, old versions.
const SYSTEM: &[&str] = &[
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    ".@__thumb",
    ".appledb",
    ".appledesktop",
    ".appledouble",
    ".documentrevisions-v100",
    ".fseventsd",
    ".git",
    ".hg",
    ".snapshots",
    ".spotlight-v100",
    ".stversions",
    ".svn",
    ".temporaryitems",
    ".trash",
    ".trashes",
    "@eadir",
    "@recycle",
    "__macosx",
    "lost+found",
    "recycler",
    "system volume information",
];

/// What an entry is that is neither a file nor a folder.
pub(super) fn special(kind: std::fs::FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "pipe";
        }
        if kind.is_socket() {
            return "socket";
        }
    }
    let _ = kind;
    "device"
}

/// Who reads a file, by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The embedded decoders.
    Embedded,
    /// Only ffmpeg.
    Ffmpeg,
    /// Nobody, though it is music.
    Unreadable,
    /// It is not music, as far as the name tells.
    Other,
}

impl Kind {
    /// The kind of a file, and its extension in lower case.
    pub fn of(path: &Path) -> (Self, String) {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let is_in = |list: &[&str]| list.contains(&extension.as_str());
        let kind = match () {
            () if is_in(EMBEDDED) => Kind::Embedded,
            () if is_in(FFMPEG) => Kind::Ffmpeg,
            () if is_in(UNREADABLE) => Kind::Unreadable,
            () => Kind::Other,
        };
        (kind, extension)
    }
}

/// Whether a folder belongs to a system or a tool.
pub(super) fn is_system_folder(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with(".trash-") || SYSTEM.contains(&name.as_str())
}

/// Whether a file holds what macOS could not store beside another file, whose name follows: `._song.mp3`.
pub(super) fn is_apple_double(name: &str) -> bool {
    name.starts_with("._")
}
