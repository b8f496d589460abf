//! Wine, which runs Windows programs on Linux: from Debian's packages, in `target/wine`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::debian::{self, libraries};
use crate::run::{checked, target};

/// A function that Rust's standard library takes its random seeds from, and that the Wine of Debian 12 lacks.
const RANDOM: &str = "\
#include <stddef.h>
int __stdcall SystemFunction036(void *to, unsigned long count);
__declspec(dllexport) int ProcessPrng(unsigned char *to, size_t count) {
    for (; count > 0; ) {
        const unsigned long part = count < 65536 ? (unsigned long)count : 65536;
        if (!SystemFunction036(to, part)) return 0;
        to += part, count -= part;
    }
    return 1;
}
";

/// Fetches Wine. Returns a script that runs a Windows program.
pub fn ready(zig: &Path) -> Result<PathBuf> {
    let home = target().join("wine");
    let script = home.join("wine");
    if script.is_file() {
        return Ok(script);
    }
    let root = debian::development("wine", &["wine64"])?;
    // Its parts look for each other where Debian installs them.
    let programs = root.join("usr/lib/wine");
    link(Path::new("wineserver64"), &programs.join("wineserver"))?;
    let windows = libraries(&root).join("wine/x86_64-windows");
    link(&root.join("usr/x86_64-w64-mingw32/lib/zlib1.dll"), &windows.join("zlib1.dll"))?;
    // A folder of its own, so that no settings of this machine play a part.
    let prefix = home.join("prefix");
    let text = format!(
        "#!/bin/sh\nexport WINEPREFIX=\"{}\" WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml= \
         LD_LIBRARY_PATH=\"{}\"\nexec \"{}\" \"$@\"\n",
        prefix.display(),
        libraries(&root).display(),
        programs.join("wine64").display()
    );
    let unready = home.join("wine.new");
    fs::write(&unready, text)?;
    fs::set_permissions(&unready, fs::Permissions::from_mode(0o755))?;
    // Wine makes its folder when it is first started, whatever comes of that; tests start it side by side.
    let system = prefix.join("drive_c/windows/system32");
    let _ = Command::new(&unready).arg("wineboot").output().context("cannot start Wine")?;
    let source = home.join("random.c");
    fs::write(&source, RANDOM)?;
    let mut command = Command::new(zig.join("python-zig"));
    command.args(["cc", "-target", "x86_64-windows-gnu", "-O1", "-shared", "-o"]);
    command.arg(system.join("bcryptprimitives.dll")).arg(&source).arg("-ladvapi32");
    checked(command.env("ZIG_GLOBAL_CACHE_DIR", target().join("zig-cache")))?;
    fs::rename(unready, &script)?;
    Ok(script)
}

/// Makes a link, in place of whatever is there.
fn link(to: &Path, at: &Path) -> Result<()> {
    let _ = fs::remove_file(at);
    symlink(to, at).with_context(|| at.display().to_string())
}
