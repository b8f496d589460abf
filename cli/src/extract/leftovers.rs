//! Temporary files of a killed run: hidden files, named after their output files.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use sleeve_files::atomic::name_of_temporary;

use super::inputs::Input;

/// Removes the temporary files of this run's own outputs and of `others` from the output directory. Those of other
/// shards stay: another process may be writing them.
pub fn sweep(directory: &Path, inputs: &[Input], outputs: impl Fn(&Input) -> Vec<PathBuf>, others: &[&Path]) {
    let ours: HashMap<&Path, &Input> = inputs.iter().map(|input| (input.name.as_path(), input)).collect();
    let mut folders: HashSet<&Path> = inputs.iter().filter_map(|input| input.name.parent()).collect();
    folders.insert(Path::new(""));
    for folder in folders {
        // A folder that cannot be listed does not exist yet, or writing to it will fail with the reason.
        let Ok(entries) = fs::read_dir(directory.join(folder)) else { continue };
        for entry in entries.flatten() {
            let temporary = entry.file_name();
            let Some(name) = temporary.to_str().and_then(name_of_temporary) else { continue };
            let path = directory.join(folder).join(name);
            // An output is named after its input, with another extension.
            let starts = name.match_indices('.').map(|(dot, _)| folder.join(&name[..dot]));
            let mut owners = starts.filter_map(|start| ours.get(start.as_path()));
            if others.contains(&path.as_path()) || owners.any(|input| outputs(input).contains(&path)) {
                log::info!("removing {}, left by a run that was killed", entry.path().display());
                if let Err(error) = fs::remove_file(entry.path()) {
                    eprintln!("warning: {}: {error}", entry.path().display());
                }
            }
        }
    }
}
