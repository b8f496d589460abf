//! `--exclude`.

use std::path::{Path, PathBuf, is_separator};

use glob::{MatchOptions, Pattern};
use sleeve_files::names;

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// What is left out.
#[derive(Default)]
pub struct Exclude {
    /// Without a slash: names.
    names: Vec<Glob>,
    /// With a slash: paths below the folder that is searched, or absolute.
    paths: Vec<Glob>,
    /// Folders and files that exist under such a path.
    places: Vec<PathBuf>,
}

/// A pattern. It always matches itself, because names have brackets: `Live [2001]`.
struct Glob {
    literal: PathBuf,
    pattern: Option<Pattern>,
}

impl Glob {
    fn new(literal: &Path) -> Self {
        Glob {
            literal: literal.to_owned(),
            pattern: literal.to_str().and_then(|text| Pattern::new(text).ok()),
        }
    }

    fn matches(&self, path: &Path) -> bool {
        let matches = |pattern: &Pattern| pattern.matches_with(&path.to_string_lossy(), OPTIONS);
        path == self.literal || self.pattern.as_ref().is_some_and(matches)
    }
}

impl Exclude {
    pub fn new(patterns: &[PathBuf]) -> Self {
        let mut exclude = Exclude::default();
        for pattern in patterns {
            // Without `./` at the beginning and slashes at the end.
            let plain: PathBuf = pattern.components().filter(|part| part.as_os_str() != ".").collect();
            let bytes = names::to_bytes(pattern);
            // A slash at the end says that a folder is meant, and a name all the same.
            if bytes.split_last().is_some_and(|(_, rest)| rest.iter().any(|&byte| is_separator(byte.into())))
            {
                exclude.paths.push(Glob::new(&plain));
                exclude.places.extend(dunce::canonicalize(pattern));
            } else {
                exclude.names.push(Glob::new(&plain));
            }
        }
        exclude
    }

    /// Whether the folder or file `inside` of the folder `root`, which is absolute, is left out by itself. What is in a
    /// folder that is left out is, too, and need not be asked for.
    pub fn matches(&self, root: &Path, inside: &Path) -> bool {
        if self.names.is_empty() && self.paths.is_empty() {
            return false;
        }
        let name = inside.file_name().map(Path::new);
        let whole = root.join(inside);
        self.places.contains(&whole)
            || name.is_some_and(|name| self.names.iter().any(|glob| glob.matches(name)))
            || self.paths.iter().any(|glob| glob.matches(inside) || glob.matches(&whole))
    }

    /// Whether `inside` or a folder above it is left out.
    pub fn matches_within(&self, root: &Path, inside: &Path) -> bool {
        let mut parts = inside.ancestors().filter(|part| !part.as_os_str().is_empty());
        parts.any(|part| self.matches(root, part)) || self.places.iter().any(|place| root.starts_with(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_anywhere_and_paths_below_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = dunce::canonicalize(folder.path()).unwrap();
        std::fs::create_dir_all(root.join("b/Pod[casts")).unwrap();
        let matches = |pattern: &Path, inside: &str| {
            Exclude::new(&[pattern.to_owned()]).matches(&root, Path::new(inside))
        };
        for (pattern, inside, expected) in [
            ("Live", "a/Live", true),
            ("Live/", "Live", true),
            ("Live", "a/Live!", false),
            ("live", "a/Live", false),
            ("*.part.mp3", "a/b/x.part.mp3", true),
            ("Live [2001]", "a/Live [2001]", true),
            ("[", "a/[", true),
            ("./a/Live", "a/Live", true),
            ("a/Live", "b/a/Live", false),
            ("*/Live", "a/Live", true),
            ("*/Live", "a/b/Live", false),
            ("**/Live", "a/b/Live", true),
        ] {
            assert_eq!(matches(Path::new(pattern), inside), expected, "{pattern}: {inside}");
        }
        assert!(matches(&root.join("b/Pod[casts"), "b/Pod[casts") && !matches(&root.join("b"), "c"));
        assert!(matches(&root.join("*/Live"), "a/Live"));
        let live = Exclude::new(&["Live".into()]);
        assert!(live.matches_within(&root, Path::new("a/Live/b/01.ogg")));
        assert!(!live.matches_within(&root, Path::new("a/Alive/b/01.ogg")));
        assert!(!Exclude::default().matches_within(&root, Path::new("a/b")));
    }
}
