//! The source as one archive.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{VERSION, archive, folder};
use crate::run::{output, repository, target};

/// The archive of the source, as the working tree has it.
pub fn archive(time: u64) -> Result<PathBuf> {
    let name = format!("sleeve-{VERSION}");
    let tree = target().join("release-stage").join(&name);
    copy_to(&tree)?;
    let file = folder().join(format!("{name}.tar.gz"));
    archive::tar_gz(&tree, &name, time, &file)?;
    Ok(file)
}

/// Copies the files that git tracks or would track to a fresh folder.
fn copy_to(tree: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(tree);
    let mut list = Command::new("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(repository());
    for name in output(&mut list)?.split_terminator('\0') {
        let (from, to) = (repository().join(name), tree.join(name));
        // Removed, and not yet committed.
        let Ok(kind) = fs::symlink_metadata(&from) else { continue };
        fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
        if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else {
            fs::copy(&from, &to).with_context(|| format!("cannot copy {name}"))?;
        }
    }
    Ok(())
}
