//! `cargo xtask dist`: one archive with all that an installation needs, and its check sum.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::command::{captured, run as run_command};
use crate::workspace::Workspace;

#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// The build profile: `dist` is what is shipped, `dev` shows the archive in a minute
    #[arg(long, default_value = "dist")]
    profile: String,
    /// Where the archive goes
    #[arg(long, value_name = "FOLDER", default_value = "target/dist-packages")]
    out: PathBuf,
}

/// What is copied as it is: from, to.
const FILES: [(&str, &str); 12] = [
    ("README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("LICENSE", "LICENSE"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("docs/configuration.md", "doc/configuration.md"),
    ("docs/packaging.md", "doc/packaging.md"),
    ("deploy/config/shadow.toml", "config/shadow.toml"),
    (
        "deploy/config/conservative.toml",
        "config/conservative.toml",
    ),
    ("deploy/config/adaptive.toml", "config/adaptive.toml"),
    (
        "deploy/systemd/forewarm.service",
        "systemd/forewarm.service",
    ),
    ("deploy/prometheus/rules.yml", "prometheus/rules.yml"),
];

/// The shells, and the names under which each looks for its completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "forewarm"),
    ("zsh", "_forewarm"),
    ("fish", "forewarm.fish"),
];

/// Builds and packs.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let profile = arguments.profile.as_str();
    let build = [
        "build",
        "--locked",
        "--package",
        "forewarm-service",
        "--bin",
        "forewarm",
        "--profile",
        profile,
    ];
    run_command(&mut workspace.cargo(&build))?;
    // Cargo's `dev` builds into `debug`.
    let built = if profile == "dev" { "debug" } else { profile };
    let binary = workspace.target().join(built).join("forewarm");
    let folder = workspace.path_of(&arguments.out);
    let archive = pack(workspace, &binary, &folder)?;
    let size = archive.metadata().map_or(0, |meta| meta.len());
    println!("{} ({} KiB)", archive.display(), size / 1024);
    Ok(())
}

/// Lays everything out and archives it: names sorted, owner root, one time for all, so that the same
/// content gives the same archive.
fn pack(workspace: &Workspace, binary: &Path, out: &Path) -> Result<PathBuf> {
    let version = captured(Command::new(binary).arg("--version"))?;
    let version = String::from_utf8_lossy(&version.stdout);
    let version = version.trim().rsplit(' ').next().unwrap_or("0").to_owned();
    let name = format!("forewarm-{version}-{}-linux", std::env::consts::ARCH);
    let folder = out.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    copy(binary, &folder.join("bin/forewarm"))?;
    for (from, to) in FILES {
        copy(&workspace.path(from), &folder.join(to))?;
    }
    for (shell, file) in COMPLETIONS {
        let text = captured(Command::new(binary).args(["completions", shell]))?.stdout;
        let path = folder.join("completions").join(file);
        make_parent(&path)?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    captured(
        Command::new(binary)
            .args(["man", "--out"])
            .arg(folder.join("man/man1")),
    )?;
    let archive = out.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.current_dir(out)
        .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    tar.arg(format!("--mtime=@{}", committed_at(workspace)));
    tar.args(["--format=gnu", "--use-compress-program=gzip -n", "-cf"]);
    captured(tar.arg(&archive).arg(&name))?;
    let file = format!("{name}.tar.gz");
    let sum = captured(Command::new("sha256sum").current_dir(out).arg(&file))?.stdout;
    ensure!(sum.len() > 64, "sha256sum printed no sum");
    fs::write(out.join("SHA256SUMS"), sum).context("writing the check sum")?;
    Ok(archive)
}

/// The time of the last commit, which is that of the content; 0 without git.
fn committed_at(workspace: &Workspace) -> u64 {
    let mut log = workspace.command(
        "git",
        &["-c", "safe.directory=*", "log", "-1", "--format=%ct"],
    );
    let told =
        captured(&mut log).map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    told.ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    make_parent(to)?;
    fs::copy(from, to)
        .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn make_parent(path: &Path) -> Result<()> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for the binary: what is packed is the point here, not what it says.
    const STAND_IN: &str = "#!/bin/sh\n\
        case $1 in\n\
        --version) echo forewarm 9.8.7 ;;\n\
        completions) echo \"for $2\" ;;\n\
        man) mkdir -p \"$3\" && echo page > \"$3/forewarm.1\" ;;\n\
        esac\n";

    #[test]
    fn the_archive_has_everything_and_its_sum_fits_and_it_is_the_same_every_time() {
        let workspace = Workspace::locate();
        let folder = tempfile::tempdir().expect("a folder");
        let binary = folder.path().join("forewarm");
        fs::write(&binary, STAND_IN).expect("written");
        captured(Command::new("chmod").arg("755").arg(&binary)).expect("it is ours");
        let out = folder.path().join("out");
        let archive = pack(&workspace, &binary, &out).expect("packed");
        let first = fs::read(&archive).expect("it is there");
        captured(
            Command::new("sha256sum")
                .args(["-c", "SHA256SUMS"])
                .current_dir(&out),
        )
        .expect("the sum fits");
        let listed =
            captured(Command::new("tar").arg("-tzf").arg(&archive)).expect("it is an archive");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let root = format!("forewarm-9.8.7-{}-linux", std::env::consts::ARCH);
        let more = [
            "bin/forewarm",
            "completions/_forewarm",
            "man/man1/forewarm.1",
        ];
        for file in FILES.iter().map(|(_, to)| *to).chain(more) {
            let wanted = format!("{root}/{file}");
            assert!(
                listed.lines().any(|line| line == wanted),
                "{wanted} is not in\n{listed}"
            );
        }
        assert_eq!(pack(&workspace, &binary, &out).expect("packed"), archive);
        assert_eq!(fs::read(&archive).expect("it is there"), first);
    }
}
